"""Builds images by the Dockerfile of a folder: what goes in, how far it is, where it failed."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

from docker.utils.build import PatternMatcher, create_archive
from msgspec import Struct

from emulator.config.dockerfile import DOCKERFILE, instructions, read
from emulator.model.errors import SandboxError
from emulator.model.function import Place
from emulator.registry.ignoring import IGNORED_FOLDERS, is_out
from emulator.sandbox.container.engine import Api, Engine, Json
from emulator.sandbox.container.labels import IMAGE, MADE_OF
from emulator.sandbox.container.store import Stored, Tell, find

DOCKERIGNORE = ".dockerignore"
# Holds what changes with each start, and a token.
OURS = ".fclocal"
IGNORED = frozenset(IGNORED_FOLDERS)
# On an image that we built: what it was made of, by which it is known to be out of date.
MOST_IGNORE_BYTES = 256 * 1024
# Of larger files, such as models, the time counts in place of the content.
LARGE_BYTES = 8 * 1024 * 1024
BLOCK_BYTES = 1024 * 1024
# podman writes it in capitals, and does not count the arguments before FROM.
_STEP = re.compile(r"step (\d+)/(\d+) ?: (.*)", re.IGNORECASE)
# Labels are steps to the engine, each one of its own.
_LABELS = 2
_BAD_LINE = re.compile(r"dockerfile parse error(?: on)? line (\d+):", re.IGNORECASE)
# What the engine says of its own work between the steps; the last step is our label.
_ITS_OWN = re.compile(
    r" ?--?-> |Removing intermediate container |Successfully (?:built|tagged) |COMMIT |[0-9a-f]{64}$"
    r"|step .*LABEL \"?fclocal\.",
    re.IGNORECASE,
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NEEDS_BUILDKIT = re.compile(r"requires BuildKit|Unknown flag: mount|unknown flag: mount", re.IGNORECASE)


class Recipe(Struct, frozen=True):
    """What an image is built from: a folder with a Dockerfile, and the values of its arguments."""

    context: Path
    tag: str
    args: Mapping[str, str] = MappingProxyType({})


class BuildFailed(SandboxError):
    """`output` is the end of what the build had written."""

    def __init__(self, message: str, next_step: str, place: Place | None, output: str) -> None:
        super().__init__(message, next_step, place)
        self.output = output


class Context:
    """The files of a build's folder, without those that .dockerignore leaves out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._patterns = PatternMatcher([OURS, *_ignored(folder), f"!{DOCKERFILE}"])

    def leaves_out(self, path: str) -> bool:
        """Whether a path below the folder takes no part in the build; of a folder it may end in a slash."""
        return bool(self._patterns.matches(path.rstrip("/")))

    def files(self) -> list[str]:
        """Files and folders, in order."""
        return sorted(self._patterns.walk(str(self._folder)))

    def digest(self, args: Mapping[str, str]) -> str:
        """What tells the files, and what the build is given, from any others. Caches of tools make no difference."""
        whole = hashlib.sha256(repr(sorted(args.items())).encode())
        for name in self.files():
            if IGNORED.isdisjoint(name.split("/")) and not is_out(name):
                whole.update(_described(self._folder / name, name))
        return whole.hexdigest()

    def packed(self) -> IO[bytes]:
        """A tar archive of them; the file is gone when it is closed. Raises `OSError`."""
        archive: IO[bytes] = create_archive(
            str(self._folder),
            self.files(),
            fileobj=tempfile.TemporaryFile(),  # noqa: SIM115 - closed by the caller
        )
        return archive


async def build(engine: Engine, recipe: Recipe, tell: Tell) -> Stored:
    """Build an image, or find that the engine's cache has all of it. Raises `BuildFailed`, `SandboxError`.

    Cancelled, it ends the build.
    """
    context = Context(recipe.context)
    progress = _Progress(recipe, tell)
    try:
        labels = {MADE_OF: context.digest(recipe.args), IMAGE: recipe.tag}
        with context.packed() as archive:
            await engine.follow(
                Api.build,
                progress.note,
                fileobj=_blocks(archive),
                custom_context=True,
                tag=recipe.tag,
                buildargs=dict(recipe.args),
                labels=labels,
                rm=True,
                forcerm=True,
                decode=True,
            )
    except OSError as error:
        raise SandboxError(f"{recipe.context} can not be read: {error.strerror or error}") from error
    except SandboxError as error:
        raise progress.failed(error.message.removeprefix("The container engine refused: ")) from error
    if progress.error:
        raise progress.failed(progress.error)
    found = await find(engine, recipe.tag)
    if found is None:
        raise progress.failed("it ended without an image")
    return found


