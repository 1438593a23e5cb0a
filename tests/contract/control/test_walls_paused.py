"""In every kind of walls: what the debugger has paused lives on, and nothing of it is left when the emulator ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emulator.app import Emulator
from emulator.config.settings import Settings
from emulator.instance.instance import Instance
from emulator.model.events import InvocationStarted
from emulator.model.function import Function, FunctionName, Project
from emulator.model.invocation import Cause, Invocation, Outcome
from tests.support.command import PATIENCE_SECONDS, RUNGS, need_rung
from tests.support.mailbox import Mailbox

HANDLER = """
import os, socket, time

def handler(event, context):
    if event == b"stuck":
        time.sleep(600)
    with socket.create_connection(("127.0.0.1", int(os.environ["MAILBOX"]))) as sock:
        sock.sendall(b"here")
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)
    return str(os.getpid())
"""


class Site:
    """A running emulator with one function, whose time is one second."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.started = emulator.journal.subscribe(linger=0.0)
        [function] = emulator.project.functions
        revision = emulator.engine.registry.latest(function.name)
        assert revision is not None
        self.revision = revision

    async def invoke(self, event: bytes) -> Outcome:
        call = Invocation(self.revision, f"1-{event.decode()}", body=event, length=len(event))
        async with self.emulator.engine.dispatcher.invoke(call) as outcome:
            return outcome

    async def begun(self) -> Instance:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for events in self.started:
                if any(isinstance(event, InvocationStarted) for event in events):
                    break
        [instance] = self.emulator.engine.scheduler.instances()
        return instance


@contextlib.asynccontextmanager
async def site(rung: str, place: Path, mailbox: Mailbox) -> AsyncIterator[Site]:
    need_rung(rung)
    (place / "index.py").write_text(HANDLER)
    function = Function(
        FunctionName("hello"),
        "python3.10",
        handler="index.handler",
        code=place,
        timeout=1.0,
        environment={"MAILBOX": str(mailbox.port)},
    )
    settings = Settings(port=0, walls=rung, state_dir=place / ".fclocal", freeze_after_ms=1)
    async with Emulator(settings, Project(place, None, (function,))) as emulator:
        yield Site(emulator)


@pytest.fixture
def mailbox():
    box = Mailbox()
    yield box
    box.close()


@pytest.mark.parametrize("rung", RUNGS)
def test_a_paused_invocation_outlives_its_timeout_and_answers(rung: str, tmp_path: Path, mailbox: Mailbox) -> None:
    async def main() -> None:
        async with site(rung, tmp_path, mailbox) as it:
            call = asyncio.create_task(it.invoke(b"first"))
            instance = await it.begun()
            instance.pause()
            assert (await it.invoke(b"stuck")).cause is Cause.TIMEOUT
            with mailbox.visitor() as visitor:
                assert not call.done()
                instance.resume()
                visitor.let_go()
                outcome = await call
            assert outcome.error is None
            assert outcome.report is not None
            assert outcome.report.paused_ms > 1000

    asyncio.run(main())


@pytest.mark.parametrize("rung", RUNGS)
def test_the_emulator_ends_though_an_instance_is_paused(rung: str, tmp_path: Path, mailbox: Mailbox) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with site(rung, tmp_path, mailbox) as it:
                call = asyncio.create_task(it.invoke(b"first"))
                instance = await it.begun()
                instance.pause()
            assert (await call).cause is Cause.TIMEOUT
        assert instance.sandbox.exited.done()
        assert not instance.paused

    asyncio.run(main())
