"""`fclocal postmortem`: what is left of failed invocations, in the terminal or as a debug session."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from emulator.cli.context import workplace
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.cli.postmortem_view import page, short_what, short_where
from emulator.cli.terminal import Terminal, columns, cut
from emulator.debug.postmortem.bundle import PostMortem
from emulator.debug.postmortem.files import PostMortems
from emulator.model.errors import UserError


@click.command(
    "postmortem",
    params=[
        click.Argument(["request"], required=False, metavar="[ID|last]"),
        click.Option(["--full"], is_flag=True, help="Also the variables of libraries and of other threads."),
        click.Option(["--dap"], is_flag=True, help="Serve it as a debug session, until the editor disconnects."),
        click.Option(
            ["--port", "dap_port"],
            type=click.IntRange(0, 65535),
            metavar="PORT",
            help="With --dap: where to listen on 127.0.0.1. [a free one]",
        ),
        click.Option(["--stdio"], is_flag=True, help="With --dap: speak by stdin and stdout."),
        *project_options(),
        *settings_options("state_dir", "json", "color"),
    ],
)
@click.pass_context
def command(
    ctx: click.Context, /, request: str | None, full: bool, dap: bool, dap_port: int | None, stdio: bool, **values: Any
) -> int:
    """Look at failed invocations: stack, variables, threads, log, event, memory.

    Without ID the last failures are listed. An ID is a request id, or the beginning of one. With --dap an editor can
    attach to it as to a living process.
    """
    place = workplace(ctx, values)
    kept, terminal = PostMortems(place.settings.state_dir), place.terminal
    if (stdio or dap_port is not None) and not dap:
        raise UserError("--port and --stdio say how to serve", "add --dap")
    if request is None and not dap:
        _list(kept.all(), terminal, as_json=place.settings.json)
        return 0
    bundle = kept.get(request or "last")
    if dap:
        _serve(bundle, terminal, dap_port or 0, stdio)
    elif place.settings.json:
        terminal.say(msgspec.json.format(msgspec.json.encode(bundle), indent=2).decode())
    else:
        terminal.say("\n".join(page(bundle, terminal.paint, terminal.width, full=full)))
    return 0


def _list(bundles: Sequence[PostMortem], terminal: Terminal, *, as_json: bool) -> None:
    if as_json:
        for bundle in bundles:
            terminal.say(msgspec.json.encode(_summary(bundle)).decode())
        return
    if not bundles:
        terminal.tell("No invocation has failed here yet.")
        return
    now = time.time()
    rows = [("when", "function", "what", "where", "request")]
    rows += [(_when(b.at, now), b.function, short_what(b), short_where(b), b.id) for b in bundles]
    head, *lines = columns(rows)
    terminal.say(terminal.paint("bold", cut(head, terminal.width)))
    for line in lines:
        terminal.say(cut(line, terminal.width))


def _summary(bundle: PostMortem) -> dict[str, object]:
    names = ("id", "at", "function", "revision", "kind", "phase", "what", "where")
    return {name: getattr(bundle, name) for name in names}


def _when(at: float, now: float) -> str:
    today = time.strftime("%Y%m%d", time.localtime(at)) == time.strftime("%Y%m%d", time.localtime(now))
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", time.localtime(at))


def _serve(bundle: PostMortem, terminal: Terminal, port: int, stdio: bool) -> None:
    from emulator.debug.dap import NotDap
    from emulator.debug.postmortem.server import serve_on_port, serve_on_stdio

    def ready(number: int) -> None:
        terminal.tell(f"Post-mortem of request {bundle.id}, for an editor to attach to:")
        terminal.say(f"127.0.0.1:{number}")

    try:
        run(serve_on_stdio(bundle) if stdio else serve_on_port(bundle, port, ready))
    except NotDap as error:
        raise UserError(f"the client does not speak the Debug Adapter Protocol: {error}") from None
