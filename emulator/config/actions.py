"""`actions: pre-deploy` as build steps, which are not run unless asked (platform.md §3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from emulator.config.paths import OutsideProject, inside
from emulator.config.section import Section
from emulator.config.tree import Map, Scalar
from emulator.model.function import BuildStep

_REGEX = re.compile(r"""\$\{\s*regex\(\s*['"]?(?P<pattern>[^'"]{1,200})['"]?\s*\)\s*\}\Z""")
# Installs what the manifests beside the code ask for; with a command or a file of its own it does something else.
_COMPONENT_BUILD = re.compile(r"(?:s|fc3?(?:@\S+)?)\s+build\b(?!.*\s(?:--(?:command|script-file|dockerfile)|-f)\b)")
# What `s deploy` and `s local` would run before the function is there
COMMANDS = ("deploy", "local")


def build_steps(section: Section, root: Path) -> tuple[BuildStep, ...]:
    """The `run` steps of every `pre-…` group that stands before a deployment or a local run."""
    actions = section.map.get("actions")
    if not isinstance(actions, Map):
        return ()
    group = Section(actions, section.report, "actions")
    found: list[BuildStep] = []
    for key in actions.entries:
        if key.startswith("pre-") and _applies(key.removeprefix("pre-")):
            for entry in group.sections(key):
                step = _step(entry, root)
                if step is not None:
                    found.append(step)
    return distinct(found)


def distinct(steps: Iterable[BuildStep]) -> tuple[BuildStep, ...]:
    """The first of those that do the same, wherever they were written."""
    found: dict[BuildStep, BuildStep] = {}
    for step in steps:
        found.setdefault(replace(step, place=None), step)
    return tuple(found.values())


def _applies(command: str) -> bool:
    match = _REGEX.match(command)
    if match is None:
        return command in COMMANDS
    try:
        pattern = re.compile(match["pattern"])
    except (re.error, RecursionError, OverflowError):
        return False
    return any(pattern.search(word) for word in COMMANDS)


def _step(entry: Section, root: Path) -> BuildStep | None:
    kind = next((key for key in ("run", "component", "plugin") if entry.has(key)), "")
    text = entry.text(kind).strip()
    if kind in ("run", "component") and _COMPONENT_BUILD.match(text):
        return BuildStep(text, root, _may_fail(entry), entry.at(kind), by_manifest=True)
    if kind != "run" or not text:
        if kind and text:
            entry.warn(kind, f"pre-deploy step `{kind}: {text}` is not emulated")
        return None
    try:
        path = inside(root, entry.text("path") or ".")
    except OutsideProject:
        entry.warn("path", f"pre-deploy step `{text[:80]}` runs outside of the project's folder; it is left out")
        return None
    return BuildStep(text, path, _may_fail(entry), entry.at("run"))


def _may_fail(entry: Section) -> bool:
    """`allow_failure: true`, or the form with exit codes and commands, which is taken as true."""
    node = entry.map.get("allow_failure")
    return isinstance(node, Map) or (isinstance(node, Scalar) and node.text.lower() == "true")
