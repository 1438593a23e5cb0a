"""Who belongs to an instance, among real processes that try to be forgotten."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest

from emulator.sandbox.census import Census
from emulator.sandbox.remains import MARK

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

RUN = f"1-{uuid.uuid4().hex[:6]}"
# Says a line when it is there, and stays.
STAYS = "echo here; exec sleep 600"


@pytest.fixture
def census() -> Census:
    return Census(f"{MARK}{RUN}/")


@contextlib.contextmanager
def program(*argv: str, mark: str = "") -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A process that has said its first word, a number if it is another process's; both are ended."""
    env = {"PATH": os.environ["PATH"], **({"FCLOCAL_RUN": mark} if mark else {})}
    process = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None and process.stdin is not None
    said = process.stdout.readline().strip()
    pid = int(said) if said.isdigit() else process.pid
    try:
        yield pid, process
    finally:
        for each in {pid, process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        process.communicate()


def members(census: Census, instance: str) -> list[int]:
    return sorted(census.since(time.monotonic(), f"{MARK}{RUN}/{instance}"))


def test_instances_are_told_apart_by_one_look(census: Census) -> None:
    with (
        program("sh", "-c", STAYS, mark=f"{RUN}/one") as (one, _),
        program("sh", "-c", STAYS, mark=f"{RUN}/two") as (two, _),
        program("sh", "-c", STAYS, mark="2-another/one"),
        program("sh", "-c", STAYS),
    ):
        began = time.monotonic()
        assert members(census, "one") == [one]
        assert [*census.since(began, f"{MARK}{RUN}/two")] == [two]


def test_a_look_is_as_old_as_it_is_allowed_to_be(census: Census) -> None:
    before = time.monotonic()
    assert members(census, "one") == []
    with program("sh", "-c", STAYS, mark=f"{RUN}/one") as (pid, _):
        assert [*census.since(before, f"{MARK}{RUN}/one")] == []
        assert members(census, "one") == [pid]
    assert members(census, "one") == []


# A child that left its session and has an environment without anything in it; its parent waits for a line.
HIDDEN = "env -i setsid sleep 600 & echo $!; read line"


def test_who_was_seen_below_its_instance_is_known_when_nothing_shows_it_any_more(census: Census) -> None:
    with program("sh", "-c", HIDDEN, mark=f"{RUN}/one") as (child, parent):
        assert members(census, "one") == sorted([child, parent.pid])
        assert parent.stdin is not None
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        parent.wait()
        assert members(census, "one") == [child]


def test_who_was_started_for_an_instance_counts_without_a_mark(census: Census) -> None:
    with program("sh", "-c", HIDDEN) as (child, parent):
        census.enroll(parent.pid, f"{MARK}{RUN}/one")
        assert members(census, "one") == sorted([child, parent.pid])


def test_a_process_that_becomes_another_program_is_looked_at_again(census: Census) -> None:
    becomes = f"echo here; read line; FCLOCAL_RUN={RUN}/one exec sh -c '{STAYS}'"
    with program("sh", "-c", becomes) as (pid, process):
        assert members(census, "one") == []
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        assert members(census, "one") == [pid]
