"""The filter says what it should, on both processors: its instructions are run here, call by call."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from emulator.model.errors import SandboxError
from emulator.sandbox import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050001, 0x00050026
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE = {"x86_64": 56, "aarch64": 220}
IOCTL = {"x86_64": 16, "aarch64": 29}
# read, openat, execve, socket, connect, mmap, kill, wait4, futex, sched_setaffinity, pidfd_open, landlock
HARMLESS = {
    "x86_64": (0, 257, 59, 41, 42, 9, 62, 61, 202, 203, 434, 444),
    "aarch64": (63, 56, 221, 198, 203, 222, 129, 260, 98, 122, 434, 444),
}


def verdict(program: bytes, number: int, *arguments: int, arch: int) -> int:
    """What the kernel would do: the instructions that this filter uses, as linux/filter.h defines them."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, arch, 0, *words)
    code = list(struct.iter_unpack("=HBBI", program))
    accumulator = at = 0
    while True:
        operation, then, otherwise, operand = code[at]
        at += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, operand)
            case 0x15:
                at += then if accumulator == operand else otherwise
            case 0x35:
                at += then if accumulator >= operand else otherwise
            case 0x45:
                at += then if accumulator & operand else otherwise
            case 0x06:
                return int(operand)
            case _:
                raise AssertionError(f"unknown instruction {operation:#x}")


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def test_every_listed_call_is_denied(machine: str) -> None:
    program = seccomp.program(machine=machine)
    for name, number in seccomp.denied_calls(machine=machine).items():
        assert verdict(program, number, arch=MACHINES[machine]) == EPERM, name


def test_every_other_call_is_allowed(machine: str) -> None:
    program = seccomp.program(machine=machine)
    denied = {*seccomp.denied_calls(machine=machine).values(), 435}
    for number in {*range(600), *HARMLESS[machine]} - denied:
        assert verdict(program, number, arch=MACHINES[machine]) == ALLOW, number
    assert denied.isdisjoint(HARMLESS[machine])


def test_both_processors_deny_the_same_calls_where_they_have_them() -> None:
    intel, arm = (set(seccomp.denied_calls(machine=machine)) for machine in MACHINES)
    assert arm <= intel
    assert intel - arm == {"uselib", "sysfs", "modify_ldt", "iopl", "ioperm"}  # of old Intel machines only


def test_a_debugger_may_trace_when_asked(machine: str) -> None:
    program = seccomp.program(debug=True, machine=machine)
    numbers = seccomp.denied_calls(machine=machine)
    for name in ("ptrace", "process_vm_readv", "process_vm_writev"):
        assert verdict(program, numbers[name], arch=MACHINES[machine]) == ALLOW
    assert verdict(program, numbers["mount"], arch=MACHINES[machine]) == EPERM


def test_clone_makes_threads_and_processes_but_no_namespaces(machine: str) -> None:
    program = seccomp.program(machine=machine)

    def clone(flags: int) -> int:
        return verdict(program, CLONE[machine], flags, arch=MACHINES[machine])

    assert clone(0x003D0F00) == ALLOW  # what pthread_create asks for
    assert clone(0x01200011) == ALLOW  # what fork asks for
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert clone(flag | 17) == EPERM, hex(flag)


def test_clone3_does_not_exist(machine: str) -> None:
    assert verdict(seccomp.program(machine=machine), 435, arch=MACHINES[machine]) == ENOSYS


def test_nothing_is_typed_into_the_users_terminal(machine: str) -> None:
    program = seccomp.program(machine=machine)
    for request, expected in ((0x5412, EPERM), (0x541C, EPERM), (0x5401, ALLOW), (0x5412 | 1 << 32, EPERM)):
        assert verdict(program, IOCTL[machine], 0, request, arch=MACHINES[machine]) == expected


def test_a_foreign_instruction_set_is_fatal() -> None:
    assert verdict(seccomp.program(machine="x86_64"), 0, arch=MACHINES["aarch64"]) == KILL
    assert verdict(seccomp.program(machine="x86_64"), 0, arch=0x40000003) == KILL  # i386
    assert verdict(seccomp.program(machine="aarch64"), 0, arch=0x40000028) == KILL  # 32 bit ARM


def test_x32_does_not_exist() -> None:
    program = seccomp.program(machine="x86_64")
    for number in (0x40000000, 0x40000000 | 101, 0xFFFFFFFF):
        assert verdict(program, number, arch=MACHINES["x86_64"]) == ENOSYS


def test_other_names_of_the_processors_are_known() -> None:
    assert seccomp.program(machine="AMD64") == seccomp.program(machine="x86_64")
    assert seccomp.program(machine="arm64") == seccomp.program(machine="aarch64")


def test_an_unknown_processor_is_told() -> None:
    with pytest.raises(SandboxError, match="processor 'riscv64'"):
        seccomp.program(machine="riscv64")
