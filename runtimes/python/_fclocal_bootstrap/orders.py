# -*- coding: utf-8 -*-
"""How a template and its forks are told what to do: JSON behind a descriptor, and descriptors with a byte."""

import os
import sys

import _socket as socket

from . import standard

CLOSE_ON_EXEC = 0x40000000  # MSG_CMSG_CLOEXEC


def json_module():
    return standard.isolated(__import__, "json")


def read(connection):
    """An order; they hold environments, which may be long. Ends with whoever gives them."""
    kind, fds = receive(connection)
    if not kind:
        os._exit(0)
    with os.fdopen(fds[0], "rb") as source:
        return json_module().loads(source.read().decode("utf-8", "surrogateescape"))


def receive(connection):
    """(a byte, descriptors); no byte at the end."""
    data, extras, _, _ = connection.recvmsg(1, 256, CLOSE_ON_EXEC)
    fds = []
    for _, _, raw in extras:
        fds += [int.from_bytes(raw[at : at + 4], sys.byteorder) for at in range(0, len(raw) - 3, 4)]
    return data, fds


def send(connection, data, fds):
    raw = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds)
    connection.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, raw)])
