"""Names of functions on the command line, completed from the project file."""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import CompletionItem

from emulator.cli.options import Selection
from emulator.cli.project import open_project
from emulator.model.errors import FclocalError


class FunctionType(click.ParamType[str]):
    """The name of a function; whether it exists is asked when the project is read."""

    name = "function"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """A shell must never see an error of ours: without a readable project nothing is offered."""
        try:
            project = open_project(Selection(file=ctx.params.get("file")), os.environ)
        except (FclocalError, OSError, ValueError):
            return []
        names = [str(function.name) for function in project.functions]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def function_argument() -> click.Argument:
    """One function, which may be left out where the project has one only."""
    return click.Argument(["function"], required=False, type=FunctionType())


def functions_argument() -> click.Argument:
    """Any number of functions; none means all."""
    return click.Argument(["functions"], nargs=-1, type=FunctionType())
