"""Which changes the kernel does not tell: of file systems that others write to; and which are our own."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from emulator.reload.inotify import WRITES, Inotify

MOUNTS = Path("/proc/self/mountinfo")
# Written to by another machine, or by the system around this one (WSL's drives, shared folders of virtual machines and
# of Docker Desktop), whose writes this kernel does not see.
SHARED = frozenset(
    (
        "9p", "drvfs", "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "vboxsf", "vmhgfs",
        "prl_fs", "virtiofs", "fakeowner", "osxfs", "grpcfuse", "sshfs", "vmhgfs-fuse", "s3fs", "ossfs",
    )
)  # fmt: skip


def shared_kind(folder: str, mounts: str) -> str:
    """The kind of the file system that a folder is on, where others write to it too; else "". `mounts` is the text of
    `/proc/self/mountinfo`."""
    longest, kind = "", ""
    for line in mounts.splitlines():
        fields, _, behind = line.partition(" - ")
        point = fields.split(" ")[4].encode("latin-1", "replace").decode("unicode_escape")
        at = point.rstrip("/")
        if (folder == at or folder.startswith(f"{at}/")) and len(point) >= len(longest):
            longest, kind = point, behind.split(" ")[0].removeprefix("fuse.")
    return kind if kind in SHARED else ""


def shared_kind_here(folder: str) -> str:
    try:
        return shared_kind(folder, MOUNTS.read_text("utf-8", "surrogateescape"))
    except (OSError, IndexError):
        return ""


def files_we_print_to() -> frozenset[str]:
    """Where our output goes to a file, which may lie among the sources: what we print is no change of them."""
    found = set()
    for number in (1, 2):
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115 - as above
    return frozenset(found)


class Probe:
    """Tries, once for each file system, whether a file that is written is told."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._told: dict[int, bool] = {}

    def tells(self, folder: str) -> bool:
        """Raises nothing: where nobody may write, it is taken to work."""
        with contextlib.suppress(OSError):
            device = os.stat(folder).st_dev  # noqa: PTH116 - a text, as everything that is watched
            if device not in self._told:
                # Not among the user's files, where that is the same file system.
                same = self._state_dir.is_dir() and self._state_dir.stat().st_dev == device
                self._told[device] = _tells(str(self._state_dir) if same else folder)
            return self._told[device]
        return True


def _tells(folder: str) -> bool:
    inotify = Inotify()
    try:
        inotify.add(folder, WRITES)
        with tempfile.NamedTemporaryFile(prefix=".fclocal-probe-", dir=folder):
            return bool(inotify.pending())
    finally:
        inotify.close()
