"""Which project a command means: a file that is named or found, or a folder that is run without one."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from pathlib import Path

from msgspec.structs import replace

from emulator.cli.options import Selection
from emulator.config.project import adhoc_project, find_project, load_project
from emulator.config.settings import did_you_mean
from emulator.model.errors import ConfigError, UserError
from emulator.model.function import Account, FunctionName, Project


def project_file(selection: Selection) -> Path | None:
    """The project file of the selection or of the working directory; None where there is none."""
    if selection.code is not None:
        return None
    start = (selection.file or Path.cwd()).expanduser().absolute()
    return find_project(start) or (start if selection.file is not None else None)


def project_root(selection: Selection) -> Path:
    """The folder that settings and the emulator's own files belong to."""
    file = project_file(selection)
    return file.parent if file is not None else Path.cwd()


def open_project(
    selection: Selection,
    env: Mapping[str, str],
    state_dir: Path | None = None,
    extra_runtimes: Collection[str] = (),
    account: Account | None = None,
) -> Project:
    """Read what is selected. Raises `ConfigError`."""
    if selection.code is not None:
        return _bare_project(selection, extra_runtimes)
    if selection.handler or selection.runtime or selection.command or selection.ca_port:
        raise ConfigError("--handler, --runtime, --command and --ca-port need --code", "add --code DIR")
    file = project_file(selection) or Path.cwd()
    return load_project(file, env, state_dir=state_dir, extra_runtimes=extra_runtimes, account=account)


def _bare_project(selection: Selection, extra_runtimes: Collection[str]) -> Project:
    """One function from the command line: it answers events, and HTTP without a signature."""
    if not selection.runtime:
        raise ConfigError("--code needs --runtime", "add --runtime python3.10, nodejs20, custom.debian10, …")
    if not selection.runtime.startswith("custom") and (selection.command or selection.ca_port):
        raise ConfigError(f"runtime {selection.runtime} takes no --command and no --ca-port", "leave them out")
    return adhoc_project(
        (selection.code or Path.cwd()).expanduser(),
        selection.handler,
        selection.runtime,
        command=_words(selection.command),
        port=selection.ca_port or 9000,
        extra_runtimes=extra_runtimes,
    )


def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise ConfigError(f"--command can not be read: {error}", "close the quotes") from None


def choose_functions(project: Project, names: tuple[str, ...]) -> Project:
    """The project with the named functions only; all of them where none is named."""
    if not names:
        return project
    chosen = {choose_function(project, name) for name in names}
    kept = tuple(function for function in project.functions if function.name in chosen)
    return replace(project, functions=kept)


def choose_function(project: Project, name: str | None) -> FunctionName:
    """The function that is named, or the only one. Raises `UserError` with those that there are."""
    return FunctionName.parse(choose_name([str(function.name) for function in project.functions], name))


def choose_name(names: list[str], wanted: str | None) -> str:
    """As `choose_function`, among names in FC's form. A bare name will do where it is in one service only."""
    if wanted is None:
        if len(names) == 1:
            return names[0]
        raise UserError(f"there are {len(names)} functions, name one of them", _list(names))
    name = str(FunctionName.parse(wanted))
    if name in names:
        return name
    same = [n for n in names if FunctionName.parse(n).name == wanted]
    if len(same) == 1:
        return same[0]
    if same:
        raise UserError(f"{wanted!r} is in several services", _list(same))
    raise UserError(f"there is no function {wanted!r}", did_you_mean(wanted, names) or _list(names))


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:20])
    return f"there are: {shown}, …" if len(names) > 20 else f"there are: {shown}"
