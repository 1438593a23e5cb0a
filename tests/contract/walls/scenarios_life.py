"""What every rung must do: an instance's start, its answers and logs, and its end."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from walls_box import COUNTERS, ENV, PATIENCE, SERVER, box, ended, leftovers, scenario, until

from emulator.model.errors import SandboxError
from emulator.model.launch import Exit, Mount
from emulator.sandbox.base import Walls

RIGHTS = """
while read -r line; do
  case $line in CapEff:*|NoNewPrivs:*|Seccomp:*) echo "$line";; esac
done </proc/self/status
"""


@scenario
async def answers_on_its_endpoint(walls: Walls, place: Path) -> None:
    async with box(walls, place) as made:
        assert await made.ask("answer = 6 * 7") == 42
        cwd = await made.ask("answer = os.getcwd()")
        assert cwd == ("/code" if walls.mounts else str(made.code))
        sockets = [await made.sandbox.dial() for _ in range(3)]
        for dialled in sockets:
            assert not dialled.getblocking()
            dialled.close()


@scenario
async def a_start_that_is_given_up_ends_nobody_else(walls: Walls, place: Path) -> None:
    async with box(walls, place) as made:
        for turns in range(8):
            other = made.another()
            starting = asyncio.ensure_future(other.start())
            for _ in range(turns + 1):
                await asyncio.sleep(0)
            await other.aclose()
            await asyncio.gather(starting, return_exceptions=True)
        assert await made.ask("answer = 'alive'") == "alive"
        another = made.another()
        await another.start()
        await another.aclose()


@scenario
async def many_that_end_at_once_end_nobody_else(walls: Walls, place: Path) -> None:
    async with box(walls, place) as made:
        others = [made.another() for _ in range(8)]
        await asyncio.gather(*(other.start() for other in others))
        await asyncio.gather(*(other.aclose() for other in others))
        assert await made.ask("answer = 'alive'") == "alive"


@scenario
async def dials_before_the_program_accepts(walls: Walls, place: Path) -> None:
    program = "import time; time.sleep(0.2)\n" + SERVER
    async with box(walls, place, program=program) as made:
        assert await made.ask("answer = 'late'") == "late"


@scenario
async def refuses_callers_when_dead(walls: Walls, place: Path) -> None:
    async with box(walls, place) as made:
        waiting = await made.sandbox.dial()
        await made.sandbox.kill()
        loop = asyncio.get_running_loop()
        try:
            assert await asyncio.wait_for(loop.sock_recv(waiting, 1), PATIENCE) == b""
        except ConnectionResetError:
            pass
        finally:
            waiting.close()
        try:
            (await made.sandbox.dial()).close()
        except OSError:
            return
        raise AssertionError("a dead instance was dialled")


@scenario
async def environment_is_exact(walls: Walls, place: Path) -> None:
    env = {**ENV, "EMPTY": "", "ODD": "a b\n'\"$x 中文", "FCLOCAL_ENDPOINT": "fd:3"}
    async with box(walls, place, env=env) as made:
        got = await made.ask("answer = dict(os.environ)")
        # Shells and bubblewrap set PWD; a rung without a pid namespace marks what it started.
        for own in ("PWD", "OLDPWD", "SHLVL", "_", "FCLOCAL_RUN"):
            got.pop(own, None)
        assert got == env
        for pid in made.host_pids():
            assert "中文".encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


@scenario
async def descriptors_are_only_the_promised_ones(walls: Walls, place: Path) -> None:
    async with box(walls, place) as made:
        listing = "answer = sorted(int(fd) for fd in os.listdir('/proc/self/fd'))"
        found = await made.ask(listing)
        # 0-3, the accepted connection, and the listing itself
        assert found[:4] == [0, 1, 2, 3] and len(found) <= 6, found
        assert await made.ask("import resource; answer = resource.getrlimit(resource.RLIMIT_CORE)[0]") == 0


@scenario
async def logs_keep_their_order(walls: Walls, place: Path) -> None:
    code = "for n in range(500): os.write(1 + n % 2, b'line %d\\n' % n)"
    async with box(walls, place) as made:
        await made.ask(code)
        made.sandbox.drain_logs()  # everything is here when the answer is, with no waiting in between
        assert made.lines == [b"line %d" % n for n in range(500)]


@scenario
async def many_and_long_lines_are_kept(walls: Walls, place: Path) -> None:
    program = """
