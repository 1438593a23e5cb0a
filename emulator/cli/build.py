"""`fclocal build`: run the steps that bring what the functions need."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from emulator.cli.arguments import functions_argument
from emulator.cli.context import Workplace, workplace
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.cli.project import choose_functions
from emulator.model.function import BuildStep, Function, Project
from emulator.runtime.build import run_build_steps
from emulator.runtime.build_steps import build_steps, missing_variables
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.spec import RuntimeSpec
from emulator.sandbox.reaper import Reaper
from emulator.sandbox.remains import MARK


@click.command(
    "build",
    params=[functions_argument(), *project_options(), *settings_options("runtimes_dir", "state_dir", "color")],
)
@click.pass_context
def command(ctx: click.Context, /, functions: tuple[str, ...], **values: Any) -> int:
    """Run `actions: pre-deploy` of the project's functions, or of those that are named.

    A function without such steps gets what `s build` would install: requirements.txt goes into 3rd-packages, and
    package.json into node_modules. The steps run with the function's interpreter first on PATH, so that what they
    compile fits it. `start` and `invoke` do this with --build.
    """
    place = workplace(ctx, values)
    if not _build(choose_functions(place.project(), functions), place):
        place.terminal.tell(
            "Nothing to build: no function has `actions: pre-deploy` steps, or a requirements.txt or package.json."
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
        steps = [s for s in build_steps(function, spec) if (s.run, s.path, function.runtime) not in done]
        done.update((step.run, step.path, function.runtime) for step in steps)
        if steps:
            place.terminal.tell(place.terminal.paint_err("bold", f"Building {function.name}"))
            run(_guarded(function, steps, spec, interpreters, place))
            _tell_variables(function, spec, place)
    return bool(done)


@dataclass(frozen=True, slots=True)
class _Guard:
    """See `runtime.build.Guard`."""

    folder: Path
    mark: Mapping[str, str]
    reaper: Reaper

    def watch(self, session: int) -> None:
        self.reaper.watch(session)


async def _guarded(
    function: Function,
    steps: Sequence[BuildStep],
    spec: RuntimeSpec | None,
    interpreters: Interpreters,
    place: Workplace,
) -> None:
    with tempfile.TemporaryDirectory(prefix="fclocal-build-") as name:
        folder = Path(name)
        reaper = Reaper(asyncio.get_running_loop(), folder.name, (), (folder,))
        try:
            mark, _, value = f"{MARK}{folder.name}/build".partition("=")
            guard = _Guard(folder, {mark: value}, reaper)
            await run_build_steps(function, steps, spec, interpreters, place.terminal.tell_bytes, guard)
        finally:
            await reaper.aclose()


def _tell_variables(function: Function, spec: RuntimeSpec | None, place: Workplace) -> None:
    """As `s build` does, which leaves the variables to the user too."""
    for name, value in missing_variables(function, spec).items():
        text = f"! {function.name} finds what was installed by `{name}: {value}` in its environmentVariables"
        place.terminal.tell(place.terminal.paint_err("yellow", text))
