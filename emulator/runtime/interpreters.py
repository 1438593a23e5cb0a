"""Finds the interpreter of a wanted version where it is installed: PATH and the folders of version managers."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from emulator.model.errors import UserError
from emulator.runtime.languages import Language, language

Version = tuple[int, ...]
ASK_TIMEOUT_SECONDS = 10.0
# A folder of a version manager: `3.10.13`, `v18.19.0`, `cpython-3.10.13-linux-x86_64-gnu`; not `3.10-dev`, `pypy…`.
VERSION_FOLDER = re.compile(r"v?(\d+(?:\.\d+){1,2})|cpython-(\d+\.\d+\.\d+)-[\w.-]+")
# Trees whose programs load libraries from all over the tree, so that it is needed as a whole.
SHARED_TREES = (Path("/nix/store"), Path("/home/linuxbrew/.linuxbrew"), Path("/opt/homebrew"))


class Interpreter(Struct, frozen=True):
    """`path` is the real binary, `prefix` the folder that it needs. `exact` is true where FC's version was found."""

    path: Path
    version: str
    prefix: Path
    exact: bool = True


class _Candidate(Struct, frozen=True):
    path: Path
    version: Version
    on_path: bool


def parse_version(text: str) -> Version:
    """`"v18.19.0"` → `(18, 19, 0)`; what holds no number is `()`."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def dotted(version: Version) -> str:
    return ".".join(map(str, version))


class Interpreters:
    """The interpreters of this machine, seen through the environment of one user. Remembers what it asked.

    A look costs a few `stat` calls as long as no folder has changed; a new installation is seen at once.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """`environ` tells PATH, HOME and where version managers are; by default it is our own."""
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self._home = Path(self.environ.get("HOME") or Path.home())
        self._asked: dict[tuple[str, int], Version] = {}
        self._seen: dict[str, tuple[tuple[tuple[str, int], ...], tuple[_Candidate, ...]]] = {}

    def find(self, command: str, version: str) -> Interpreter:
        """The interpreter of `version`, else the nearest. "" takes the first on PATH, else the newest.

        Raises `UserError` with the command that installs it.
        """
        found = self.seek(command, version)
        if found is None:
            wanted = f"{command}{version}" if command == "python" else f"{command} {version}".rstrip()
            raise UserError(
                f"{wanted} is needed, and no {command} of a near version is installed", self.lift(command, version)
            )
        return found

    def seek(self, command: str, version: str) -> Interpreter | None:
        """As `find`, but None where there is none."""
        wanted = parse_version(version)
        candidates = [c for c in self._candidates(command) if _related(c.version, wanted)]
        if not candidates:
            return None
        best = min(candidates, key=lambda c: _distance(c, wanted))
        exact = best.version[: len(wanted)] == wanted
        return Interpreter(best.path, dotted(best.version), self._prefix(best.path), exact)

    def notice(self, command: str, version: str, used: Interpreter) -> str:
        """What is said once where another version than FC's is used."""
        advice = language(command).advice.format(version=version)
        space = "" if command == "python" else " "
        return f"{command}{space}{version} was asked for, {used.version} is used ({used.path}); {advice}"

    def lift(self, command: str, version: str) -> str:
        advice = language(command).advice
        return advice.format(version=version) if version else advice.replace("{version}", "VERSION")

    def _candidates(self, command: str) -> tuple[_Candidate, ...]:
        spoken = language(command)
        stamp = tuple(self._stamp(command, spoken))
        known = self._seen.get(command)
        if known is None or known[0] != stamp:
            known = self._seen[command] = (stamp, tuple(self._search(command, spoken)))
        return known[1]

    def _stamp(self, command: str, spoken: Language) -> Iterator[tuple[str, int]]:
        folders = [*self._path_folders(), *(folder for folder, _, _ in self._homes(spoken))]
        for folder in folders:
            try:
                yield str(folder), folder.stat().st_mtime_ns
            except OSError:
                yield str(folder), 0

    def _search(self, command: str, spoken: Language) -> Iterator[_Candidate]:
        """Every usable binary, once, in the order in which a user would expect them to be preferred."""
        seen: set[Path] = set()
        for file, on_path in self._files(spoken):
            real = self._real(file, spoken)
            if real is None or real in seen or not self._may_be_shown(real):
                continue
            seen.add(real)
            version = self._version(real, spoken)
            if version:
                yield _Candidate(real, version, on_path)

    def _files(self, spoken: Language) -> Iterator[tuple[Path, bool]]:
        name = re.compile("(?:" + "|".join(spoken.files) + r")\d*(?:\.\d+)*")
        for folder in self._path_folders():
            for entry in _entries(folder):
                # A script on PATH is the shim of a version manager, never an interpreter.
                if name.fullmatch(entry.name) and not _is_script(entry):
                    yield entry, True
        for root, pattern, _ in self._homes(spoken):
            for file in _matches(root, pattern):
                yield file, False

    def _homes(self, spoken: Language) -> Iterator[tuple[Path, str, str]]:
        """Folder that holds the versions, what to glob in it, and whose it is."""
        for home in spoken.homes:
            root = Path(self.environ.get(home.variable) or home.default.replace("~", str(self._home), 1))
            before, _, after = home.pattern.partition("*")
            yield root / before, f"*{after}", home.manager

    def _path_folders(self) -> list[Path]:
        texts = self.environ.get("PATH", os.defpath).split(":")
        return [Path(text) for text in dict.fromkeys(texts) if text.startswith("/")]

    def _real(self, file: Path, spoken: Language) -> Path | None:
        """The binary behind links and virtual environments; None for shims that are links (mise, volta)."""
        base = _outside_of_venv(file, spoken)
        try:
            real = base.resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        named_right = real.name.startswith(spoken.files)
        return real if named_right and real.is_file() and os.access(real, os.X_OK) else None

    def _may_be_shown(self, real: Path) -> bool:
        """False where the interpreter could be shown to a function only with the user's home around it."""
        prefix = real.parent.parent
        return not (prefix == Path("/") or self._home.is_relative_to(prefix) or prefix == self._home / ".local")

    def _prefix(self, real: Path) -> Path:
        tree = next((tree for tree in SHARED_TREES if real.is_relative_to(tree)), None)
        return tree or real.parent.parent

    def _version(self, real: Path, spoken: Language) -> Version:
        """From the name where it can be trusted, else by asking the binary."""
        name = re.fullmatch("(?:" + "|".join(spoken.files) + r")(\d+\.\d+)", real.name)
        folder = _version_folder(real)
        if folder is not None:
            return folder
        return parse_version(name[1]) if name else self._ask(real)

    def _ask(self, real: Path) -> Version:
        try:
            key = (str(real), real.stat().st_mtime_ns)
        except OSError:
            return ()
        if key not in self._asked:
            self._asked[key] = _run_version(real)
        return self._asked[key]


