"""The imports of cold starts as profiles for speedscope (pure).

File format: https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources, kept by
https://www.speedscope.app/file-format-schema.json
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from emulator.coldstart.spans import Nested, nest
from emulator.model.coldstart import ColdStart

SCHEMA = "https://www.speedscope.app/file-format-schema.json"

Profile = dict[str, Any]


def speedscope(cold_starts: Sequence[ColdStart], exporter: str, typical: int = 0) -> bytes:
    """JSON: an evented profile of each run, in ms; what ran beside others is a profile of its own. The file
    opens with that of run `typical`; `exporter` is our name and version."""
    frames: dict[tuple[str, str], int] = {}
    profiles: list[Profile] = []
    active = 0
    for number, run in enumerate(cold_starts, 1):
        if number - 1 == typical:
            active = len(profiles)
        profiles += _profiles(run, f"{run.function} cold start {number}", frames)
    return msgspec.json.encode(
        {
            "$schema": SCHEMA,
            "name": f"imports of {cold_starts[0].function}" if cold_starts else "imports",
            "exporter": exporter,
            "activeProfileIndex": active,
            "shared": {"frames": [{"name": name, **({"file": file} if file else {})} for name, file in frames]},
            "profiles": profiles,
        }
    )


def _profiles(run: ColdStart, name: str, frames: dict[tuple[str, str], int]) -> Iterable[Profile]:
    spans = [(module.at_ms, module.at_ms + module.total_ms) for module in run.imports]
    lanes: dict[int, list[Nested]] = {0: []}
    for at in nest(spans, [module.parent for module in run.imports]):
        lanes.setdefault(at.lane, []).append(at)
    for lane, nested in lanes.items():
        events = _events(run, nested, frames)
        yield {
            "type": "evented",
            "name": f"{name}, track {lane + 1}" if lane else name,
            "unit": "milliseconds",
            "startValue": events[0]["at"] if events else 0,
            "endValue": events[-1]["at"] if events else 0,
            "events": events,
        }


def _events(run: ColdStart, nested: Sequence[Nested], frames: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    """Opened and closed like brackets, in order of time."""
    events: list[dict[str, Any]] = []
    opened: list[tuple[Nested, int]] = []

    def close(down_to: int) -> None:
        while len(opened) > down_to:
            ended, frame = opened.pop()
            events.append({"type": "C", "frame": frame, "at": ended.end})

    for at in nested:
        close(at.depth)
        module = run.imports[at.index]
        frame = frames.setdefault((module.name, module.file), len(frames))
        opened.append((at, frame))
        events.append({"type": "O", "frame": frame, "at": at.begin})
    close(0)
    return events
