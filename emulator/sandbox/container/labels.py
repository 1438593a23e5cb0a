"""How what we made of an engine is known again: containers, volumes and images carry these labels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from emulator.sandbox import proctree

RUN, PID, STARTED, MACHINE, INSTANCE = (
    "fclocal.run", "fclocal.pid", "fclocal.started", "fclocal.machine", "fclocal.instance",
)  # fmt: skip
# On images that we made: the name (`host` for the one without files), and of what a project's own one was built. Images
# that others base on ours have these labels too, but not these names.
IMAGE, MADE_OF = "fclocal.image", "fclocal.made-of"
HOST = "host"


def of_run(run: str) -> dict[str, str]:
    """Whose containers these are: our process, by its number and the tick in which it was started."""
    pid = os.getpid()
    return {RUN: run, PID: str(pid), STARTED: _started(pid), MACHINE: _machine()}


def is_here(labels: Mapping[str, str]) -> bool:
    """Whether its owner is, or was, one of the processes that we see."""
    return labels.get(MACHINE) == _machine()


def is_left(labels: Mapping[str, str]) -> bool:
    """Whether its owner is gone. An owner on another machine, or in another container, is not for us to judge."""
    pid = labels.get(PID, "")
    if RUN not in labels or not is_here(labels) or not pid.isdigit():
        return False
    return _started(int(pid)) != labels.get(STARTED)


def _started(pid: int) -> str:
    found = proctree.stat(pid)
    return str(found.began) if found is not None and found.alive else ""


def _machine() -> str:
    """Since when which machine has the numbers of processes that we see."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return os.uname().nodename
