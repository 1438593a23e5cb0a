"""`fclocal dap`: the emulator's debug adapter on stdin and stdout, for editors that start their adapters."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import sys
from collections.abc import AsyncIterator
from typing import Any

import click

from emulator.cli.context import Workplace, workplace
from emulator.cli.debuggee import Debuggee, own_emulator, running
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.config.settings import OPTIONS
from emulator.debug.dap import Framing, Message, NotDap, frame
from emulator.model.errors import FclocalError, UserError

READ_BYTES = 64 * 1024


@click.command(
    "dap",
    params=[
        click.Option(["--start"], is_flag=True, help="Start an emulator where none runs; it ends with the session."),
        *project_options(),
        *settings_options(*(name for name in OPTIONS if name not in ("json", "color"))),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, start: bool, **values: Any) -> int:
    """Speak the Debug Adapter Protocol on stdin and stdout, for editors that start a program for it.

    The project's running emulator is what is debugged. Where there is none, and none can be started, the editor is
    told so in the protocol's own words.
    """
    _require_pipes()
    try:
        place = workplace(ctx, values)
        return run(_serve(place, start), place.faults())
    except FclocalError as error:
        return run(_refuse(str(error)))


def _require_pipes() -> None:
    """The event loop can not wait for a file. Raises `UserError`."""
    for name, number in (("stdin", 0), ("stdout", 1)):
        mode = os.fstat(number).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(number)):
            raise UserError(f"{name} is a file", "let an editor start this command: it speaks through pipes")


async def _serve(place: Workplace, start: bool) -> int:
    async with _debuggee(place, start) as target:
        try:
            reader, writer = await asyncio.open_connection(target.host, target.debug_port)
        except OSError as error:
            where = f"{target.host}:{target.debug_port}"
            raise UserError(f"the emulator does not answer at {where}: {error.strerror}", "start it again") from None
        await _pipe(reader, writer)
    return 0


@contextlib.asynccontextmanager
async def _debuggee(place: Workplace, start: bool) -> AsyncIterator[Debuggee]:
    found = running(place)
    if found is not None:
        yield found
        return
    if not start:
        raise UserError("no emulator of this project runs", "start it by: fclocal start (or use: fclocal dap --start)")
    async with own_emulator(place, place.project(), lambda _: None) as target:
        yield target


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes both ways, until the editor or the emulator has no more of them."""
    editor_in, editor_out = await _stdio()
    ways = [
        asyncio.create_task(_copy(editor_in, writer), name="editor to emulator"),
        asyncio.create_task(_copy(reader, editor_out), name="emulator to editor"),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        writer.close()
        # What the emulator has still said belongs to the editor.
        await asyncio.wait(ways[1:])
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()


async def _stdio() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Our stdin and stdout as streams. What else is printed from now on goes to stderr: stdout is the protocol's."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(0), "rb", 0))
    out = os.fdopen(os.dup(1), "wb", 0)
    os.dup2(sys.stderr.fileno(), 1)
    transport, protocol = await loop.connect_write_pipe(lambda: asyncio.streams.FlowControlMixin(loop), out)
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


async def _refuse(reason: str) -> int:
    """Fail the first request: editors show its message, and few show what is on stderr."""
    reader, writer = await _stdio()
    framing = Framing()
    try:
        while data := await reader.read(READ_BYTES):
            for request in framing.feed(data):
                writer.write(b"".join(frame(message) for message in _refusal(request, reason)))
                await writer.drain()
                return 2
    except NotDap:
        print(reason, file=sys.stderr)
    return 2


def _refusal(request: Message, reason: str) -> list[Message]:
    output = {"category": "important", "output": f"fclocal: {reason}\n"}
    error = {"id": 1, "format": f"fclocal: {reason}", "showUser": True}
    return [
        {"seq": 1, "type": "event", "event": "output", "body": output},
        {
            "seq": 2,
            "type": "response",
            "request_seq": request.get("seq", 0),
            "command": request.get("command", ""),
            "success": False,
            "message": f"fclocal: {reason}",
            "body": {"error": error},
        },
        {"seq": 3, "type": "event", "event": "terminated"},
    ]
