"""What the figures were taken on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.findings import Figures
from bench.processes import ROOT

DOCTOR_TOPICS = {"walls", "memory limit", "freeze"}


def machine() -> dict[str, object]:
    """Facts that do not change in a run."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "memory_mb": memory >> 20,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def load_average() -> float:
    """Of the last minute. Above the number of CPUs, somebody else is at work."""
    return round(os.getloadavg()[0], 2)


def is_busy() -> bool:
    """True where others leave less than half of the machine to the bench."""
    return load_average() > (os.cpu_count() or 1) / 2


def walls(folder: Path) -> Figures:
    """Which walls, limits and freezer the product has here, from `fclocal doctor`."""
    folder.mkdir()
    argv = [sys.executable, "-m", "emulator", "doctor", "--json", "--port", "0"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60)
    return dict(_topics(done.stdout))


def _topics(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        finding = json.loads(line)
        if finding["topic"] in DOCTOR_TOPICS and "state" in finding:  # rows of the table of limits have none
            yield finding["topic"], finding["state"]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor()