def _run_version(real: Path) -> Version:
    """Python 2 writes its version to stderr, so both are read."""
    try:
        done = subprocess.run(
            [str(real), "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ASK_TIMEOUT_SECONDS,
            env={},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_version(done.stdout.decode("ascii", "replace")) if done.returncode == 0 else ()


def _version_folder(real: Path) -> Version | None:
    for name in (real.parent.parent.name, real.parent.parent.parent.name):
        found = VERSION_FOLDER.fullmatch(name)
        if found:
            return parse_version(found[1] or found[2])
    return None


def _outside_of_venv(file: Path, spoken: Language) -> Path:
    """A virtual environment holds a link or a copy; its `pyvenv.cfg` names the folder of the base interpreter."""
    try:
        config = (file.parent.parent / "pyvenv.cfg").read_text("utf-8", "replace")
    except OSError:
        return file
    keys: dict[str, str] = dict(re.findall(r"^\s*([\w-]+)\s*=\s*(.*?)\s*$", config, re.MULTILINE))
    home = Path(keys.get("home", ""))
    version = ".".join(keys.get("version", keys.get("version_info", "")).split(".")[:2])
    names = [Path(keys.get("executable", "")).name, *(f"{name}{version}" for name in spoken.files), file.name]
    return next((home / name for name in names if name and os.access(home / name, os.X_OK)), file)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _matches(root: Path, pattern: str) -> list[Path]:
    """Another user's home, where HOME still names it, may let nobody in: before Python 3.13 that is an error."""
    try:
        return sorted(root.glob(pattern))
    except OSError:
        return []


def _is_script(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(2) == b"#!"
    except OSError:
        return True


def _related(version: Version, wanted: Version) -> bool:
    """Python 2.7 can not stand in for 3.7, but node 20 can for 18: all but the last number must agree."""
    return version[: max(len(wanted) - 1, 0)] == wanted[:-1]


def _distance(candidate: _Candidate, wanted: Version) -> tuple[int, tuple[int, ...]]:
    """Smaller is better: the version itself, then the nearest newer, then the nearest older; newest patch first."""
    version = candidate.version
    newest_first = tuple(-part for part in version)
    if not wanted:
        return (0, ()) if candidate.on_path else (1, newest_first)
    same = version[: len(wanted)]
    if same == wanted:
        return 0, newest_first
    if same > wanted:
        return 1, same + tuple(-part for part in version[len(wanted) :])
    return 2, newest_first
