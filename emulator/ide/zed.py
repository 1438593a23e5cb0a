"""Zed: a debug scenario that attaches to every Python function."""

from __future__ import annotations

from pathlib import PurePosixPath

from emulator.ide.jsonc_edit import Entry, put
from emulator.ide.setup import INVOKE, Editor, FileEdit, Plan, Setup

SCENARIOS = PurePosixPath(".zed/debug.json")


def plan(setup: Setup) -> Plan:
    """Zed's adapter for Python connects by itself where `connect` is given."""
    scenario = {"label": setup.python_name, "adapter": "Debugpy", **setup.python_attach}
    entry = Entry((), "label", scenario, ("adapter", "request", "connect"))
    return Plan(
        (FileEdit(SCENARIOS, lambda text: put(text, entry)),),
        (
            "start the emulator: fclocal start",
            f"run `debugger: start` (F4) and choose {scenario['label']!r}",
            INVOKE,
        ),
    )


EDITOR = Editor("Zed", ".zed", plan)
