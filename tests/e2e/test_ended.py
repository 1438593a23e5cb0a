"""Commands that are ended by a signal while they run a function: all do as at Ctrl-C, and leave nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.command import MEET, PATIENCE_SECONDS, Meeting, Workshop, eventually

CODE = MEET + "\ndef handler(event, context):\n    return meet({port})\n"
COMMANDS = {
    "invoke": ("invoke", "hello", "-e", "x"),
    "scenario": ("scenario", "life.yaml"),
    "sweep": ("sweep", "hello", "--memory", "512", "-n", "1", "--rounds", "1"),
    "coldstart": ("coldstart", "hello", "-n", "1", "--no-advice"),
}


@pytest.fixture
def shop(workshop: Workshop, meeting: Meeting) -> Workshop:
    workshop.project(CODE.format(port=meeting.port), hello={"timeout": 600})
    workshop.write({"life.yaml": "steps:\n  - calls: {n: 1}\n"})
    return workshop


@contextlib.contextmanager
def running(shop: Workshop, argv: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        argv,
        cwd=shop.root,
        env=shop.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def marked(shop: Workshop) -> list[Path]:
    """Processes of functions of this project."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(folder.name) != os.getpid() and shop.mark.encode() in (folder / "environ").read_bytes():
                found.append(folder)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("name", COMMANDS)
def test_it_ends_as_at_ctrl_c(shop: Workshop, meeting: Meeting, name: str, number: signal.Signals) -> None:
    with running(shop, [*shop.command, *COMMANDS[name]]) as process:
        meeting.arrived()
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert not [*(shop.state / "run").iterdir()] and not marked(shop)


# The command, which is ended when it has done its work and closes its walls.
AT_THE_END = """
import os, signal
from emulator.cli.main import main
from emulator.sandbox.reaper import Reaper

whole = Reaper.aclose

async def aclose(self):
    os.kill(os.getpid(), signal.SIGTERM)
    await whole(self)

Reaper.aclose = aclose
main()
"""


@pytest.mark.parametrize("args", [("doctor",), ("invoke", "hello", "-e", "x")], ids=lambda args: args[0])
def test_nothing_is_left_where_it_is_ended_at_its_end(workshop: Workshop, args: Sequence[str]) -> None:
    workshop.project("def handler(event, context):\n    return 'done'\n", hello={})
    with running(workshop, [sys.executable, "-c", AT_THE_END, *args]) as process:
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode in (0, 143), err  # it may be done before it hears of it
    eventually(lambda: not [*(workshop.state / "run").iterdir()], "no folder is left")


def test_a_build_ends_with_what_it_runs(shop: Workshop, meeting: Meeting) -> None:
    shop.write({"step.py": f"{MEET}\nmeet({meeting.port})\n"})
    shop.write({".fclocal.yaml": "functions:\n  hello:\n    build: python3 step.py\n"})
    with running(shop, [*shop.command, "build", "hello"]) as process:
        meeting.arrived()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 143, err
    assert "Traceback" not in err


def test_who_asked_for_no_hangups_is_not_ended_by_one(shop: Workshop, meeting: Meeting) -> None:
    with running(shop, ["nohup", *shop.command, *COMMANDS["invoke"]]) as process:
        meeting.arrived()
        process.send_signal(signal.SIGHUP)
        meeting.let_go()
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, out.strip()) == (0, "go"), err
