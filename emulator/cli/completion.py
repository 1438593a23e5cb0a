"""`fclocal completion`: the script that makes a shell complete commands, options and function names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from emulator.cli.session import COMPLETE_VARIABLE, PROGRAM, Session

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", params=[click.Argument(["shell"], type=click.Choice(SHELLS))])
@click.pass_context
def command(ctx: click.Context, /, shell: str) -> int:
    """Print the completion script of a shell; function names complete from the project file.

    \b
    bash:  eval "$(fclocal completion bash)"        in ~/.bashrc
    zsh:   eval "$(fclocal completion zsh)"         in ~/.zshrc
    fish:  fclocal completion fish | source         in ~/.config/fish/config.fish
    """
    session = ctx.find_object(Session)
    assert session is not None  # noqa: S101 - main() always gives one
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has all three
    session.terminal.say(kind(ctx.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE).source())
    return 0
