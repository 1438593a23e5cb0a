"""`fclocal debug`: a debugger in the terminal, without any editor."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from emulator.cli.arguments import function_argument
from emulator.cli.context import Workplace, workplace
from emulator.cli.debuggee import Debuggee, own_emulator, running
from emulator.cli.debugger_sources import Sources, entry_of
from emulator.cli.endpoint import prepare_state_dir
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options, take_given, without_effect
from emulator.cli.project import choose_function
from emulator.config.settings import OPTIONS
from emulator.debug.client import DapError
from emulator.model.errors import UserError
from emulator.model.function import Place, Project

if TYPE_CHECKING:
    from emulator.cli.debugger import Debugger
    from emulator.cli.debugger_commands import Commands
    from emulator.cli.prompt import Complete, LineSource

HISTORY_FILE = "debug-history"
# How long a first stop may take: a cold start, and the debugger's own.
ENTRY_SECONDS = 60.0


class _Wanted(Struct, frozen=True):
    """What the command line asks for; `address` is of a debug adapter that is no emulator's."""

    function: str | None
    event: str | None
    address: tuple[str, int] | None


@click.command(
    "debug",
    params=[
        function_argument(),
        click.Option(["-e", "--event"], metavar="TEXT", help="Call FUNCTION with this event, and stop at its begin."),
        click.Option(["--connect"], metavar="HOST:PORT", help="Debug what another debug adapter has."),
        *project_options(),
        *settings_options(*(name for name in OPTIONS if name not in ("json",))),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, function: str | None, event: str | None, connect: str | None, **values: Any) -> int:
    """Debug functions in this terminal: a prompt with pdb's commands; `h` lists them.

    The running emulator is used; without one, one starts for the session. Commands are also read from a pipe.

    \b
    fclocal debug hello -e '{"key": "value"}'
    printf 'b index.py:7\\ninvoke {}\\np event\\nc\\n' | fclocal debug hello
    """
    place = workplace(ctx, values)
    wanted = _Wanted(function, event, _address(connect) if connect else None)
    if event is not None and wanted.address is not None:
        raise UserError("--connect knows no emulator to send an event to", "leave out -e", Place("--connect"))
    return run(_debug(place, wanted), place.faults())


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(f"{text!r} is no address", "write HOST:PORT", Place("--connect"))
    return host.strip("[]") or "127.0.0.1", int(port)


async def _debug(place: Workplace, wanted: _Wanted) -> int:
    # The prompt's library is large, and no other command needs it.
    from emulator.cli.debugger import Debugger
    from emulator.cli.debugger_calls import Calls
    from emulator.cli.debugger_commands import Commands
    from emulator.cli.debugger_show import Show

    project = place.project() if wanted.address is None else None
    show = Show(place.terminal.paint, Path.cwd(), place.terminal.width)
    sources = Sources(Path.cwd(), place.root, project.functions if project else ())
    debugger = Debugger(show, sources)
    commands = Commands(debugger)
    lines = _lines(place, debugger.prompt, commands.complete, keep=project is not None)
    async with debugger.printing(lines), _target(place, project, wanted, debugger) as target:
        await _attach(debugger, target)
        if target.functions:
            debugger.calls = Calls(target.port, target.token, target.functions, debugger.tell, debugger.changed)
        try:
            if project is not None and wanted.event is not None:
                await _enter(debugger, commands, project, wanted.function, wanted.event)
            await debugger.run(commands.do)
        finally:
            await debugger.leave()
    return 1 if debugger.failed and lines.is_script else 0


def _lines(place: Workplace, prompt: Callable[[], str], complete: Complete, keep: bool) -> LineSource:
    from emulator.cli.prompt import ScriptLines, TypedLines

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return ScriptLines(place.terminal, prompt)
    if keep:
        prepare_state_dir(place.settings.state_dir)
    return TypedLines(place.terminal, prompt, complete, place.settings.state_dir / HISTORY_FILE if keep else None)


@contextlib.asynccontextmanager
async def _target(
    place: Workplace, project: Project | None, wanted: _Wanted, debugger: Debugger
) -> AsyncIterator[Debuggee]:
    """What is debugged: a foreign adapter, the running emulator, or one of our own."""
    if project is None:
        host, port = wanted.address or ("127.0.0.1", 0)
        yield Debuggee(host, port, 0, "", (), own=False)
    elif (found := running(place)) is not None:
        debugger.tell(without_effect(found.url, take_given(place.flags)))
        yield found
    else:
        debugger.own_log = True
        async with own_emulator(place, project, debugger.tell) as target:
            yield target


async def _attach(debugger: Debugger, target: Debuggee) -> None:
    address = f"{target.host}:{target.debug_port}"
    try:
        await debugger.session.attach(target.host, target.debug_port)
    except OSError as error:
        step = "stop the emulator and start it again" if target.functions else "start what is to be debugged"
        raise UserError(f"no debug adapter listens on {address}: {error.strerror or error}", step) from None
    except DapError as error:
        raise UserError(f"the debug adapter at {address} refused: {error}", "end the other debugger") from None


async def _enter(debugger: Debugger, commands: Commands, project: Project, function: str | None, event: str) -> None:
    """Call the function, and stop where it begins."""
    name = choose_function(project, function)
    path, line = entry_of(next(f for f in project.functions if f.name == name))
    await commands.breakpoints.add(path=path, line=line, temporary=True)
    if debugger.calls is not None:
        debugger.calls.start(f"{name} {event}")
        await debugger.settle(ENTRY_SECONDS)
