"""What a program inside can do (sandbox.md §6.4 R17): its answers equal a golden file for each rung."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from walls_box import box, scenario
from walls_kinds import rung_of

from emulator.sandbox import seccomp
from emulator.sandbox.base import Walls

GOLDEN = Path(__file__).with_name("golden")

PREPARE = """
libc = ctypes.CDLL(None, use_errno=True)
def call(*numbers):
    done = libc.syscall(*map(ctypes.c_long, numbers))
    return done if done >= 0 else errno.errorcode[ctypes.get_errno()]
def attempt(function):
    try:
        return function()
    except OSError as error:
        return errno.errorcode[error.errno]
def write(path):
    with open(path, "w") as file:
        return file.write("made")
def status(key):
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith(key + ":"))
def in_thread():
    seen = []
    thread = threading.Thread(target=seen.append, args=("ran",))
    thread.start()
    thread.join()
    return seen[0]
"""


def questions(private_file: str) -> dict[str, str]:
    """What is asked, each an expression that is evaluated inside. A golden file says which ones make sense there."""
    emulator, numbers = os.getpid(), seccomp.denied_calls()
    return {
        "uid": "os.getuid()",
        "host name": "socket.gethostname()",
        "processes": "sorted(int(name) for name in os.listdir('/proc') if name.isdigit())",
        "number of processes": "sum(name.isdigit() for name in os.listdir('/proc'))",
        "leads a session": "os.getsid(0) in (os.getpid(), 1)",
        "core files": "__import__('resource').getrlimit(__import__('resource').RLIMIT_CORE)[0]",
        "environment": "sorted(name for name in os.environ if name not in ('PWD', 'OLDPWD', 'SHLVL', '_'))",
        "environment of the emulator": f"open('/proc/{emulator}/environ').read()",
        "signal to the emulator": f"os.kill({emulator}, 0)",
        "file of another program": f"open({private_file!r}).read()",
        "list /root": "os.listdir('/root')",
        "list /home": "os.listdir('/home')",
        "write /usr": "write('/usr/made')",
        "write /etc": "write('/etc/made')",
        "write /": "write('/made')",
        "write /dev": "write('/dev/made')",
        "write /tmp": f"write('/tmp/made-{emulator}')",
        "write /dev/shm": f"write('/dev/shm/made-{emulator}')",
        "write /dev/null": "write('/dev/null')",
        "remove what it wrote": f"[os.unlink(path % {emulator}) for path in ('/tmp/made-%d', '/dev/shm/made-%d')]",
        "effective capabilities": "status('CapEff').strip('0')",
        "permitted capabilities": "status('CapPrm').strip('0')",
        "bounding capabilities": "status('CapBnd').strip('0')",
        "no new privileges": "status('NoNewPrivs')",
        "filter": "status('Seccomp')",
        "unshare": f"call({numbers['unshare']}, 0x10000000)",
        "mount": f"call({numbers['mount']}, 0, 0, 0, 0, 0)",
        "ptrace": f"call({numbers['ptrace']}, 0, 0, 0, 0)",
        "keyctl": f"call({numbers['keyctl']}, 0, -3, 0)",
        "bpf": f"call({numbers['bpf']}, 0, 0, 0)",
        "clone3": "call(435, 0, 0)",
        "make a device": "os.mknod('/tmp/device', 0o20666, os.makedev(1, 1))",
        "thread": "in_thread()",
        "child": "subprocess.run(['sh', '-c', 'echo ran'], capture_output=True, text=True).stdout.strip()",
    }


@scenario
async def what_can_be_done_inside_is_as_written_down(walls: Walls, place: Path) -> None:
    expected = json.loads((GOLDEN / f"{rung_of(walls.rung)}.json").read_text())
    with tempfile.NamedTemporaryFile(dir="/var/tmp", prefix="fclocal-test-") as private:
        private.write(b"secret")
        private.flush()
        os.chmod(private.name, 0o644)
        asked = questions(private.name)
        async with box(walls, place) as made:
            await made.ask(PREPARE)
            found = {name: await made.ask(f"answer = attempt(lambda: {asked[name]})") for name in expected}
    assert found == expected
