"""Where functions send what a test shall see: walls hide its folders from them, but not its sockets."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

from tests.support.command import PATIENCE_SECONDS


class Mailbox:
    """Each connection is one letter. Letters wait in the kernel until they are read, so nothing runs here."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._server.settimeout(PATIENCE_SECONDS)

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def read(self) -> bytes:
        """The next letter, as soon as there is one."""
        sock, _ = self._server.accept()
        with sock:
            sock.settimeout(PATIENCE_SECONDS)
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def read_json(self) -> dict[str, Any]:
        return json.loads(self.read())

    @contextlib.contextmanager
    def visitor(self) -> Iterator[Visitor]:
        """Somebody who comes, says all it has to say, and waits until it may go."""
        sock, _ = self._server.accept()
        with sock:
            sock.settimeout(PATIENCE_SECONDS)
            # To the end: closing a socket with unread bytes would reset the connection under the visitor.
            while sock.recv(65536):
                pass
            yield Visitor(sock)

    def close(self) -> None:
        self._server.close()


class Visitor:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def let_go(self) -> None:
        self._sock.sendall(b"g")
