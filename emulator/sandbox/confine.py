"""The launcher of the Landlock rung: takes rights away from itself, then becomes the program.

Run as a program of its own, `python -I -S confine.py POLICY -- argv…`, before any code of the user: only the standard
library, and little of it, since each import is paid at every cold start. A policy (see `landlock.Policy`) is a list
of `key=value` records that end with a zero byte, in a file or, where POLICY is a number, behind a descriptor.
JSON would cost as much time as all the rest.

Landlock holds for paths, abstract sockets and signals. Names of files stay visible, and a unix socket that
has a path can be connected to (sandbox.md §1.6).
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import warnings  # noqa: F401 (os.execvpe imports it, when our own library may be out of reach already)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

# The same numbers on every processor (asm-generic, and x86_64 joined them at 424).
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION, _RULE_PATH_BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
# How many rights over files each ABI knows, from ABI 1 on: 2 added REFER, 3 TRUNCATE, 5 IOCTL_DEV.
_FILE_RIGHTS = (13, 14, 15, 15, 16)
_CONNECT_TCP, _CONNECT_TCP_ABI = 1 << 1, 4
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS, _SCOPE_ABI = 1 << 0, 1 << 1, 6

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38
_SECCOMP_MODE_FILTER = 2
_BPF_INSTRUCTION_BYTES = 8
_CAP_VERSION_3 = 0x20080522

# As shells have them, and one more for walls that could not be built.
EXIT_NOT_CONFINED, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND = 125, 126, 127


def confine_argv(python: str, policy: str, argv: Sequence[str]) -> tuple[str, ...]:
    """The command line that runs `argv` confined; `policy` is a file, or the number of an open descriptor."""
    return (python, "-I", "-S", __file__, policy, "--", *argv)


def landlock_abi() -> int:
    """The version of Landlock that the kernel offers, 0 where it has none or it is switched off."""
    abi: int = _libc().syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)
    return max(0, abi)


def main(argv: list[str]) -> NoReturn:
    policy, dashes, program = argv[1], argv[2], argv[3:]
    if dashes != "--" or not program:
        _fail(EXIT_NOT_CONFINED, "usage: confine.py POLICY -- argv…")
    try:
        records = _records(policy)
        environment = dict(_pair(value) for value in records.get(b"environment", ()))
        _confine(records)
    except (OSError, ValueError) as error:
        _fail(EXIT_NOT_CONFINED, f"the walls could not be built: {error}")
    try:
        os.execvpe(program[0], program, environment)  # noqa: S606
    except FileNotFoundError:
        _fail(EXIT_NOT_FOUND, f"{program[0]}: no such program")
    except OSError as error:
        _fail(EXIT_NOT_EXECUTABLE, f"{program[0]}: {error.strerror}")


def _records(policy: str) -> dict[bytes, list[bytes]]:
    with open(int(policy) if policy.isdigit() else policy, "rb") as source:  # noqa: PTH123 (pathlib costs 4 ms)
        text = source.read()
    records: dict[bytes, list[bytes]] = {}
    for record in text.split(b"\0")[:-1]:
        key, value = _pair(record)
        records.setdefault(key, []).append(value)
    return records


def _pair(record: bytes) -> tuple[bytes, bytes]:
    key, equals, value = record.partition(b"=")
    if not equals:
        raise ValueError(f"not a record of a policy: {record!r}")
    return key, value


def _confine(records: dict[bytes, list[bytes]]) -> None:
    """The order matters: a filter may take away what the earlier steps need."""
    numbers = {key: int(values[0]) for key, values in records.items() if key in (b"open_files", b"parent", b"connect")}
    _limit(numbers.get(b"open_files", 0))
    if numbers.get(b"parent"):
        _die_with(numbers[b"parent"])
    _drop_capabilities()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _restrict_paths(records.get(b"read", []), records.get(b"write", []), connect=bool(numbers.get(b"connect", 1)))
    for code in records.get(b"filter", ()):
        _set_filter(bytes.fromhex(code.decode()))


def _limit(open_files: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if open_files:
        wanted = open_files if hard == resource.RLIM_INFINITY else min(open_files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _die_with(parent: int) -> None:
    """The signal is tied to the thread that started us. Where that is gone already, none will come."""
    _prctl(_PR_SET_PDEATHSIG, 9)
    if os.getppid() != parent:
        raise ProcessLookupError("the emulator has ended")


def _drop_capabilities() -> None:
    """A root emulator's function is root by name only, as in the other walls. Fails only where we have none."""
    libc = _libc()
    number = 0
    while libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1
    header, nothing = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing) != 0:
        raise _error("capset")


def _restrict_paths(read: list[bytes], write: list[bytes], *, connect: bool) -> None:
    abi = landlock_abi()
    if not abi:
        raise OSError("this kernel has no Landlock")
    rights = (1 << _FILE_RIGHTS[min(abi, len(_FILE_RIGHTS)) - 1]) - 1
    ruleset = _create_ruleset(abi, rights, connect=connect)
    for path in read:
        _allow(ruleset, path, _READ & rights, missing_ok=True)
    for path in write:
        _allow(ruleset, path, rights, missing_ok=path.startswith(b"/dev/"))
    if _libc().syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) != 0:
        raise _error("landlock_restrict_self")
    os.close(ruleset)


def _create_ruleset(abi: int, rights: int, *, connect: bool) -> int:
    """What is handled is denied, but for the rules that follow."""
    network = _CONNECT_TCP if not connect and abi >= _CONNECT_TCP_ABI else 0
    scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if abi >= _SCOPE_ABI else 0
    # An older kernel knows a shorter structure, and accepts the longer one where the rest is zero.
    handled = (ctypes.c_uint64 * 3)(rights, network, scoped)
    ruleset: int = _libc().syscall(_LANDLOCK_CREATE_RULESET, handled, ctypes.c_size_t(ctypes.sizeof(handled)), 0)
    if ruleset < 0:
        raise _error("landlock_create_ruleset")
    return ruleset


def _allow(ruleset: int, path: bytes, rights: int, *, missing_ok: bool) -> None:
    """Rights over `path` and all that is below. Rules hold on to the file itself, whatever its name is later."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        if missing_ok:
            return
        raise
    try:
        is_folder = os.fstat(fd).st_mode & 0o170000 == 0o040000
        rule = (rights if is_folder else rights & _OF_FILES).to_bytes(8, sys.byteorder) + fd.to_bytes(4, sys.byteorder)
        if _libc().syscall(_LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0) != 0:
            raise _error(f"landlock_add_rule {os.fsdecode(path)}")
    finally:
        os.close(fd)


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def _set_filter(code: bytes) -> None:
    program = _FilterProgram(len(code) // _BPF_INSTRUCTION_BYTES, code)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program))


def _prctl(option: int, value: int, pointer: object = 0) -> None:
    if _libc().prctl(option, ctypes.c_ulong(value), pointer, 0, 0) != 0:
        raise _error("prctl")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


def _fail(status: int, message: str) -> NoReturn:
    os.write(2, f"fclocal: {message}\n".encode("utf-8", "surrogateescape"))
    os._exit(status)


if __name__ == "__main__":
    main(sys.argv)
