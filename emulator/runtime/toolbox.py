"""The interpreters of an instance: where FC's image has them, made of what this machine has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from emulator.model.function import Revision
from emulator.model.launch import Access, Link, Mount
from emulator.runtime.interpreters import Interpreter, Interpreters
from emulator.runtime.languages import language
from emulator.runtime.spec import RuntimeSpec, Tool
from emulator.runtime.tree import SYSTEM, is_within, outermost

LANG_DIR = "/var/fc/lang"
HOME_DIR = "/var/fc/runtime"
# How much of a start script is read to see which interpreters it names.
SCRIPT_BYTES = 16 * 1024


class Toolbox(Struct, frozen=True):
    """`directory` is a folder for PATH ("" for none); `interpreter` runs the bootstrap (None for programs)."""

    links: tuple[Link, ...] = ()
    mounts: tuple[Mount, ...] = ()
    notices: tuple[str, ...] = ()
    directory: str = ""
    interpreter: Interpreter | None = None


def bootstrap_toolbox(spec: RuntimeSpec, interpreters: Interpreters) -> Toolbox:
    """The one interpreter of a built-in runtime, and the folder of its bootstrap.

    Raises `UserError` where there is no interpreter that will do.
    """
    wanted = spec.interpreter
    if wanted is None:
        return Toolbox()
    used = interpreters.find(wanted.command, spec.version)
    notices = () if used.exact else (interpreters.notice(wanted.command, spec.version, used),)
    links = {f"{wanted.lang_dir}/{name}": used.path for name in wanted.links}
    links.update(_companions(wanted.command, used, wanted.lang_dir))
    home = Mount((spec.home,), f"{HOME_DIR}/{spec.id}", Access.READ)
    return Toolbox(_links(links), (home, *_prefixes([used])), notices, interpreter=used)


def image_toolbox(spec: RuntimeSpec) -> Toolbox:
    """For an image that has the interpreters itself: the folder of the bootstrap."""
    if spec.is_program:
        return Toolbox()
    return Toolbox(mounts=(Mount((spec.home,), f"{HOME_DIR}/{spec.id}", Access.READ),))


def program_toolbox(revision: Revision, spec: RuntimeSpec, interpreters: Interpreters, path: str) -> Toolbox:
    """All that FC's image of a custom runtime holds and this machine has, at FC's paths and in one folder for PATH.

    `path` is the function's PATH. What is absent, or of another version, is told if the function names it.
    """
    directory = f"{LANG_DIR}/{spec.id}/bin"
    links: dict[str, Path] = {}
    used: list[Interpreter] = []
    notices: list[str] = []
    taken: set[str] = set()
    mentioned = _mentioned(revision, path)
    for tool in spec.tools:
        found = interpreters.seek(tool.command, tool.version)
        if (found is None or not found.exact) and _named(tool, taken, mentioned):
            notices.append(_told(tool, spec, found, interpreters))
        taken.update(tool.links)
        if found is None:
            continue
        used.append(found)
        for folder in filter(None, (tool.directory, directory)):
            for name in tool.links:
                links.setdefault(f"{folder}/{name}", found.path)
            for target, file in _companions(tool.command, found, folder).items():
                links.setdefault(target, file)
    return Toolbox(_links(links), _prefixes(used), tuple(notices), directory if links else "")


def _links(links: Mapping[str, Path]) -> tuple[Link, ...]:
    return tuple(Link(target, str(file)) for target, file in links.items())


def _companions(command: str, used: Interpreter, folder: str) -> dict[str, Path]:
    """`npm` and its like, which lie beside the interpreter."""
    files = {name: used.path.parent / name for name in language(command).companions}
    return {f"{folder}/{name}": file for name, file in files.items() if file.exists()}


def _prefixes(used: list[Interpreter]) -> tuple[Mount, ...]:
    """Interpreters outside of the system's folders are shown at their own path."""
    outside = [one.prefix for one in used if not any(is_within(str(one.prefix), folder) for folder in SYSTEM)]
    return tuple(Mount((prefix,), str(prefix), Access.READ) for prefix in outermost(outside))


def _mentioned(revision: Revision, path: str) -> str:
    """Everything in which a custom runtime can name an interpreter: command, PATH, and its start script."""
    command = revision.function.start_command
    scripts = [word for word in command if "." in word or "/" in word or word == command[0]]
    texts = (_script(revision, word) for word in scripts)
    return "\n".join((*command, path, *texts))


def _script(revision: Revision, word: str) -> str:
    if revision.code_dir is None or not word:
        return ""
    file = revision.code_dir / word.removeprefix("/code/").lstrip("/")
    if file.suffix not in ("", ".sh", ".bash"):
        return ""
    try:
        with file.open("rb") as stream:
            head = stream.read(SCRIPT_BYTES)
    except (OSError, ValueError):
        return ""
    return "" if b"\0" in head else head.decode("utf-8", "replace")


def _named(tool: Tool, taken: set[str], text: str) -> bool:
    """By its folder, or by a name on PATH that no earlier tool has."""
    if tool.directory and tool.directory in text:
        return True
    names = [name for name in tool.links if name not in taken]
    return any(re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w.-])", text) for name in names)


def _told(tool: Tool, spec: RuntimeSpec, found: Interpreter | None, interpreters: Interpreters) -> str:
    if found is not None:
        return interpreters.notice(tool.command, tool.version, found)
    what = f"{tool.command} {tool.version}".rstrip()
    where = f" in {tool.directory}" if tool.directory else ""
    advice = interpreters.lift(tool.command, tool.version)
    return f"{what} is a part of {spec.id}{where}, and is not installed here; {advice}"
