"""The command line: finds the command, and turns every failure into a message and an exit code."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

import click

from emulator import __version__
from emulator.cli.ended import Ended, exit_code, raising
from emulator.cli.session import COMPLETE_VARIABLE, PROGRAM, Session
from emulator.cli.terminal import Terminal
from emulator.model.errors import FCError, UserError

OK = 0
FUNCTION_FAILED = 1
USAGE = 2
CRASHED = 70
INTERRUPTED = exit_code(signal.SIGINT)
# A disk, a quota or a file that takes no more, and a device that is gone.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

# Loading modules makes much that stays and no garbage, and what runs afterwards makes little that only the collector
# finds: it need not look after every 700 objects.
GARBAGE_THRESHOLD = 100_000

# Command and the module that holds it; a module is loaded when its command is used.
COMMANDS = {
    "start": "start",
    "invoke": "invoke",
    "event": "event",
    "build": "build",
    "postmortem": "postmortem",
    "images": "images",
    "doctor": "doctor",
    "cost": "cost",
    "sweep": "sweep",
    "parity": "parity",
    "coldstart": "coldstart",
    "scenario": "scenario",
    "clock": "clock",
    "stop": "stop",
    "clean": "clean",
    "debug": "debug",
    "dap": "dap",
    "ide": "ide",
    "completion": "completion",
}


class Commands(click.Group):
    """The commands, loaded one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found = import_module(f"emulator.cli.{module}").command
        assert isinstance(found, click.Command)  # noqa: S101
        return found


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"{PROGRAM} {__version__}")
        ctx.exit()


cli = Commands(
    PROGRAM,
    help="Run Alibaba Cloud Function Compute functions on this machine, as FC would.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_print_version,
            help="Show the version and exit.",
        )
    ],
)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `fclocal`; ends the process."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A function may print what the terminal's encoding has no character for.
            stream.reconfigure(errors="backslashreplace")
    with raising():
        code = run_command(sys.argv[1:] if argv is None else argv, sys.stdout, sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _forget(stream)
    sys.exit(code)


def run_command(argv: Sequence[str], out: TextIO, err: TextIO) -> int:
    """Run one command line; returns its exit code."""
    session = Session(Terminal(out, err, os.environ), dict(os.environ), Path.cwd() / ".fclocal")
    try:
        result = cli.main(
            [*argv], prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE, standalone_mode=False, obj=session
        )
        return result if isinstance(result, int) else OK
    except click.ClickException as error:
        error.show(err)
        return USAGE
    except (click.Abort, KeyboardInterrupt) as error:
        # click makes an Abort of what was raised.
        cause = error.__cause__ or error
        return exit_code(cause.number) if isinstance(cause, Ended) else INTERRUPTED
    except BrokenPipeError:
        # Who read our output is gone, as in `fclocal event list | head -1`.
        return OK
    except (UserError, FCError) as error:
        session.terminal.tell(f"{session.terminal.paint_err('red', 'error:')} {error}")
        return USAGE
    except OSError as error:
        if error.errno not in FULL:
            return _crashed(session, argv, error)
        session.terminal.tell(f"{session.terminal.paint_err('red', 'error:')} {_full(error)}")
        return USAGE
    except Exception as error:
        return _crashed(session, argv, error)


def _full(error: OSError) -> UserError:
    """Nobody can say which it was: Python writes late what was printed."""
    return UserError(
        f"what was printed or kept could not be written: {error.strerror}", "make room, or send the output elsewhere"
    )


def _forget(stream: TextIO) -> None:
    """Nobody takes its last words, since the pipe or the terminal was closed: Python must not complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _crashed(session: Session, argv: Sequence[str], fault: Exception) -> int:
    """Keep the traceback in a file; the arguments stay out of it, since an event may hold secrets."""
    # Only here, so that commands without a project are at once there: `fclocal --version`, completion scripts.
    from emulator.cli.endpoint import prepare_state_dir
    from emulator.journal.crashes import SORRY, CrashFiles, report

    doing = f"command: {next((word for word in argv if word in COMMANDS), '')}"
    tell = session.terminal.tell
    try:
        prepare_state_dir(session.state_dir)
        file = CrashFiles(session.state_dir).keep(fault, doing)
        tell(SORRY)
        tell(f"  → what happened is kept in {file}; please report it with this file")
    except (OSError, UserError):
        tell(f"{SORRY} Please report it with these lines:\n\n{report(fault, doing)}")
    return CRASHED
