"""What a runtime folder says of itself, read from `runtime.toml` and checked: languages are data here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from emulator.model.errors import ConfigError
from emulator.model.spelling import similar
from emulator.runtime.toml_table import Table, fill, read_toml

FILE = "runtime.toml"
# runtime-contract.md §3.4: custom.debian11 gets no x-fc-security-token; "and later, presumably"
FIRST_DEBIAN_WITHOUT_TOKEN_HEADER = 11
ARGV_FIELDS = ("interpreter", "home", "id", "version", "memory_mb", "heap_mb")
FLAGS = ("search_paths", "forks", "parks")
NO_TEXTS: Mapping[str, str] = MappingProxyType({})


class Kind(StrEnum):
    """BOOTSTRAP: our own server runs the user's handler. PROGRAM: the user's server is the instance. IMAGE: so it is,
    and all of its files come from a container image.

    It also decides what an HTTP trigger is: a JSON event, or the request as it is (runtime-contract.md §2.8, §3.3).
    """

    BOOTSTRAP = "bootstrap"
    PROGRAM = "program"
    IMAGE = "image"


class InterpreterSpec(Struct, frozen=True):
    """The program that runs a bootstrap. `links` are its names in `lang_dir` inside; `argv` is still a template."""

    command: str
    lang_dir: str
    links: tuple[str, ...]
    argv: tuple[str, ...]


class Tool(Struct, frozen=True):
    """An interpreter that FC's image of a custom runtime holds.

    `directory` is where FC has it, "" where it is simply on PATH. `version` "" takes whichever is there.
    """

    command: str
    version: str
    links: tuple[str, ...]
    directory: str = ""


class Manifest(Struct, frozen=True):
    """A file beside the code that lists what it needs, and the command that brings it, as `s build` runs it.

    `asks` finds out whether the file lists anything. `env` is what a function needs in its variables afterwards.
    """

    file: str
    asks: re.Pattern[str]
    run: str
    env: Mapping[str, str]


class RuntimeSpec(Struct, frozen=True):
    """One runtime id. `version` is the interpreter's in FC; `debian` the release of FC's image, 0 where unknown.
    `forks` says whether its bootstrap can be a template (docs/zygote.md), `parks` whether it can wait to be assigned
    (docs/zygote.md).

    `image` is that of FC's own local runner. `bundled` maps the import name of each module that FC's image ships to
    what installs it.
    """

    id: str
    version: str
    home: Path
    kind: Kind
    search_paths: bool
    forks: bool = False
    parks: bool = False
    debian: int = 0
    image: str = ""
    interpreter: InterpreterSpec | None = None
    tools: tuple[Tool, ...] = ()
    env: Mapping[str, str] = NO_TEXTS
    bundled: Mapping[str, str] = NO_TEXTS
    manifests: tuple[Manifest, ...] = ()

    @property
    def is_program(self) -> bool:
        return self.kind is not Kind.BOOTSTRAP

    @property
    def is_image(self) -> bool:
        return self.kind is Kind.IMAGE

    @property
    def token_header(self) -> bool:
        """Whether requests carry the security token; newer images of custom runtimes read it from the environment."""
        return not self.is_program or self.debian < FIRST_DEBIAN_WITHOUT_TOKEN_HEADER


class Catalog(Struct, frozen=True):
    """Every runtime id that the emulator can run."""

    specs: Mapping[str, RuntimeSpec]

    @classmethod
    def load(cls, dirs: Sequence[Path]) -> Catalog:
        """Read every `DIR/<name>/runtime.toml`; an id of a later folder replaces an earlier one's.

        Raises `ConfigError` for a folder that is absent and for what can not be read.
        """
        specs: dict[str, RuntimeSpec] = {}
        for folder in dirs:
            specs.update(_load_dir(folder))
        return cls(MappingProxyType(specs))

    @classmethod
    def of(cls, extra: Path | None) -> Catalog:
        """The shipped runtimes, and those of one further folder."""
        return cls.load([builtin_dir(), *([extra] if extra is not None else [])])

    def find(self, runtime_id: str) -> RuntimeSpec:
        """Raises `ConfigError` that names the nearest id and all others."""
        spec = self.specs.get(runtime_id)
        if spec is None:
            near = similar(runtime_id, self.specs)
            guess = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(
                f"runtime '{runtime_id}' is not emulated", f"{guess}This emulator runs {', '.join(sorted(self.specs))}"
            )
        return spec


def builtin_dir() -> Path:
    """The folder of shipped runtimes: inside the installed package, or beside it in a checkout."""
    installed = Path(__file__).parents[1] / "_runtimes"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "runtimes"


def _load_dir(folder: Path) -> dict[str, RuntimeSpec]:
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder of runtimes", f"it must hold <name>/{FILE} files")
    found: dict[str, RuntimeSpec] = {}
    for file in sorted(folder.glob(f"*/{FILE}")):
        for spec in read_runtime(file):
            if spec.id in found:
                raise ConfigError(f"runtime {spec.id} is declared in {found[spec.id].home} and in {spec.home}")
            found[spec.id] = spec
    return found


def read_runtime(file: Path) -> tuple[RuntimeSpec, ...]:
    """The runtimes of one `runtime.toml`, one per id. Raises `ConfigError` with file, line and key."""
    top = read_toml(file)
    kind = Kind(top.choice("kind", tuple(Kind)))
    flags = {name: top.flag(name, default=False) for name in FLAGS}
    names = top.table("names").all_texts()
    for name in names:
        if name.startswith("custom") != (kind is not Kind.BOOTSTRAP):
            raise top.error(f"'{name}': a runtime is called custom… where the user's own server is the instance", name)
    debian = top.table("debian", optional=True).all_numbers()
    raw_interpreter = _interpreter(top.table("interpreter")) if "interpreter" in top else None
    if kind is Kind.BOOTSTRAP and raw_interpreter is None:
        raise top.error("a bootstrap needs an [interpreter] table", "kind")
    tools = tuple(_tool(item, names) for item in top.tables("tools"))
    env = top.table("env", optional=True).all_texts()
    bundled = _bundled(top.table("bundled", optional=True), names)
    manifests = tuple(_manifest(item) for item in top.tables("manifests"))
    images = top.table("images", optional=True).all_texts()
    for stray in (debian.keys() | images.keys()) - names.keys():
        raise top.error(f"[debian] or [images]: '{stray}' is not in [names]", stray)
    top.close()

    def spec(name: str, version: str) -> RuntimeSpec:
        fields = {"id": name, "version": version}
        return RuntimeSpec(
            id=name,
            version=version,
            home=file.parent.resolve(),
            kind=kind,
            **flags,
            debian=debian.get(name, 0),
            image=images.get(name, ""),
            interpreter=raw_interpreter and _filled(raw_interpreter, fields),
            tools=tuple(tool for ids, tool in tools if name in ids),
            env=MappingProxyType({key: fill(value, fields) for key, value in env.items()}),
            bundled=MappingProxyType(bundled.get(name, {})),
            manifests=manifests,
        )

    return tuple(spec(name, version) for name, version in names.items())


def _interpreter(table: Table) -> InterpreterSpec:
    return table.closed(
        InterpreterSpec(
            command=table.text("command"),
            lang_dir=table.template("lang_dir", ("id", "version")),
            links=table.templates("links", ("id", "version")),
            argv=table.templates("argv", ARGV_FIELDS),
        )
    )


def _filled(spec: InterpreterSpec, fields: Mapping[str, str]) -> InterpreterSpec:
    links = tuple(dict.fromkeys(fill(link, fields) for link in spec.links))
    return InterpreterSpec(spec.command, fill(spec.lang_dir, fields), links, spec.argv)


def _tool(table: Table, names: Mapping[str, str]) -> tuple[frozenset[str], Tool]:
    ids = table.texts("ids")
    for stray in set(ids) - names.keys():
        raise table.error(f"'{stray}' is not in [names]", "ids")
    tool = Tool(
        command=table.text("command"),
        version=table.text("version", default=""),
        links=table.texts("links"),
        directory=table.text("directory", default=""),
    )
    return frozenset(ids), table.closed(tool)


def _manifest(table: Table) -> Manifest:
    manifest = Manifest(
        file=table.text("file"),
        asks=table.pattern("asks"),
        run=table.text("run"),
        env=MappingProxyType(table.table("env", optional=True).all_texts()),
    )
    if "/" in manifest.file:
        raise table.error("'file' is a name, not a path", "file")
    return table.closed(manifest)


def _bundled(table: Table, names: Mapping[str, str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name in table.names:
        if name not in names:
            raise table.error(f"[bundled] names '{name}', which is not in [names]", name)
        found[name] = table.table(name).all_texts()
    return found
