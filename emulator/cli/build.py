"""`fclocal build`: run the steps that bring what the functions need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from emulator.cli.arguments import functions_argument
from emulator.cli.context import Workplace, workplace
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.cli.project import choose_functions
from emulator.config.settings_file import SETTINGS_FILE
from emulator.model.function import BuildStep, Function, Place, Project
from emulator.reload.guarded import run_guarded
from emulator.runtime.build_steps import build_steps, missing_variables
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.spec import RuntimeSpec


@click.command(
    "build",
    params=[functions_argument(), *project_options(), *settings_options("runtimes_dir", "state_dir", "color")],
)
@click.pass_context
def command(ctx: click.Context, /, functions: tuple[str, ...], **values: Any) -> int:
    """Run `actions: pre-deploy` of the project's functions, or of those that are named.

    A function without such steps gets what `s build` would install: requirements.txt goes into 3rd-packages, and
    package.json into node_modules. The function's `build` command of .fclocal.yaml comes last. All of them run with the
    function's interpreter first on PATH, so that what they compile fits it. `start` and `invoke` do this with --build.
    """
    place = workplace(ctx, values)
    if not _build(choose_functions(place.project(), functions), place):
        place.terminal.tell(
            "Nothing to build: no function has `actions: pre-deploy` steps, a requirements.txt, a package.json, or a "
            "`build` command in .fclocal.yaml."
        )
    return 0


def built(project: Project, place: Workplace) -> Project:
    """Run the steps of all functions, and read the project again, for the steps may have made what it names.

    Raises `UserError` where one fails.
    """
    if not _build(project, place):
        return project
    return choose_functions(place.project(), tuple(str(function.name) for function in project.functions))


def _build(project: Project, place: Workplace) -> bool:
    """Whether there was anything to do. A step that several functions of a runtime share is run once."""
    catalog, interpreters = place.catalog(), Interpreters(place.env)
    done: set[tuple[str, Path, str]] = set()
    for function in project.functions:
        spec = catalog.specs.get(function.runtime)
        wanted = [*build_steps(function, spec), *_own_step(function, project, place)]
        steps = [s for s in wanted if (s.run, s.path, function.runtime) not in done]
        done.update((step.run, step.path, function.runtime) for step in steps)
        if steps:
            place.terminal.tell(place.terminal.paint_err("bold", f"Building {function.name}"))
            run(run_guarded(function, steps, spec, interpreters, place.terminal.tell_bytes))
            _tell_variables(function, spec, place)
    return bool(done)


def _own_step(function: Function, project: Project, place: Workplace) -> Iterator[BuildStep]:
    """The command of `.fclocal.yaml` that a change of sources runs too (docs/reload.md)."""
    command = place.settings.function(function.name).build
    if command:
        yield BuildStep(command, project.root, place=Place(SETTINGS_FILE))


def _tell_variables(function: Function, spec: RuntimeSpec | None, place: Workplace) -> None:
    """As `s build` does, which leaves the variables to the user too."""
    for name, value in missing_variables(function, spec).items():
        text = f"! {function.name} finds what was installed by `{name}: {value}` in its environmentVariables"
        place.terminal.tell(place.terminal.paint_err("yellow", text))
