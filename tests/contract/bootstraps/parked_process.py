"""A bootstrap that was parked before it became an instance, in the place of `subprocess.Popen` (docs/zygote.md)."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Mapping
from typing import Any

PATIENCE_S = 30.0
# What it is told anew when it is assigned, and what it was parked with.
LATE = "FC_FUNCTION_NAME"
EARLIER = {"EARLIER": "of a spare", LATE: "unknown"}


class ParkedProcess(subprocess.Popen[bytes]):
    """Parked somewhere else, and assigned at once."""

    def __init__(self, argv: Any, *, cwd: Any, env: Mapping[str, str], pass_fds: Any, **others: Any) -> None:
        parked = {**env, **EARLIER, "FCLOCAL_PARKED": "1"}
        super().__init__(argv, cwd="/", env=parked, pass_fds=pass_fds, **others)
        order = {"env": {LATE: env[LATE]}, "without": ["EARLIER", "FCLOCAL_PARKED"], "cwd": str(cwd)}
        connection = self._dial(env["FCLOCAL_ENDPOINT"], pass_fds[0])
        if connection is None:
            return
        with connection:
            connection.settimeout(PATIENCE_S)
            assert connection.recv(1) == b"p"
            connection.sendall(json.dumps(order).encode())
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(4096) == b"k"

    def _dial(self, endpoint: str, listener: int) -> socket.socket | None:
        """None where it has ended, since it could not listen."""
        family, address = _address(endpoint, listener)
        until = time.monotonic() + PATIENCE_S
        while True:
            connection = socket.socket(family)
            try:
                connection.connect(address)
            except OSError:
                connection.close()
                if self.poll() is not None:
                    return None
                assert time.monotonic() < until, "it does not listen"
                time.sleep(0.01)
            else:
                return connection


def _address(endpoint: str, listener: int) -> tuple[socket.AddressFamily, Any]:
    kind, _, place = endpoint.partition(":")
    if kind == "tcp":
        return socket.AF_INET, ("127.0.0.1", int(place))
    if kind == "unix":
        return socket.AF_UNIX, place
    with socket.socket(fileno=listener) as known:
        try:
            own = known.getsockname() if place == str(listener) else ""
        finally:
            known.detach()
    return socket.AF_UNIX, own or "/no/such/socket"
