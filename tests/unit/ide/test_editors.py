"""What each editor's files become: ours beside what was there, at another project's side, and again."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import pytest

from emulator.cli.screen import title
from emulator.cli.terminal import Paint
from emulator.config.debug_ports import DebugPorts
from emulator.ide import vscode
from emulator.ide.editors import EDITORS
from emulator.ide.problems import Unreadable
from emulator.ide.setup import Setup, workspace_of
from emulator.model.errors import ConfigError
from emulator.model.function import Place

PLAIN = Setup(PurePosixPath(), DebugPorts(47100, 47101), ("fclocal",))
BOTH = Setup(
    PurePosixPath("services/shop"), DebugPorts(47100, 47101), ("fclocal",), has_node=True, template="prod.yaml"
)


def texts(editor: str, setup: Setup, before: str = "") -> dict[str, str]:
    return {str(edit.path): edit.edit(before) for edit in EDITORS[editor].plan(setup).edits}


def launch(setup: Setup) -> dict[str, Any]:
    return json.loads(texts("vscode", setup)[".vscode/launch.json"])


def start_task(setup: Setup) -> dict[str, Any]:
    return json.loads(texts("vscode", setup)[".vscode/tasks.json"])["tasks"][0]


@pytest.mark.parametrize("name", EDITORS)
@pytest.mark.parametrize("setup", [PLAIN, BOTH])
def test_nothing_changes_the_second_time_and_every_editor_has_steps(name: str, setup: Setup) -> None:
    plan = EDITORS[name].plan(setup)
    for edit in plan.edits:
        once = edit.edit("")
        assert edit.edit(once) == once and once.endswith("\n")
    assert len(plan.steps) >= 3 and "fclocal invoke" in plan.steps[-1]


# --- VS Code ---


def test_vs_code_attaches_by_debugpy_and_starts_the_emulator_first() -> None:
    (python,) = launch(PLAIN)["configurations"]
    assert (python["type"], python["request"]) == ("debugpy", "attach")
    assert python["connect"] == {"host": "127.0.0.1", "port": 47100} and "pathMappings" not in python
    assert python["preLaunchTask"] == start_task(PLAIN)["label"]
    assert "compounds" not in launch(PLAIN)


def test_vs_code_has_a_compound_for_two_languages_and_names_the_folder() -> None:
    file = launch(BOTH)
    names = [one["name"] for one in file["configurations"]]
    assert names == ["FC: Python (all functions) (services/shop)", "FC: Node (all functions) (services/shop)"]
    assert file["compounds"][0]["configurations"] == names
    assert (file["configurations"][1]["port"], file["configurations"][1]["type"]) == (47101, "node")
    task = start_task(BOTH)
    assert task["options"]["cwd"] == "${workspaceFolder}/services/shop"
    assert task["args"][:1] == ["start"] and task["args"][-2:] == ["--template", "prod.yaml"]


def test_vs_code_ends_the_emulator_where_that_is_wanted() -> None:
    setup = Setup(PurePosixPath(), DebugPorts(1, 2), ("/venv/bin/python", "-m", "emulator"), stop=True)
    tasks = json.loads(texts("vscode", setup)[".vscode/tasks.json"])["tasks"]
    assert launch(setup)["configurations"][0]["postDebugTask"] == tasks[1]["label"] == "FC: stop"
    assert [tasks[1]["command"], *tasks[1]["args"]] == ["/venv/bin/python", "-m", "emulator", "stop"]


def test_vs_code_sees_the_first_screen_as_ready_and_problems_with_their_place() -> None:
    first_line = title("http://127.0.0.1:7788", Paint(False)) + "  s.yaml"
    assert re.search(vscode.READY, first_line) and not re.search(vscode.BEGINS, first_line)
    assert not re.search(vscode.READY, "hello | fclocal is at http://127.0.0.1:7788")
    for line in (f"error: {ConfigError('no such key', 'mend it', Place('s.yaml', 3))}", "! s.yaml:3: no such key"):
        found = re.search(vscode.PROBLEM, line.splitlines()[0])
        assert found is not None and found.groups() == ("s.yaml", "3", "no such key")
    assert not re.search(vscode.PROBLEM, "2024-01-01 12:30:45: hello")


def test_vs_code_keeps_what_the_person_chose() -> None:
    mine = texts("vscode", PLAIN)[".vscode/launch.json"].replace('"justMyCode": true', '"justMyCode": false')
    moved = Setup(PurePosixPath(), DebugPorts(48000, 48001), ("fclocal",))
    edit = EDITORS["vscode"].plan(moved).edits[0]
    assert edit.edit(mine) == mine.replace("47100", "48000")


# --- Helix ---

LANGUAGES = """\
# mine
[[language]]
name = "rust"

