"""Running one more command inside walls that stand. Run as a program of its own: only the standard library.

The order comes as JSON through a descriptor, since its environment may hold secrets. The way in is longest for
nested user namespaces: first the one that owns the file system's namespace, then the others, then the inner one;
then every capability is dropped and the system call filter is set, as the instance itself has it.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import sys
import warnings  # noqa: F401 (os.execvpe imports it, which is impossible once we are inside)
from typing import NoReturn, TypedDict

_NS_GET_USERNS = 0xB701
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38
_SECCOMP_MODE_FILTER = 2
_CAP_VERSION_3 = 0x20080522
_CAP_LAST_MAX = 63
_BPF_INSTRUCTION_BYTES = 8


class Order(TypedDict):
    """What to run, and where: `pid` is the first process inside, as seen from the host."""

    pid: int
    argv: list[str]
    env: dict[str, str]
    cwd: str
    uid: int
    gid: int
    groups: list[str]
    private_network: bool


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def main(order_fd: int, filter_fd: int) -> NoReturn:
    with os.fdopen(order_fd) as source:
        order: Order = json.load(source)
    with os.fdopen(filter_fd, "rb") as source:
        code = source.read()
    for group in order["groups"]:
        with open(f"{group}/cgroup.procs", "w") as joining:  # noqa: PTH123 (standard library, no imports inside)
            joining.write("0")
    _enter(order["pid"], private_network=order["private_network"])
    child = os.fork()
    if child == 0:
        _become(order, code)
    _, status = os.waitpid(child, 0)
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status))


def _enter(pid: int, *, private_network: bool) -> None:
    names = ["ipc", "uts", "pid", "mnt"] + (["net"] if private_network else [])
    spaces = {name: os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in [*names, "user"]}
    outer = fcntl.ioctl(spaces["mnt"], _NS_GET_USERNS)
    same = os.fstat(outer).st_ino == os.fstat(spaces["user"]).st_ino
    _set_namespace(outer)
    for name in names:
        _set_namespace(spaces[name])
    if not same:
        _set_namespace(spaces["user"])


def _become(order: Order, code: bytes) -> NoReturn:
    """In the child, which is the first of us in the pid namespace: lose all rights, then be the command."""
    try:
        os.setresgid(order["gid"], order["gid"], order["gid"])
        os.setresuid(order["uid"], order["uid"], order["uid"])
        _drop_capabilities()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chdir(order["cwd"])
        _set_filter(code)
        os.execvpe(order["argv"][0], order["argv"], order["env"])  # noqa: S606
    except OSError as error:
        os.write(2, f"{order['argv'][0]}: {error.strerror}\n".encode())
    os._exit(127)


def _drop_capabilities() -> None:
    for number in range(_CAP_LAST_MAX + 1):
        if _libc().prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            break
    header = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if _libc().capset(header, nothing) != 0:
        _fail("capset")
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _set_filter(code: bytes) -> None:
    if code:
        program = _FilterProgram(len(code) // _BPF_INSTRUCTION_BYTES, code)
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program))


def _set_namespace(fd: int) -> None:
    if _libc().setns(fd, 0) != 0:
        _fail("setns")


def _prctl(option: int, value: int, pointer: object = 0) -> None:
    if _libc().prctl(option, ctypes.c_ulong(value), pointer, 0, 0) != 0:
        _fail("prctl")


def _fail(what: str) -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
