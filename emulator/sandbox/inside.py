"""What walls look like from inside, asked by builtins of sh: it needs no program that an image may lack.

`fclocal doctor` asks in a sandbox of its own, `fclocal parity` in the function's instances.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Launch, Mount, Network, UnixEndpoint
from emulator.model.limits import MB
from emulator.sandbox.base import Walls

HOST_NAME = "fclocal-doctor"
_LOOK_SECONDS = 60.0
# Folders of which FC says that they can be written (runtime-contract.md §7.1).
FOLDERS = ("/", "/code", "/opt", "/tmp", "/usr", "/etc", "/home", "/mnt", "/root", "/var", "/dev/shm")  # noqa: S108
# Whose versions are told where they are on the PATH: to start anything else would run the user's program.
INTERPRETERS = ("python3", "node", "java", "php", "ruby")

# Arguments: what marks our lines among the program's, then interpreters.
_SCRIPT = f"""
mark=$1; shift
say() {{ printf '%s%s=%s\\n' "$mark" "$1" "$2"; }}
first() {{ text=; [ -r "$2" ] && IFS= read -r text <"$2"; [ "$text" ] && say "$1" "$text"; }}
each() {{
  [ -r "$1" ] || return
  while IFS= read -r text || [ "$text" ]; do
    case $text in $2) say "$3" "$text";; esac
  done <"$1"
}}
first "host name" /proc/sys/kernel/hostname
first kernel /proc/sys/kernel/osrelease
each /proc/self/status '[UG]id:*' id
each /proc/self/status 'Groups:*' id
each /proc/self/status 'CapEff:*' id
each /proc/self/status 'Cpus_allowed_list:*' id
each /proc/self/limits 'Max*' limit
each /etc/os-release 'PRETTY_NAME=*' system || each /usr/lib/os-release 'PRETTY_NAME=*' system
each /etc/resolv.conf 'nameserver *' "name servers"
each /proc/net/dev '*:*' network
first "control group memory" /sys/fs/cgroup/memory.max
first "control group memory" /sys/fs/cgroup/memory/memory.limit_in_bytes
first "control group cpu" /sys/fs/cgroup/cpu.max
first "control group cpu" /sys/fs/cgroup/cpu/cpu.cfs_quota_us
first "control group processes" /sys/fs/cgroup/pids.max
first "control group processes" /sys/fs/cgroup/pids/pids.max
while read -r from target type options rest; do
  case $target in /|/code|/opt|/tmp|/dev/shm) say mount "$target $type $options";; esac
done </proc/self/mounts
for folder in {" ".join(FOLDERS)}; do
  if [ ! -e "$folder" ]; then say folder "$folder absent"
  elif [ -w "$folder" ]; then say folder "$folder writable"
  else say folder "$folder read-only"; fi
done
[ -e /etc/localtime ] && say "own time zone" yes
command -v date >/dev/null 2>&1 && say "time zone" "$(date +%Z)"
say "working folder" "$(pwd)"
for name; do
  found=$(command -v "$name" 2>/dev/null) && say version "$name $("$name" --version 2>&1)"
