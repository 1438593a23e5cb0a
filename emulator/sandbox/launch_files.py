"""The files of this machine that a launch may read: its mounts, its interpreter, and the libraries of that."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from emulator.model.launch import Launch
from emulator.sandbox.pagecache import files_below

# Ours, which no function of FC's has.
_OURS = ("/var/fc/runtime", "/run/fclocal")
_LIST_SECONDS = 10.0
_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
_PYTHON = re.compile(r"python\d(?:\.\d+)?")


def files_of(launch: Launch, hidden: Sequence[Path] = ()) -> tuple[list[str], tuple[str, ...]]:
    """Each file once: code, layers, NAS and OSS, and the interpreter with its standard and shared libraries. Those of
    an image are the engine's. `hidden` folders are left out. Beside them, in which folders they are, or which they
    are."""
    places = [path for mount in launch.mounts for path in mount.files if not _is_ours(mount.target)]
    places += [] if launch.image else map(Path, _interpreter(launch))
    return [*dict.fromkeys(files_below(places, hidden))], tuple(map(str, dict.fromkeys(places)))


def _is_ours(target: str) -> bool:
    return target.startswith(_OURS)


def _interpreter(launch: Launch) -> Iterator[str]:
    """That which the launch itself starts: a custom runtime is given links to all that this machine has."""
    links: Mapping[str, str] = {link.target: link.points_to for link in launch.links}
    binary = Path(links.get(launch.argv[0], launch.argv[0]) if launch.argv else "")
    if not binary.is_absolute() or not binary.is_file():
        return
    yield str(binary)
    yield from shared_libraries(binary)
    if _PYTHON.fullmatch(binary.name):
        yield str(binary.parent.parent / "lib" / binary.name)


def shared_libraries(binary: Path) -> list[str]:
    """What the dynamic linker would load for a program, which does not run for it; nothing where it can not say."""
    loader = next((path for path in _LOADERS if os.path.exists(path)), None)  # noqa: PTH110 - plain text
    if loader is None:
        return []
    try:
        done = subprocess.run(
            [loader, "--list", str(binary)], capture_output=True, timeout=_LIST_SECONDS, check=False, env={}
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    words = re.findall(rb"=> (/\S+)|^\s+(/\S+) \(", done.stdout, re.MULTILINE)
    return [os.path.realpath(os.fsdecode(first or second)) for first, second in words]
