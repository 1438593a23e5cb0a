"""`fclocal debug` as a prompt: against debugpy's own adapter, from a pipe and at a terminal."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support.command import Workshop
from tests.support.debuggee import waiting_program
from tests.support.terminal import OnTerminal

COUNT = """\
def inner(n):
    total = 0
    for i in range(n):
        total += i
    return total

def outer():
    for k in range(2, 5):
        value = inner(k)
        print("value", value, flush=True)

outer()
"""

ENDLESS = """\
import time
turns = 0
while True:
    turns += 1
    time.sleep(0.01)
"""


def script(workshop: Workshop, code: str, *lines: str) -> subprocess.CompletedProcess[str]:
    with waiting_program(workshop.root, code) as address:
        done = workshop.run("debug", "--connect", address, input="\n".join(("wait", *lines)).encode() + b"\n")
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def test_stops_shows_and_steps(workshop: Workshop) -> None:
    done = script(workshop, COUNT, "b program.py:4 if i == 1", "c", "w", "a", "n", "u", "p value_", "r", "p k", "q")
    assert "Breakpoint 1  program.py:4  if i == 1" in done.stdout
    assert "MainThread stopped at program.py:4 in inner (breakpoint 1)" in done.stdout
    assert "4 ●→         total += i" in done.stdout
    assert re.search(r"  1  outer +program.py:9\n>  0  inner +program.py:4\n", done.stdout)
    assert "i = 1\nn = 2\ntotal = 0\n" in done.stdout
    assert "MainThread stopped at program.py:3 in inner (step)" in done.stdout
    assert "program.py:9 in outer\n" in done.stdout
    assert "*** NameError: name 'value_' is not defined\n" in done.stdout
    assert "MainThread stopped at program.py:9 in outer (step)" in done.stdout
    assert "(MainThread) p k\n2\n" in done.stdout
    assert done.returncode == 1, "a command failed"


def test_statements_change_the_program(workshop: Workshop) -> None:
    done = script(workshop, COUNT, "tb program.py:5", "c", "total = 40", "!total += 2", "c")
    assert "value 42\n" in done.stdout


def test_a_function_is_a_place_too(workshop: Workshop) -> None:
    done = script(workshop, COUNT, "b inner", "c", "q")
    assert "MainThread stopped at program.py:1 in inner (function breakpoint" in done.stdout and done.returncode == 0


def test_a_temporary_breakpoint_stops_once(workshop: Workshop) -> None:
    done = script(workshop, COUNT, "tb program.py:5", "c", "b", "c")
    assert done.stdout.count("stopped at program.py:5") == 1
    assert "There are none." in done.stdout
    assert "value 1\nvalue 3\nvalue 6\n" in done.stdout
    assert done.stdout.endswith("The debug session has ended.\n") and done.returncode == 0


def test_logs_go_on_and_breakpoints_are_removed(workshop: Workshop) -> None:
    lines = ("b program.py:5", "log program.py:9 k is {k}", "c", "cl 1", "b", "c")
    done = script(workshop, COUNT, *lines)
    assert done.stdout.count("stopped at program.py") == 1
    assert "Removed 1  program.py:5" in done.stdout and "log 'k is {k}'" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("k is")] == ["k is 2", "k is 3", "k is 4"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b nowhere.py:3", "there is no file nowhere.py"),
        ("b 3", "nothing is stopped"),
        ("b !", "is no place"),
        ("n", "nothing is stopped"),
        ("thread 77", "does not stand still"),
        ("thread x", "is no number"),
        ("invoke", "there is no emulator"),
        ("cl 9", "there is no breakpoint 9"),
        ("exceptions nothing", "there are: raised"),
        ("p", "an expression is missing"),
        ("reload", "can not restart"),
        ("x = 1", "nothing is stopped"),
        ("p turns = 5", "write: !turns = 5"),
        ("pp turns += 5", "write: !turns += 5"),
    ],
)
def test_what_can_not_be_done_is_said_and_the_session_goes_on(workshop: Workshop, line: str, message: str) -> None:
    done = script(workshop, ENDLESS, "c", line, "threads")
    assert "*** " in done.stdout and message in done.stdout
    assert "MainThread  running" in done.stdout and done.returncode == 1


def test_nobody_listens(workshop: Workshop) -> None:
    done = workshop.run("debug", "--connect", "127.0.0.1:1", input=b"")
    assert done.returncode == 2 and "no debug adapter listens on 127.0.0.1:1" in done.stderr


def test_a_person_at_a_terminal(workshop: Workshop) -> None:
    with (
        waiting_program(workshop.root, ENDLESS) as address,
        OnTerminal(workshop, "debug", "--connect", address) as terminal,
    ):
        terminal.until("(MainThread)")
        terminal.type("c\n")
        terminal.until("(fclocal)")
        terminal.type("\x03")  # Ctrl-C stops what runs
        terminal.until("(paused)")
        terminal.until("(MainThread)")
        terminal.type("p tur\t")  # as the program has it
        terminal.until("ns\x1b")
        terminal.type(" * 0 + 777 * 2\n")
        terminal.until("1554")
        terminal.type("turns = -7000\nc\n")
        terminal.until("(fclocal)")
        terminal.type("b program.py:4 if turns > -6990\n")
        terminal.until("(breakpoint 1)")
        terminal.type("p turns > -7000\n")
        terminal.until("True")
        terminal.type("q\n")
        assert terminal.ended() == 0, terminal.text


def test_a_line_that_is_typed_survives_what_is_printed_above_it(workshop: Workshop) -> None:
    with (
        waiting_program(workshop.root, ENDLESS) as address,
        OnTerminal(workshop, "debug", "--connect", address) as terminal,
    ):
        terminal.until("(MainThread)")
        terminal.type("b program.py:4 if turns == 200\n")
        terminal.until("Breakpoint 1")
        terminal.type("c\n")
        terminal.until("(fclocal)")
        terminal.type("p turns * 1000")
        terminal.until("(breakpoint 1)")
        terminal.type("\n")
        terminal.until("200000")
        terminal.type("\x04")  # Ctrl-D leaves
        assert terminal.ended() == 0, terminal.text
