"""JavaScript that can not run: what `node --check` says of it, where the program comes to it."""

from __future__ import annotations

import json
import posixpath
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from emulator.model.function import Function
from emulator.reload.broken import Broken
from emulator.reload.imports import handlers, in_code
from emulator.runtime.interpreters import Interpreter, parse_version

SUFFIXES = (".js", ".mjs", ".cjs")
ASK_SECONDS = 10.0
# An interpreter a file takes 50 ms. Of what is more than an edit, such as another branch, so many are looked at.
MOST_CHECKED, AT_ONCE = 12, 2
MOST_FILES = 500
# `--input-type`, by which a file is read as what it is wherever it lies (nodejs.org, "Command-line API").
FIRST_WITH_TYPES = (12, 17)

_NAMED = re.compile(r"""\b(?:(?:require|import)\s*\(|from\b|import\b)\s*(['"])((?:\.{1,2}|/code)(?:/[^'"\n]*)?)\1""")
_COMPUTED = re.compile(r"""\b(?:require|import)\s*\((?!\s*(['"])[^'"\n]*\1\s*[),])""")
_PLACE = re.compile(r"^\S.*:(\d+)$", re.MULTILINE)
_ERROR = re.compile(r"^SyntaxError: .*$", re.MULTILINE)


def broken_scripts(function: Function, root: Path, names: Sequence[str], node: Interpreter) -> Broken | None:
    """The first of these files, which have changed, that is broken, and that the function comes to."""
    begin = [*_entries(function, root)]
    if not begin:
        return None
    if len(names) > 1:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = [*pool.map(lambda name: check(node, root, name), names[:MOST_CHECKED])]
    else:
        found = [check(node, root, name) for name in names]
    wrong = [it for it in found if it is not None]
    imported = _reached(root, begin) if wrong else set()
    return next((it for it in wrong if it.name in imported or "" in imported), None)


# --- one file ---


def check(node: Interpreter, root: Path, name: str) -> Broken | None:
    """What the interpreter says; None also where it can not say. A file that may be either kind is broken only if it
    is as both: newer ones find out for themselves which it is."""
    try:
        source = (root / name).read_bytes()
    except OSError:
        return None
    if parse_version(node.version) < FIRST_WITH_TYPES:
        return None if name.endswith(".mjs") else _asked([str(node.path), "--check", str(root / name)], b"", name)
    found = []
    for kind in _kinds(root, name):
        wrong = _asked([str(node.path), "--check", f"--input-type={kind}", "-"], source, name)
        if wrong is None:
            return None
        found.append(wrong)
    # As the other kind it is wrong from its first import, or return, on.
    return max(found, key=lambda it: it.line)


def _kinds(root: Path, name: str) -> tuple[str, ...]:
    """By its name, or the nearest package.json; what lies above the code is not seen by the function."""
    if not name.endswith(".js"):
        return ("module",) if name.endswith(".mjs") else ("commonjs",)
    for folder in (root / name).parents:
        try:
            kind = json.loads((folder / "package.json").read_bytes()).get("type")
        except OSError:
            pass
        except (ValueError, AttributeError):
            break
        else:
            return (kind,) if kind in ("module", "commonjs") else ("commonjs", "module")
        if folder == root:
            break
    return ("commonjs", "module")


def _asked(argv: Sequence[str], source: bytes, name: str) -> Broken | None:
    try:
        done = subprocess.run(argv, env={}, input=source, capture_output=True, timeout=ASK_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    said = done.stderr.decode("utf-8", "replace")
    error, place = _ERROR.search(said), _PLACE.search(said)
    if done.returncode == 0 or error is None:
        return None
    line = place[1] if place else "0"
    text = said[place.end() + 1 :].partition("\n")[0] if place else ""
    return Broken(name, int(line), error[0], text)


# --- what the program comes to ---


def _entries(function: Function, root: Path) -> Iterator[str]:
    """The files that it begins with; none where that can not be told."""
    if not function.is_custom:
        for handler in handlers(function):
            base = handler.rpartition(".")[0]
            yield from (name for name in (f"{base}.js", f"{base}.mjs") if (root / name).is_file())
        return
    for word in map(in_code, function.start_command):
        if word.endswith(SUFFIXES) and (root / word).is_file():
            yield word


def _reached(root: Path, begin: Iterable[str]) -> set[str]:
    """Names below `root`, from the first files on; "" among them where a file computes what it loads: then it may be
    any."""
    found: set[str] = set()
    ahead = [posixpath.normpath(name) for name in begin]
    while ahead and len(found) < MOST_FILES:
        name = ahead.pop()
        if name in found:
            continue
        found.add(name)
        try:
            text = (root / name).read_text("utf-8", "replace")
        except OSError:
            continue
        if _COMPUTED.search(text):
            found.add("")
        for match in _NAMED.finditer(text):
            ahead += _files(root, posixpath.dirname(name), match[2])
    return found


def _files(root: Path, folder: str, wanted: str) -> Iterator[str]:
    """Node.js's own order (nodejs.org, "Modules: CommonJS modules"), for what lies below the root."""
    path = wanted.removeprefix("/code").lstrip("/") if wanted.startswith("/") else posixpath.join(folder, wanted)
    path = posixpath.normpath(path)
    for base in (path, _main(root, path)):
        for name in (base, *(f"{base}{suffix}" for suffix in SUFFIXES), f"{base}/index.js"):
            if name.endswith(SUFFIXES) and not name.startswith("../") and (root / name).is_file():
                yield name
                return


def _main(root: Path, folder: str) -> str:
    try:
        main = json.loads((root / folder / "package.json").read_bytes()).get("main")
    except (OSError, ValueError, AttributeError):
        return ""
    return posixpath.normpath(posixpath.join(folder, main)) if isinstance(main, str) else ""
