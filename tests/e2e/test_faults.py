"""What must not happen: faults of fclocal itself, and output that nobody takes. Nobody sees a traceback of ours."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from tests.support.command import COMMAND, Workshop, eventually

# The command with two faults in it.
FAULTY = """
import asyncio
from emulator.cli.main import main
from emulator.registry.registry import Registry

whole = Registry.resolve

def resolve(self, name, *args):
    if name.name == "broken":
        raise RuntimeError("put in by the test")
    if name.name == "later":
        asyncio.get_running_loop().call_soon(int, "put in for later")
    return whole(self, name, *args)

Registry.resolve = resolve
main()
"""
EVENT = "def handler(event, context):\n    return 'fine'\n"


def crash_files(workshop: Workshop) -> list[Path]:
    return [*workshop.state.glob("crash-*.txt")]


def test_a_fault_while_a_request_is_answered_is_kept_in_a_file_that_the_answer_names(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, (sys.executable, "-c", FAULTY))
    workshop.project(EVENT, broken={}, hello={})
    with workshop.started() as running:
        answers = [running.call("broken") for _ in range(3)]
        (file,) = crash_files(workshop)
        for status, body, headers in answers:
            error = json.loads(body)
            assert (status, error["ErrorCode"]) == (500, "InternalServerError")
            assert error["ErrorMessage"].startswith("Sorry, this is a fault of fclocal, not of your project.")
            assert str(file) in error["ErrorMessage"] and "\n" not in error["ErrorMessage"]
            assert headers["x-fc-request-id"] == error["RequestId"]
        assert "RuntimeError: put in by the test" in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert running.call("hello")[:2] == (200, "fine")
        assert running.stop() == 0
        assert running.out.count(str(file)) == 1, "whoever watches is told, once"
        assert "Traceback" not in running.out + running.err
        running.assert_nothing_left()


def test_a_fault_in_the_background_is_kept_and_told(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, (sys.executable, "-c", FAULTY))
    workshop.project(EVENT, later={})
    with workshop.started() as running:
        assert running.call("later")[:2] == (200, "fine")
        (file,) = eventually(lambda: crash_files(workshop), "a crash file")
        running.until_said(str(file))
        assert "put in for later" in file.read_text()
        assert running.stop() == 0
        assert "Traceback" not in running.out + running.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "args", ["start --port 0", "start --port 0 --json", "invoke -e x", "event list", "doctor", "--version", "--help"]
)
def test_a_disk_that_is_full_under_the_output_is_one_message(tmp_path: Path, args: str) -> None:
    workshop = Workshop(tmp_path, ("sh", "-c", 'exec "$@" > /dev/full', "sh", *COMMAND))
    workshop.project(EVENT, hello={})
    done = workshop.run(*args.split())
    assert done.returncode == 2, done.stderr
    assert "error: what was printed or kept could not be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert not list(tmp_path.rglob("crash-*"))
    assert not workshop.endpoint_file.exists()
