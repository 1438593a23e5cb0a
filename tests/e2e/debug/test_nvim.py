"""Neovim with nvim-dap, as a person uses it: no configuration but what `fclocal ide nvim --write` wrote."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.debug.debug_functions import MOVE, PAIR, WALK
from tests.support.command import Running, Workshop, eventually
from tests.support.debug_project import Calls, DebugProject, calls
from tests.support.nvim import Nvim, nvim, nvim_dap


@pytest.fixture
def project(tmp_path: Path) -> DebugProject:
    nvim_dap()
    folder = tmp_path / "my functions"
    folder.mkdir()
    return DebugProject(Workshop(folder), "3.10")


@contextlib.contextmanager
def editing(project: DebugProject, name: str) -> Iterator[Nvim]:
    """Neovim with the function's file, and with what was written for it."""
    workshop = project.workshop
    written = workshop.run("ide", "nvim", "--write")
    assert written.returncode == 0, written.stderr
    with nvim(workshop.root, workshop.root.parent / "home", workshop.environ()) as editor:
        editor.type("luafile .nvim-dap.lua")
        editor.type(f"edit {name}/index.py")
        yield editor


@contextlib.contextmanager
def attached(project: DebugProject, name: str, *marks: str) -> Iterator[tuple[Running, Calls, Nvim]]:
    """To an emulator that runs already, with breakpoints."""
    with (
        project.workshop.started("--json") as running,
        calls(running) as invoke,
        editing(project, name) as editor,
    ):
        for mark in marks:
            toggle(editor, project.line(name, mark))
        editor.type("DapContinue")
        editor.attached()
        yield running, invoke, editor


def toggle(editor: Nvim, line: int) -> None:
    editor.type(str(line))
    editor.type("DapToggleBreakpoint")


def test_continue_starts_the_emulator_which_ends_with_the_session(project: DebugProject) -> None:
    project.function("walk", WALK, instanceLifecycleConfig={"initializer": {"handler": "index.initialize"}})
    workshop = project.workshop
    with ThreadPoolExecutor() as pool, editing(project, "walk") as editor:
        for mark in ("module", "initializer", "handler"):
            toggle(editor, project.line("walk", mark))
        editor.type("DapContinue")
        editor.attached()
        answer = pool.submit(workshop.run, "invoke", "walk", "-e", "21")
        for mark in ("module", "initializer", "handler"):
            editor.stop("walk#1 ", project.line("walk", mark))
            if mark != "handler":
                editor.type("DapContinue")
        editor.type("DapStepOver")
        shown = editor.stop("walk#1 ", project.line("walk", "next"))
        assert shown["file"] == project.path("walk")
        assert (editor.variable("doubled"), editor.variable("n")) == ("42", "21")
        editor.type("DapContinue")
        assert answer.result().stdout == "43"
        editor.quit()
        eventually(lambda: not workshop.endpoint_file.exists(), "the end of the emulator")


def test_two_instances_that_stop_are_shown_one_after_the_other(project: DebugProject) -> None:
    """Left to itself, nvim-dap lets a second thread that stops run on, unseen."""
    project.function("pair", PAIR)
    stand = project.line("pair", "stand")
    with attached(project, "pair", "stand") as (running, invoke, editor):
        answers = {"'one'": invoke.begin("pair", "one"), "'two'": invoke.begin("pair", "two")}
        paused = running.until(lambda event: event["kind"] == "instance_paused", 2)
        assert len({event["instance_id"] for event in paused}) == 2
        seen = []
        for number in (1, 2):
            shown = editor.stop("pair#", stand)
            assert [thread["stopped"] for thread in shown["threads"]].count(True) == 1
            name = editor.variable("name")
            seen.append(name)
            editor.type("DapStepOver")
            editor.stop("pair#", project.line("pair", "next"))
            assert number == 2 or not any(answer.done() for answer in answers.values())
            editor.type("DapContinue")
            assert answers[name].result() == (200, name.strip("'") + "!")
        assert sorted(seen) == ["'one'", "'two'"]


def test_a_saved_edit_is_taken_over_and_its_breakpoint_is_hit_on_its_new_line(project: DebugProject) -> None:
    """Also where the line itself has changed, so that only the editor knows where its breakpoint is."""
    project.function("move", MOVE)
    with attached(project, "move", "answer") as (_running, invoke, editor):
        before = project.line("move", "answer")
        answer = invoke.begin("move")
        editor.stop("move#1 ", before)
        editor.type("DapContinue")
        assert answer.result() == (200, "1")

        editor.type(f"{before}substitute/str(found)/str(found * 10)/")
        editor.type(f"{before - 1}put =['    one = 1', '    two = 2']")
        editor.type("%substitute/VERSION = 1/VERSION = 2/")
        with editor.telling_breakpoints():
            editor.type("write")
        assert project.line("move", "answer") == before + 2
        answer = invoke.begin("move")
        editor.stop("move#2 ", before + 2)
        assert editor.variable("found") == "2"
        editor.type("DapContinue")
        assert answer.result() == (200, "20")

        with editor.telling_breakpoints():
            toggle(editor, before + 2)
        assert invoke.begin("move").result() == (200, "20")


@pytest.mark.parametrize("leave", ["quit", "crash"])
def test_instances_run_on_when_the_editor_has_gone(project: DebugProject, leave: str) -> None:
    project.function("pair", PAIR)
    with attached(project, "pair", "stand") as (_running, invoke, editor):
        answer = invoke.begin("pair", "x")
        editor.stop("pair#1 ", project.line("pair", "stand"))
        getattr(editor, leave)()
        assert answer.result() == (200, "x!")
        assert invoke.begin("pair", "y").result() == (200, "y!")