done
say environment begins
export -p
say environment ends
"""


class Inside(Struct, frozen=True):
    """What was seen: facts by name, and the environment in which the program was started."""

    facts: Mapping[str, str]
    environment: Mapping[str, str]

    def number(self, fact: str) -> int | None:
        """A fact that is a number; None where it is none, or was not seen."""
        text = self.facts.get(fact, "")
        return int(text) if text.isdigit() else None

    def folders(self, state: str) -> list[str]:
        """Those of `FOLDERS` that are `writable`, `read-only` or `absent`."""
        return [name.partition(" ")[2] for name, value in self.facts.items() if _is_folder(name) and value == state]


NOTHING_SEEN = Inside({}, {})


def questions(shell: Sequence[str], mark: str, interpreters: Iterable[str] = ()) -> list[str]:
    """The command that asks, each line of its answer beginning with `mark`."""
    return [*shell, "-c", _SCRIPT, "fclocal", mark, *interpreters]


def answers(lines: Iterable[str], mark: str) -> Inside:
    """What `questions` were answered, from the lines of a log in which there may be others."""
    facts: dict[str, str] = {}
    exported: list[str] | None = None
    environment: Mapping[str, str] = {}
    for line in lines:
        if not line.startswith(mark):
            if exported is not None:
                exported.append(line)
            continue
        name, _, value = line.removeprefix(mark).partition("=")
        if name == "environment":
            environment = _environment(exported or ())
            exported = [] if value == "begins" else None
        else:
            facts.update(_fact(name, value, facts))
    return Inside(facts, environment)


async def look(walls: Walls) -> Inside:
    """Into a sandbox that is made for it. Nothing is seen where it can not be had."""
    launch = Launch(
        argv=tuple(questions(walls.shell, HOST_NAME)),
        env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
        cwd="/",
        endpoint=UnixEndpoint("/run/fclocal/w.sock"),
        mounts=(Mount((walls.sockets,), "/code", Access.OVERLAY if walls.overlays else Access.READ),),
        hostname=HOST_NAME,
        network=Network.HOST,
        memory_mb=128,
        cpu=1.0,
        disk_mb=512,
    )
    lines: list[bytes] = []
    sandbox = walls.sandbox(HOST_NAME, launch, lines.append)
    try:
        await sandbox.start()
        await asyncio.wait_for(asyncio.shield(sandbox.exited), _LOOK_SECONDS)
    except (SandboxError, TimeoutError):
        return NOTHING_SEEN
    finally:
        await sandbox.aclose()
    return answers((line.decode("utf-8", "replace") for line in lines), HOST_NAME)


def _is_folder(name: str) -> bool:
    return name.startswith("folder ")


def _fact(name: str, value: str, before: Mapping[str, str]) -> Mapping[str, str]:
    """What one line says."""
    match name:
        case "id":
            key, _, text = value.partition(":")
            return {_IDS[key]: _OF_STATUS.get(key, str.strip)(text)}
        case "control group memory" | "control group processes" | "control group cpu":
            return {name: _bound(name, value)}
        case "limit":  # Max open files            1024                 4096                 files
            key, soft = value[:26].strip().lower(), value[26:47].strip()
            return {key: soft} if key in _LIMITS else {}
        case "mount":
            target, kind, options = (*value.split(" ", 2), "")[:3]
            return {f"mount {target}": " ".join([kind, *(o for o in options.split(",") if _tells(o))])}
        case "folder" | "version":
            key, _, text = value.partition(" ")
            return {f"{name} {key}": text}
        case "system":
            return {name: value.partition("=")[2].strip('"')}
        case "network" | "name servers":
            word = value.split(":")[0].strip() if name == "network" else value.split()[1]
            # The host's ends of other containers' networks come and go.
            seen = {*before.get(name, "").split(), *([] if word.startswith("veth") else [word])}
            return {name: " ".join(sorted(seen))}
        case _:
            return {name: value}


# linux/capability.h, by number.
CAPABILITIES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
    "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
    "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
    "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
    "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
    "checkpoint_restore",
)  # fmt: skip
# cgroup v1 says no limit by the highest number of pages.
_NO_LIMIT = 1 << 60


def _capabilities(mask: str) -> str:
    bits = int(mask, 16)
    return " ".join(name for number, name in enumerate(CAPABILITIES) if bits >> number & 1) or "none"


def _bound(name: str, value: str) -> str:
    """What a control group allows, the same for v1 and v2."""
    number = value.split()[0]
    if not number.isdigit() or int(number) > _NO_LIMIT:  # -1, max
        return "no limit"
    if name.endswith("memory"):
        return f"{int(number) / MB:g} MB"
    return f"{int(number) / _CPU_PERIOD_US:g} cores" if name.endswith("cpu") else number


_CPU_PERIOD_US = 100_000  # what engines and we set
_OF_STATUS = {
    "Uid": lambda text: text.split()[0],
    "Gid": lambda text: text.split()[0],
    "Groups": lambda text: " ".join(text.split()) or "none",
    "CapEff": _capabilities,
}
_IDS = {"Uid": "uid", "Gid": "gid", "Groups": "groups", "CapEff": "capabilities", "Cpus_allowed_list": "cpus"}
_LIMITS = frozenset(
    ("max open files", "max processes", "max file size", "max address space", "max core file size", "max stack size")
)


def _tells(option: str) -> bool:
    """The rest of a mount's options are paths of the host, and defaults."""
    return option in ("rw", "ro", "noexec") or option.startswith("size=")


# A value as shells quote it: 'a'"'"'b' (dash), "a\\$b" and $'a\\nb' (bash), or plain.
_PIECE = r"""'[^']*'|"(?:\\.|[^"\\])*"|\$'(?:\\.|[^'\\])*'|\\.|[^\s'"\\]"""
_EXPORTED = re.compile(rf"^(?:export|declare -x) (\w+)=((?:{_PIECE})*)$", re.DOTALL | re.MULTILINE)


def _environment(exported: Iterable[str]) -> Mapping[str, str]:
    """Of `export -p`, in which a value may have several lines."""
    return {name: "".join(map(_unquoted, re.findall(_PIECE, value, re.DOTALL))) for name, value in _entries(exported)}


def _entries(exported: Iterable[str]) -> Iterable[tuple[str, str]]:
    return ((found[1], found[2]) for found in _EXPORTED.finditer("\n".join(exported)))


def _unquoted(piece: str) -> str:
    if piece.startswith("'"):
        return piece[1:-1]
    if piece.startswith('"'):
        return re.sub(r'\\([$`"\\])', r"\1", piece[1:-1])
    if piece.startswith("$'"):
        return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1]), piece[2:-1])
    return piece.removeprefix("\\")
