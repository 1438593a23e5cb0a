"""The emulator's own options. Flag, `FCLOCAL_*`, `.fclocal.yaml` key and docs come from the one definition here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from emulator.config.checks import nearest
from emulator.config.function_settings import KEEP, FunctionSettings, read_function_settings
from emulator.config.option import ENV_PREFIX, NOTHING, Option, option, option_of
from emulator.config.settings_file import SETTINGS_FILE, Entry, read_settings_file
from emulator.config.settings_values import Kind
from emulator.model.errors import ConfigError
from emulator.model.function import DEFAULT_REGION, Account, Function, FunctionName, Place, Project
from emulator.model.launch import Network, WallsKind
from emulator.model.limits import KEEP_ALIVE_SECONDS, QUEUE_TIMEOUT_SECONDS, REGION_INSTANCES, START_TIMEOUT_SECONDS
from emulator.model.program import CodeMount

if TYPE_CHECKING:
    from emulator.model.conditions import Conditions
    from emulator.model.speed import Speed

NO_FUNCTIONS: Mapping[str, FunctionSettings] = MappingProxyType({})
NO_FUNCTION_SETTINGS = FunctionSettings()
# Options that are about functions alone, and can change while the emulator runs.
OF_FUNCTIONS = ("environment", "build_args")
CONTAINER_RUNTIME = "custom-container"
_NETWORKS = {
    "host": Network.HOST,
    "none": Network.NONE,
    "private": Network.PRIVATE,
    "bridge": Network.PRIVATE,  # as Docker calls it
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be chosen about the emulator itself. Durations are seconds unless the name says `_ms`."""

    host: str = option("127.0.0.1", "Address to listen on.")
    port: int = option(7788, "Port to listen on; 0 picks a free one.", at_least=0, at_most=65535, short="-p")
    walls: str = option(
        "auto",
        "Walls around instances: processes behind the strongest that work here, or one rung of those by name, or "
        "containers. auto: containers for custom-container, processes for the others.",
        choices=("auto", "process", "container", "bwrap", "landlock", "plain"),
    )
    network: str = option(
        "auto",
        "Network of instances: the host's, none, or one of their own with a way out (private, or bridge). auto: the "
        "host's, but for programs with a port in containers.",
        choices=("auto", "host", "none", "private", "bridge"),
    )
    gpu: str = option(
        "auto",
        "GPUs for functions with gpuConfig: those that are here, none, or a test double of the one that FC gives.",
        choices=("auto", "none", "fake"),
    )
    gpu_limit: str = option(
        "warn",
        "How an instance is held to its slice of a card, beside what frameworks are told: warn when it uses more, "
        "enforce by ending it, or interpose, which refuses what is above (docs/gpu.md).",
        choices=("warn", "enforce", "interpose"),
    )
    strict: bool = option(False, "Make /code and the root read-only inside instances; in FC they are writable.")
    limits: bool = option(True, "Hold instances to their memory, CPU and disk sizes.")
    freeze: bool = option(True, "Freeze an instance when its last request has ended, as FC does.")
    freeze_after_ms: float = option(15.0, "How long an instance is idle before it is frozen.", at_least=0, unit="ms")
    keep_alive: float = option(
        KEEP_ALIVE_SECONDS, "How long an idle instance is kept before it is destroyed.", at_least=0, unit="s"
    )
    max_instances: int = option(REGION_INSTANCES, "On-demand instances of all functions together.", at_least=1)
    queue_timeout: float = option(
        QUEUE_TIMEOUT_SECONDS,
        "How long a request waits for room at the instance limit before it gets 429; 0 is FC's behaviour.",
        at_least=0,
        unit="s",
    )
    start_timeout: float = option(
        START_TIMEOUT_SECONDS, "How long an instance may take until its server answers.", at_least=0.1, unit="s"
    )
    header_timeout: float = option(
        10.0, "How long a client may take to send the head of a request.", at_least=0.1, unit="s"
    )
    body_timeout: float = option(
        30.0, "How long a client may pause between two pieces of a request body.", at_least=0.1, unit="s"
    )
    timers: bool = option(True, "Invoke functions by their timer triggers while it runs, at their times.")
    verify_signatures: bool = option(
        False, "Ask InvokeFunction for a right signature by a known access key, as FC does; else any key will do."
    )
    account_id: str = option("123456789", "Account id that functions see, and that ARNs carry.")
    runtimes_dir: Path | None = option(  # noqa: RUF009 - makes a field
        None, "Folder with further runtimes, one folder each.", kind=Kind.PATH
    )
    state_dir: Path = option(  # noqa: RUF009 - makes a field
        Path(".fclocal"), "Folder for the emulator's own files, beside the project file.", kind=Kind.PATH
    )
    environment: Mapping[str, str] = option(
        NOTHING, "Variables added to the environment of every function.", kind=Kind.VARIABLES
    )
    debug: bool = option(False, "Attach the debugger to every instance at its birth, also while no editor is there.")
    debug_port: int = option(
        0, "Port that editors attach to; 0 keeps one for this project.", at_least=0, at_most=65535, short="-d"
    )
    debug_node_port: int = option(
        0, "Port that editors attach to for Node.js; 0 keeps one for this project.", at_least=0, at_most=65535
    )
    debug_stops: str = option(
        "one", "Show the editor one stopped instance at a time, or all at once.", choices=("one", "all")
    )
    debug_timeout: str = option(
        "pause",
        "Time limits of an instance at a breakpoint: they pause, are off while an editor is attached, or run on.",
        choices=("pause", "off", "real"),
    )
    debug_grace: float = option(
        3.0, "What is left at least of each time limit when an instance runs on.", at_least=0, unit="s"
    )
    build_args: Mapping[str, str] = option(
        NOTHING, "Arguments (ARG) for every Dockerfile that is built.", kind=Kind.VARIABLES
    )
    image_registry: str = option("", "Registry that FC's own images are pulled from, in place of the engine's.")
    cold: str = option(
        "auto",
        "How instances start: a spawned interpreter, as in FC (faithful); a fork of one that has loaded the packages "
        "(fast); or the first one spawned and the others forked (auto). Node.js and "
        "containers: parked spares in place of forks.",
        choices=("auto", "faithful", "fast"),
    )
    spares: int = option(1, "Instances of a function that are parked until they are needed.", at_least=0, at_most=16)
    cpu: float | None = option(
        None, "Cores of every instance, in place of each function's own.", kind=Kind.NUMBER, at_least=0.05, at_most=16
    )
    cache: str = option(
        "keep",
        "Page cache before the start of an instance: keep it, look (tell what of the function's files is there), or "
        "cold (put these files out). docs/profiles.md has this option and the five below.",
        choices=("keep", "look", "cold"),
    )
    disk: Speed | None = option(  # noqa: RUF009 - as above
        None, "Speed of the disk below code, layers and interpreter.", kind=Kind.SPEED
    )
    nas: Speed | None = option(None, "Speed of NAS and OSS.", kind=Kind.SPEED)  # noqa: RUF009 - as above
    code_download: Speed | None = option(  # noqa: RUF009 - as above
        None, "Speed at which code and layers come to an instance before it starts.", kind=Kind.SPEED
    )
    image_pull: Speed | None = option(  # noqa: RUF009 - as above
        None, "Speed at which an image comes before the start of an instance.", kind=Kind.SPEED
    )
    profile: str = option("", "These options as a bundle that is like FC: the name of one.")
    profiles: Path | None = option(  # noqa: RUF009 - as above
        None, "File with further profiles, in place of those that are shipped.", kind=Kind.PATH
    )
    build: bool = option(False, "Run the build steps before the functions are loaded, as `fclocal build` does.")
    reload: bool = option(True, "Take changes of code, project file, variables and layers over while it runs.")
    reload_debounce_ms: float = option(
        8.0, "How long nothing must change until a change is taken over.", at_least=0, at_most=10_000, unit="ms"
    )
    postmortem: bool = option(True, "Keep what is left of failed invocations, for `fclocal postmortem`.")
    postmortems_kept: int = option(50, "How many post-mortems are kept; the oldest make room.", at_least=1)
    prices: Path | None = option(  # noqa: RUF009 - makes a field
        None, "Price list for `fclocal cost`, in place of fclocal's own (docs/cost.md).", kind=Kind.PATH
    )
    otlp_endpoint: str = option(
        "",
        "Where traces are sent to by OTLP over HTTP, such as http://127.0.0.1:4318; it needs fclocal[otel]. Without it "
        "OTEL_EXPORTER_OTLP_ENDPOINT counts.",
    )
    trace: bool = option(True, "Measure what each cold start is made of, down to single imports.")
    console: bool = option(True, "Serve the console, pages for a browser, at /_console.")
    json: bool = option(False, "Print events as JSON, one object a line, in place of text.")
    color: str = option("auto", "When to colour the output.", choices=("auto", "always", "never"))
    log_level: str = option(
        "info", "The least important of the emulator's own messages to print.", choices=("debug", "info", "warning")
    )
    functions: Mapping[str, FunctionSettings] = field(default_factory=lambda: NO_FUNCTIONS)
    # Not an option: only what measures cold starts asks for it.
    trace_reads: bool = False
    trace_usage: bool = False

    def account(self, region: str = DEFAULT_REGION) -> Account:
        """Whose functions these are, wherever that shows: in expressions, headers, variables and ARNs."""
        return Account(account_id=self.account_id, region=region)

    def environment_of(self, name: FunctionName) -> Mapping[str, str]:
        """Variables that the settings add to one function; its own section wins over `environment`."""
        return {**self.environment, **self.function(name).environment}

    @property
    def conditions(self) -> Conditions | None:
        """What is made like the cloud around the start of each instance, if anything is."""
        given = (self.disk, self.nas, self.code_download, self.image_pull)
        speeds = [it if it is not None and it.limited else None for it in given]
        if self.cache == "keep" and not any(speeds):
            return None
        from emulator.model.conditions import Conditions  # few starts have some

        return Conditions(self.cache, *speeds)

    @property
    def starts(self) -> str:
        """As `cold`. What is made like the cloud is so at a real start alone."""
        return "faithful" if self.conditions is not None else self.cold

    @property
    def instance_network(self) -> Network | None:
        """None where it depends on the instance."""
        return _NETWORKS.get(self.network)

    def walls_of(self, function: Function) -> WallsKind:
        """By the section of the function, the option, or what it is."""
        own = self.function(function.name).walls
        if own is not None:
            return own
        if self.walls == "auto":
            return WallsKind.CONTAINER if function.runtime == CONTAINER_RUNTIME else WallsKind.PROCESS
        return WallsKind.CONTAINER if self.walls == WallsKind.CONTAINER.value else WallsKind.PROCESS

    def function(self, name: FunctionName) -> FunctionSettings:
        """The section of one function, by its whole name or by that without its service."""
        return self.functions.get(str(name), self.functions.get(name.name, NO_FUNCTION_SETTINGS))


