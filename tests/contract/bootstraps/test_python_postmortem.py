"""What a Python instance tells of a failure, on every Python there is here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bootstrap_harness import Bootstrap, Target
from bootstrap_vectors import message
from test_bootstraps import TARGETS

from emulator.debug.postmortem.bundle import Dump, Frame, Value
from emulator.debug.postmortem.stacks import python_crash
from emulator.instance.control import Control, Switchboard
from tests.support.command import PATIENCE_SECONDS

PYTHONS = [target for target in TARGETS if target.family.name == "python"]
every_python = pytest.mark.parametrize("target", PYTHONS, ids=str)
python3 = pytest.mark.parametrize("target", [t for t in PYTHONS if t.version >= (3,)], ids=str)


class Told:
    """A switchboard, and what the bootstrap under test tells it."""

    def __init__(self) -> None:
        self.switchboard = Switchboard()
        self.controls: list[Control] = []
        self.token = self.switchboard.admit()
        self.switchboard.introduce(self.token, self)
        self._said: dict[str, asyncio.Queue[Any]] = {}
        for event in ("hello", "exception", "last_words"):
            queue = self._said[event] = asyncio.Queue()
            self.switchboard.listen(event, lambda _, control, said, queue=queue: queue.put_nowait((control, said)))

    @property
    def env(self) -> dict[str, str]:
        return {
            "FCLOCAL_DEBUG": f"unix:{self.switchboard.path}",
            "FCLOCAL_DEBUG_TOKEN": self.token,
            "FCLOCAL_POSTMORTEM": "1",
            "DB_PASSWORD": "correct-horse",
        }

    async def next(self, event: str) -> tuple[Control, dict[str, Any]]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            found: tuple[Control, dict[str, Any]] = await self._said[event].get()
            return found

    async def dump(self) -> Dump:
        """Of the next exception, which must have the form that the emulator takes."""
        _, said = await self.next("exception")
        assert said["request"]
        return msgspec.convert(said["dump"], Dump)


@contextlib.asynccontextmanager
async def told(folder: Path) -> AsyncIterator[Told]:
    made = Told()
    await made.switchboard.open(folder)
    try:
        yield made
    finally:
        await made.switchboard.aclose()


def values(found: list[Value]) -> dict[str, Value]:
    return {value.name: value for value in found}


def own(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if not frame.library]


@every_python
def test_an_exception_tells_its_chain_frames_and_variables(target: Target, short_folder: Path) -> None:
    async def talk() -> None:
        async with told(short_folder) as made:
            with Bootstrap(target, short_folder, made.env) as bootstrap:
                connection = bootstrap.connect()
                connection.send(message(bootstrap, "dying.raises"))
                answer = await asyncio.to_thread(connection.receive)
                assert answer is not None and json.loads(answer.body)["errorType"] == "ValueError"
                _, said = await made.next("exception")
        assert "hunter2" not in str(said) and "abc-def" not in str(said) and "s3cr3tpw" not in str(said)
        assert "correct-horse" not in str(said)
        dump = msgspec.convert(said["dump"], Dump)
        first, *rest = dump.exceptions
        assert (first.type, first.message) == ("ValueError", "the order is wrong, <redacted>")
        # 2.7 keeps no chain.
        assert [(f.type, f.relation) for f in rest] == ([("KeyError", "context")] if target.version >= (3,) else [])
        (handler,) = own(first.frames)
        assert handler.file.endswith("/dying.py") and handler.function == "raises"
        order = values(handler.locals)["order"]
        assert values(order.children)["'token'"].redacted
        assert [child.text for child in values(order.children)["'items'"].children] == ["1", "2"]
        for failure in rest:
            inner = own(failure.frames)[0]
            assert inner.function == "price"
            slow = values(inner.locals)["slow"]
            assert [(c.name, c.redacted) for c in slow.children] == [("name", False), ("password", True)]
            assert values(inner.globals)["LIMIT"].count == 2
        ((line, text),) = dump.sources[handler.file]
        assert line == 1 and "def raises(event, context):" in text
        assert dump.threads[0].current

    asyncio.run(talk())


@every_python
def test_an_instance_that_does_not_answer_says_where_it_stands(target: Target, short_folder: Path) -> None:
    async def talk() -> None:
        async with told(short_folder) as made:
            with Bootstrap(target, short_folder, made.env) as bootstrap:
                bootstrap.connect().send(message(bootstrap, "dying.sleeps"))
                await asyncio.to_thread(bootstrap.wait_for_line, "^sleeping$")
                control, _ = await made.next("hello")
                dump = msgspec.convert(await control.ask("dump", PATIENCE_SECONDS), Dump)
        main = dump.threads[0]
        assert main.current and main.request
        (frame,) = own(main.frames)
        assert frame.function == "sleeps" and values(frame.locals)["stage"].text == "'before'"
        assert not any("_fclocal_bootstrap" in frame.file for frame in main.frames)

    asyncio.run(talk())


@python3
@pytest.mark.parametrize("how", ["crash", "signal"])
def test_c_code_writes_the_stack_where_python_can_not(target: Target, short_folder: Path, how: str) -> None:
    async def talk() -> None:
        async with told(short_folder) as made:
            with Bootstrap(target, short_folder, made.env) as bootstrap:
                handler = "dying.crashes" if how == "crash" else "dying.sleeps"
                bootstrap.connect().send(message(bootstrap, handler))
                if how == "signal":
                    await asyncio.to_thread(bootstrap.wait_for_line, "^sleeping$")
                    control, _ = await made.next("hello")
                    bootstrap.process.send_signal(signal.SIGRTMAX - 1)
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        while not any("in answer" in line for line in control.last_words):
                            await asyncio.sleep(0.01)
                    bootstrap.process.kill()
                status = await asyncio.to_thread(bootstrap.process.wait, PATIENCE_SECONDS)
                assert status == (-signal.SIGSEGV if how == "crash" else -signal.SIGKILL)
                # Not in the function's log, where FC has nothing.
                assert not any("most recent call" in line for line in bootstrap.log())
                _, said = await made.next("last_words")
        fatal, threads = python_crash(said["lines"], lambda file: not file.endswith("/dying.py"))
        assert fatal == ("Segmentation fault" if how == "crash" else "")
        (current,) = [thread for thread in threads if thread.current]
        assert own(current.frames)[0].function == ("crashes" if how == "crash" else "sleeps")

    asyncio.run(talk())


@every_python
def test_leaving_tells_where_it_left(target: Target, short_folder: Path) -> None:
    async def talk() -> None:
        async with told(short_folder) as made:
            with Bootstrap(target, short_folder, made.env) as bootstrap:
                bootstrap.connect().send(message(bootstrap, "dying.leaves"))
                dump = await made.dump()
                assert await asyncio.to_thread(bootstrap.process.wait, PATIENCE_SECONDS) == 3
        assert (dump.exceptions[0].type, dump.exceptions[0].message) == ("SystemExit", "3")
        assert values(own(dump.exceptions[0].frames)[0].locals)["code"].text == "3"

    asyncio.run(talk())


@every_python
@pytest.mark.parametrize(
    ("handler", "control", "function"),
    [
        ("broken_start.handler", "/invoke", "<module>"),
        ("hooks.initialize_fails", "/initialize", "initialize_fails"),
        ("hooks.pre_stop_fails", "/pre-stop", "pre_stop_fails"),
    ],
)
def test_what_fails_outside_of_the_handler_is_told_too(
    target: Target, short_folder: Path, handler: str, control: str, function: str
) -> None:
    async def talk() -> None:
        async with told(short_folder) as made:
            with Bootstrap(target, short_folder, made.env) as bootstrap:
                bootstrap.connect().send(message(bootstrap, handler, control=control))
                dump = await made.dump()
        assert own(dump.exceptions[0].frames)[0].function == function

    asyncio.run(talk())


@every_python
def test_arrays_are_shown_by_their_shape(target: Target, short_folder: Path) -> None:
    has_numpy = subprocess.run([target.interpreter, "-c", "import numpy"], capture_output=True).returncode == 0
    if not has_numpy:
        pytest.skip("this Python has no numpy")

    async def talk() -> None:
        async with told(short_folder) as made:
            with Bootstrap(target, short_folder, made.env) as bootstrap:
                bootstrap.connect().send(message(bootstrap, "dying.arrays"))
                dump = await made.dump()
        found = values(own(dump.exceptions[0].frames)[0].locals)
        assert found["matrix"].text.startswith("shape=(3, 4) dtype=int")
        assert values(found["matrix"].children)["first elements"].count == 8
        assert found["large"].text == "shape=(10000000,) dtype=float64"

    asyncio.run(talk())


def test_without_the_variable_nothing_is_told(short_folder: Path) -> None:
    async def talk() -> None:
        async with told(short_folder) as made:
            env = {name: value for name, value in made.env.items() if name != "FCLOCAL_POSTMORTEM"}
            with Bootstrap(PYTHONS[-1], short_folder, env) as bootstrap:
                connection = bootstrap.connect()
                connection.send(message(bootstrap, "dying.raises"))
                assert await asyncio.to_thread(connection.receive) is not None
                # The channel is in order: an answer behind would come behind the event.
                control, _ = await made.next("hello")
                with contextlib.suppress(Exception):
                    await control.ask("nothing", PATIENCE_SECONDS)
        assert made._said["exception"].empty()

    asyncio.run(talk())
