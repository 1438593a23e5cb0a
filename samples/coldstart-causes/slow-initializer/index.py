"""Waits 200 ms for a connection before its first request."""

import time


def initialize(context):
    time.sleep(0.2)


def handler(event, context):
    return "ready"
