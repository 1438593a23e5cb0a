"""The system call filter of the walls: classic BPF, assembled here, so that no libseccomp is needed.

A deny list answers EPERM, as a container's default profile does; everything else is allowed. It takes away what
reaches the kernel or leaves the walls (mounts, namespaces, modules, keys, tracing), and nothing that a function
does on Function Compute: threads, processes, sockets and files stay whole.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterator

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.model.launch import Launch

_EPERM, _ENOSYS = 1, 38
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000

# The opcodes used: load a word of seccomp_data, compare it with a constant, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Offsets in struct seccomp_data; the low word of an argument comes first on both little-endian machines.
_NUMBER, _ARCH, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24

# CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
_CLONE_NAMESPACES = 0x7E020000
# x32 programs use the numbers of x86_64 with this bit, which would pass a filter of plain numbers.
_X32_BIT = 0x40000000
# Terminal requests that type into the user's shell.
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

# Denied calls whose number is the same on both machines (added after the tables were unified).
_COMMON = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "open_tree_attr": 467,
}

_X86_64 = _COMMON | {
    "ptrace": 101,
    "syslog": 103,
    "uselib": 134,
    "sysfs": 139,
    "vhangup": 153,
    "modify_ldt": 154,
    "pivot_root": 155,
    "adjtimex": 159,
    "chroot": 161,
    "acct": 163,
    "settimeofday": 164,
    "mount": 165,
    "umount2": 166,
    "swapon": 167,
    "swapoff": 168,
    "reboot": 169,
    "sethostname": 170,
    "setdomainname": 171,
    "iopl": 172,
    "ioperm": 173,
    "init_module": 175,
    "delete_module": 176,
    "quotactl": 179,
    "nfsservctl": 180,
    "lookup_dcookie": 212,
    "clock_settime": 227,
    "kexec_load": 246,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "unshare": 272,
    "perf_event_open": 298,
    "name_to_handle_at": 303,
    "open_by_handle_at": 304,
    "clock_adjtime": 305,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "finit_module": 313,
    "kexec_file_load": 320,
    "bpf": 321,
    "userfaultfd": 323,
}

_AARCH64 = _COMMON | {
    "lookup_dcookie": 18,
    "umount2": 39,
    "mount": 40,
    "pivot_root": 41,
    "nfsservctl": 42,
    "chroot": 51,
    "vhangup": 58,
    "quotactl": 60,
    "acct": 89,
    "unshare": 97,
    "kexec_load": 104,
    "init_module": 105,
    "delete_module": 106,
    "clock_settime": 112,
    "syslog": 116,
    "ptrace": 117,
    "reboot": 142,
    "sethostname": 161,
    "setdomainname": 162,
    "settimeofday": 170,
    "adjtimex": 171,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "swapon": 224,
    "swapoff": 225,
    "perf_event_open": 241,
    "name_to_handle_at": 264,
    "open_by_handle_at": 265,
    "clock_adjtime": 266,
    "setns": 268,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "finit_module": 273,
    "bpf": 280,
    "userfaultfd": 282,
    "kexec_file_load": 294,
}

# What a debugger that traces (dlv, gdb, py-spy) needs.
_DEBUGGING = frozenset({"ptrace", "process_vm_readv", "process_vm_writev"})
# What a template needs to build walls around its forks, each of which then takes the whole filter.
_BUILDING = frozenset({"mount", "umount2", "pivot_root", "unshare", "setns", "sethostname"})


class _Machine(Struct, frozen=True):
    """What differs between processors: AUDIT_ARCH_*, call numbers, and whether x32 exists."""

    audit_arch: int
    clone: int
    ioctl: int
    denied: dict[str, int]
    clone3: int = 435
    x32: bool = False


_MACHINES = {
    "x86_64": _Machine(0xC000003E, clone=56, ioctl=16, denied=_X86_64, x32=True),
    "aarch64": _Machine(0xC00000B7, clone=220, ioctl=29, denied=_AARCH64),
}
_OTHER_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}


class _Step(Struct, frozen=True):
    """One instruction. `then` and `otherwise` name the label to jump to; empty means the next instruction."""

    code: int
    operand: int
    then: str = ""
    otherwise: str = ""
    label: str = ""


def denied_calls(*, debug: bool = False, machine: str | None = None) -> dict[str, int]:
    """Names and numbers of the calls that answer EPERM. Raises `SandboxError` on a processor without a table."""
    table = _machine(machine).denied
    return {name: number for name, number in table.items() if not (debug and name in _DEBUGGING)}


def program(*, debug: bool = False, template: bool = False, machine: str | None = None) -> bytes:
    """The filter as an array of struct sock_filter, as `bwrap --seccomp` and `PR_SET_SECCOMP` take it.

    `debug` leaves out the rules that would stop a debugger which traces, `template` those that would stop
    the making of namespaces and mounts. `machine` is a name of `platform.machine()`, ours by default. Raises
    `SandboxError` on a processor without a table.
    """
    spec = _machine(machine)
    denied = denied_calls(debug=debug, machine=machine)
    numbers = sorted(number for name, number in denied.items() if not (template and name in _BUILDING))
    return _assemble([*_steps(spec, numbers, namespaces=template)])


def for_launch(launch: Launch, usual: bytes) -> bytes:
    """The `usual` filter, but where a debugger is started inside. What that traces is inside as well: it can not name
    a process outside of its pid namespace, nor may it look at one outside of its Landlock domain."""
    return usual if launch.debug_port is None else program(debug=True)


def pivot_root(machine: str | None = None) -> int:
    """The number of a call that C libraries have no function for. Raises `SandboxError`."""
    return _machine(machine).denied["pivot_root"]


def _machine(name: str | None) -> _Machine:
    wanted = (name or platform.machine()).lower()
    found = _MACHINES.get(_OTHER_NAMES.get(wanted, wanted))
    if found is None:
        raise SandboxError(
            f"no system call filter is known for the processor '{wanted}'",
            "use x86_64 or aarch64, or start with --walls plain",
        )
    return found


def _steps(machine: _Machine, denied: list[int], *, namespaces: bool) -> Iterator[_Step]:
    yield _Step(_LOAD, _ARCH)
    yield _Step(_EQUAL, machine.audit_arch, otherwise="kill")
    yield _Step(_LOAD, _NUMBER)
    if machine.x32:
        yield _Step(_AT_LEAST, _X32_BIT, then="absent")
    # The flags of clone3 lie behind a pointer, which a filter can not read. The C library falls back to clone.
    yield _Step(_EQUAL, machine.clone3, then="absent")
    if not namespaces:
        yield _Step(_EQUAL, machine.clone, then="clone")
    yield _Step(_EQUAL, machine.ioctl, then="ioctl")
    for number in denied:
        yield _Step(_EQUAL, number, then="deny")
    yield _Step(_RETURN, _ALLOW, label="allow")
    yield _Step(_RETURN, _ERRNO | _EPERM, label="deny")
    yield _Step(_RETURN, _ERRNO | _ENOSYS, label="absent")
    yield _Step(_RETURN, _KILL_PROCESS, label="kill")
    yield _Step(_LOAD, _ARGUMENT_0, label="clone")
    yield _Step(_ANY_BIT, _CLONE_NAMESPACES, then="no", otherwise="yes")
    yield _Step(_LOAD, _ARGUMENT_1, label="ioctl")
    yield _Step(_EQUAL, _TIOCSTI, then="no")
    yield _Step(_EQUAL, _TIOCLINUX, then="no", otherwise="yes")
    # Jumps only go forwards, hence a second pair of answers.
    yield _Step(_RETURN, _ALLOW, label="yes")
    yield _Step(_RETURN, _ERRNO | _EPERM, label="no")


def _assemble(steps: list[_Step]) -> bytes:
    places = {step.label: index for index, step in enumerate(steps) if step.label}

    def distance(label: str, index: int) -> int:
        return places[label] - index - 1 if label else 0

    return b"".join(
        struct.pack("=HBBI", step.code, distance(step.then, index), distance(step.otherwise, index), step.operand)
        for index, step in enumerate(steps)
    )
