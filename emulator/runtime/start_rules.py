"""May the program of a custom runtime start? What Function Compute would say at once is said at once.

Rules (runtime-contract.md §3.1, §4.3): nothing configured is `/code/bootstrap`; a word with a slash is a path from
`/code`; a bare word is looked up in PATH, then in `/code`. What can not be known before the start is left to it.
"""

from __future__ import annotations

import platform
import posixpath
from pathlib import Path

from msgspec import Struct

from emulator.model.errors import StartFailed
from emulator.model.function import Api, Function
from emulator.runtime.build_steps import build_hint
from emulator.runtime.tree import CODE, Tree, is_executable, is_within

# ELF's e_machine of the machines that matter here; FC runs x86_64 (runtime-contract.md §2.0).
MACHINES = {0x03: "x86", 0x28: "arm", 0x3E: "x86_64", 0xB7: "aarch64", 0xF3: "riscv64"}
ALIASES = {"amd64": "x86_64", "arm64": "aarch64"}
OTHER_SYSTEMS = {
    b"MZ": "Windows",
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
}
HEAD_BYTES = 256


class Start(Struct, frozen=True):
    """The command to start, and what is odd about its file."""

    argv: tuple[str, ...]
    notices: tuple[str, ...] = ()


def display(argv: tuple[str, ...]) -> str:
    """The command as FC writes it: words joined by spaces, and one more at the end (§3.1)."""
    return " ".join(argv) + " "


def program_start(function: Function, tree: Tree, path: str) -> Start:
    """How to start the program of `function`, whose PATH is `path`.

    Raises `StartFailed` with FC's own text where the file is not there or has no x bit; the words in parentheses
    behind it are ours.
    """
    argv = function.start_command
    name = argv[0]
    if "/" in name:
        inside = posixpath.normpath(posixpath.join(CODE, name))
        return _check(function, argv, inside, tree.host(inside))
    file, certain = tree.search(name, path)
    if file is not None:
        return Start(argv)
    inside = posixpath.join(CODE, name)
    own = tree.host(inside)
    if own is not None and own.is_file():
        return _check(function, (inside, *argv[1:]), inside, own)
    if certain:
        raise _no_such_file(function, f"'{name}' is neither in {path} nor in {CODE}")
    return Start(argv)


def _check(function: Function, argv: tuple[str, ...], inside: str, file: Path | None) -> Start:
    if file is None:
        return Start(argv)
    if not file.exists():
        if not function.custom_runtime.command and not function.custom_runtime.args:
            text = f"Failed to start function instance. Error: the file {inside} is not exist"
            raise _failed("FunctionNotStarted", text, f"{_no_file(file)}. {build_hint(function)}")
        raise _no_such_file(function, _no_file(file))
    if file.is_dir() or not is_executable(file):
        raise _no_x_bit(function, file)
    return Start(argv, _oddities(inside, file) if is_within(inside, CODE) else ())


def _no_file(file: Path) -> str:
    return f"{file} is a link to nowhere" if file.is_symlink() else f"There is no {file}"


def _failed(code: str, text: str, hint: str) -> StartFailed:
    return StartFailed(code, f"The function cannot be started. {text} ({hint.rstrip()})")


def _no_such_file(function: Function, hint: str) -> StartFailed:
    """FC prints what execve(2) said: errno 2."""
    text = _exited(function, 2, "no such file or directory")
    return _failed("CAExited", text, f"{hint}. {build_hint(function)}")


def _no_x_bit(function: Function, file: Path) -> StartFailed:
    hint = f"{file} is a folder" if file.is_dir() else f"`chmod +x {file}` makes it executable"
    if function.api is Api.FC2 and file.name == "bootstrap" and not file.is_dir():
        text = "The CA process cannot be started due to bootstrap file don't have execute permissions"
        return StartFailed("CAFilePermission", f"{text} ({hint})")
    return _failed("CAExited", _exited(function, 13, "permission denied"), hint)


def _exited(function: Function, code: int, text: str) -> str:
    command = display(function.start_command)
    return f"Function instance exited unexpectedly(code {code}, message:{text}) with start command '{command}'."


def _oddities(inside: str, file: Path) -> tuple[str, ...]:
    """Why the kernel will refuse this file, in words that lead to the cure."""
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        return (f"{inside} can not be read: {error.strerror}",)
    odd = _odd_script(head) if not head.startswith(b"\x7fELF") else _odd_binary(head)
    return (f"{inside} {odd}",) if odd else ()


def _odd_script(head: bytes) -> str:
    first = head.partition(b"\n")[0]
    if first.startswith(b"#!"):
        if first.endswith(b"\r"):
            return (
                "has Windows line ends, so the system looks for an interpreter with a \\r in its name: save it with LF"
            )
        return ""
    system = next((name for magic, name in OTHER_SYSTEMS.items() if head.startswith(magic)), "")
    if system:
        return f"is a program for {system}: build it for Linux x86_64"
    if not head:
        return "is empty"
    return "does not begin with #! and an interpreter, such as #!/bin/bash, and is no program either"


def _odd_binary(head: bytes) -> str:
    order = "big" if head[5:6] == b"\x02" else "little"
    number = int.from_bytes(head[18:20], "big" if order == "big" else "little")
    built_for = MACHINES.get(number, f"machine {number:#x}")
    here = ALIASES.get(platform.machine().lower(), platform.machine().lower())
    if built_for == here or (built_for == "x86" and here == "x86_64"):
        return ""
    if built_for == "x86_64":
        return f"is built for x86_64, as Function Compute needs, and this machine is {here}: qemu-user can run it here"
    return f"is built for {built_for}, and Function Compute runs x86_64: build it with GOARCH=amd64 or its like"
