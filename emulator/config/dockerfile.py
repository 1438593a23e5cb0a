"""A Dockerfile as the description of an image: how its program is started, and what is copied into it.

Enough for a program to be started without the image; nothing is run. Grammar: the Dockerfile reference of Docker.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct, field
from msgspec.structs import replace

from emulator.model.image import Copied, Image

DOCKERFILE = "Dockerfile"
MOST_BYTES = 1024 * 1024
SHELL = ("/bin/sh", "-c")
# What nearly every base image has, for `ENV PATH=/venv/bin:$PATH`
USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z_]\w*)\1")
_ESCAPE = re.compile(r"#\s*escape\s*=\s*([\\`])\s*$", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*\w+\s*=")
_VARIABLE = re.compile(r"\\(?P<escaped>\$)|\$(?:(?P<bare>\w+)|\{(?P<name>\w+)(?::(?P<mark>[-+])(?P<word>[^}]*))?\})")


class Instruction(Struct, frozen=True):
    """One instruction; `line` is the first of those it stands on."""

    keyword: str
    rest: str
    line: int


class Description(Struct, frozen=True):
    """The image of the last stage, what its instructions copied from the build's folder, and what it is based on."""

    image: Image
    copied: tuple[Copied, ...] = ()
    base: str = ""


class _Stage(Struct):
    """What the instructions of a stage have said so far."""

    base: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    # An inherited command goes with the entrypoint that it was made for; one of the stage itself stays.
    own_command: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    args: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    shell: tuple[str, ...] = SHELL
    copied: list[Copied] = field(default_factory=list)

    def child(self) -> _Stage:
        """A stage that begins where this one ends; its arguments are its own."""
        environment, copied = dict(self.environment), list(self.copied)
        return replace(self, environment=environment, args={}, copied=copied, own_command=False)

    def filled(self, text: str) -> str:
        return _filled(text, {"PATH": USUAL_PATH, **self.args, **self.environment})


