"""Studies as sides of a report (pure)."""

from __future__ import annotations

import time
from collections.abc import Iterator

from emulator.coldstart.report.payload import Side
from emulator.coldstart.study import Study
from emulator.coldstart.summary import summarize
from emulator.coldstart.units import mb

WARM_UP = "One run came first and does not count: it fills what the machine keeps of files."
_DIGITS = 12


def side_of(study: Study, name: str) -> Side | None:
    """What a report has of a study; None where no run of it succeeded."""
    summary = summarize(study.runs)
    if summary is None:
        return None
    notes = (*([WARM_UP] if study.warm_up else []), *study.notes, *([study.error] if study.error else []))
    return Side(name, summary, tuple(_conditions(study)), tuple(sorted(study.settings.items())), notes)


def _conditions(study: Study) -> Iterator[tuple[str, str]]:
    machine, package = study.machine, study.package
    yield "function", study.function
    yield "runtime", study.runtime
    yield "limits", f"{study.memory_size_mb} MB" + (f", {study.cpu:g} vCPU" if study.cpu else "")
    size = f"{mb(package.code_bytes)} + {mb(package.layers_bytes)} MB, {package.files}"
    yield "package_size", size if package.files else ""
    yield "event", f"{study.event_bytes} B, SHA-256 {study.event_digest[:_DIGITS]}"
    yield "measuredOn", time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(study.at))
    yield "machine", f"{machine.system}, {machine.cores} × {machine.processor}, {machine.memory_mb} MB"
    yield "version", study.version