OPTIONS: Mapping[str, Option] = MappingProxyType({f.name: option_of(f) for f in fields(Settings) if f.metadata})


def load_settings(root: Path, flags: Mapping[str, object], env: Mapping[str, str]) -> Settings:
    """Settings from `flags` (already read, None where not given), then `env`, then `.fclocal.yaml` in `root`.

    Relative paths of flags and variables start at the working directory, those of the file at `root`.
    """
    entries = read_settings_file(root / SETTINGS_FILE)
    functions = entries.pop("functions", None)
    given = {name: value for name, value in flags.items() if value is not None}
    values = _merged(_from_file(root, entries), _from_env(env), given)
    if values.get("profile"):
        values = {**_from_profile(values), **values}
    if functions is not None:
        values["functions"] = read_function_settings(functions)
    settings = Settings(**values)
    return replace(settings, state_dir=root / settings.state_dir)


def apply_to_project(settings: Settings, project: Project) -> Project:
    """The project with what the settings say of its functions."""
    changed = tuple(_with_settings(f, settings, project.root) for f in project.functions)
    return msgspec.structs.replace(project, functions=changed)


def _with_settings(function: Function, settings: Settings, root: Path) -> Function:
    own = settings.function(function.name)
    container = function.custom_container
    if container is not None:
        container = msgspec.structs.replace(container, build_args={**settings.build_args, **own.build_args})
    return msgspec.structs.replace(
        function,
        environment={**function.environment, **settings.environment_of(function.name)},
        keep=own.keep if own.reload == KEEP else None,
        debugger=own.debugger,
        custom_container=container,
        code_mounts=tuple(_code_mount(root, *pair) for pair in own.code_mounts.items()),
        source_map=tuple(_code_mount(root, *pair) for pair in own.source_map.items()),
        walls=settings.walls_of(function),
        cpu=function.cpu if settings.cpu is None else settings.cpu,
    )


