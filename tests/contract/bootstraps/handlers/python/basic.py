# -*- coding: utf-8 -*-
"""Payloads and results."""


def echo(event, context):
    return event