import os, sys
out = os.fdopen(1, "wb")
for n in range(100000): out.write(b"%d\\n" % n)
out.write(b"x" * 10_000_000 + b"\\n")
out.write(b"\\xff\\xfe bytes\\n")
out.write(b"unfinished")
out.flush()
"""
    async with box(walls, place, program=program) as made:
        assert (await ended(made)).code == 0
        assert made.lines[:100000] == [b"%d" % n for n in range(100000)]
        long, odd, last = made.lines[100000:]
        assert long.startswith(b"x" * 32768 + b" ... [fclocal: ") and b"9967232 bytes" in long
        assert (odd, last) == (b"\xff\xfe bytes", b"unfinished")


@scenario
async def exits_are_told_apart(walls: Walls, place: Path) -> None:
    wanted = {
        "raise SystemExit(0)": Exit(code=0),
        "raise SystemExit(3)": Exit(code=3),
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": Exit(code=None, signal=signal.SIGSEGV),
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": Exit(code=None, signal=signal.SIGKILL),
    }
    for program, expected in wanted.items():
        async with box(walls, place, program=program) as made:
            assert await ended(made) == expected, program


@scenario
async def ends_with_its_main_process(walls: Walls, place: Path) -> None:
    """A grandchild that holds the log pipe neither delays the end nor outlives it."""
    program = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]], start_new_session=True)
"""
    async with box(walls, place, program=program) as made:
        assert (await ended(made)).code == 0
        await until(lambda: not made.host_pids())


@scenario
async def stop_asks_first(walls: Walls, place: Path) -> None:
    async with box(walls, place) as made:
        await made.ask("""
def bye(*_):
    print("bye", flush=True)
    os._exit(7)
signal.signal(signal.SIGTERM, bye)
""")
        assert await made.sandbox.stop(PATIENCE) == Exit(code=7)
        assert made.lines == [b"bye"]
    async with box(walls, place) as made:
        await made.ask("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
        assert await made.sandbox.stop(0.1) == Exit(code=None, signal=signal.SIGKILL)


@scenario
async def runs_one_more_command(walls: Walls, place: Path) -> None:
    env = {**ENV, "GREETING": "hello"}
    async with box(walls, place, env=env) as made:
        await made.ask("answer = 1")
        got = await made.sandbox.run(["sh", "-c", 'echo "$GREETING from $PWD"; exit 5'], PATIENCE)
        assert got == Exit(code=5)
        where = "/code" if walls.mounts else str(made.code)
        assert made.lines == [f"hello from {where}".encode()]
        assert (await made.sandbox.run(["no-such-program"], PATIENCE)).code == 127
        for patience in (0.0, 0.1):  # also while it is still on its way in
            try:
                await made.sandbox.run(["sleep", "600"], patience)
            except TimeoutError:
                continue
            raise AssertionError("no TimeoutError")
        assert await made.ask("answer = 'alive'") == "alive"
        if walls.mounts:
            made.lines.clear()
            await made.sandbox.run(["sh", "-c", RIGHTS], PATIENCE)
            of_program = await made.ask("answer = [line.strip() for line in open('/proc/self/status')]")
            assert {"NoNewPrivs:\t1", "Seccomp:\t2"} <= set(of_program)
            assert {line.decode() for line in made.lines} <= set(of_program) and len(made.lines) == 3


@scenario
async def what_can_not_start_is_told(walls: Walls, place: Path) -> None:
    if walls.mounts:
        try:
            async with box(walls, place, extra_mounts=(Mount((place / "absent",), "/opt"),)):
                pass
        except SandboxError as error:
            assert str(place / "absent") in str(error)
        else:
            raise AssertionError("no SandboxError")
    async with box(walls, place, argv=("no-such-program",)) as made:
        assert (await ended(made)).code not in (0, None)
        assert any(b"no-such-program" in line for line in made.lines)


@scenario
async def nothing_is_left_after_closing(walls: Walls, place: Path) -> None:
    before = leftovers(place)
    async with box(walls, place) as made:
        await made.ask(f"where, token = {made.inside!r}, {made.token!r}\n{COUNTERS}")
        await made.ask("os.mkdir('d', 0); os.mkdir('e', 0o700)")
        assert leftovers(place) != before
        await made.sandbox.freeze()
    assert leftovers(place) == before
    assert not made.host_pids()
    await made.sandbox.aclose()  # a second time is harmless
    never = walls.sandbox("c-never", made.sandbox.launch, made.lines.append)
    await never.aclose()
    assert never.exited.done()
