"""Which images stand for a built-in runtime, and what one that is made here has to hold."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from emulator.runtime.interpreters import Interpreter, Interpreters
from emulator.runtime.spec import RuntimeSpec

# Made here, by `fclocal images build`.
OFFLINE_REPOSITORY = "fclocal/runtime"
BIN = "/usr/local/bin"


class Held(Struct, frozen=True):
    """An interpreter, and the paths that lead to it."""

    command: str
    used: Interpreter
    links: tuple[str, ...]


def official_image(spec: RuntimeSpec, registry: str = "") -> str:
    """FC's own; "" for a runtime that has none."""
    return f"{registry.rstrip('/')}/{spec.image}" if registry and spec.image else spec.image


def offline_image(spec: RuntimeSpec) -> str:
    return f"{OFFLINE_REPOSITORY}:{spec.id}"


def runtime_images(spec: RuntimeSpec, registry: str = "") -> tuple[str, ...]:
    """All that will do, the best one first."""
    named = (official_image(spec, registry), spec.image, offline_image(spec))
    return tuple(name for name in dict.fromkeys(named) if name)


def interpreters_of(spec: RuntimeSpec, interpreters: Interpreters) -> Iterator[Held]:
    """The interpreters of this machine for an image of the runtime, where FC's image has them, and on PATH.

    Raises `UserError` where a built-in runtime has none.
    """
    if spec.interpreter is not None:
        used = interpreters.find(spec.interpreter.command, spec.version)
        folders = (spec.interpreter.lang_dir, BIN)
        yield Held(spec.interpreter.command, used, _paths(folders, spec.interpreter.links))
    taken: set[str] = set()
    for tool in spec.tools:
        found = interpreters.seek(tool.command, tool.version)
        if found is not None:
            own = _paths((tool.directory,), tool.links) if tool.directory else ()
            yield Held(tool.command, found, (*own, *_paths((BIN,), [n for n in tool.links if n not in taken])))
            taken.update(tool.links)


def _paths(folders: tuple[str, ...], names: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for folder in folders for name in names)
