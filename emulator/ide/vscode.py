"""VS Code: attach to every function by F5, which starts the emulator where none runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from emulator.ide.jsonc_edit import Entry, put
from emulator.ide.setup import HOST, INVOKE, Editor, FileEdit, Plan, Setup

LAUNCH = PurePosixPath(".vscode/launch.json")
TASKS = PurePosixPath(".vscode/tasks.json")
ROOT = "${workspaceFolder}"

# The title of the first screen (cli/screen.py), which is printed when everything answers. VS Code takes colours off.
READY = r"^\s*fclocal \S+\s+https?://"
# VS Code wants a pattern for the begin too; `activeOnStart` makes it count from the first moment.
BEGINS = r"^fclocal: starting\b"
# As `FclocalError` and `Problem` are printed: `error: s.yaml:3: …`, `! s.yaml:3: …`.
PROBLEM = r"^\s*(?:error:|!) ([^:]+):(\d+): (.*)$"


def _cwd(setup: Setup) -> str:
    return ROOT if setup.folder == PurePosixPath() else f"{ROOT}/{setup.folder}"


def _start_task(setup: Setup) -> Entry:
    label = setup.name("start")
    task = {
        "label": label,
        "type": "process",
        "command": setup.command[0],
        "args": setup.arguments("start", "--unless-running", "--color", "never"),
        "options": {"cwd": _cwd(setup)},
        "isBackground": True,
        "presentation": {"panel": "dedicated", "reveal": "silent"},
        "problemMatcher": {
            "owner": "fclocal",
            "fileLocation": ["relative", _cwd(setup)],
            "pattern": {"regexp": PROBLEM, "file": 1, "line": 2, "message": 3},
            "background": {"activeOnStart": True, "beginsPattern": BEGINS, "endsPattern": READY},
        },
    }
    return _task(task, ("type", "command", "args", "options", "isBackground", "problemMatcher"))


def _stop_task(setup: Setup) -> Entry:
    task = {
        "label": setup.name("stop"),
        "type": "process",
        "command": setup.command[0],
        "args": setup.arguments("stop"),
        "options": {"cwd": _cwd(setup)},
        "presentation": {"reveal": "never"},
        "problemMatcher": [],
    }
    return _task(task, ("type", "command", "args", "options"))


def _task(value: Mapping[str, Any], fixed: tuple[str, ...]) -> Entry:
    return Entry(("tasks",), "label", value, fixed, {"version": "2.0.0"})


def _python(setup: Setup) -> Entry:
    attach = {"name": setup.python_name, "type": "debugpy", **setup.python_attach, **_tasks(setup)}
    return _configuration(attach, ("type", "request", "connect"))


def _node(setup: Setup) -> Entry:
    """The root target never ends, and instances are its workers: VS Code must not look for more by itself."""
    attach = {
        "name": setup.name("Node (all functions)"),
        "type": "node",
        "request": "attach",
        "address": HOST,
        "port": setup.ports.node,
        "restart": True,
        "autoAttachChildProcesses": False,
        "skipFiles": ["<node_internals>/**"],
        **_tasks(setup),
    }
    return _configuration(attach, ("type", "request", "address", "port", "autoAttachChildProcesses"))


def _compound(setup: Setup, parts: list[Entry]) -> Entry:
    value = {
        "name": setup.name("everything"),
        "configurations": [part.value["name"] for part in parts],
        "stopAll": True,
    }
    return Entry(("compounds",), "name", value, (), {"version": "0.2.0"})


def _tasks(setup: Setup) -> dict[str, str]:
    after = {"postDebugTask": setup.name("stop")} if setup.stop else {}
    return {"preLaunchTask": setup.name("start"), **after}


def _configuration(value: Mapping[str, Any], fixed: tuple[str, ...]) -> Entry:
    return Entry(("configurations",), "name", value, fixed, {"version": "0.2.0"})


def _put_all(entries: list[Entry], text: str) -> str:
    for entry in entries:
        text = put(text, entry)
    return text


def plan(setup: Setup) -> Plan:
    """launch.json and tasks.json, as far as the project's languages need them."""
    parts = ([_python(setup)] if setup.has_python else []) + ([_node(setup)] if setup.has_node else [])
    launch = [*parts, _compound(setup, parts)] if len(parts) > 1 else parts
    tasks = [_start_task(setup), *([_stop_task(setup)] if setup.stop else [])]
    choice = launch[-1].value["name"]
    extension = ("install the extension Python Debugger (ms-python.debugpy)",) if setup.has_python else ()
    return Plan(
        (FileEdit(LAUNCH, partial(_put_all, launch)), FileEdit(TASKS, partial(_put_all, tasks))),
        (*extension, "set a breakpoint in a handler", f"in Run and Debug choose {choice!r}, and press F5", INVOKE),
    )


EDITOR = Editor("VS Code", ".vscode", plan)
