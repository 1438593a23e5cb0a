"""The control channel of Node.js: its inspector comes when it is asked for, from 12.11 on, and goes again."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from bootstrap_harness import Bootstrap, Target
from test_bootstraps import TARGETS
from test_python_control import Board, board

from emulator.debug.cdp_link import Link
from emulator.instance.control import ControlError
from tests.support.command import PATIENCE_SECONDS

NODES = [target for target in TARGETS if target.family.name == "nodejs"]
# Of a major version the newest is tested, so 12.10 does not come up.
FIRST_WITH_INSPECTOR = (12,)


class Links:
    """Inspectors that dial."""

    def __init__(self, made: Board) -> None:
        self._links: asyncio.Queue[Link] = asyncio.Queue()
        made.switchboard.carry("cdp", self._dialled)

    def _dialled(self, callee: Any, hello: dict[str, Any], transport: asyncio.Transport, rest: bytes) -> None:
        link = Link(hello, transport)
        transport.set_protocol(link)
        self._links.put_nowait(link)

    async def link(self) -> Link:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._links.get()


@pytest.mark.parametrize("target", NODES, ids=str)
def test_an_inspector_comes_and_goes(target: Target, short_folder: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            links = Links(made)
            with Bootstrap(target, short_folder, made.env) as bootstrap:
                control = await made.hello()
                assert (control.pid, control.language) == (bootstrap.process.pid, "node")
                with pytest.raises(ControlError, match="does not know the command"):
                    await control.ask("sing", PATIENCE_SECONDS)
                if target.version < FIRST_WITH_INSPECTOR:
                    with pytest.raises(ControlError, match=r"install 12\.11 or newer"):
                        await control.ask("attach", PATIENCE_SECONDS)
                    return
                # Twice, since an editor may come again after it has left.
                for _ in range(2):
                    await control.ask("attach", PATIENCE_SECONDS)
                    await control.ask("attach", PATIENCE_SECONDS)
                    await look_into(await links.link(), bootstrap.process.pid)
                    await control.ask("detach", PATIENCE_SECONDS)

    asyncio.run(talk())


async def look_into(link: Link, pid: int) -> None:
    """Two sessions at once; the environment tells nothing of all this."""
    gone = asyncio.Event()
    link.on_gone = gone.set
    assert link.pid == pid
    sessions = [link.open(lambda message: None) for _ in range(2)]
    for session in sessions:
        for expression, value in (("process.pid", pid), ("Object.keys(process.env).join().indexOf('DEBUG')", -1)):
            answer = await link.ask(session, "Runtime.evaluate", expression=expression)
            assert answer["result"]["result"]["value"] == value
    refused = await link.ask(sessions[0], "Nonsense.method")
    assert refused["error"]["code"] == -32601
    link.close_session(sessions[0])
    assert "result" in await link.ask(sessions[1], "Runtime.getIsolateId")
    link.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await gone.wait()
    assert link.closed
