"""The limits table: what Function Compute holds an instance to, and how near walls on this machine come to it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from emulator.model.limits import (
    ASYNC_PAYLOAD_BYTES,
    FILE_DESCRIPTORS,
    KB,
    MB,
    MEMORY_RANGE_MB,
    PROCESSES,
    REQUEST_HEADER_BYTES,
    REQUEST_TARGET_BYTES,
    SYNC_PAYLOAD_BYTES,
)


class Level(Enum):
    """How near an instance here comes to one of FC's."""

    EXACT = "exact"
    APPROXIMATE = "approximate"
    ABSENT = "absent"


class Held(Struct, frozen=True):
    """How one limit is held: by what, or why not, and the command that would lift it."""

    level: Level
    why: str = ""
    lift: str = ""


class Limit(Struct, frozen=True):
    """One limit of FC's. `source` are sections of runtime-contract.md."""

    name: str
    in_fc: str
    source: str


LIMITS = (
    Limit(
        "memory",
        f"memorySize, {MEMORY_RANGE_MB[0]} to {MEMORY_RANGE_MB[1]} MB; an instance above it ends",
        "§4.4, §8",
    ),
    Limit("out of memory", "is told from a crash", "§4.4"),
    Limit("peak memory", "Max Memory Used of each invocation", "§6.3"),
    Limit("cpu", "a quota of `cpu` cores", "§7.2"),
    Limit("disk", "diskSize of all that is written, 512 or 10240 MB", "§7.1"),
    Limit("processes", f"{PROCESSES} processes and threads", "§7.2"),
    Limit("descriptors", f"{FILE_DESCRIPTORS} open files", "§7.2"),
    Limit("user", "root, or the user of the NAS mount", "§7.1"),
    Limit("root folder", "can be written, and is thrown away with the instance", "§7.1"),
    Limit("code folder", "/code and /opt, can be written", "§7.1"),
    Limit("host name", "the id of the instance", "§7.2"),
    Limit("network", "its own; reached only through the gateway", "§7.2"),
    Limit("name servers", "FC's own, or those of customDNS", "§7.2"),
    Limit("freeze", "stands still between invocations", "§1.2"),
    Limit("time zone", "UTC, unless TZ says otherwise", "§7.2"),
    Limit("system", "Debian of the runtime, or the image", "§2.0"),
    Limit("GPU memory", "gpuMemorySize, a slice of a card in GB or whole cards", "§8"),
    Limit(
        "sizes of requests",
        f"{SYNC_PAYLOAD_BYTES // MB} MB, asynchronous {ASYNC_PAYLOAD_BYTES // KB} KB; headers "
        f"{REQUEST_HEADER_BYTES // KB} KB, path and query {REQUEST_TARGET_BYTES // KB} KB",
        "§3.7",
    ),
)

Table = Mapping[str, Held]


def exact(why: str = "") -> Held:
    return Held(Level.EXACT, why)


def approximate(why: str, lift: str = "") -> Held:
    return Held(Level.APPROXIMATE, why, lift)


def absent(why: str, lift: str = "") -> Held:
    return Held(Level.ABSENT, why, lift)
