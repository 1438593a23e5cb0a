"""`fclocal clean`: remove what emulators that are gone left on this machine."""

from __future__ import annotations

from typing import Any

import click

from emulator.cli.context import Workplace, workplace
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.model.errors import SandboxError, UserError


@click.command(
    "clean",
    params=[
        click.Option(
            ["--images"], is_flag=True, help="Remove also the images that fclocal made and that no container uses."
        ),
        *project_options(),
        *settings_options("state_dir", "color"),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, images: bool, **values: Any) -> int:
    """Remove containers, volumes and folders of emulators that were killed.

    The next start does the same. What a running emulator has stays, and what others made is not touched.
    """
    place = workplace(ctx, values)
    removed, absent = run(_clean(place, images=images))
    for line in removed:
        place.terminal.say(f"removed {line}")
    if absent is not None:
        place.terminal.tell(f"Containers were not looked for: {absent}")
    if not removed:
        place.terminal.say("There was nothing to remove.")
    return 0


async def _clean(place: Workplace, *, images: bool) -> tuple[list[str], UserError | None]:
    """What was removed, and why containers were not looked for."""
    # docker-py takes long to load.
    from emulator.coldstart.scratch import remove_left as remove_trees
    from emulator.sandbox.container.engine import Engine
    from emulator.sandbox.container.leftovers import remove_images, remove_left
    from emulator.sandbox.container.sweeper import remove_foreign
    from emulator.sandbox.folders import remove_leftovers

    runs = await remove_leftovers(place.settings.state_dir)
    removed = [f"folder run/{run}" for run in runs]
    removed += [f"folder {path.parent.name}/{path.name}" for path in remove_trees(place.settings.state_dir)]
    try:
        engine = await Engine.connect(place.env)
    except SandboxError as error:
        return removed, error
    try:
        for run in runs:
            await remove_foreign(engine, place.settings.state_dir.absolute() / "run" / run, {})
        removed += await remove_left(engine, stopped=True)
        if images:
            removed += await remove_images(engine)
    finally:
        await engine.aclose()
    return removed, None