def read(folder: Path) -> str | None:
    """The text of the folder's Dockerfile; None where there is none."""
    try:
        with (folder / DOCKERFILE).open("rb") as stream:
            return stream.read(MOST_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return None


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions, with continued lines in one and without comments; of those with a here-document, the head."""
    lines = enumerate(text.splitlines(), 1)
    escape, heading = "\\", True
    parts: list[str] = []
    first = 0
    for number, line in lines:
        stripped = line.strip()
        if heading and (found := _ESCAPE.match(stripped)):
            escape = found[1]
        heading = heading and _DIRECTIVE.match(stripped) is not None
        if not stripped or stripped.startswith("#"):
            continue
        first = first or number
        if stripped.endswith(escape):
            parts.append(stripped[: -len(escape)])
            continue
        keyword, _, rest = "".join((*parts, stripped)).partition(" ")
        yield Instruction(keyword.upper(), rest.strip(), first)
        for _, word in _HEREDOC.findall(rest) if keyword.upper() in ("RUN", "COPY", "ADD") else ():
            next((n for n, it in lines if it.strip() == word), None)
        parts, first = [], 0


def describe(text: str, reference: str, args: Mapping[str, str]) -> Description:
    """The image of the last stage of a Dockerfile, built with these arguments."""
    before: dict[str, str] = {}
    stages: dict[str, _Stage] = {}
    stage: _Stage | None = None
    for one in instructions(text):
        if one.keyword == "FROM":
            stage = _begun(one.rest, before, stages)
        elif stage is None:
            before.update(_arguments(one, before, args))
        else:
            _follow(stage, one, {**before, **args}, stages)
    stage = stage or _Stage()
    image = Image(
        reference,
        entrypoint=stage.entrypoint,
        command=stage.command,
        environment=MappingProxyType(stage.environment),
        workdir=stage.workdir,
        user=stage.user,
    )
    return Description(image, tuple(stage.copied), stage.base)


def _begun(rest: str, before: Mapping[str, str], stages: dict[str, _Stage]) -> _Stage:
    words = [word for word in _filled(rest, before).split() if not word.startswith("--")]
    base = words[0] if words else ""
    earlier = stages.get(base.lower())
    stage = earlier.child() if earlier is not None else _Stage(base=base)
    stages[str(len(stages))] = stage
    if len(words) > 2 and words[1].upper() == "AS":
        stages[words[2].lower()] = stage
    return stage


def _arguments(one: Instruction, known: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """ARG: what was given, else the default. One that has neither is not set."""
    found: dict[str, str] = {}
    for word in _words(one.rest) if one.keyword == "ARG" else ():
        name, has_default, default = word.partition("=")
        if name in given:
            found[name] = given[name]
        elif has_default:
            found[name] = _filled(default, known)
    return found


def _follow(stage: _Stage, one: Instruction, given: Mapping[str, str], stages: Mapping[str, _Stage]) -> None:
    match one.keyword:
        case "ARG":
            stage.args.update(_arguments(one, {**stage.args, **stage.environment}, given))
        case "ENV":
            stage.environment.update({name: stage.filled(value) for name, value in _pairs(one.rest)})
        case "WORKDIR":
            stage.workdir = posixpath.normpath(posixpath.join(stage.workdir, stage.filled(one.rest).strip("\"'")))
        case "USER":
            stage.user = stage.filled(one.rest)
        case "SHELL":
            stage.shell = _json_words(one.rest) or SHELL
        case "ENTRYPOINT":
            stage.entrypoint = _argv(one.rest, stage.shell)
            stage.command = stage.command if stage.own_command else ()
        case "CMD":
            stage.command, stage.own_command = _argv(one.rest, stage.shell), True
        case "COPY" | "ADD":
            stage.copied.extend(_copies(stage, one.rest, stages))


def _argv(rest: str, shell: tuple[str, ...]) -> tuple[str, ...]:
    """The JSON form is the words themselves; else a shell reads the text. Variables are left to that."""
    words = _json_words(rest)
    if words is not None:
        return words
    return (*shell, rest) if rest else ()


def _json_words(rest: str) -> tuple[str, ...] | None:
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest)
    except ValueError:
        return None
    return tuple(map(str, words)) if isinstance(words, list) else None


def _pairs(rest: str) -> Iterator[tuple[str, str]]:
    """`ENV A=1 B="two words"`, and the old form `ENV A one and more`."""
    head = rest.split(None, 1)
    if head and "=" not in head[0]:
        yield head[0], head[1] if len(head) > 1 else ""
        return
    for word in _words(rest):
        name, _, value = word.partition("=")
        yield name, value


def _words(rest: str) -> list[str]:
    """As a shell splits them, but an escaped `$` stays escaped, since variables are filled in later."""
    try:
        return shlex.split(rest.replace(r"\$", r"\\$"))
    except ValueError:
        return rest.split()


def _copies(stage: _Stage, rest: str, stages: Mapping[str, _Stage]) -> Iterator[Copied]:
    words = _json_words(rest.partition(" ")[2] if rest.startswith("--") else rest)
    plain = list(words) if words is not None else rest.split()
    origin = next((word.partition("=")[2].lower() for word in rest.split() if word.startswith("--from=")), None)
    if origin is not None and origin not in stages:
        return  # another image
    sources = [stage.filled(word) for word in plain if not word.startswith("--")]
    if len(sources) < 2 or any(_HEREDOC.search(word) or "://" in word for word in sources):
        return
    *sources, target = sources
    into = target.endswith("/") or target in (".", "..") or len(sources) > 1
    folder = posixpath.normpath(posixpath.join(stage.workdir, target))
    for source in sources:
        if origin is not None:
            yield from _through(stages[origin], source, folder, into)
            continue
        name = posixpath.normpath(f"/{source}").lstrip("/")
        yield Copied(name, f"{folder.rstrip('/')}/" if into and name else folder)


def _through(stage: _Stage, source: str, folder: str, into: bool) -> Iterator[Copied]:
    """What came from the build's folder into another stage, and from there to `folder`."""
    source = posixpath.normpath(posixpath.join("/", source))
    for copied in stage.copied:
        known = copied.target.rstrip("/") or "/"
        into_it = copied.target.endswith("/")
        if known == source or known.startswith(f"{source.rstrip('/')}/"):
            yield Copied(copied.source, posixpath.normpath(f"{folder}/{known[len(source) :]}") + "/" * into_it, True)
        elif source.startswith(f"{known.rstrip('/')}/"):
            name = posixpath.normpath(f"{copied.source}/{source[len(known) :]}").lstrip("/")
            yield Copied(name, f"{folder.rstrip('/')}/" if into else folder, True)


def _filled(text: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        known = values.get(found["bare"] or found["name"], "")
        if found["mark"] == "-":
            return known or found["word"]
        if found["mark"] == "+":
            return found["word"] if known else ""
        return known

    return _VARIABLE.sub(value, text)