def _blocks(archive: IO[bytes]) -> Iterator[bytes]:
    while block := archive.read(BLOCK_BYTES):
        yield block


def _ignored(folder: Path) -> list[str]:
    try:
        with (folder / DOCKERIGNORE).open("rb") as stream:
            text = stream.read(MOST_IGNORE_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return []
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _described(path: Path, name: str) -> bytes:
    """A line for a file: its mode, and its content or what tells that."""
    try:
        seen = path.lstat()
        if path.is_symlink():
            content = os.readlink(path)  # noqa: PTH115 - as it is written
        elif not path.is_file():
            content = ""
        elif seen.st_size > LARGE_BYTES:
            content = f"{seen.st_size} {seen.st_mtime_ns}"
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return f"{name}\0gone\n".encode("utf-8", "surrogateescape")
    return f"{name}\0{seen.st_mode:o}\0{content}\n".encode("utf-8", "surrogateescape")


class _Progress:
    """What the engine says of a build, in lines, and where it stands."""

    def __init__(self, recipe: Recipe, tell: Tell) -> None:
        self._recipe = recipe
        self._tell = tell
        self._rest = ""
        self._step = 0
        self._instruction = ""
        self._lines: list[str] = []
        self._pulled_at = 0.0
        self.error = ""

    def note(self, piece: Json) -> None:
        if "error" in piece:
            self.error = str(piece["error"])
        elif "stream" in piece:
            *lines, self._rest = (self._rest + str(piece["stream"])).split("\n")
            for line in lines:
                self._line(_COLOUR.sub("", line).rstrip("\r").rsplit("\r", 1)[-1].rstrip())
        elif piece.get("status") in ("Downloading", "Extracting") and time.monotonic() - self._pulled_at > 2:
            self._pulled_at = time.monotonic()
            self._tell(f"{piece['status'].lower()} {piece.get('id', '')} {piece.get('progress', '')}".rstrip())

    def _line(self, line: str) -> None:
        if not line.strip() or _ITS_OWN.match(line):
            return
        if found := _STEP.match(line):
            self._step, self._instruction = int(found[1]), found[3]
            line = f"Step {self._step}/{int(found[2]) - _LABELS} : {self._instruction}"
        self._lines = [*self._lines[-19:], line]
        self._tell(line)

    def failed(self, words: str) -> BuildFailed:
        """The error, with the line of the Dockerfile that it is about."""
        words = words.strip().rstrip(".")
        number = (
            int(bad[1]) if (bad := _BAD_LINE.search(words)) else _line_of(self._recipe, self._step, self._instruction)
        )
        place = Place(os.path.relpath(self._recipe.context / DOCKERFILE), number)
        where = f"`{self._instruction}`: " if self._instruction else ""
        step = "correct it"
        if self._instruction.upper().startswith("FROM "):
            step = "look after the connection to its registry, or name a base that is here by `buildArgs`"
        if _NEEDS_BUILDKIT.search(words):
            step = f"build it by `docker build -t {self._recipe.tag} {self._recipe.context}`, which has BuildKit"
        return BuildFailed(
            f"The image {self._recipe.tag} could not be built: {where}{words}", step, place, "\n".join(self._lines)
        )


def _line_of(recipe: Recipe, step: int, instruction: str) -> int | None:
    """The line of an instruction, which is the so manieth as the engine counts them."""
    found = [*instructions(read(recipe.context) or "")]
    same = [one.line for one in found if " ".join(f"{one.keyword} {one.rest}".split()) == " ".join(instruction.split())]
    if len(same) == 1:
        return same[0]
    return found[step - 1].line if 0 < step <= len(found) else None
