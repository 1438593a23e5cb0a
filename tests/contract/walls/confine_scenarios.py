"""What a program can and can not do that was started by the launcher of the Landlock rung."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from resource import RLIMIT_CORE, RLIMIT_NOFILE, getrlimit
from typing import Any

from msgspec.structs import replace
from walls_scenario import SYSTEM_PYTHON, as_program, unusable, wait_for_end

from emulator.sandbox import confine, seccomp
from emulator.sandbox.landlock import SYSTEM_READ, SYSTEM_WRITE, Policy, abi

ENV = {"PATH": "/usr/bin:/bin", "SECRET": "x"}
SCENARIOS: dict[str, Callable[[Path], None]] = {}

# Prints what `attempts` came to: the answer of each, or the name of its error.
TRY = """
import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*numbers):
    done = libc.syscall(*map(ctypes.c_long, numbers))
    return done if done >= 0 else errno.errorcode[ctypes.get_errno()]
def attempt(function):
    try:
        return function()
    except OSError as error:
        return errno.errorcode[error.errno]
"""


def scenario(function: Callable[[Path], None]) -> Callable[[Path], None]:
    SCENARIOS[function.__name__] = function
    return function


def run(policy: Policy, argv: Sequence[str], place: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile(dir=place) as file:
        file.write(policy.encode())
        file.flush()
        return subprocess.run(
            confine.confine_argv(SYSTEM_PYTHON, file.name, argv),
            env={}, capture_output=True, text=True, timeout=60, check=False, **more,
        )  # fmt: skip


def policy_of(place: Path) -> Policy:
    (place / "own").mkdir()
    return Policy(SYSTEM_READ, (*SYSTEM_WRITE, str(place / "own")), ENV, seccomp.program())


def ask(policy: Policy, place: Path, expressions: Sequence[str], **more: Any) -> list[Any]:
    text = TRY + f"print(json.dumps([{', '.join(f'attempt(lambda: {each})' for each in expressions)}]))"
    result = run(policy, [SYSTEM_PYTHON, "-c", text], place, **more)
    assert result.returncode == 0, result.stderr
    answers: list[Any] = json.loads(result.stdout)
    return answers


@scenario
def only_what_the_policy_names_is_reached(place: Path) -> None:
    if abi() < 3:
        unusable("this kernel's Landlock does not know truncation")
    policy, own, other = policy_of(place), place / "own", place / "other"
    other.mkdir()
    (other / "file").write_text("secret")
    answers = ask(policy, place, [
        f"open('{own}/made', 'w').write('1234')", f"os.rename('{own}/made', '{own}/moved')",
        f"os.mkdir('{own}/folder')", f"os.rename('{own}/moved', '{own}/folder/moved')",
        f"open('{other}/file').read()", f"open('{other}/new', 'w')", f"os.listdir('{place}')",
        f"os.unlink('{other}/file')", f"os.truncate('{other}/file', 0)", f"os.link('{other}/file', '{own}/link')",
        "os.listdir('/')", "open('/etc/shadow')", "len(os.listdir('/usr')) > 0", "open('/usr/made', 'w')",
        "open('/dev/null', 'w').write('x')", "len(open('/dev/urandom', 'rb').read(8))",
    ])  # fmt: skip
    denied = "EACCES"
    assert answers == [4, None, None, None, *[denied] * 5, "EXDEV", denied, denied, True, denied, 1, 8]
    assert (own / "folder" / "moved").read_text() == "1234"
    assert (other / "file").read_text() == "secret"


@scenario
def the_environment_is_the_policys_alone(place: Path) -> None:
    (answer,) = ask(policy_of(place), place, ["dict(os.environ)"])
    assert {key: value for key, value in answer.items() if key != "LC_CTYPE"} == ENV  # Python's own, when it starts


@scenario
def rights_are_gone_and_can_not_come_back(place: Path) -> None:
    (answer,) = ask(policy_of(place), place, ["dict(l.split(':\\t') for l in open('/proc/self/status'))"])
    assert {answer[f"Cap{kind}"].strip("0\n") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {""} or (
        os.getuid() != 0 and {answer[f"Cap{kind}"].strip("0\n") for kind in ("Inh", "Prm", "Eff", "Amb")} == {""}
    )
    assert (answer["NoNewPrivs"], answer["Seccomp"]) == ("1\n", "2\n")


@scenario
def limits_are_set(place: Path) -> None:
    limits = [f"__import__('resource').getrlimit({number})" for number in (RLIMIT_NOFILE, RLIMIT_CORE)]
    policy = policy_of(place)
    assert ask(replace(policy, open_files=333), place, limits) == [[333, 333], [0, 0]]
    hard = getrlimit(RLIMIT_NOFILE)[1]
    assert ask(replace(policy, open_files=1 << 30), place, limits) == [[hard, hard], [0, 0]]


@scenario
def other_processes_are_out_of_reach(place: Path) -> None:
    pid, tracing = os.getpid(), seccomp.program(debug=True)  # so that it is Landlock that is asked
    policy = replace(policy_of(place), filter=tracing)
    ptrace = seccomp.denied_calls()["ptrace"]
    answers = ask(policy, place, [f"open('/proc/{pid}/environ').read()", f"call({ptrace}, 16, {pid}, 0, 0)"])
    assert answers == ["EACCES", "EPERM"]
    if abi() >= 6:
        name = f"\0fclocal-test-{pid}"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name)
            server.listen()
            answers = ask(policy, place, [f"os.kill({pid}, 0)", f"socket.socket(socket.AF_UNIX).connect({name!r})"])
        assert answers == ["EPERM", "EPERM"]


@scenario
def connections_can_be_forbidden(place: Path) -> None:
    if abi() < 4:
        unusable("this kernel's Landlock does not know TCP")
    policy = policy_of(place)
    with socket.create_server(("127.0.0.1", 0)) as server:
        attempts = [f"socket.create_connection({server.getsockname()!r}) and 1", "socket.create_server(('', 0)) and 1"]
        assert ask(policy, place, attempts) == [1, 1]
        assert ask(replace(policy, connect=False), place, attempts) == ["EACCES", 1]


@scenario
def an_inherited_listener_works(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        os.dup2(server.fileno(), 3) if server.fileno() != 3 else None
        policy = policy_of(place)
        ask(policy, place, ["socket.socket(fileno=3).accept()[0].send(b'hello')"], pass_fds=(3,))
        assert client.recv(10) == b"hello"


@scenario
def denied_calls_are_denied_and_others_are_not(place: Path) -> None:
    """Calls that would not answer EPERM by themselves, which the second run shows."""
    policy, numbers = policy_of(place), seccomp.denied_calls()
    calls = {"unshare": (0,), "setns": (-1, 0), "ptrace": (0, 0, 0, 0), "io_uring_setup": (0, 0)}
    calls |= {"process_vm_readv": (os.getpid(), 0, 0, 0, 0, 0), "pidfd_getfd": (-1, 0, 0), "keyctl": (0, -3, 0)}
    attempts = [f"call({numbers[name]}, {', '.join(map(str, words))})" for name, words in calls.items()]
    attempts.append("call(435, 0, 0)")
    attempts.append("__import__('fcntl').ioctl(os.openpty()[1], 0x5412, b'x')")
    filtered, free = (ask(each, place, attempts) for each in (policy, replace(policy, filter=b"")))
    assert filtered[:-1] == [*["EPERM"] * len(calls), "ENOSYS"]
    # Opening a terminal is denied by the rules already; what is left of the two proves only the filter's other rules.
    assert all(was != would for was, would in zip(filtered[:-1], free[:-1], strict=True)), free


@scenario
def ordinary_programs_run(place: Path) -> None:
    program = """
