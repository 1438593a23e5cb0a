"""A study: cold starts of one function that were forced under the same conditions, and what these were."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from emulator import __version__
from emulator.model.coldstart import ColdStart

# Grows when a study that was kept can not be read as before.
FORMAT = 1


class Machine(Struct, frozen=True):
    """Where it ran. `memory_mb` 0 and `processor` empty where the system does not say."""

    system: str
    processor: str
    cores: int
    memory_mb: int


class Package(Struct, frozen=True):
    """What FC would have to fetch: bytes and files of the code folder and of the layers, as they lie on the disk."""

    code_bytes: int = 0
    layers_bytes: int = 0
    files: int = 0


class Study(Struct, frozen=True):
    """`at` is Unix seconds. `code` says which code it was: empty for the working tree, else as `--compare` names it.
    `settings` are those that were chosen, by their names. `event_digest` is the SHA-256 of the event, `event_bytes` its
    size. `warm_up`: a run that does not count came first. `error` is FC's error body of the run that ended it, empty
    where all went well. `notes` say in words what a reader has to know of the conditions."""

    function: str
    runtime: str
    at: float
    version: str
    machine: Machine
    runs: tuple[ColdStart, ...]
    code: str = ""
    fingerprint: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    memory_size_mb: int = 0
    cpu: float = 0.0
    event_digest: str = ""
    event_bytes: int = 0
    warm_up: bool = True
    package: Package = Package()
    notes: tuple[str, ...] = ()
    error: str = ""
    format: int = FORMAT


class Conditions(Struct, frozen=True):
    """What is the same in all runs of a study."""

    function: str
    runtime: str
    event: bytes
    settings: Mapping[str, str] = field(default_factory=dict)
    memory_size_mb: int = 0
    cpu: float = 0.0
    code: str = ""
    fingerprint: str = ""
    warm_up: bool = True
    package: Package = Package()
    notes: tuple[str, ...] = ()


def study_of(conditions: Conditions, runs: tuple[ColdStart, ...], error: str = "") -> Study:
    """The study of these runs, made now, on this machine."""
    known = msgspec.structs.asdict(conditions)
    event = known.pop("event")
    return Study(
        **known,
        at=time.time(),
        version=__version__,
        machine=this_machine(),
        runs=runs,
        event_digest=hashlib.sha256(event).hexdigest(),
        event_bytes=len(event),
        error=error,
    )


def this_machine() -> Machine:
    """What can be said of this machine without a name of it."""
    try:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        pages = 0
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return Machine(system, _processor(), os.cpu_count() or 1, pages // 1024 // 1024)


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return next(names, platform.processor())
