"""A base image of the Debian that Function Compute's own has, made by `debootstrap`."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import signal
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.sandbox.container import labels
from emulator.sandbox.container.engine import Api, Engine
from emulator.sandbox.container.host_image import PATH
from emulator.sandbox.container.store import Stored, Tell, find
from emulator.sandbox.reaper import Reaper
from emulator.sandbox.remains import MARK


class Release(Struct, frozen=True):
    """One of Debian's, and the interpreters that its packages are."""

    debian: int
    name: str
    python: str
    node: str


RELEASES = (
    Release(9, "stretch", "3.5", "4"),
    Release(10, "buster", "3.7", "10"),
    Release(11, "bullseye", "3.9", "12"),
    Release(12, "bookworm", "3.11", "18"),
)
PACKAGES = ("python3", "nodejs", "ca-certificates")
# Not an image's: devices are made with the container, and packages were unpacked.
LEFT_OUT = ("dev/", "proc/", "sys/", "run/", "tmp/", "var/cache/apt/", "var/lib/apt/lists/", "usr/share/doc/")
HOSTS_STEP = "leave out `--from debootstrap`: this machine's own interpreters need nothing"


class Wanted(Struct, frozen=True):
    """What the image is for: the runtime's Debian (0: any); for a built-in one its interpreter, `python` or `node`,
    the version of that, and the paths that have to lead to it."""

    runtime: str
    debian: int
    command: str = ""
    version: str = ""
    links: tuple[str, ...] = ()


def release_of(wanted: Wanted) -> Release:
    """FC's own release; for a built-in runtime one that has its interpreter. Raises `SandboxError`."""
    if not wanted.command:
        return next((it for it in RELEASES if it.debian == wanted.debian), RELEASES[-1])
    for release in sorted(RELEASES, key=lambda it: it.debian != wanted.debian):
        if getattr(release, wanted.command) == wanted.version:
            return release
    raise SandboxError(f"no release of Debian has the interpreter of {wanted.runtime}", HOSTS_STEP)


async def build_debian_image(engine: Engine, reference: str, wanted: Wanted, mirror: str, tell: Tell) -> Stored:
    """Make the image `reference`. Raises `SandboxError` where debootstrap is not there, or fails."""
    release = release_of(wanted)
    program, unshare = shutil.which("debootstrap"), shutil.which("unshare")
    if program is None or unshare is None or os.geteuid() != 0:
        what = "needs root" if program and unshare else "is not installed"
        raise SandboxError(f"debootstrap {what}", HOSTS_STEP)
    with tempfile.TemporaryDirectory(prefix="fclocal-debian-", dir="/var/tmp") as folder:
        root = Path(folder, "root")
        # What it mounts in there is gone with its namespace; it and the folder are gone with us, however we end.
        argv = [unshare, "--mount", "--propagation", "private", program, "--variant=minbase"]
        argv += [f"--include={','.join(PACKAGES)}", release.name, str(root), *([mirror] if mirror else [])]
        reaper = Reaper(asyncio.get_running_loop(), Path(folder).name, (), (Path(folder),))
        try:
            await _run(argv, release, reaper, f"{MARK}{Path(folder).name}/debootstrap", tell)
            with tempfile.TemporaryFile(dir=folder) as archive:
                await asyncio.to_thread(_pack, root, archive, wanted)
                archive.seek(0)
                changes = [f"ENV PATH={PATH}", f"LABEL {labels.IMAGE}={reference}"]
                await engine.call(Api.import_image_from_data, archive, reference, changes=changes)
        finally:
            await reaper.aclose()
    found = await find(engine, reference)
    if found is None:
        raise SandboxError(f"the image {reference} was made, and is not here", "fclocal images")
    return found


async def _run(argv: Sequence[str], release: Release, reaper: Reaper, mark: str, tell: Tell) -> None:
    name, _, value = mark.partition("=")
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={**os.environ, name: value},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    reaper.watch(process.pid)
    last = ""
    try:
        assert process.stdout is not None  # noqa: S101 - asked for
        async for line in process.stdout:
            last = line.decode("utf-8", "replace").strip()
            tell(last)
        code = await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code:
        raise SandboxError(
            f"debootstrap could not make Debian {release.debian} ({release.name}): {last}",
            f"name a mirror that has it by --mirror, or {HOSTS_STEP}",
        )


def _pack(root: Path, archive: IO[bytes], wanted: Wanted) -> None:
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(root, "", filter=_kept)
        interpreter = {"python": "/usr/bin/python3", "node": "/usr/bin/node"}.get(wanted.command, "")
        for link in wanted.links:
            entry = tarfile.TarInfo(link.lstrip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, interpreter
            tar.addfile(entry, io.BytesIO())


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if entry.isdev() or any(entry.name.startswith(name) for name in LEFT_OUT):
        return None
    return entry
