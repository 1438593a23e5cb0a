"""Who listens on which TCP port, and which processes belong to an instance, read from /proc."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from msgspec import Struct

from emulator.sandbox.base import Listener

_PROC = Path("/proc")
_LISTEN = "0A"


class _Row(Struct, frozen=True):
    """One listening line of /proc/net/tcp or tcp6."""

    address: IPv4Address | IPv6Address
    port: int
    uid: int
    inode: int


def listening(pids: Iterable[int]) -> list[Listener]:
    """TCP ports, v4 and v6, that these processes listen on, in ascending order.

    Works for processes in any network namespace, as /proc/<pid>/net shows the namespace of that process. A process
    that ended, or that may not be looked at, counts as listening on nothing.
    """
    loopback: dict[int, bool] = {}
    for namespace_pid, inodes in _sockets_by_network(pids).values():
        for row in _rows(_PROC / str(namespace_pid) / "net"):
            if row.inode in inodes:
                loopback[row.port] = loopback.get(row.port, True) and row.address.is_loopback
    return [Listener(port, only) for port, only in sorted(loopback.items())]


def listening_around(pid: int) -> list[Listener]:
    """What any process listens on in the network of this one, whoever that is: for one that we may not look into."""
    loopback: dict[int, bool] = {}
    for row in _rows(_PROC / str(pid) / "net"):
        loopback[row.port] = loopback.get(row.port, True) and row.address.is_loopback
    return [Listener(port, only) for port, only in sorted(loopback.items())]


def listed(tables: str) -> list[Listener]:
    """What listens by the text of /proc/net/tcp and tcp6 of another machine, one behind the other."""
    loopback: dict[int, bool] = {}
    for row in _parsed(tables.splitlines()):
        loopback[row.port] = loopback.get(row.port, True) and row.address.is_loopback
    return [Listener(port, only) for port, only in sorted(loopback.items())]


def host_ports() -> set[int]:
    """Ports of our own network that answer at 127.0.0.1 or ::1."""
    rows = _rows(_PROC / "self/net")
    return {row.port for row in rows if row.address.is_unspecified or str(row.address) in ("127.0.0.1", "::1")}


def process_tree(pid: int) -> list[int]:
    """`pid` and every process under it, also those that called setsid.

    Where `pid` lives in a pid namespace of its own, every process of that namespace counts, whoever started it.
    """
    found = descendants(pid)
    if _namespace(pid, "pid") not in (None, _namespace(os.getpid(), "pid")):
        found += sorted(set(namespace_members(pid)) - set(found))
    return found


def descendants(pid: int) -> list[int]:
    """`pid`, if it exists, and its children at any depth, parents first."""
    children: dict[int, list[int]] = {}
    for process in _all_pids():
        children.setdefault(_parent(process), []).append(process)
    found = [pid] if (_PROC / str(pid)).exists() else []
    for parent in found:  # grows while it is walked
        found.extend(children.get(parent, ()))
    return found


def namespace_members(pid: int) -> list[int]:
    """Every process that we may look at in the pid namespace of `pid`."""
    wanted = _namespace(pid, "pid")
    return [] if wanted is None else [other for other in _all_pids() if _namespace(other, "pid") == wanted]


def holder_of(port: int, host: str = "127.0.0.1") -> str | None:
    """Who keeps us from listening on `host`:`port`, such as `pid 123 (python3)`; None where nobody does.

    Another user's process can not be named without privileges; then its user is told.
    """
    rows = [row for row in _rows(_PROC / "self/net") if row.port == port and _collides(row.address, host)]
    if not rows:
        return None
    inodes = {row.inode for row in rows}
    for pid in _all_pids():
        if not inodes.isdisjoint(_socket_inodes(pid)):
            return f"pid {pid} ({_command(pid)})"
    return f"a process of user {_user(rows[0].uid)}"


def _sockets_by_network(pids: Iterable[int]) -> dict[str | None, tuple[int, set[int]]]:
    """Socket inodes for each network namespace, with one pid through which to see it."""
    networks: dict[str | None, tuple[int, set[int]]] = {}
    for pid in pids:
        inodes = set(_socket_inodes(pid))
        if inodes:
            networks.setdefault(_namespace(pid, "net"), (pid, set()))[1].update(inodes)
    return networks


def _socket_inodes(pid: int) -> Iterator[int]:
    try:
        entries = [*(_PROC / str(pid) / "fd").iterdir()]
    except OSError:
        return
    for entry in entries:
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield int(target[8:-1])


def _rows(net: Path) -> Iterator[_Row]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (net / table).read_text().splitlines()
        except OSError:
            continue
        yield from _parsed(lines)


def _parsed(lines: Iterable[str]) -> Iterator[_Row]:
    for fields in map(str.split, lines):
        if len(fields) > 9 and fields[3] == _LISTEN:
            address, port = fields[1].split(":")
            yield _Row(address_of(address), int(port, 16), int(fields[7]), int(fields[9]))


def address_of(text: str) -> IPv4Address | IPv6Address:
    """The kernel prints an address as 32 bit words in the byte order of the machine."""
    raw = b"".join(int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8))
    address = ip_address(raw)
    return getattr(address, "ipv4_mapped", None) or address


def _collides(taken: IPv4Address | IPv6Address, host: str) -> bool:
    """Whether a listener on `taken` makes `bind` to `host` fail. A wildcard is in the way of everything."""
    try:
        wanted = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:  # a name, which may be any address
        return True
    if taken.version != wanted.version:
        return taken.is_unspecified and taken.version == 6
    return taken == wanted or taken.is_unspecified or wanted.is_unspecified


def _parent(pid: int) -> int:
    """0 for a process that ended. The command's name stands in brackets, and may hold any character itself."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return 0
    return int(stat.rpartition(b")")[2].split()[1])


def _namespace(pid: int, kind: str) -> str | None:
    try:
        return str((_PROC / str(pid) / "ns" / kind).readlink())
    except OSError:
        return None


def _all_pids() -> list[int]:
    return sorted(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _command(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "?"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
