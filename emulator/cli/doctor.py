"""`fclocal doctor`: what this machine gives the emulator, and what would lift each step down."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from typing import Any

import click

from emulator import __version__
from emulator.cli import doctor_limits
from emulator.cli.context import Workplace, workplace
from emulator.cli.doctor_limits import Column
from emulator.cli.endpoint import prepare_state_dir, read_endpoint
from emulator.cli.jsonlines import to_line
from emulator.cli.loop import run
from emulator.cli.options import Selection, project_options, settings_options
from emulator.cli.project import project_file
from emulator.cli.terminal import Terminal, columns, cut
from emulator.model.errors import UserError
from emulator.model.function import Project
from emulator.model.gpu import GpuMode
from emulator.model.launch import Network, WallsKind
from emulator.runtime.interpreters import Interpreters
from emulator.sandbox.base import Finding
from emulator.sandbox.ladder import choose_walls
from emulator.sandbox.listeners import holder_of

_NO_FORK = "start threads and open connections in the initializer, not when a module is imported"
SETTINGS = (
    "host",
    "port",
    "walls",
    "network",
    "gpu",
    "strict",
    "limits",
    "runtimes_dir",
    "state_dir",
    "json",
    "color",
)


@click.command("doctor", params=[*project_options(), *settings_options(*SETTINGS)])
@click.pass_context
def command(ctx: click.Context, /, **values: Any) -> int:
    """Look at this machine: walls, interpreters, ports, the project file, and which of FC's limits hold here.

    Each step down comes with the command that lifts it. Exit code 0: all is well, 1: something can be lifted.
    """
    place = workplace(ctx, values)
    findings, limits = _look(place)
    if place.settings.json:
        place.terminal.write("".join([*map(_json_line, findings), *doctor_limits.json_lines(limits)]))
    else:
        lines = [*table(findings, place.terminal), "", *doctor_limits.text(limits, place.terminal)]
        place.terminal.say("\n".join(lines))
    return 0 if all(finding.full for finding in findings) else 1


def _look(place: Workplace) -> tuple[list[Finding], list[Column]]:
    project, about_project = _project(place)
    findings = [Finding("fclocal", __version__, f"Python {platform.python_version()}"), about_project]
    walls, processes = run(_walls(place))
    engine, containers = run(_containers(place, project))
    findings += [_port(place), *walls, engine, *_gpus(place, project)]
    findings += [*_interpreters(place, project), *_templates(place, project)]
    return findings, [processes, containers]


def _project(place: Workplace) -> tuple[Project | None, Finding]:
    if place.selection == Selection() and project_file(place.selection) is None:
        return None, Finding("project", "none in this folder")
    try:
        project = place.project()
    except UserError as error:
        return None, _refused("project", error)
    name = project.file.name if project.file else "no file"
    count = len(project.functions)
    state = f"{name}, {count} function{'' if count == 1 else 's'}"
    if project.problems:
        texts = "; ".join(map(str, project.problems[:3]))
        more = f"; and {len(project.problems) - 3} more" if len(project.problems) > 3 else ""
        return project, Finding("project", state, texts + more, "fclocal start lists them", full=False)
    return project, Finding("project", state)


def _port(place: Workplace) -> Finding:
    settings = place.settings
    topic, running = f"port {settings.port}", read_endpoint(settings.state_dir)
    if running is not None:
        return Finding("emulator", f"runs at {running.url}", f"pid {running.pid}")
    holder = holder_of(settings.port, settings.host) if settings.port else None
    if holder is None:
        return Finding(topic, "free")
    return Finding(topic, "taken", holder, "end it, or start with --port 0", full=False)


async def _walls(place: Workplace) -> tuple[Sequence[Finding], Column]:
    settings = place.settings
    try:
        prepare_state_dir(settings.state_dir)
        walls = await choose_walls(
            settings.walls,
            settings.state_dir,
            strict=settings.strict,
            limits=settings.limits,
            network=settings.instance_network or Network.HOST,
        )
    except UserError as error:
        return [_refused("walls", error)], Column(WallsKind.PROCESS, missing=error.message)
    try:
        await walls.settled()
        return walls.findings(), await doctor_limits.column(WallsKind.PROCESS, walls, settings.instance_network)
    finally:
        await walls.aclose()


async def _containers(place: Workplace, project: Project | None) -> tuple[Finding, Column]:
    """The engine; that there is none is a step down only for who needs one."""
    # docker-py takes as long to load as all the rest.
    from emulator.sandbox.container.walls import open_containers

    settings, kind = place.settings, WallsKind.CONTAINER
    functions = project.functions if project else ()
    needed = any(settings.walls_of(function) is kind for function in functions)
    try:
        walls = await open_containers(
            settings.state_dir, strict=settings.strict, limits=settings.limits, environ=place.env
        )
    except UserError as error:
        refused = Finding("containers", "none", error.message, error.next_step, full=not needed)
        return refused, Column(kind, missing=error.message)
    try:
        return walls.findings()[0], await doctor_limits.column(kind, walls, settings.instance_network)
    finally:
        await walls.aclose()


def _gpus(place: Workplace, project: Project | None) -> Iterator[Finding]:
    """The cards that are here. Only a project with a GPU function is the worse for having none."""
    # Few machines have one, and asking for it loads its driver's library.
    from emulator.gpu.report import look

    wanted = [function.gpu for function in project.functions if function.gpu is not None] if project else []
    for line in look(GpuMode(place.settings.gpu), wanted):
        yield Finding(line.topic, line.state, line.detail, line.lift, full=line.full)


def _refused(topic: str, error: UserError) -> Finding:
    where = f"{error.place}: " if error.place else ""
    return Finding(topic, "none", f"{where}{error.message}", error.next_step, full=False)


def _interpreters(place: Workplace, project: Project | None) -> Iterator[Finding]:
    """Every runtime with an interpreter; only those that the project uses count as a step down."""
    used = {function.runtime for function in project.functions} if project else set()
    interpreters = Interpreters(place.env)
    for spec in place.catalog().specs.values():
        if spec.interpreter is None:
            continue
        found = interpreters.seek(spec.interpreter.command, spec.version)
        lift = interpreters.lift(spec.interpreter.command, spec.version)
        full = spec.id not in used
        if found is None:
            yield Finding(spec.id, "not installed", "", lift, full)
        elif not found.exact:
            yield Finding(spec.id, f"{found.version} in its place", str(found.path), lift, full)
        else:
            yield Finding(spec.id, found.version, str(found.path))


def _templates(place: Workplace, project: Project | None) -> Iterator[Finding]:
    """What the last emulator found out about forking each function's instances."""
    # The engine's own words, of which the commands know nothing else.
    from emulator.instance.decisions import TEMPLATES_FOLDER, decisions

    names = {str(function.name) for function in project.functions} if project else set()
    for decision in decisions(place.settings.state_dir / TEMPLATES_FOLDER):
        if decision.function not in names:
            continue
        topic = f"template {decision.function}"
        if decision.refused:
            state = "without packages" if decision.forked else "not forked"
            lift = decision.lift or (_NO_FORK if decision.forked else "")
            yield Finding(topic, state, decision.refused, lift, full=False)
        else:
            yield Finding(topic, "ready", f"has loaded {', '.join(decision.packages) or 'nothing but the bootstrap'}")


def table(findings: Sequence[Finding], terminal: Terminal) -> list[str]:
    """Topic, state and detail in columns; below each step down, how to lift it."""
    paint = terminal.paint
    lines: list[str] = []
    for finding, line in zip(findings, columns([(f.topic, f.state, f.detail) for f in findings]), strict=True):
        mark = paint("green", "✓") if finding.full else paint("yellow", "!")
        lines.append(f"{mark} {cut(line, terminal.width - 2)}")
        if finding.lift and not finding.full:
            lines.append(paint("dim", f"    → {finding.lift}"))
    return lines


def _json_line(finding: Finding) -> str:
    fields = ("topic", "state", "detail", "lift", "full")
    return to_line("finding", {name: getattr(finding, name) for name in fields})
