"""Finds a project file, and makes a `Project` of it, or of a folder of code alone."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from emulator.config import bounds, ros, serverless_devs
from emulator.config.domains import domain, routes
from emulator.config.fc3 import Context, Defaults, build_function
from emulator.config.section import Report, Section
from emulator.config.serverless_devs import Loaded
from emulator.config.tree import Map
from emulator.config.yaml_guard import load_file
from emulator.model.errors import ConfigError
from emulator.model.function import Account, Api, Function, FunctionName, Place, Problem, Project, Trigger, TriggerType
from emulator.model.program import CustomRuntime

NAMES = ("s.yaml", "s.yml", "template.yml", "template.yaml")
STATE_DIR = ".fclocal"
ROS_DEFAULTS = Defaults(memory_mb=128, timeout=3.0)  # platform.md §3.4
NEXT_STEP = "start in the folder of s.yaml, name it with -t FILE, or use --code DIR --handler index.handler"


def find_project(start: Path) -> Path | None:
    """The project file in `start` (or `start` itself where it is a file): s.yaml before s.yml before template.yml."""
    if start.is_file():
        return start
    return next((path for name in NAMES if (path := start / name).is_file()), None)


def load_project(
    path: Path,
    env: Mapping[str, str],
    *,
    state_dir: Path | None = None,
    extra_runtimes: Collection[str] = (),
    account: Account | None = None,
) -> Project:
    """Read a project file, or the one in a folder. `env` is the process environment; `.env` beside the file gives what
    it lacks. `state_dir` holds the layers (default: `.fclocal` beside the file). `extra_runtimes` are ids beyond FC's.
    `account` is what `${config('AccountID')}` tells.

    Raises `ConfigError` where nothing can be run; everything else is in `Project.problems`.
    """
    file = _project_file(path.absolute())
    root = Path(os.path.realpath(file.parent))
    document = load_file(file, file.name)
    if not isinstance(document, Map):
        raise ConfigError("is no project file: it holds no mapping", NEXT_STEP, Place(file.name, 1))
    report = Report()
    report.depends(file)
    context = Context(root, state_dir or root / STATE_DIR, extra_runtimes, account)
    loaded = _read(document, file, context, env, report)
    functions = _distinct(loaded.functions, report)
    if not functions:
        raise _nothing_to_run(report, Place(file.name))
    for function in functions:
        if (problem := missing_code(function)) is not None:
            report.warn(problem.message, problem.place)
    _check_routes(loaded, functions, report)
    return Project(root, file, functions, tuple(loaded.domains), report.problems, report.sources, report.reasons)


def _project_file(path: Path) -> Path:
    if path.is_dir():
        found = find_project(path)
        if found is None:
            raise ConfigError(f"no project file here: none of {', '.join(NAMES)}", NEXT_STEP, Place(str(path)))
        return found
    if not path.exists():
        raise ConfigError("there is no such file", NEXT_STEP, Place(str(path)))
    if not path.is_file():
        raise ConfigError("is no regular file", NEXT_STEP, Place(str(path)))
    return path


def _read(document: Map, file: Path, context: Context, env: Mapping[str, str], report: Report) -> Loaded:
    if isinstance(document.get("Resources"), Map) or "ROSTemplateFormatVersion" in document.entries:
        return _read_ros(document, context, report)
    if serverless_devs.is_serverless_devs(document):
        return serverless_devs.load(document, file, context, env, report)
    raise ConfigError(
        "is no project file of Function Compute: there is no `resources:`, `services:` or `Resources:`",
        NEXT_STEP,
        Place(file.name, 1),
    )


def _read_ros(document: Map, context: Context, report: Report) -> Loaded:
    loaded = Loaded()
    for declared in ros.functions(document, report):
        function = build_function(
            Section(declared.props, report),
            context,
            api=Api.FC2,
            service=declared.service,
            defaults=ROS_DEFAULTS,
        )
        if function is not None:
            loaded.functions.append(function)
    for declaration in ros.domains(document):
        section = Section(declaration, report)
        leads = routes(section.section("routeConfig"), "routes")
        found = domain(section, leads, str(leads[0].function) if leads else section.text("domainName"))
        if found is not None:
            loaded.domains.append(found)
    return loaded


def _nothing_to_run(report: Report, place: Place) -> ConfigError:
    """One message for a file without a function that can be run, with the reasons that were found."""
    found = report.reasons or report.problems
    if not found:
        return ConfigError("holds no function", NEXT_STEP, place)
    reasons = "; ".join(str(problem) for problem in found[:3])
    return ConfigError(f"holds no function that can be run ({reasons})", "correct it there, or " + NEXT_STEP, place)


def _distinct(functions: Iterable[Function], report: Report) -> tuple[Function, ...]:
    """The first of each name; and a word on names that would be one host name."""
    by_name: dict[FunctionName, Function] = {}
    by_label: dict[str, Function] = {}
    for function in functions:
        if function.name in by_name:
            report.warn(f"function `{function.name}` is declared twice; the first is used", function.place)
            continue
        by_name[function.name] = function
        other = by_label.setdefault(function.name.label, function)
        if other is not function:
            report.warn(
                f"functions `{other.name}` and `{function.name}` share the host name `{other.name.label}.localhost`;"
                f" it leads to `{other.name}`",
                function.place,
            )
    return tuple(by_name.values())


def _check_routes(loaded: Loaded, functions: Sequence[Function], report: Report) -> None:
    names = {function.name for function in functions}
    for found in loaded.domains:
        for route in found.routes:
            if route.function not in names:
                report.warn(f"domain `{found.name}`: function `{route.function}` is not in this project", found.place)


def missing_code(function: Function) -> Problem | None:
    """A problem where the code that a function names does not exist, with the steps that would produce it."""
    if function.code is None or function.code.exists() or function.runtime == "custom-container":
        return None
    message = f"function `{function.name}`: its code `{function.code}` does not exist"
    if function.build:
        steps = ", ".join(f"`{step.run}`" for step in function.build)
        return Problem(f"{message}; pre-deploy steps that were not run: {steps} (--build runs them)", function.place)
    return Problem(f"{message}; build it first", function.place)


def adhoc_project(
    code: Path,
    handler: str,
    runtime: str,
    *,
    name: str = "",
    environment: Mapping[str, str] | None = None,
    memory_mb: int = 512,
    timeout: float = 60.0,
    command: Sequence[str] = (),
    port: int = 9000,
    http: bool = True,
    extra_runtimes: Collection[str] = (),
) -> Project:
    """A project of one function without a project file: a folder or an archive of code, and how to run it.

    It is called after its folder. `command` and `port` are for custom runtimes. `http` gives it an anonymous HTTP
    trigger beside the event interface. Raises `ConfigError`.
    """
    if not code.exists():
        raise ConfigError("there is no such code", "name a folder, or a .zip, after --code", Place(str(code)))
    path = Path(os.path.realpath(code))
    known = _known(runtime, handler, extra_runtimes)
    problems = () if known == runtime else (Problem(f"runtime '{runtime}' is not supported; `{known}` is used"),)
    function = Function(
        name=FunctionName(name or _safe_name(path.stem if path.is_file() else path.name)),
        runtime=known,
        handler=handler,
        code=path,
        memory_mb=memory_mb,
        timeout=timeout,
        environment=MappingProxyType(dict(environment or {})),
        cpu=bounds.default_cpu(memory_mb),
        custom_runtime=CustomRuntime(command=tuple(command), port=port),
        triggers=(_anonymous_http(),) if http else (),
    )
    return Project(path if path.is_dir() else path.parent, None, (function,), problems=problems)


def _known(runtime: str, handler: str, extra_runtimes: Collection[str]) -> str:
    known = bounds.known_runtime(runtime, extra_runtimes)
    if not known:
        raise ConfigError(f"runtime '{runtime}' is not supported", f"take one of {', '.join(bounds.RUNTIMES)}")
    if not handler and not known.startswith("custom"):
        raise ConfigError(f"runtime `{known}` needs a handler", "add --handler FILE.FUNCTION, such as index.handler")
    return known


def _anonymous_http() -> Trigger:
    return Trigger("httpTrigger", TriggerType.HTTP, MappingProxyType({"authType": "anonymous"}))


def _safe_name(text: str) -> str:
    name = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in text).strip("-")
    return name if name[:1].isalpha() or name[:1] == "_" else f"function-{name}".rstrip("-")
