"""Helix: `fclocal dap` as the debugger of Python files in this workspace."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from emulator.ide.problems import Unreadable, at
from emulator.ide.setup import INVOKE, Editor, FileEdit, Plan, Setup

FILE = PurePosixPath(".helix/languages.toml")
NAME = "fclocal"
LANGUAGE = "[[language]]"
DEBUGGER = "[language.debugger]"

_HEADER = re.compile(r"^[ \t]*(\[\[?[^\[\]\r\n]+\]\]?)[ \t]*(?:#[^\r\n]*)?\r?$", re.MULTILINE)
_CONTENT = re.compile(r"^[ \t]*[^#\s][^\r\n]*", re.MULTILINE)
_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")


def put_debugger(setup: Setup, text: str) -> str:
    """The text with our debugger for Python; what else there is stays as it is. Raises `Unreadable`.

    The text is edited as text, and the result is believed only where it means what the old one and ours mean together.
    """
    mark, body = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    wanted = _wanted(setup, _read(body))
    after = _edited(setup, body)
    try:
        believed = _read(after) == wanted
    except Unreadable:
        believed = False
    if not believed:
        raise Unreadable(1, 1, "`language` is written in a way that fclocal can not add to")
    return mark + after


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _PLACE.search(message)
        if place is None:
            raise at(text, len(text), message.partition(" (at ")[0]) from None
        raise Unreadable(int(place[1]), int(place[2]), message[: place.start()]) from None


def _debugger(setup: Setup) -> dict[str, Any]:
    return {
        "name": NAME,
        "transport": "stdio",
        "command": setup.command[0],
        "args": setup.arguments("dap", "--start"),
    }


def _wanted(setup: Setup, data: dict[str, Any]) -> dict[str, Any]:
    """What the file means with our debugger in it."""
    data = copy.deepcopy(data)
    languages = data.setdefault("language", [])
    tables = languages if isinstance(languages, list) else []
    python = next((table for table in tables if table.get("name") == "python"), None)
    if python is None:
        tables.append(python := {"name": "python"})
    new = {"templates": [{"name": setup.python_name, "request": "attach", "args": {}}]}
    python["debugger"] = {**python.get("debugger", new), **_debugger(setup)}
    return data


def _edited(setup: Setup, text: str) -> str:
    line_break = "\r\n" if "\r\n" in text else "\n"
    headers = [(found.start(), found[1]) for found in _HEADER.finditer(text)]
    begin = _python_table(text, headers)
    if begin is None:
        gap = "" if not text else line_break if text.endswith("\n") else line_break * 2
        added = [LANGUAGE, 'name = "python"', "", *_lines(setup)]
        return text + gap + line_break.join(added) + line_break
    inner = [(start, name) for start, name in headers if start > begin]
    end = next((start for start, name in inner if not name.strip("[ ").startswith("language.")), len(text))
    own = next((start for start, name in inner if start < end and name == DEBUGGER), None)
    if own is not None:
        return _updated(setup, text, own, min([start for start, _ in inner if start > own], default=len(text)))
    last = max(found.end() for found in _CONTENT.finditer(text, begin, end))
    return text[:last] + line_break * 2 + line_break.join(_lines(setup)) + text[last:]


def _python_table(text: str, headers: list[tuple[int, str]]) -> int | None:
    """Where the table of Python begins."""
    languages = _read(text).get("language", [])
    places = [start for start, name in headers if name == LANGUAGE]
    index = next((n for n, table in enumerate(languages) if table.get("name") == "python"), None)
    return places[index] if index is not None and index < len(places) else None


def _updated(setup: Setup, text: str, begin: int, end: int) -> str:
    """The lines of our debugger that differ, each by itself. Another debugger is the person's choice."""
    table = text[begin:end]
    if _read(table)["language"]["debugger"].get("name") != NAME:
        raise at(text, begin, "Python has another debugger here already, and Helix takes only one")
    for key, value in _debugger(setup).items():
        line = re.compile(rf"^([ \t]*{key}[ \t]*=[ \t]*)([^\r\n]*)", re.MULTILINE)
        found = line.search(table)
        if found and _value(found[2]) != value:
            table = table[: found.start(2)] + _text(value) + table[found.end(2) :]
    return text[:begin] + table + text[end:]


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return None


def _lines(setup: Setup) -> list[str]:
    return [
        DEBUGGER,
        *(f"{key} = {_text(value)}" for key, value in _debugger(setup).items()),
        "",
        "[[language.debugger.templates]]",
        f"name = {_text(setup.python_name)}",
        'request = "attach"',
        "args = {}",
    ]


def _text(value: str | list[str]) -> str:
    """TOML's strings have JSON's escapes, and so have its arrays of strings."""
    return json.dumps(value, ensure_ascii=False)


def plan(setup: Setup) -> Plan:
    """A debugger that starts the emulator where none runs; it needs no port."""
    return Plan(
        (FileEdit(FILE, partial(put_debugger, setup)),),
        (
            "in Helix, in a Python file: set a breakpoint by <space>Gb",
            "begin by <space>Gl, which starts the emulator (newer versions: :workspace-trust first)",
            INVOKE,
        ),
    )


EDITOR = Editor("Helix", ".helix", plan)
