"""What a bootstrap says of that which user code has left running, on every interpreter that is here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from bootstrap_harness import Bootstrap, Target
from bootstrap_vectors import message
from test_bootstraps import TARGETS
from test_python_control import board

from tests.support.command import PATIENCE_SECONDS

FIRST_NODE_THAT_TELLS = (17, 3)


async def left_by(target: Target, handler: str, folder: Path) -> dict[str, Any]:
    async with board(folder) as made:
        with Bootstrap(target, folder, made.env) as bootstrap:
            control = await made.hello()
            connection = bootstrap.connect()
            connection.send(message(bootstrap, handler))
            answer = await asyncio.to_thread(connection.receive)
            assert answer is not None and answer.status == 200, answer
            return await control.ask("left", PATIENCE_SECONDS, code=str(bootstrap.code_path))


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_threads_and_timers_are_named_and_our_own_are_not(target: Target, short_folder: Path) -> None:
    found = asyncio.run(left_by(target, "leaving.handler", short_folder))
    if target.family.name == "python":
        source = (target.family.handlers / "leaving.py").read_text().splitlines()
        line = next(number for number, text in enumerate(source, 1) if "the line of beat" in text)
        [thread] = found["threads"]
        assert (thread["name"], thread["function"]) == ("heart", "beat")
        assert thread["at"].endswith(f"/leaving.py:{line}")
        alarm, timer = found["timers"]
        assert alarm.startswith("signal.setitimer, due in ")
        assert timer.startswith("threading.Timer of 300 s for later (") and "/leaving.py:" in timer
    elif target.version >= FIRST_NODE_THAT_TELLS:
        assert sorted(found["timers"]) == ["1 file watcher", "2 timers of setTimeout or setInterval"]
    else:
        assert found == {}


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_of_a_quiet_function_there_is_nothing_to_say(target: Target, short_folder: Path) -> None:
    found = asyncio.run(left_by(target, "leaving.quiet", short_folder))
    assert not found.get("threads") and not found.get("timers")
