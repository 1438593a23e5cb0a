# -*- coding: utf-8 -*-
"""The way to the emulator: `unix:PATH`, or `tcp:HOST:PORT` from where no socket of its is seen."""

import sys

if sys.version_info[0] == 2:
    import socket
else:
    import _socket as socket

# Whatever stands between a virtual machine and its host may swallow what comes.
PATIENCE_SECONDS = 2.0


def connect(where):
    """A socket, blocking. Raises what sockets raise."""
    kind, _, rest = where.partition(":")
    if kind == "unix":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(rest)
        return sock
    host, _, port = rest.rpartition(":")
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE_SECONDS)
    sock.connect((host, int(port)))
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
