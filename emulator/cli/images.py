"""`fclocal images`: what containers are made of here, and how to have more of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem
from msgspec import Struct

from emulator.cli.context import Workplace, workplace
from emulator.cli.jsonlines import to_line
from emulator.cli.loop import run
from emulator.cli.options import Selection, project_options, settings_options
from emulator.cli.project import project_file
from emulator.cli.terminal import columns
from emulator.model.errors import UserError
from emulator.model.function import Function
from emulator.model.program import CustomContainer
from emulator.runtime.images import interpreters_of, official_image, offline_image, runtime_images
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.spec import Catalog, RuntimeSpec

if TYPE_CHECKING:
    from emulator.sandbox.container.engine import Engine
    from emulator.sandbox.container.store import Stored

OPTIONS = ("runtimes_dir", "image_registry", "state_dir", "json", "color")
MB = 1_000_000


class RuntimeType(click.ParamType[str]):
    """The id of a runtime, which is looked for when the settings are known."""

    name = "runtime"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in Catalog.of(None).specs if name.startswith(incomplete)]


class Row(Struct, frozen=True):
    """What a runtime, or a function of `custom-container`, runs in: the image, and whether it is here."""

    of: str
    image: str
    state: str
    size: int = 0


def _runtimes() -> click.Argument:
    return click.Argument(["runtimes"], nargs=-1, type=RuntimeType(), metavar="[RUNTIME]...")


@click.group("images", invoke_without_command=True, params=[*project_options(), *settings_options(*OPTIONS)])
@click.pass_context
def command(ctx: click.Context, /, **values: Any) -> int:
    """List which image each runtime, and each custom-container function of the project, runs in with containers.

    A runtime without an image runs in one that shows this machine's own files, which needs nothing.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    place = workplace(ctx, values)
    rows = run(_listed(place))
    if place.settings.json:
        place.terminal.write("".join(to_line("image", _fields(row)) for row in rows))
        return 0
    for line in columns([(row.of, row.image, _shown(row)) for row in rows]):
        place.terminal.say(line)
    return 0


@command.command("pull", params=[_runtimes(), *project_options(), *settings_options(*OPTIONS)])
@click.pass_context
def pull(ctx: click.Context, /, runtimes: tuple[str, ...], **values: Any) -> int:
    """Pull FC's own images of these runtimes, by default of those that the project's functions have.

    Containers use them from then on. --image-registry names where they come from.
    """
    place = workplace(ctx, values)
    run(_pull(place, _wanted(place, runtimes)))
    return 0


@command.command(
    "build",
    params=[
        _runtimes(),
        click.Option(
            ["--from", "source"],
            type=click.Choice(["host", "debootstrap"]),
            default="host",
            help="host: this machine's interpreters. debootstrap: a Debian of FC's release, by that program. [host]",
        ),
        click.Option(["--mirror"], default="", metavar="URL", help="Where debootstrap finds Debian."),
        *project_options(),
        *settings_options(*OPTIONS),
    ],
)
@click.pass_context
def build(ctx: click.Context, /, runtimes: tuple[str, ...], source: str, mirror: str, **values: Any) -> int:
    """Make images of these runtimes without a registry, by default of those that the project's functions have.

    Containers use them where FC's own image is not here. Each is a base for a Dockerfile too: with `host` it has the
    interpreter, a shell and pip.
    """
    place = workplace(ctx, values)
    run(_build(place, _wanted(place, runtimes), source, mirror))
    return 0


# --- which ---


def _wanted(place: Workplace, names: Sequence[str]) -> list[RuntimeSpec]:
    catalog = place.catalog()
    found = [catalog.find(name) for name in names or _of_project(place)]
    for spec in found:
        if spec.is_image:
            raise UserError(f"{spec.id} has no image of its own", "a function's is built by `fclocal start`")
    if not found:
        raise UserError("no runtime is named", f"name one: {', '.join(catalog.specs)}")
    return found


def _of_project(place: Workplace) -> list[str]:
    functions = _functions(place)
    return [*dict.fromkeys(it.runtime for it in functions if it.custom_container is None)]