import multiprocessing, subprocess, threading
if __name__ == "__main__":
    seen = []
    thread = threading.Thread(target=seen.append, args=("thread",)); thread.start(); thread.join()
    seen.append(subprocess.run(["sh", "-c", "echo child"], capture_output=True, text=True, check=True).stdout.strip())
    with multiprocessing.get_context("fork").Pool(2) as pool: seen += pool.map(str.upper, ["a", "b"])
    with multiprocessing.get_context("spawn").Pool(1) as pool: seen += pool.map(str.upper, ["c"])
    print(seen)
"""
    policy = policy_of(place)
    (place / "own" / "prog.py").write_text(program)
    for each in (policy, replace(policy, filter=seccomp.program(debug=True))):
        result = run(each, [SYSTEM_PYTHON, str(place / "own" / "prog.py")], place, cwd=place / "own")
        assert result.stdout == "['thread', 'child', 'A', 'B', 'C']\n", result.stderr


@scenario
def a_foreign_system_call_is_fatal(place: Path) -> None:
    if platform.machine() != "x86_64":
        unusable("only an x86_64 can make system calls of another machine")
    # mov eax, 20 (getpid of i386); int 0x80; ret
    program = (
        TRY
        + """
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b814000000cd80c3"))
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
os._exit(0)
"""
    )
    policy, argv = policy_of(place), [SYSTEM_PYTHON, "-c", program]
    if run(replace(policy, filter=b""), argv, place).returncode != 0:
        unusable("this kernel runs no programs of i386")
    assert run(policy, argv, place).returncode == -signal.SIGSYS


@scenario
def the_filter_is_taken_by_bubblewrap(place: Path) -> None:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        unusable("bubblewrap is missing")
    numbers = seccomp.denied_calls()
    program = TRY + f"print(call({numbers['unshare']}, 0), call({numbers['ptrace']}, 0, 0, 0, 0), call(435, 0, 0))"
    seen = {}
    for debug in (False, True):
        with tempfile.TemporaryFile() as file:
            file.write(seccomp.program(debug=debug))
            file.seek(0)
            walls = [
                str(bwrap),
                "--unshare-user",
                "--ro-bind",
                "/",
                "/",
                "--dev",
                "/dev",
                "--seccomp",
                str(file.fileno()),
            ]
            result = subprocess.run(
                [*walls, SYSTEM_PYTHON, "-c", program],
                pass_fds=(file.fileno(),), capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        if result.stderr.startswith("bwrap:"):
            unusable(result.stderr)
        seen[debug] = result.stdout
    assert seen == {False: "EPERM EPERM ENOSYS\n", True: "EPERM 0 ENOSYS\n"}


@scenario
def it_ends_with_its_parent(place: Path) -> None:
    program = f"""
