"""What every rung must do, as scenarios: run by pytest for this user, and as a program for an ordinary user.

python walls_scenarios.py RUNG SCENARIO FOLDER
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from walls_box import ENV, PATIENCE, SERVER, box, ended, until

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Exit, Link, Mount
from emulator.sandbox.base import Walls
from emulator.sandbox.ladder import choose_walls

Scenario = Callable[[Walls, Path], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}

COUNTERS = """
COUNT = '''
import sys, time
with open(sys.argv[1], "wb", 0) as out:
    n = 0
    while True:
        n += 1
        out.seek(0)
        out.write(b"%d" % n)
        time.sleep(0.005)
'''
def start(name, **how):
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", COUNT, where + "/" + name, token], **how)
def count_here():
    n = 0
    with open(where + "/thread", "wb", 0) as out:
        while True:
            n += 1
            out.seek(0)
            out.write(b"%d" % n)
            time.sleep(0.005)
start("child")
start("setsid", start_new_session=True)
threading.Thread(target=count_here, daemon=True).start()
"""


def scenario(run: Scenario) -> Scenario:
    SCENARIOS[run.__name__] = run
    return run


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
async def memory_over_the_limit_is_told_from_a_crash(walls: Walls, place: Path) -> None:
    eat = "kept = [bytearray(b'x') * (1 << 20) for _ in range(400)]; import time; time.sleep(30)"
    async with box(walls, place, program=eat, memory_mb=128) as made:
        assert await ended(made) == Exit(code=None, signal=signal.SIGKILL, oom=True)
    by_child = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {eat!r}]); time.sleep(600)"
    async with box(walls, place, program=by_child, memory_mb=128) as made:
        assert await ended(made) == Exit(code=None, signal=signal.SIGKILL, oom=True)
    fits = "kept = bytearray(60 << 20); import ctypes, mmap; mmap.mmap(-1, 2 << 30)"  # address space is no memory
    async with box(walls, place, program=fits, memory_mb=128) as made:
        assert await ended(made) == Exit(code=0)


@scenario
async def memory_that_forks_share_counts_once(walls: Walls, place: Path) -> None:
    fork = """
kept = bytearray(b'x') * (30 << 20)
for _ in range(12):
    if os.fork() == 0:
        time.sleep(600)
answer = 'forked'
"""
    async with box(walls, place, memory_mb=128) as made:
        assert await made.ask(fork) == "forked"
        for _ in range(5):
            await asyncio.sleep(0.1)  # several looks, where looking is what limits
            assert await made.ask("answer = len(kept)") == 30 << 20
        assert 30 < made.sandbox.usage().memory_mb < 120
        assert made.sandbox.usage().peak_mb < 120


@scenario
async def usage_is_memory_and_not_page_cache(walls: Walls, place: Path) -> None:
    async with box(walls, place, memory_mb=256) as made:
        (made.shared / "big").write_bytes(b"x" * (100 << 20))
        before = made.sandbox.usage()
        await made.ask(f"answer = len(open({made.inside + '/big'!r}, 'rb', 0).read(1 << 20))")
        await made.ask("kept = bytearray(b'x') * (50 << 20)")
        full = made.sandbox.usage()
        assert 48 < full.memory_mb - before.memory_mb < 60, (before, full)
        await made.ask("kept = None")
        after = made.sandbox.usage()
        assert after.memory_mb < full.memory_mb - 40
        assert after.peak_mb >= full.memory_mb


@scenario
async def freezes_everything_and_goes_on(walls: Walls, place: Path) -> None:
    async with box(walls, place) as made:
        names = ("thread", "child", "setsid")

        def counts() -> dict[str, int]:
            return {name: int((made.shared / name).read_bytes() or b"0") for name in names}

        def running() -> bool:
            return all((made.shared / name).exists() for name in names) and min(counts().values()) > 3

        await made.ask(f"where, token = {made.inside!r}, {made.token!r}\n{COUNTERS}")
        await until(running)
        await made.sandbox.freeze()
        still = counts()
        await asyncio.sleep(0.5)
        assert counts() == still
        await made.sandbox.thaw()
        await until(lambda: all(counts()[name] > still[name] + 3 for name in names))
        for _ in range(20):
            await made.sandbox.freeze()
            await made.sandbox.thaw()
            assert await made.ask("answer = 1") == 1


@scenario
async def a_frozen_instance_can_be_killed_and_stopped(walls: Walls, place: Path) -> None:
    for end in ("kill", "stop"):
        async with box(walls, place) as made:
            await made.ask(f"where, token = {made.inside!r}, {made.token!r}\n{COUNTERS}")
            await until(lambda made=made: (made.shared / "setsid").exists())
            await made.sandbox.freeze()
            assert len(made.host_pids()) >= 3
            how = await (made.sandbox.kill() if end == "kill" else made.sandbox.stop(PATIENCE))
            assert how.signal == (signal.SIGKILL if end == "kill" else signal.SIGTERM)
            await until(lambda made=made: not made.host_pids())


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
        try:
            await made.sandbox.run(["sleep", "600"], 0.1)
        except TimeoutError:
            pass
        else:
            raise AssertionError("no TimeoutError")
        assert await made.ask("answer = 'alive'") == "alive"
        if walls.mounts:
            made.lines.clear()
            await made.sandbox.run(["sh", "-c", "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status"], PATIENCE)
            words = [line.split() for line in made.lines]
            assert words == [[b"CapEff:", b"0" * 16], [b"NoNewPrivs:", b"1"], [b"Seccomp:", b"2"]]


@scenario
async def code_is_writable_and_the_host_untouched(walls: Walls, place: Path) -> None:
    if not walls.mounts:
        return
    odd = place / "od,d: 'name\\"
    lower = place / "lower"
    for folder, text in ((odd, "first"), (lower, "second")):
        folder.mkdir()
        (folder / "same").write_text(text)
    (lower / "doomed").write_text("x")
    (lower / "dir").mkdir()
    extra = (Mount((odd, lower), "/opt", Access.OVERLAY),)
    async with box(walls, place, extra_mounts=extra) as made:
        assert await made.ask("answer = open('/opt/same').read()") == "first"
        await made.ask("""
