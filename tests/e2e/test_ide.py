"""`fclocal ide`: shown first, written on request, and never anything but its own entries."""

from __future__ import annotations

import json
import re

from emulator.ide import vscode
from tests.support.command import Workshop

CODE = "def handler(event, context): return 'hi'\n"
MINE = '{\n  // Mine.\n  "version": "0.2.0",\n  "configurations": [\n    { "name": "a" }, // last\n  ],\n}\n'


def test_it_is_shown_and_nothing_is_written(workshop: Workshop) -> None:
    workshop.project(CODE, hello={})
    done = workshop.run("ide", "vscode")
    assert done.returncode == 0 and "+++ .vscode/launch.json" in done.stdout and '+    "version"' in done.stdout
    assert "fclocal ide vscode --write" in done.stderr and not (workshop.root / ".vscode").exists()


def test_it_is_written_beside_what_is_there_and_only_once(workshop: Workshop) -> None:
    workshop.project(CODE, hello={})
    workshop.write({".vscode/launch.json": MINE})
    file = workshop.root / ".vscode/launch.json"
    assert workshop.run("ide", "vscode", "--write").returncode == 0
    once = file.read_text()
    start, end = MINE.split("  ],\n}")
    assert once.startswith(start) and once.endswith("  ],\n}" + end)
    again = workshop.run("ide", "vscode", "--write")
    assert again.stdout == ".vscode/launch.json: nothing to change\n.vscode/tasks.json: nothing to change\n"
    assert file.read_text() == once
    port = json.loads((workshop.state / "debug.json").read_text())["python"]
    assert f'"port": {port}' in once
    workshop.run("ide", "vscode", "--write", "--debug-port", "5678")
    assert file.read_text() == once.replace(f'"port": {port}', '"port": 5678')


def test_a_broken_file_is_told_and_no_file_is_written(workshop: Workshop) -> None:
    workshop.project(CODE, hello={})
    workshop.write({".vscode/tasks.json": '{\n  "tasks": [\n    { "label" "x" }\n  ]\n}\n'})
    done = workshop.run("ide", "vscode", "--write")
    assert done.returncode == 2 and "/.vscode/tasks.json:3:15: a colon is missing before this" in done.stderr
    assert not (workshop.root / ".vscode/launch.json").exists()


def test_a_project_in_a_folder_of_the_workspace(workshop: Workshop) -> None:
    inner = Workshop(workshop.root / "services/shop", mark=workshop.mark)
    inner.project(CODE, hello={}, web={"runtime": "nodejs20"})
    (workshop.root / ".git").mkdir()
    done = inner.run("ide", "vscode", "--write")
    assert f"workspace {workshop.root}" in done.stderr
    tasks = json.loads((workshop.root / ".vscode/tasks.json").read_text())["tasks"]
    assert tasks[0]["options"]["cwd"] == "${workspaceFolder}/services/shop"
    launch = json.loads((workshop.root / ".vscode/launch.json").read_text())
    assert launch["compounds"][0]["name"] == "FC: everything (services/shop)"


def test_the_task_of_vs_code_starts_the_emulator_and_is_content_with_one_that_runs(workshop: Workshop) -> None:
    workshop.project(CODE, hello={})
    workshop.run("ide", "vscode", "--write")
    task = json.loads((workshop.root / ".vscode/tasks.json").read_text())["tasks"][0]
    words = task["args"][task["args"].index("start") + 1 :]
    with workshop.started(*words) as running:
        ready = [line for line in running.out.splitlines() if re.search(vscode.READY, line)]
        assert len(ready) == 1 and running.endpoint["url"] in ready[0]
        second = workshop.run("start", *words)
        assert second.returncode == 0 and re.search(vscode.READY, second.stdout)
        assert workshop.run("start").returncode == 2, "without the flag that is an error"
        # Where the editor was told to attach, the emulator listens.
        attach = json.loads((workshop.root / ".vscode/launch.json").read_text())["configurations"][0]
        assert attach["connect"]["port"] == running.endpoint["debug_port"]
