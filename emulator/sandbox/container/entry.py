"""What starts inside each container before the program: this machine's own sh, brought along with its libraries.

So any image of the same processor will do, one without a shell too. As the first process it reaps what is orphaned, and
the program is not process 1, which the kernel would spare every signal that it does not handle.
"""

from __future__ import annotations

import re
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.model.launch import Exit
from emulator.model.limits import FILE_DESCRIPTORS

# The folder that an instance shares with us, as it is seen inside, and what lies there.
SHARED = "/run/fclocal"
LOG, EXIT = "log", "exit"
# Where it is there, the program is not started before something is written to it; what then is to be done first.
HOLD, BEFORE = "hold", "before"
# Where the shell is seen inside.
HOME = "/run/fclocal-entry"

_PT_INTERP = 3
_LISTED = re.compile(r"=> (/\S+) \(")

# The program's output goes to a pipe of ours, so that it arrives complete and without the engine. What the shell itself
# complains about goes to the engine's log. The exit status is written down with the kernel's count of processes killed
# for memory, which the control group takes along. SIGXFSZ stays ignored, see `spawn`; the engine can not set limits of
# open files that are above its own.
# Arguments: file size in KB (0: any), names of variables that only the engine has set, program…
_MAIN = f"""
exec 3>{SHARED}/{LOG}
trap '' XFSZ
ulimit -c 0; ulimit -n {FILE_DESCRIPTORS} 2>/dev/null
[ "$1" = 0 ] || ulimit -f $(($1 * 2))
unset $2
if [ -p {SHARED}/{HOLD} ]; then
  read -r word <{SHARED}/{HOLD}
  . {SHARED}/{BEFORE}
  : >{SHARED}/{BEFORE}
fi
shift 2
(exec "$@") >&3 2>&3 3>&-
code=$?
kills=0
for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
  [ -r "$file" ] && while read -r key value; do [ "$key" = oom_kill ] && kills=$value; done <"$file"
done
echo "$code $kills" >{SHARED}/{EXIT}
exit "$code"
"""

# One more command. Its number in the container is written down, since the engine tells none.
# Arguments: name of that file, names of variables to unset, program…
_MORE = f"""
exec 3>{SHARED}/{LOG}
echo $$ >{SHARED}/"$1"
ulimit -c 0; ulimit -n {FILE_DESCRIPTORS} 2>/dev/null
unset $2
shift 2
exec "$@" >&3 2>&3 3>&-
"""

# To a process inside, or to the program, which is the first child of the first shell. Arguments: signal, process.
_SIGNAL = """
pid=$2
[ "$pid" ] || read -r pid rest </proc/1/task/1/children
kill -"$1" "$pid"
"""


class Entry(Struct, frozen=True):
    """`folder` is on the host, to be seen at `HOME`; `sh` is the command that runs a text there."""

    folder: Path
    sh: tuple[str, ...]

    def main(self, argv: Iterable[str], *, file_kb: int, unset: Iterable[str]) -> list[str]:
        return [*self.sh, "-c", _MAIN, "fclocal", str(file_kb), " ".join(unset), *argv]

    def more(self, argv: Iterable[str], *, pid_file: str, unset: Iterable[str]) -> list[str]:
        return [*self.sh, "-c", _MORE, "fclocal", pid_file, " ".join(unset), *argv]

    def signal(self, number: int, pid: int | None) -> list[str]:
        return [*self.sh, "-c", _SIGNAL, "fclocal", str(number), str(pid or "")]


def make_entry(folder: Path, sh: Path) -> Entry:
    """Copy `sh` and what it is linked to into `folder`. Raises `SandboxError`."""
    try:
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask: a program may be any user
        loader = _interpreter(sh.read_bytes())
        shutil.copy(sh, folder / "sh")
        if not loader:
            return Entry(folder, (f"{HOME}/sh",))
        listed = subprocess.run([loader, "--list", str(sh)], capture_output=True, text=True, check=True).stdout
        for library in (loader, *_LISTED.findall(listed)):
            shutil.copy(library, folder / Path(library).name)
    except (OSError, ValueError, struct.error, subprocess.CalledProcessError) as error:
        raise SandboxError(f"{sh} can not be brought into containers: {error}", "use --walls process") from error
    return Entry(folder, (f"{HOME}/{Path(loader).name}", "--library-path", HOME, f"{HOME}/sh"))


def exit_of(text: str) -> Exit | None:
    """How the program ended, from what the shell wrote; None where it was killed before it could."""
    words = text.split()
    if len(words) != 2:
        return None
    code, kills = int(words[0]), int(words[1])
    if code - 128 not in signal.valid_signals():
        return Exit(code=code)
    killed = code - 128
    return Exit(code=None, signal=killed, oom=killed == signal.SIGKILL and kills > 0)


def _interpreter(program: bytes) -> str:
    """The dynamic loader that an ELF file names; empty where it is static."""
    if program[:5] != b"\x7fELF\x02":
        raise ValueError("not a 64-bit program of Linux")
    headers, size, count = struct.unpack_from("<Q14xHH", program, 32)
    for number in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", program, headers + number * size)
        if kind == _PT_INTERP:
            return program[offset : offset + length].rstrip(b"\0").decode()
    return ""