open('/opt/new', 'w').write('n'); os.unlink('/opt/doomed'); open('/opt/dir/deep', 'w').write('d')
open('/code/out', 'w').write('c'); open('/anywhere', 'w').write('a'); open('/etc/new', 'w').write('e')
""")
        assert sorted(made.sandbox.written()) == ["- /opt/doomed", "/code/out", "/opt/dir/deep", "/opt/new"]
        assert (lower / "doomed").exists() and not (made.code / "out").exists()
    async with box(walls, place, extra_mounts=extra) as made:
        assert await made.ask("answer = [os.path.exists('/opt/new'), os.path.exists('/opt/doomed')]") == [False, True]


@scenario
async def mounts_and_links_are_seen(walls: Walls, place: Path) -> None:
    if not walls.mounts:
        return
    read = place / "read"
    read.mkdir()
    (read / "a").write_text("a")
    links = (Link("/var/fc/lang/python3.10/bin/python3", "/usr/bin/python3"),)
    async with box(walls, place, extra_mounts=(Mount((read,), "/tmp/nas"),), links=links) as made:
        assert await made.ask("answer = os.readlink('/var/fc/lang/python3.10/bin/python3')") == "/usr/bin/python3"
        assert await made.ask("answer = open('/tmp/nas/a').read()") == "a"
        refused = "try: open('/tmp/nas/b', 'w')\nexcept OSError as error: answer = error.errno"
        assert await made.ask(refused) == 30
        await made.ask("open('/mnt/shared/kept', 'w').write('kept')")
    assert (made.shared / "kept").read_text() == "kept"


@scenario
async def tmp_has_a_size(walls: Walls, place: Path) -> None:
    if not walls.mounts:
        return
    async with box(walls, place, disk_mb=4, mounts=()) as made:
        pass
    shared_free = {"mounts": (Mount((place / "code",), "/code", Access.OVERLAY),)}
    async with box(walls, place, disk_mb=4, **shared_free) as made:
        one = (
            "try: open('/tmp/one', 'wb', 0).write(bytes(8 << 20)); answer = 'ok'\n"
            "except OSError as error: answer = error.errno"
        )
        await made.ask(one)
        await made.ask("for n in range(4): open('/tmp/f%d' % n, 'wb').write(bytes(2 << 20))")
        await until(lambda: (made.sandbox.usage().disk_mb or 0) > 4)
        assert "tmpfs" not in await made.ask("answer = [l for l in open('/proc/mounts') if ' /tmp ' in l][0]")


@scenario
async def the_rest_of_the_machine_is_out_of_sight(walls: Walls, place: Path) -> None:
    if not walls.mounts:
        return
    state = place / "state"  # where these walls keep their own things
    async with box(walls, place, extra_mounts=(Mount((place,), "/project", Access.OVERLAY),)) as made:
        assert state.is_dir() and any(state.iterdir())
        assert await made.ask("answer = os.listdir('/project/state')") == []
        assert await made.ask("answer = os.listdir('/home') + os.listdir('/root')") == []
        assert await made.ask(f"answer = os.path.exists({str(place)!r})") is False


@scenario
async def a_fork_bomb_stays_inside(walls: Walls, place: Path) -> None:
    told = {finding.topic for finding in walls.findings() if not finding.full}
    if "process limit" in told:
        return
    bomb = """
children = []
try:
    for n in range(3000):
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
            os._exit(0)
        children.append(pid)
except OSError as error:
    answer = [len(children), error.errno]
"""
    async with box(walls, place, memory_mb=2048) as made:
        forked, error = await made.ask(bomb)
        assert forked <= 1024 and error == 11
        await made.sandbox.kill()
        await until(lambda: not made.host_pids())


@scenario
async def cpu_is_a_quota(walls: Walls, place: Path) -> None:
    if any(finding.topic == "cpu limit" and not finding.full for finding in walls.findings()):
        return
    spin = """
wall, cpu = time.monotonic(), time.process_time()
while time.monotonic() < wall + 1: pass
answer = time.process_time() - cpu
"""
    async with box(walls, place, cpu=0.1) as made:
        assert await made.ask(spin) < 0.4


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


def leftovers(place: Path) -> list[str]:
    run = place / "state" / "run"
    sockets = [Path(path.read_text()) for path in run.glob("*/sockets")]
    groups = [Path(line) for path in run.glob("*/cgroups") for line in path.read_text().splitlines()]
    return sorted(
        str(found) for root in [run, *sockets, *groups] for found in root.glob("*/*" if root == run else "*/")
    )


async def play(rung: str, name: str, place: Path) -> None:
    walls = await choose_walls(rung, place / "state", strict=False, limits=True)
    try:
        assert walls.rung == rung
        await SCENARIOS[name](walls, place)
    finally:
        await walls.aclose()
    assert not leftovers(place)


if __name__ == "__main__":
    os.umask(0o022)
    asyncio.run(play(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
