"""The sockets that the gateway listens on, and a plain word about whoever holds them already."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from emulator.model.errors import UserError

BACKLOG = 2048
# How often a free port is asked for until it is free on both loopback addresses.
PICKS = 32

HolderOf = Callable[[int, str], str | None]
"""Who listens on a port of an address, in words, or None."""

_Address = tuple[socket.AddressFamily, str]


class _Taken(Exception):
    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


def bind(host: str, port: int, holder_of: HolderOf) -> list[socket.socket]:
    """Listening sockets of one port; 0 picks one that is free. Raises `UserError`.

    127.0.0.1 comes with ::1: `localhost` means both, some clients try ::1 first, and another server there would
    get the requests that are meant for us, without an error on either side (sandbox.md §6.4, R10).
    """
    if not 0 <= port <= 65535:
        raise UserError(f"port {port} does not exist", "choose one from 1024 to 65535, or 0 for a free one")
    addresses = _addresses(host)
    for _ in range(PICKS):
        try:
            return _listen(addresses, port)
        except _Taken as taken:
            if port:
                raise _taken(taken.host, port, host, holder_of) from None
        except OSError as error:
            raise _unusable(host, port, error) from error
    raise UserError(f"no port is free on {host}", "name one with --port")


def _addresses(host: str) -> list[_Address]:
    if host in ("127.0.0.1", "localhost"):
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UserError(f"'{host}' is no address of this machine: {error}", "use --host 127.0.0.1") from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _listen(addresses: list[_Address], port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for family, address in addresses:
            listener = _listener(family, address, port, optional=bool(sockets))
            if listener is not None:
                sockets.append(listener)
                port = port or listener.getsockname()[1]
    except BaseException:
        for listener in sockets:
            listener.close()
        raise
    return sockets


def _listener(family: socket.AddressFamily, address: str, port: int, optional: bool) -> socket.socket | None:
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        if optional:
            return None
        raise
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise _Taken(address) from error
        if optional and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        raise
    return listener


def _taken(taken: str, port: int, host: str, holder_of: HolderOf) -> UserError:
    holder = holder_of(port, taken)
    by = f" by {holder}" if holder else ""
    message = f"port {port} is taken{by}"
    if taken != host and host in ("127.0.0.1", "localhost") and ":" in taken:
        message = f"port {port} of [{taken}] is taken{by}, so http://localhost:{port} would not reach this emulator"
    return UserError(message, "stop it, or choose another port: --port 0 picks a free one")


def _unusable(host: str, port: int, error: OSError) -> UserError:
    if error.errno == errno.EACCES:
        return UserError(f"port {port} needs privileges", "choose one above 1023: --port 0 picks a free one")
    return UserError(f"can not listen on {host} port {port}: {error.strerror}", "use --host 127.0.0.1")
