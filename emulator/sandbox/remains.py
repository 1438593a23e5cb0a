"""Ending what is left when nobody owns it any more. Also run as a program, the reaper: only the standard library.

As a program it holds the read end of a pipe whose only writer is the emulator. End-of-file without a farewell
means that the emulator was killed: everything that it registered is ended, frozen or not, and removed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

# Paths are plain text here: pathlib would take as long to load as all the rest of the reaper.

# The environment entry that every process of an instance is started with; run and instance follow.
MARK = "FCLOCAL_RUN="
_FAREWELL = "bye"
_MNT_DETACH = 2
# A kill takes effect when the kernel comes to it, which is soon, but not on a machine that is busy.
_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.02


def kill_groups(bases: Iterable[str]) -> None:
    """SIGKILL every process of these control groups and of those below, and thaw them so that they can die."""
    for base in bases:
        with contextlib.suppress(OSError):
            _write(f"{base}/cgroup.kill", b"1")
        for group in _below(base):
            for pid in _pids(f"{group}/cgroup.procs"):
                _kill(pid)
            with contextlib.suppress(OSError):
                _write(f"{group}/freezer.state", b"THAWED")


def remove_groups(bases: Iterable[str]) -> bool:
    """Remove the groups, the innermost first; False while one is still in use."""
    empty = True
    for base in bases:
        for group in reversed(_below(base)):
            try:
                os.rmdir(group)  # noqa: PTH106
            except FileNotFoundError:
                continue
            except OSError:
                empty = False
    return empty


def remove_containers(engine: str, run: str) -> bool:
    """Remove what a run made of the engine that listens on this socket; False where that does not answer."""
    # Beside this file, which is no package where it is a program; few runs have an engine.
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    from importlib.machinery import SourceFileLoader
    from importlib.util import module_from_spec, spec_from_loader

    loader = SourceFileLoader("remnants", f"{here}/container/remnants.py")
    spec = spec_from_loader(loader.name, loader)
    if spec is None:
        return False
    remnants = module_from_spec(spec)
    loader.exec_module(remnants)
    try:
        remnants.remove_of_run(engine, run)
    except OSError:
        return False
    return True


def kill_marked(pids: Iterable[int], mark: bytes) -> int:
    """SIGKILL processes started with an environment entry that begins with `mark`; returns how many there were."""
    found = 0
    for pid in pids:
        try:
            entries = _read(f"/proc/{pid}/environ").split(b"\0")
        except OSError:
            continue
        if any(entry.startswith(mark) for entry in entries) and pid != os.getpid():
            found += 1
            _kill(pid)
    return found


def unmount(target: str) -> None:
    """Take a file system of ours away at once; who has a file of it open keeps that one. Nothing happens where nothing
    is mounted."""
    if os.geteuid() == 0:
        import ctypes  # few runs mount anything

        ctypes.CDLL(None).umount2(os.fsencode(target), _MNT_DETACH)
        return
    import shutil
    import subprocess

    program = shutil.which("fusermount3")
    if program is not None:
        subprocess.run([program, "-u", "-z", "-q", "--", target], check=False, stderr=subprocess.DEVNULL)


def unmount_below(folder: str) -> bool:
    """Take away whatever is mounted below; False where something is left, which nobody may remove then."""
    for _ in range(2):
        found = _mounts_below(folder)
        for target in reversed(found):
            unmount(target)
        if not found:
            return True
    return not _mounts_below(folder)


def _mounts_below(folder: str) -> list[str]:
    try:
        lines = _read("/proc/self/mountinfo").splitlines()
    except OSError:
        return []  # no Linux, and so nothing of ours
    # Spaces and their like are written as \040.
    targets = [line.split()[4].decode("unicode_escape").encode("latin-1") for line in lines]
    return [os.fsdecode(target) for target in targets if os.fsdecode(target).startswith(f"{folder}/")]


def main(run: str) -> None:
    """Serve until end-of-file: `+PGID` and `-PGID` register process groups, `cPATH` control groups, `dPATH` folders,
    `ePATH` the socket of a container engine, or its URL."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: set[int] = set()
    bases: list[str] = []
    folders: list[str] = []
    engines: list[str] = []
    for line in sys.stdin:
        kind, value = line[:1], line[1:].rstrip("\n")
        if line.rstrip("\n") == _FAREWELL:
            return
        if kind == "+":
            sessions.add(int(value))
        elif kind == "-":
            sessions.discard(int(value))
        elif kind == "c":
            bases.append(value)
        elif kind == "d":
            folders.append(value)
        elif kind == "e":
            engines.append(value)
    for engine in engines:
        remove_containers(engine, run)
    if _end(sessions, bases, f"{MARK}{run}/".encode()):
        _remove_all(folders)


def _end(sessions: set[int], bases: list[str], mark: bytes) -> bool:
    """Whether everything is ended."""
    for session in sessions:
        with contextlib.suppress(OSError):
            os.killpg(session, signal.SIGKILL)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        kill_groups(bases)
        marked = kill_marked((int(name) for name in os.listdir("/proc") if name.isdigit()), mark)  # noqa: PTH208
        if not marked and remove_groups(bases):
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def _remove_all(folders: Iterable[str]) -> None:
    for folder in folders:
        if unmount_below(folder):  # else what is shown there would be removed
            _remove(folder)


def _remove(folder: str) -> None:
    """A folder and everything below, also what overlayfs made without permissions. The next start tries once more."""
    found = [folder]
    for path in found:
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)  # noqa: PTH101
            for entry in os.scandir(path):
                if entry.is_dir(follow_symlinks=False):
                    found.append(entry.path)
                else:
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)  # noqa: PTH108
    for path in reversed(found):
        with contextlib.suppress(OSError):
            os.rmdir(path)  # noqa: PTH106
    with contextlib.suppress(OSError):  # files of another user: by this the next start sees that nobody owns them
        os.close(os.open(f"{folder}/lock", os.O_CREAT | os.O_WRONLY, 0o600))


def _below(base: str) -> list[str]:
    found = [base] if os.path.isdir(base) else []  # noqa: PTH112
    for group in found:
        with contextlib.suppress(OSError):
            found.extend(entry.path for entry in os.scandir(group) if entry.is_dir(follow_symlinks=False))
    return found


def _pids(path: str) -> list[int]:
    try:
        return [int(pid) for pid in _read(path).split()]
    except OSError:
        return []


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def _write(path: str, value: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value)
    finally:
        os.close(fd)


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
