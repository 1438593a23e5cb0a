# -*- coding: utf-8 -*-
"""Fails in every way that a post-mortem is made of."""
import os
import sys
import time

LIMIT = {"most": 3, "db": "mysql://app:s3cr3tpw@db/shop"}


class Slow(object):
    def __init__(self):
        self.name = "slow"
        self.password = "hunter2"

    def __repr__(self):
        time.sleep(600)
        return "Slow()"


def price(order):
    password = "hunter2"
    slow = Slow()
    if len(order["items"]) < LIMIT["most"]:
        raise KeyError("items")
    return password, slow


def raises(event, context):
    order = {"items": [1, 2], "token": "abc-def", "env": os.environ.get("DB_PASSWORD", "")}
    try:
        return price(order)
    except KeyError as error:
        raise ValueError("the order is wrong, %s" % order["env"])


def sleeps(event, context):
    stage = "before"
    sys.stdout.write("sleeping\n")
    sys.stdout.flush()
    time.sleep(600)
    return stage


def crashes(event, context):
    import ctypes

    ctypes.string_at(0)


def leaves(event, context):
    code = 3
    sys.exit(code)


def arrays(event, context):
    import numpy

    matrix = numpy.arange(12).reshape(3, 4)
    large = numpy.zeros(10 ** 7)
    raise ValueError(matrix.shape)
