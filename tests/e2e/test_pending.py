"""Functions that wait for their images, each settled on its own: what becomes of one is no matter of the others."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.support.command import Running, Workshop, eventually

# The command with an engine's part put in: an image is there when the test says so, and one of them never.
SLOW_IMAGES = """
import asyncio
import pathlib
from emulator.cli.main import main
from emulator.instance.images import Images
from emulator.model.errors import UserError

async def at_hand(self, function):
    return False

async def prepared(self, function):
    while not pathlib.Path(f"{function.name.name}.go").exists():
        await asyncio.sleep(0.01)
    if function.name.name == "broken":
        raise RuntimeError("put in by the test")
    if function.name.name == "missing":
        raise UserError("the image is nowhere", "make one")
    return function

Images.at_hand, Images.prepared = at_hand, prepared
main()
"""
IN_IMAGE = {"runtime": "custom-container", "customContainerConfig": {"image": "fclocal-tests/nothing:v1"}}


def pending(workshop: Workshop) -> list[str]:
    return list(json.loads(workshop.endpoint_file.read_text())["pending"])


def refusal(running: Running, name: str) -> tuple[int, str, str]:
    status, body, _ = running.call(name)
    error = json.loads(body)
    return status, error["Code"], error["Message"]


def test_a_fault_of_ours_keeps_no_other_function_pending(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, (sys.executable, "-c", SLOW_IMAGES))
    workshop.project("", broken=IN_IMAGE, missing=IN_IMAGE, there=IN_IMAGE)
    with workshop.started("--json", pending=True) as running:

        def settle(name: str, left: list[str]) -> None:
            (workshop.root / f"{name}.go").touch()
            eventually(lambda: pending(workshop) == left, f"only {left} are pending")

        assert pending(workshop) == ["broken", "missing", "there"]
        assert refusal(running, "broken")[:2] == (412, "PreconditionFailed")
        settle("broken", ["missing", "there"])
        status, code, message = refusal(running, "broken")
        (file,) = workshop.state.glob("crash-*.txt")
        assert (status, code) == (412, "FunctionNotStarted")
        assert "this is a fault of fclocal" in message and str(file) in message
        assert "RuntimeError: put in by the test" in file.read_text()
        told = running.until(lambda event: event["kind"] == "notice" and str(file) in event["message"])
        assert [event["function"] for event in told] == ["broken"]
        settle("missing", ["there"])
        assert "the image is nowhere" in refusal(running, "missing")[2]
        settle("there", [])
        running.until(lambda event: event["kind"] == "revision_deployed" and event["function"] == "there")
        assert running.stop() == 0
        assert "Traceback" not in running.out + running.err
