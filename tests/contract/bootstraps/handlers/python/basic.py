# -*- coding: utf-8 -*-
"""Payloads and results."""
import collections
import datetime
import decimal
import json
import os
import subprocess
import sys

count = 0


def echo(event, context):
    return event


def upper(event, context):
    assert isinstance(event, bytes)
    return event.decode("utf-8").upper()


def counter(event, context):
    global count
    count += 1
    return str(count)


def text(event, context):
    return u"函数"


def nothing(event, context):
    return None


def true(event, context):
    return True


def number(event, context):
    return 3


def mapping(event, context):
    return collections.OrderedDict([("b", 1), ("a", [1, {"z": None}])])


def special(event, context):
    return [decimal.Decimal("1.5"), datetime.date(2024, 3, 4), datetime.datetime(2024, 3, 4, 9, 57, 28), Jsonable()]


class Jsonable(object):
    def to_json(self):
        return {"k": "v"}


class Opaque(object):
    def __repr__(self):
        return "<Opaque>"


def opaque(event, context):
    return Opaque()


def context_itself(event, context):
    return context


def environment(event, context):
    return {name: value for name, value in os.environ.items() if name.startswith(("FC", "_FC", "USER_", "ALIBABA"))}


def paths(event, context):
    return sys.path[:4]


def directory(event, context):
    return os.getcwd()


def child_descriptors(event, context):
    """What a process that the function starts inherits besides stdin, stdout and stderr."""
    command = [sys.executable, "-c", "import os; print([fd for fd in os.listdir('/proc/self/fd') if int(fd) > 3])"]
    return subprocess.check_output(command).strip()


def default_timeout(event, context):
    import socket

    socket.setdefaulttimeout(0.05)
    return "set"


def fc_context(event, context):
    return json.dumps(
        {
            "requestId": context.request_id,
            "accountId": context.account_id,
            "region": context.region,
            "name": context.function.name,
            "handler": context.function.handler,
            "memory": context.function.memory,
        }
    )