[[language]]  # here
name = "python"
auto-format = false

[language-server.x]
command = "y"
"""


def test_helix_gets_a_debugger_beside_what_is_there() -> None:
    after = texts("helix", PLAIN, LANGUAGES)[".helix/languages.toml"]
    head, tail = LANGUAGES.split("\n\n[language-server.x]")
    assert after.startswith(head) and after.endswith("\n\n[language-server.x]" + tail)
    python = tomllib.loads(after)["language"][1]
    assert python["auto-format"] is False
    assert [python["debugger"]["command"], *python["debugger"]["args"]] == ["fclocal", "dap", "--start"]
    assert texts("helix", PLAIN, after)[".helix/languages.toml"] == after


def test_helix_takes_another_command_over_and_nothing_else() -> None:
    before = texts("helix", PLAIN, LANGUAGES.replace("\n", "\r\n"))[".helix/languages.toml"]
    after = texts("helix", BOTH, before)[".helix/languages.toml"]
    assert after == before.replace('["dap", "--start"]', '["dap", "--start", "--template", "prod.yaml"]')
    assert "\n" not in after.replace("\r\n", "")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a = 1\nb = \n", (2, 5), "Invalid value"),
        ('[[language]]\nname = "python"\n[language.debugger]\nname = "debugpy"\n', (3, 1), "another debugger"),
        ('[[language]]\nname = "python"\ndebugger = { name = "x" }\n', (1, 1), "can not add to"),
        ('language = [{ name = "python" }]\n', (1, 1), "can not add to"),
    ],
)
def test_helix_files_that_can_not_be_added_to_are_left_alone(text: str, place: tuple[int, int], message: str) -> None:
    with pytest.raises(Unreadable, match=message) as caught:
        texts("helix", PLAIN, text)
    assert (caught.value.line, caught.value.column) == place


# --- Neovim, PyCharm, Zed ---


def test_neovim_has_a_block_of_ours_and_keeps_the_rest() -> None:
    before = 'print("mine")'
    once = texts("nvim", PLAIN, before)[".nvim-dap.lua"]
    twice = texts("nvim", BOTH, once + 'print("mine too")\n')[".nvim-dap.lua"]
    assert twice.startswith(before + "\n-- fclocal begin") and twice.endswith('-- fclocal end\nprint("mine too")\n')
    assert twice.count("-- fclocal begin") == 1 and 'here .. "/services/shop"' in twice
    with pytest.raises(Unreadable, match="marks"):
        texts("nvim", PLAIN, "-- fclocal end\n")


def test_pycharm_has_a_configuration_for_node_only_and_only_its_port_changes() -> None:
    assert texts("pycharm", PLAIN) == {}
    ((path, text),) = texts("pycharm", BOTH).items()
    node = ElementTree.fromstring(text).find("configuration")
    assert path.startswith(".idea/runConfigurations/FC_Node")
    assert node is not None and node.get("port") == "47101" and node.get("type") == "ChromiumRemoteDebugType"
    mine = text.replace('port="47101"', "port='1'").replace("<method", "<!-- mine --><method")
    assert texts("pycharm", BOTH, mine)[path] == mine.replace("port='1'", 'port="47101"')
    with pytest.raises(Unreadable, match="no XML"):
        texts("pycharm", BOTH, "<component>\n")


def test_zed_connects_to_the_router() -> None:
    (scenario,) = json.loads(texts("zed", PLAIN)[".zed/debug.json"])
    assert (scenario["adapter"], scenario["request"], scenario["connect"]["port"]) == ("Debugpy", "attach", 47100)


# --- the workspace ---


def test_the_workspace_is_the_nearest_folder_of_the_editor_or_of_git(tmp_path: Path) -> None:
    project = tmp_path / "home/code/repository/services/shop"
    project.mkdir(parents=True)
    home = tmp_path / "home"
    (home / ".vscode").mkdir()
    assert workspace_of(project, ".vscode", home) == project, "what VS Code keeps at home is no workspace"
    (home / "code/repository/.git").mkdir()
    assert workspace_of(project, ".vscode", home) == home / "code/repository"
    (project.parent / ".vscode").mkdir()
    assert workspace_of(project, ".vscode", home) == project.parent