def _functions(place: Workplace) -> Sequence[Function]:
    if place.selection == Selection() and project_file(place.selection) is None:
        return ()
    return place.project().functions


# --- what is here ---


async def _listed(place: Workplace) -> list[Row]:
    return [row async for row in _rows(place)]


async def _rows(place: Workplace) -> AsyncIterator[Row]:
    async with _engine(place) as engine:
        for spec in place.catalog().specs.values():
            if not spec.is_image:
                yield await _of_runtime(engine, spec, place)
        for function in _functions(place):
            container = function.custom_container
            if container is not None and container.image:
                yield await _of_function(engine, function, container)


async def _of_runtime(engine: Engine, spec: RuntimeSpec, place: Workplace) -> Row:
    from emulator.sandbox.container.store import find

    names = runtime_images(spec, place.settings.image_registry)
    for name in names:
        if stored := await find(engine, name):
            return Row(spec.id, name, "here", stored.image.size)
    return Row(spec.id, "this machine's own files", f"{names[0]} by: fclocal images pull {spec.id}")


async def _of_function(engine: Engine, function: Function, container: CustomContainer) -> Row:
    from emulator.sandbox.container.store import find

    stored = await find(engine, container.image)
    if stored is None:
        absent = "built at the next start" if container.context else "pulled at the next start"
        return Row(str(function.name), container.image, absent)
    return Row(str(function.name), container.image, "here", stored.image.size)


# --- to have more ---


async def _pull(place: Workplace, specs: Sequence[RuntimeSpec]) -> None:
    from emulator.sandbox.container.store import pull as pull_image

    async with _engine(place) as engine:
        for spec in specs:
            reference = official_image(spec, place.settings.image_registry)
            if not reference:
                raise UserError(f"{spec.id} is no runtime of FC's", "make its image by `fclocal images build`")
            stored = await pull_image(engine, reference, place.terminal.tell)
            place.terminal.say(f"{spec.id}: {reference}, {stored.image.size / MB:.0f} MB")


async def _build(place: Workplace, specs: Sequence[RuntimeSpec], source: str, mirror: str) -> None:
    async with _engine(place) as engine:
        for spec in specs:
            place.terminal.tell(f"making {offline_image(spec)}")
            if source == "host":
                stored = await _from_host(engine, spec, place)
            else:
                stored = await _from_debootstrap(engine, spec, mirror, place)
            place.terminal.say(f"{spec.id}: {offline_image(spec)}, {stored.image.size / MB:.0f} MB")


async def _from_host(engine: Engine, spec: RuntimeSpec, place: Workplace) -> Stored:
    from emulator.sandbox.container.host_image import Brought, build_host_image

    held = list(interpreters_of(spec, Interpreters(place.env)))
    brought = [Brought(it.used.path, it.used.prefix, it.used.version, it.links) for it in held]
    return await build_host_image(engine, offline_image(spec), brought)


async def _from_debootstrap(engine: Engine, spec: RuntimeSpec, mirror: str, place: Workplace) -> Stored:
    from emulator.sandbox.container.debian_image import Wanted, build_debian_image

    wanted = Wanted(spec.id, spec.debian)
    if spec.interpreter is not None:
        links = tuple(f"{spec.interpreter.lang_dir}/{name}" for name in spec.interpreter.links)
        wanted = Wanted(spec.id, spec.debian, spec.interpreter.command, spec.version, links)
    return await build_debian_image(engine, offline_image(spec), wanted, mirror, place.terminal.tell)


@contextlib.asynccontextmanager
async def _engine(place: Workplace) -> AsyncIterator[Engine]:
    """Raises `SandboxError` where no container engine answers."""
    from emulator.sandbox.container.engine import Engine  # takes long to load

    engine = await Engine.connect(place.env)
    try:
        yield engine
    finally:
        await engine.aclose()


def _shown(row: Row) -> str:
    return f"{row.state}, {row.size / MB:.0f} MB" if row.size else row.state


def _fields(row: Row) -> dict[str, Any]:
    return {"of": row.of, "image": row.image, "state": row.state, "size": row.size}
