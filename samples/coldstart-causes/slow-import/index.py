"""Greets in the language of its settings, which take 300 ms to be imported."""

import greetings


def handler(event, context):
    return greetings.HELLO
