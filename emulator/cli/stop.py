"""`fclocal stop`: end the running emulator of this project."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import click

from emulator.cli.context import workplace
from emulator.cli.endpoint import ENDPOINT_FILE, Endpoint, is_alive, read_endpoint
from emulator.cli.options import project_options, settings_options
from emulator.cli.terminal import Terminal
from emulator.model.errors import UserError

# An instance may take its function's timeout, and then its PreStop hook's; this is for the usual ones.
PATIENCE_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.05


@click.command(
    "stop",
    params=[
        click.Option(
            ["--timeout"],
            type=click.FloatRange(min=0),
            default=PATIENCE_SECONDS,
            metavar="S",
            help=f"How long to wait for running invocations before everything is ended. [{PATIENCE_SECONDS:g} s]",
        ),
        *project_options(),
        *settings_options("state_dir", "color"),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, timeout: float, **values: Any) -> int:
    """End the project's running emulator; without one, do nothing.

    Running invocations and PreStop hooks may finish within --timeout.
    """
    place = workplace(ctx, values)
    endpoint = read_endpoint(place.settings.state_dir)
    if endpoint is None:
        (place.settings.state_dir / ENDPOINT_FILE).unlink(missing_ok=True)
        place.terminal.tell("No emulator of this project is running.")
        return 0
    stop(endpoint, timeout, place.terminal)
    return 0


def stop(endpoint: Endpoint, timeout: float, terminal: Terminal) -> None:
    """Ask the emulator to stop, wait, and ask again to end at once. Raises `UserError` if it still runs then."""
    terminal.tell(f"Stopping the emulator at {endpoint.url} (pid {endpoint.pid})")
    for wait in (timeout, PATIENCE_SECONDS):
        _signal(endpoint)
        if _gone(endpoint, wait):
            terminal.tell("Stopped.")
            return
        terminal.tell(f"It still runs after {wait:g} s.")
    raise UserError(f"pid {endpoint.pid} does not end", f"end it by: kill -9 {endpoint.pid}")


def _signal(endpoint: Endpoint) -> None:
    try:
        os.kill(endpoint.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError:
        raise UserError(f"pid {endpoint.pid} belongs to another user", "stop it as that user") from None


def _gone(endpoint: Endpoint, timeout: float) -> bool:
    """Wait for the end of a process that is not our child, which can only be looked at."""
    deadline = time.monotonic() + timeout
    while is_alive(endpoint):
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_EVERY_SECONDS)
    return True
