"""Mounting a FUSE file system: as root by the kernel itself, else by fusermount3, which is setuid."""

from __future__ import annotations

import array
import ctypes
import os
import shutil
import socket
import subprocess

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOATIME = 1, 2, 4, 1024
_NAME = "fclocal"


class NotMounted(Exception):
    """Why it can not be mounted here."""


def mount(target: str, *, write: bool, others: bool) -> int:
    """Mount on `target`; returns the descriptor on which the kernel asks. `others` lets users in that are not ours.

    Raises `NotMounted`.
    """
    if os.geteuid() == 0:
        return _mount_as_root(target, write=write, others=others)
    return _mount_by_fusermount(target, write=write, others=others)


def _mount_as_root(target: str, *, write: bool, others: bool) -> int:
    try:
        fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise NotMounted(f"/dev/fuse can not be opened: {error.strerror}") from None
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOATIME | (0 if write else _MS_RDONLY)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,default_permissions{',allow_other' if others else ''}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(_NAME.encode(), os.fsencode(target), b"fuse.fclocal", flags, options.encode()) != 0:
        os.close(fd)
        raise NotMounted(f"the kernel refuses to mount: {os.strerror(ctypes.get_errno())}")
    return fd


def _mount_by_fusermount(target: str, *, write: bool, others: bool) -> int:
    program = shutil.which("fusermount3")
    if program is None:
        raise NotMounted("fusermount3 is not installed")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        names = [f"fsname={_NAME}", f"subtype={_NAME}", "default_permissions", "rw" if write else "ro"]
        options = ",".join([*names, "noatime", *(["allow_other"] if others else [])])
        done = subprocess.run(
            [program, "-o", options, "--", target],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        theirs.close()
        fd = _received(ours)
    if done.returncode != 0 or fd < 0:
        raise NotMounted(done.stderr.decode(errors="replace").strip() or "fusermount3 gives no reason")
    return fd


def _received(from_where: socket.socket) -> int:
    numbers = array.array("i")
    _, ancillary, _, _ = from_where.recvmsg(1, socket.CMSG_LEN(numbers.itemsize))
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: numbers.itemsize])
    if not numbers:
        return -1
    os.set_inheritable(numbers[0], False)
    return numbers[0]
