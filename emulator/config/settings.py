"""The emulator's own options. Flag, `FCLOCAL_*`, `.fclocal.yaml` key and docs come from the one definition here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emulator.config.checks import nearest
from emulator.config.settings_file import SETTINGS_FILE, Entry, read_settings_file
from emulator.config.settings_values import Kind, read_value
from emulator.model.errors import ConfigError
from emulator.model.function import DEFAULT_REGION, Account, FunctionName, Place, Project
from emulator.model.limits import KEEP_ALIVE_SECONDS, QUEUE_TIMEOUT_SECONDS, REGION_INSTANCES, START_TIMEOUT_SECONDS

NOTHING: Mapping[str, str] = MappingProxyType({})
NO_FUNCTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType({})
ENV_PREFIX = "FCLOCAL_"


def option(
    default: Any,
    help: str,
    *,
    kind: Kind | None = None,
    choices: Sequence[str] = (),
    at_least: float | None = None,
    at_most: float | None = None,
    short: str = "",
    unit: str = "",
) -> Any:
    """A field of `Settings` that is an option: its default, one sentence of help, and what values it takes."""
    metadata = {
        "help": help,
        "kind": kind or Kind(type(default).__name__),
        "choices": tuple(choices),
        "range": (at_least, at_most),
        "short": short,
        "unit": unit,
    }
    if default is NOTHING:
        return field(default_factory=lambda: NOTHING, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be chosen about the emulator itself. Durations are seconds unless the name says `_ms`."""

    host: str = option("127.0.0.1", "Address to listen on.")
    port: int = option(7788, "Port to listen on; 0 picks a free one.", at_least=0, at_most=65535, short="-p")
    walls: str = option(
        "auto",
        "Walls around instances: the strongest that work here, or one rung by name.",
        choices=("auto", "bwrap", "landlock", "plain"),
    )
    network: str = option(
        "host",
        "Network of instances: the host's, none, or one of their own with a way out.",
        choices=("host", "none", "private"),
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
    build: bool = option(False, "Run the build steps before the functions are loaded, as `fclocal build` does.")
    json: bool = option(False, "Print events as JSON, one object a line, in place of text.")
    color: str = option("auto", "When to colour the output.", choices=("auto", "always", "never"))
    log_level: str = option(
        "info", "The least important of the emulator's own messages to print.", choices=("debug", "info", "warning")
    )
    functions: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: NO_FUNCTIONS)

    def account(self, region: str = DEFAULT_REGION) -> Account:
        """Whose functions these are, wherever that shows: in expressions, headers, variables and ARNs."""
        return Account(account_id=self.account_id, region=region)

    def environment_of(self, name: FunctionName) -> Mapping[str, str]:
        """Variables that the settings add to one function; its own section wins over `environment`."""
        own = self.functions.get(str(name), self.functions.get(name.name, NOTHING))
        return {**self.environment, **own}


@dataclass(frozen=True, slots=True)
class Option:
    """One option, as flags, variables, file keys and docs need it."""

    name: str
    default: Any
    help: str
    kind: Kind
    choices: tuple[str, ...]
    range: tuple[float | None, float | None]
    short: str
    unit: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENV_PREFIX + self.name.upper()

    def read(self, raw: object, place: Place) -> Any:
        """The value that `raw` (text, or as YAML gave it) stands for; `ConfigError` names `place`."""
        return read_value(self.kind, raw, place, self.name, self.choices, self.range)


def _option_of(item: Field[Any]) -> Option:
    default = NOTHING if item.default is MISSING else item.default
    return Option(item.name, default, **item.metadata)


OPTIONS: Mapping[str, Option] = MappingProxyType({f.name: _option_of(f) for f in fields(Settings) if f.metadata})


def load_settings(root: Path, flags: Mapping[str, object], env: Mapping[str, str]) -> Settings:
    """Settings from `flags` (already read, None where not given), then `env`, then `.fclocal.yaml` in `root`.

    Relative paths of flags and variables start at the working directory, those of the file at `root`.
    """
    entries = read_settings_file(root / SETTINGS_FILE)
    functions = entries.pop("functions", None)
    given = {name: value for name, value in flags.items() if value is not None}
    values = _merged(_from_file(root, entries), _from_env(env), given)
    if functions is not None:
        values["functions"] = _function_sections(functions)
    settings = Settings(**values)
    return replace(settings, state_dir=root / settings.state_dir)


def apply_to_project(settings: Settings, project: Project) -> Project:
    """The project with the settings' variables added to its functions."""
    changed = (replace(f, environment={**f.environment, **settings.environment_of(f.name)}) for f in project.functions)
    return replace(project, functions=tuple(changed))


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


def _function_sections(entry: Entry) -> Mapping[str, Mapping[str, str]]:
    sections: dict[str, Mapping[str, str]] = {}
    for name, section in entry.items():
        for key, value in section.items():
            if key != "environment":
                step = did_you_mean(key, ["environment"]) or "a function's section may hold `environment`"
                raise ConfigError(f"unknown key {key!r} of function {name!r}", step, value.place)
            sections[name] = read_value(Kind.VARIABLES, value.texts(), value.place, key)
    return MappingProxyType(sections)
