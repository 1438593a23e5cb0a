"""Debug ports of a workspace: derived once from its path, kept in `.fclocal/debug.json`, so that F5 finds them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from emulator.model.errors import UserError
from emulator.model.function import Place

PORTS_FILE = "debug.json"
# Few services are registered between these (IANA), and none that a developer runs.
FIRST_PORT = 47100
LAST_PORT = 48999
# Two neighbours a workspace, so that a person who knows one knows both.
_PAIRS = (LAST_PORT - FIRST_PORT + 1) // 2

IsFree = Callable[[int], bool]


class DebugPorts(Struct, frozen=True):
    """Where editors attach: `python` is the DAP router's port, `node` the CDP hub's."""

    python: int
    node: int


def derived_ports(state_dir: Path) -> Iterator[DebugPorts]:
    """Every pair there is, beginning at the one that the path stands for."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(state_dir))).digest()
    first = int.from_bytes(digest[:8], "big") % _PAIRS
    for step in range(_PAIRS):
        port = FIRST_PORT + (first + step) % _PAIRS * 2
        yield DebugPorts(python=port, node=port + 1)


def read_ports(state_dir: Path) -> DebugPorts | None:
    """The ports that are kept; None where there are none, or where the file holds something else."""
    try:
        ports = msgspec.json.decode((state_dir / PORTS_FILE).read_bytes(), type=DebugPorts)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None
    sound = all(1 <= port <= 65535 for port in (ports.python, ports.node)) and ports.python != ports.node
    return ports if sound else None


def is_free(port: int) -> bool:
    """True where nobody listens on the port of 127.0.0.1."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def debug_ports(state_dir: Path, free: IsFree = is_free) -> DebugPorts:
    """The kept ports, free or not; where none are kept, the first free pair, kept from now on.

    `state_dir` exists. Raises `UserError` where the file can not be written, or where no pair is free.
    """
    kept = read_ports(state_dir)
    return kept if kept is not None else _keep(state_dir, _first_free(state_dir, free))


def other_debug_ports(state_dir: Path, free: IsFree = is_free) -> DebugPorts:
    """Another pair, kept from now on: for a start that found one of the kept ports taken by a stranger.

    Editor files that were written for the old pair must be written again (`fclocal ide`). Raises as `debug_ports`.
    """
    old = read_ports(state_dir)
    return _keep(state_dir, _first_free(state_dir, lambda port: port not in _both(old) and free(port)), replacing=old)


def _both(ports: DebugPorts | None) -> tuple[int, ...]:
    return () if ports is None else (ports.python, ports.node)


def _first_free(state_dir: Path, free: IsFree) -> DebugPorts:
    for ports in derived_ports(state_dir):
        if free(ports.python) and free(ports.node):
            return ports
    raise UserError(
        f"no two neighbouring ports between {FIRST_PORT} and {LAST_PORT} are free", "name one with --debug-port"
    )


def _keep(state_dir: Path, ports: DebugPorts, replacing: DebugPorts | None = None) -> DebugPorts:
    """Write the file in one step. Of two commands that do so at once for the first time, both get the first's."""
    path = state_dir / PORTS_FILE
    draft = state_dir / f".{PORTS_FILE}.{secrets.token_hex(4)}"
    try:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(ports)) + b"\n")
        if replacing is None:
            with contextlib.suppress(OSError):  # a name that exists, or a file system without links
                os.link(draft, path)
            if (first := read_ports(state_dir)) is not None:
                return first
        draft.replace(path)
    except OSError as error:
        raise UserError(
            f"the debug ports can not be kept: {error.strerror}",
            "choose another folder by --state-dir",
            Place(str(path)),
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return ports
