"""In every kind of walls an instance has a control channel, and its function sees nothing of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from emulator.app import Emulator
from emulator.config.settings import Settings
from emulator.instance.control import ControlError
from emulator.model.function import Function, FunctionName, Project
from emulator.model.invocation import Invocation
from tests.support.command import PATIENCE_SECONDS, RUNGS, need_rung

HANDLER = """
import json, os

def handler(event, context):
    return json.dumps([name for name in os.environ if name.startswith("FCLOCAL_DEBUG")])
"""


@pytest.mark.parametrize("rung", RUNGS)
def test_an_instance_has_a_channel_in_all_walls_and_its_function_does_not_see_it(rung: str, tmp_path: Path) -> None:
    need_rung(rung)
    (tmp_path / "index.py").write_text(HANDLER)
    function = Function(FunctionName("hello"), "python3.10", handler="index.handler", code=tmp_path, timeout=30)

    async def call() -> None:
        settings = Settings(port=0, walls=rung, state_dir=tmp_path / ".fclocal", freeze=False)
        async with Emulator(settings, Project(tmp_path, None, (function,))) as emulator:
            revision = emulator.engine.registry.latest(function.name)
            assert revision is not None
            instance = await emulator.engine.scheduler.lease(revision, "1-2-3")
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while instance.control is None:
                        await asyncio.sleep(0.01)
                with pytest.raises(ControlError, match="does not know"):
                    await instance.control.ask("sing", PATIENCE_SECONDS)
            finally:
                instance.give_back()
            call = Invocation(revision, "1-2-4", body=b"", length=0)
            async with emulator.engine.dispatcher.invoke(call) as outcome:
                assert outcome.body == b"[]"
            socket = emulator.switchboard.path
        assert instance.controls == []
        assert socket is not None and not socket.exists()

    asyncio.run(call())
