"""Which project a command means: a file that is named or found, or a folder that is run without one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from emulator.cli.options import Selection
from emulator.config.settings import nearest
from emulator.model.errors import ConfigError, UserError
from emulator.model.function import CustomRuntime, Function, FunctionName, Project, Trigger, TriggerType

PROJECT_FILES = ("s.yaml", "s.yml", "template.yml", "template.yaml")
# FC's API default of 3 s is for declared functions; the console gives new functions 60 s.
BARE_TIMEOUT_SECONDS = 60.0


def project_file(selection: Selection) -> Path | None:
    """The project file of the selection or of the working directory; None where there is none."""
    if selection.file is not None:
        file = selection.file.expanduser().absolute()
        return _file_in(file) or file if file.is_dir() else file
    return None if selection.code is not None else _file_in(Path.cwd())


def project_root(selection: Selection) -> Path:
    """The folder that settings and the emulator's own files belong to."""
    file = project_file(selection)
    return file.parent if file is not None else Path.cwd()


def _file_in(folder: Path) -> Path | None:
    return next((folder / name for name in PROJECT_FILES if (folder / name).is_file()), None)


def open_project(selection: Selection, env: Mapping[str, str]) -> Project:
    """Read what is selected. Raises `ConfigError`."""
    if selection.code is not None:
        return bare_project(selection)
    if selection.handler or selection.runtime or selection.command or selection.ca_port:
        raise ConfigError("--handler, --runtime, --command and --ca-port need --code", "add --code DIR")
    file = project_file(selection)
    if file is None:
        raise ConfigError(
            f"no project file in {Path.cwd()} (looked for {', '.join(PROJECT_FILES)})",
            "name it by -t FILE, or run a folder by --code DIR --handler index.handler --runtime python3.10",
        )
    from emulator.config.project import load  # reading project files is not needed by every command

    return load(file, env)


def bare_project(selection: Selection) -> Project:
    """One function from the command line: it answers events, and HTTP without a signature."""
    code = Path(selection.code or ".").expanduser().absolute()
    if not code.exists():
        raise ConfigError(f"--code {selection.code} does not exist", "give the folder or archive of the function")
    if not selection.runtime:
        raise ConfigError("--code needs --runtime", "add --runtime python3.10, nodejs20, custom.debian10, …")
    is_custom = selection.runtime.startswith("custom")
    if not is_custom and not selection.handler:
        raise ConfigError(f"runtime {selection.runtime} needs --handler", "add --handler index.handler")
    if not is_custom and (selection.command or selection.ca_port):
        raise ConfigError(f"runtime {selection.runtime} takes no --command and no --ca-port", "leave them out")
    function = Function(
        name=FunctionName(_bare_name(code)),
        runtime=selection.runtime,
        handler=selection.handler,
        code=code,
        timeout=BARE_TIMEOUT_SECONDS,
        custom_runtime=CustomRuntime(_words(selection.command), port=selection.ca_port or 9000),
        triggers=(Trigger("http", TriggerType.HTTP, {"authType": "anonymous"}),),
    )
    return Project(Path.cwd(), None, (function,))


def _bare_name(code: Path) -> str:
    stem = code.name if code.is_dir() else code.stem
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in stem).strip("-") or "function"


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
    return Project(project.root, project.file, kept, project.domains, project.problems)


def choose_function(project: Project, name: str | None) -> FunctionName:
    """The function that is named, or the only one. Raises `UserError` with those that there are."""
    names = [str(function.name) for function in project.functions]
    if name is None:
        if len(project.functions) == 1:
            return project.functions[0].name
        if not names:
            raise UserError("the project has no function", "add one to the project file")
        raise UserError(f"the project has {len(names)} functions, name one of them", _list(names))
    found = project.function(name)
    if found is not None:
        return found.name
    same = [n for n in names if FunctionName.parse(n).name == name]
    if same:
        raise UserError(f"{name!r} is in several services", _list(same))
    raise UserError(f"the project has no function {name!r}", nearest(name, names) or _list(names))


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:20])
    return f"there are: {shown}, …" if len(names) > 20 else f"there are: {shown}"
