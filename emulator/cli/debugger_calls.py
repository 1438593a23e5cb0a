"""Invocations that the terminal debugger makes: they run beside the prompt, since they are to be stopped in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from emulator.cli.call import START_FAILED, Call, api_error
from emulator.cli.client import send
from emulator.cli.project import choose_name
from emulator.cli.served import Served
from emulator.model import headers as h
from emulator.model.errors import UserError

MOST_SHOWN = 4000


class Calls:
    """Calls functions of one emulator, and tells each result when it is there. `changed` is called then, too."""

    def __init__(
        self,
        port: int,
        token: str,
        functions: tuple[Served, ...],
        tell: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._port = port
        self._token = token
        self._functions = functions
        self._tell = tell
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        return len(self._tasks)

    @property
    def names(self) -> list[str]:
        return [function.name for function in self._functions]

    def start(self, text: str) -> str:
        """Begin `[FUNCTION] [EVENT]`; returns the function's name. An event of `@FILE` is that file. `UserError`."""
        first, _, rest = text.partition(" ")
        bare = {name.rpartition("$")[2] for name in self.names}
        named = first in self.names or first in bare
        name = choose_name(self.names, first if named else None)
        event = _event((rest if named else text).strip())
        function = next(f for f in self._functions if f.name == name)
        task = asyncio.create_task(self._call(function, event), name=f"invoke {name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return name

    async def aclose(self) -> None:
        """Leave those that still run."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed()

    async def _call(self, function: Served, event: bytes) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            try:
                request = Call(event=event, token=self._token).request(function, self._port)
                async with send(self._port, request) as reply:
                    body, status, headers = await reply.read(), reply.status, reply.headers
            except OSError as error:
                self._tell(f"{function.name} was not called: {error}")
                return
            text = body.decode("utf-8", "replace")
            text = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}… ({len(body)} bytes)"
            if h.ERROR_TYPE in headers or status == START_FAILED:
                self._tell(f"{function.name} failed: {text}")
            elif status >= 400:
                self._tell(f"{function.name} was refused: {status} {api_error(body)}")
            else:
                self._tell(f"{function.name} answered: {text}")


def _event(text: str) -> bytes:
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    try:
        return Path(text[1:]).expanduser().read_bytes()
    except OSError as error:
        raise UserError(
            f"{text[1:]} can not be read: {error.strerror}", "name a file, or write the event itself"
        ) from None