import os, subprocess, sys
from msgspec.structs import replace
from pathlib import Path
import confine_scenarios as here
policy = replace(here.policy_of(Path({str(place)!r})), parent=os.getpid())
Path({str(place / "policy")!r}).write_bytes(policy.encode())
argv = here.confine.confine_argv(here.SYSTEM_PYTHON, {str(place / "policy")!r}, ["sh", "-c", "echo up; exec sleep 600"])
child = subprocess.Popen(argv, env={{}}, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        confined = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    wait_for_end(confined)


@scenario
def it_does_not_start_without_its_parent(place: Path) -> None:
    result = run(replace(policy_of(place), parent=1 << 22), ["true"], place)
    assert (result.returncode, result.stderr) == (
        confine.EXIT_NOT_CONFINED,
        "fclocal: the walls could not be built: the emulator has ended\n",
    )


@scenario
def the_launcher_needs_nothing_of_its_own_once_confined(place: Path) -> None:
    """Its Python may lie in a home, which the program can not read."""
    libraries = map(str, Path("/usr/lib").glob("*-linux-*"))
    policy = replace(policy_of(place), read=("/usr/bin", "/lib64", *libraries))
    result = run(policy, ["cat", f"/usr/lib/python{sys.version_info[0]}.{sys.version_info[1]}/os.py"], place)
    assert (result.returncode, result.stdout) == (1, ""), result.stderr
    assert "Permission denied" in result.stderr and "cat" in result.stderr


@scenario
def failures_are_told_in_one_line(place: Path) -> None:
    policy = policy_of(place)
    result = run(policy, ["no-such-program"], place)
    assert (result.returncode, result.stderr) == (127, "fclocal: no-such-program: no such program\n")
    (place / "own" / "text").write_text("x")
    result = run(policy, [str(place / "own" / "text")], place)
    assert (result.returncode, result.stderr) == (126, f"fclocal: {place}/own/text: Permission denied\n")
    missing = replace(policy, write=(str(place / "missing"),))
    result = run(missing, ["true"], place)
    assert result.returncode == 125
    assert "No such file or directory" in result.stderr
    assert str(place / "missing") in result.stderr
    argv = confine.confine_argv(SYSTEM_PYTHON, str(place / "no-policy"), ["true"])
    broken = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert broken.returncode == 125
    assert broken.stderr.startswith("fclocal: the walls could not be built")
    assert broken.stderr.count("\n") == 1


if __name__ == "__main__":
    os.umask(0o022)
    as_program(lambda: SCENARIOS[sys.argv[1]](Path(sys.argv[2])))