def _code_mount(root: Path, target: str, source: str) -> CodeMount:
    return CodeMount(Path(os.path.normpath(root / Path(source).expanduser())), target)


def changed_options(before: Settings, after: Settings) -> list[str]:
    """The options, but for those of functions, that are not the same."""
    return [name for name in OPTIONS if name not in OF_FUNCTIONS and getattr(before, name) != getattr(after, name)]


def check_functions(settings: Settings, project: Project) -> None:
    """Raise `ConfigError` where a section of the settings is for a function that the whole project does not have."""
    names = {str(f.name) for f in project.functions} | {f.name.name for f in project.functions}
    for name in settings.functions:
        if name not in names:
            raise ConfigError(
                f"`functions` names {name!r}, which the project does not have",
                did_you_mean(name, names) or "remove it",
                Place(SETTINGS_FILE),
            )
    for function in project.functions:
        if settings.function(function.name).debugger is not None and not function.is_custom:
            raise ConfigError(
                f"`debugger` of {function.name}: its runtime is {function.runtime}, which is debugged without it",
                "remove it: docs/debugging.md says how",
                Place(SETTINGS_FILE),
            )


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`did you mean …?` for the one of `words` that is near, or nothing."""
    found = nearest(word, dict.fromkeys(words))
    return f"did you mean {found}?" if found else ""


def _merged(*sources: Mapping[str, Any]) -> dict[str, Any]:
    """Later sources win; variables of all sources come together."""
    values: dict[str, Any] = {}
    for source in sources:
        for name, value in source.items():
            values[name] = {**values.get(name, {}), **value} if OPTIONS[name].kind is Kind.VARIABLES else value
    return values


def _from_file(root: Path, entries: Mapping[str, Entry]) -> dict[str, Any]:
    values = {}
    for key, entry in entries.items():
        name = key.replace("-", "_")
        if name not in OPTIONS:
            step = did_you_mean(name, [*OPTIONS, "functions"]) or "docs/options.md lists all options"
            raise ConfigError(f"unknown option {key!r}", step, entry.place)
        option = OPTIONS[name]
        raw = entry.texts() if option.kind is Kind.VARIABLES else entry.value
        value = option.read(raw, entry.place)
        values[name] = root / value if isinstance(value, Path) else value
    return values


def _from_profile(values: Mapping[str, Any]) -> dict[str, Any]:
    from emulator.config.profiles import profile_values  # few starts have one

    texts, place = profile_values(values)
    return {name: OPTIONS[name].read(text, place) for name, text in texts.items()}


def _from_env(env: Mapping[str, str]) -> dict[str, Any]:
    by_variable = {o.variable: o for o in OPTIONS.values()}
    values = {}
    for variable in sorted(v for v in env if v.startswith(ENV_PREFIX)):
        found = by_variable.get(variable)
        if found is not None:
            values[found.name] = _from_here(found.read(env[variable], Place(variable)))
        elif step := did_you_mean(variable.removeprefix(ENV_PREFIX), [o.name.upper() for o in OPTIONS.values()]):
            # A variable that resembles none of ours belongs to somebody else, such as a CI job.
            raise ConfigError("unknown option", step, Place(variable))
    return values


def _from_here(value: Any) -> Any:
    return Path.cwd() / value if isinstance(value, Path) else value
