"""The control channel: every bootstrap dials a real switchboard, which cuts off strangers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bootstrap_harness import Bootstrap, Target
from test_bootstraps import TARGETS

from emulator.instance.control import MAX_HELLO_BYTES, Control, ControlError, Switchboard
from tests.support.command import PATIENCE_SECONDS

PYTHONS = [target for target in TARGETS if target.family.name == "python"]


class Callee:
    """Who the bootstrap under test is to the switchboard."""

    def __init__(self) -> None:
        self.controls: list[Control] = []


class Board:
    """A switchboard in a folder of its own that waits for hellos."""

    def __init__(self) -> None:
        self.switchboard = Switchboard()
        self.callee = Callee()
        self.token = self.switchboard.admit()
        self.switchboard.introduce(self.token, self.callee)
        self._hello: asyncio.Queue[Control] = asyncio.Queue()
        self.switchboard.listen("hello", lambda _callee, control, _said: self._hello.put_nowait(control))

    @property
    def env(self) -> dict[str, str]:
        return {"FCLOCAL_DEBUG": f"unix:{self.switchboard.path}", "FCLOCAL_DEBUG_TOKEN": self.token}

    async def hello(self) -> Control:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._hello.get()


@contextlib.asynccontextmanager
async def board(folder: Path) -> AsyncIterator[Board]:
    made = Board()
    await made.switchboard.open(folder)
    try:
        yield made
    finally:
        await made.switchboard.aclose()
    assert not (folder / "debug.sock").exists()


@pytest.mark.parametrize("target", PYTHONS, ids=str)
def test_a_bootstrap_dials_and_does_what_it_is_asked(target: Target, short_folder: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            with Bootstrap(target, short_folder, made.env) as bootstrap:
                control = await made.hello()
                assert made.callee.controls == [control]
                assert (control.pid, control.language) == (bootstrap.process.pid, "python")
                assert control.version.startswith(".".join(map(str, target.version)))
                with pytest.raises(ControlError, match="does not know the command"):
                    await control.ask("sing", PATIENCE_SECONDS)
                # The bootstrap is given no debugpy here, and the oldest Pythons could not use it.
                with pytest.raises(ControlError, match=r"is not (debuggable|installed)"):
                    await control.ask("attach", PATIENCE_SECONDS, debugpy="")
                asking = asyncio.ensure_future(control.ask("attach", PATIENCE_SECONDS, debugpy=""))
            with pytest.raises(ControlError):
                await asking
            await until_gone(made.callee)
            with pytest.raises(ControlError, match="has ended"):
                await control.ask("attach", PATIENCE_SECONDS)

    asyncio.run(talk())


@pytest.mark.parametrize("target", PYTHONS, ids=str)
def test_a_bootstrap_that_sees_no_socket_dials_a_port(target: Target, short_folder: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            env = {**made.env, "FCLOCAL_DEBUG": f"tcp:localhost:{await made.switchboard.port()}"}
            with Bootstrap(target, short_folder, env):
                control = await made.hello()
                with pytest.raises(ControlError, match="does not know the command"):
                    await control.ask("sing", PATIENCE_SECONDS)
            await until_gone(made.callee)

    asyncio.run(talk())


async def until_gone(callee: Callee) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while callee.controls:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "said",
    [
        b'{"hello": "not a token"}\n',
        b"{}\n",
        b"{\n",
        b"[" * 10 + b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"Content-Length: 2\r\n\r\n{}",
        b'{"hello": "x", "carries": "dap"}\n',
        b"{" * (MAX_HELLO_BYTES + 1),
    ],
)
def test_who_has_no_token_is_cut_off(said: bytes, short_folder: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            reader, writer = await asyncio.open_unix_connection(str(made.switchboard.path))
            writer.write(said)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b""
            writer.close()
            assert made.callee.controls == []

    asyncio.run(talk())


def test_what_comes_with_the_hello_may_be_long(short_folder: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            heard: list[int] = []
            made.switchboard.listen("long", lambda _callee, _control, said: heard.append(len(said["text"])))
            _reader, writer = await asyncio.open_unix_connection(str(made.switchboard.path))
            hello = json.dumps({"hello": made.token, "pid": 1, "lang": "x"}).encode()
            event = json.dumps({"event": "long", "text": "x" * 10 * MAX_HELLO_BYTES}).encode()
            writer.write(hello + b"\n" + event + b"\n")
            control = await made.hello()
            writer.close()
            await control.ended()
            assert heard == [10 * MAX_HELLO_BYTES]

    asyncio.run(talk())


def test_what_is_no_json_is_what_a_process_says_as_it_dies(short_folder: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            _reader, writer = await asyncio.open_unix_connection(str(made.switchboard.path))
            writer.write(json.dumps({"hello": made.token, "pid": 1, "lang": "x"}).encode() + b"\n")
            control = await made.hello()
            asking = asyncio.ensure_future(control.ask("attach", PATIENCE_SECONDS))
            writer.write(b'{"id": 77, "ok": {}}\n{"id": [], "ok": {}}\n{"id": 1, "ok": 5}\nnonsense\n')
            with pytest.raises(ControlError, match="no reason was given"):
                await asking
            words: list[list[str]] = []
            made.switchboard.listen("last_words", lambda _callee, _control, said: words.append(said["lines"]))
            writer.close()
            await control.ended()
            assert words == [["nonsense"]]

    asyncio.run(talk())
