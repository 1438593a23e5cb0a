"""Our C programs for instances: compiled with the machine's compiler when they are first wanted, and kept."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emulator.model.errors import UserError

COMPILERS = ("cc", "gcc", "clang")
COMPILE_SECONDS = 120.0
SHARED = ("-O2", "-fPIC", "-shared")
LIBRARIES = ("-ldl", "-lpthread")
# Path in the folder that is made, the source, and how it is compiled.
Programs = Sequence[tuple[str, str, Sequence[str]]]


def compiler() -> str:
    """Full path of a C compiler, or nothing."""
    wanted = (os.environ.get("CC", "").split() or [""])[0]
    return next((found for name in (wanted, *COMPILERS) if name and (found := shutil.which(name))), "")


def compiled(cache: Path, sources: Path, programs: Programs, what: str, instead: str = "") -> Path:
    """The folder in `cache` with `programs`, by the content of `sources`. `what` needs them, in words; `instead` is
    what to do where they can not be had. Raises `UserError`."""
    found = compiler()
    if sys.platform != "linux":
        raise UserError(f"{what} needs Linux: its libraries are made for the kernel of this machine", instead)
    digest = hashlib.sha256(f"{platform.machine()} {programs} {found}".encode())
    for source in sorted(it for it in sources.iterdir() if it.suffix in (".c", ".h")):
        digest.update(source.read_bytes())
    folder = cache / digest.hexdigest()[:16]
    if folder.is_dir():
        return folder
    if not found:
        raise UserError(f"{what} needs a C compiler, and none is here", "sudo apt install gcc libc6-dev")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        fresh = Path(scratch, "made")
        for name, code, flags in programs:
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            _compile(found, (*flags, "-o", str(fresh / name), str(sources / code), *LIBRARIES), what)
        return keep(fresh, folder)


def _compile(compiler: str, words: Sequence[str], what: str) -> None:
    try:
        done = subprocess.run([compiler, *words], capture_output=True, text=True, timeout=COMPILE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{what}: the C compiler could not be run: {error}", f"{compiler} --version") from error
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[-200:])
        raise UserError(f"{what}: the C compiler failed: {first}", "sudo apt install gcc libc6-dev")


def keep(fresh: Path, folder: Path) -> Path:
    """`fresh` at the place of `folder`. Another emulator may have been quicker: what it made is the same."""
    try:
        fresh.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    return folder
