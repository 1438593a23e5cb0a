"""What advice has to know of the code folder: whose modules are in it, how large its entries are, what its sources say.

It looks at the disk; rules only at what it found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from emulator.coldstart.evidence import INSTALLED_FOLDERS, Circumstances, Usage
from emulator.coldstart.summary import ImportRow
from emulator.model.function import Function, Revision
from emulator.registry.ignoring import ignored

# Where instances see the code (runtime-contract.md §7.1); without walls that can mount, it is where it is here.
CODE = "/code"
METADATA = ".dist-info"
# What is larger was made by a program, and more is no code that a person would look through.
LARGEST_SOURCE = 512 * 1024
MOST_SOURCES = 200


def circumstances(revision: Revision, imports: Iterable[ImportRow], usage: Usage | None) -> Circumstances:
    """All that can be known of a revision. `imports` are the modules whose sources may matter."""
    function, folder = revision.function, revision.code_dir
    if folder is None:
        return Circumstances(str(function.name), usage=usage, handlers=_handlers(function))
    about = Circumstances(
        str(function.name),
        usage=usage,
        code=(CODE, str(folder)),
        handlers=_handlers(function),
        installed=frozenset(_installed(folder)),
        sizes=dict(_sizes(folder)),
    )
    own = [row.file for row in imports if row.file.endswith(".py") and about.is_own(row.file, row.package)]
    return about.with_sources(dict(_sources(folder, about.code, own[:MOST_SOURCES])))


def _handlers(function: Function) -> frozenset[str]:
    """Names of functions that FC calls: of `index.handler` the last part."""
    hooks = (function.initializer, function.pre_stop, function.pre_freeze)
    declared = [function.handler, *(hook.handler for hook in hooks if hook is not None)]
    return frozenset(handler.rpartition(".")[2] for handler in declared if handler)


def _installed(folder: Path) -> Iterator[str]:
    """Top-level packages that pip put beside the user's own modules: what it wrote down of each."""
    for record in folder.glob(f"*{METADATA}/RECORD"):
        try:
            lines = record.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            top = line.partition(",")[0].strip('"').partition("/")[0]
            if top and not top.endswith(METADATA):
                yield top.removesuffix(".py")


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    """Bytes by entry, without what is no part of the package; of folders for packages each package is one."""
    is_out = ignored(folder)
    for entry in _entries(folder, "", is_out):
        if entry in INSTALLED_FOLDERS:
            yield from ((inner, _size(folder, inner, is_out)) for inner in _entries(folder, f"{entry}/", is_out))
        else:
            yield entry, _size(folder, entry, is_out)


def _entries(folder: Path, below: str, is_out: Callable[[str], bool]) -> list[str]:
    try:
        with os.scandir(folder / below) as found:
            names = [(f"{below}{it.name}", it.is_dir(follow_symlinks=False)) for it in found]
    except OSError:
        return []
    return sorted(name for name, is_folder in names if not is_out(f"{name}/" if is_folder else name))


def _size(folder: Path, name: str, is_out: Callable[[str], bool]) -> int:
    path = folder / name
    if path.is_dir() and not path.is_symlink():
        return sum(_size(folder, inner, is_out) for inner in _entries(folder, f"{name}/", is_out))
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _sources(folder: Path, roots: Iterable[str], files: Iterable[str]) -> Iterator[tuple[str, str]]:
    for file in files:
        for root in roots:
            if file.startswith(f"{root}/"):
                text = _text(folder / file[len(root) + 1 :])
                if text:
                    yield file, text
                break


def _text(path: Path) -> str:
    try:
        if path.stat().st_size <= LARGEST_SOURCE:
            return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        pass
    return ""
