"""docs/limits.md, made from the limits table and from what walls say of it on machines of several kinds."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.model.limits import FILE_DESCRIPTORS
from emulator.sandbox.container.held import Chosen, held_by_containers
from emulator.sandbox.held import Found, held_by_processes
from emulator.sandbox.inside import HOST_NAME, Inside
from emulator.sandbox.limits_table import LIMITS, Level, Table

HEAD = """# Limits

Made from `emulator/sandbox/limits_table.py`; `python -m emulator.cli.docs` writes it again.

What Function Compute holds an instance to, and how near walls come to it. `fclocal doctor` says what is so on your
machine, by looking into a sandbox of each kind; with `--json` each row is a line of kind `limit`. What the walls do to
one function of yours is shown by `fclocal parity` ([parity.md](parity.md)).

The columns are process walls as [walls.md](walls.md) explains them: bubblewrap where control groups can be divided, and
where they can not; Landlock; plain; and containers of an engine that runs as root.

"""
_WORDS = {Level.EXACT: "exact", Level.APPROXIMATE: "approximate", Level.ABSENT: "**absent**"}
_GROUPS = frozenset({"memory", "cpu", "pids"})
_SYSTEM = "Debian, Ubuntu, …"


def limits_markdown() -> str:
    """docs/limits.md."""
    walls = _walls()
    rows = [f"| | in FC | {' | '.join(walls)} |", f"|---|---|{'---|' * len(walls)}"]
    for limit in LIMITS:
        levels = (_WORDS[table[limit.name].level] for table in walls.values())
        rows.append(f"| {limit.name} | {limit.in_fc} | {' | '.join(levels)} |")
    notes = ["\n## Why\n"]
    for limit in LIMITS:
        notes += [f"\n**{limit.name}** (runtime-contract {limit.source})\n\n", *_reasons(limit.name, walls)]
    return HEAD + "\n".join(rows) + "\n" + "".join(notes)


def _reasons(name: str, walls: Mapping[str, Table]) -> list[str]:
    """Each once, with the walls that give it."""
    reasons: dict[tuple[Level, str], list[str]] = {}
    for title, table in walls.items():
        reasons.setdefault((table[name].level, table[name].why), []).append(title)
    return [
        f"- {', '.join(titles)}: {level.value}{f', {why}' if why else ''}\n" for (level, why), titles in reasons.items()
    ]


def _walls() -> Mapping[str, Table]:
    return {
        "bwrap": held_by_processes(_found("bwrap", grouped=True), _inside("0", files=False)),
        "bwrap without control groups": held_by_processes(_found("bwrap", grouped=False), _inside("0", files=False)),
        "landlock": held_by_processes(_found("landlock", grouped=False), _inside("…", files=False)),
        "plain": held_by_processes(_found("plain", grouped=False), _inside("…", files=False)),
        "container": held_by_containers(
            {"MemoryLimit": True, "SwapLimit": True, "CpuCfsQuota": True, "PidsLimit": True, "CgroupVersion": "2"},
            _inside("0", files=True),
            Chosen(gpu=True),
        ),
    }


def _found(rung: str, *, grouped: bool) -> Found:
    walled = rung == "bwrap"
    return Found(
        rung=rung,
        limits=True,
        strict=False,
        mounts=walled,
        overlays=walled,
        own_networks=walled,
        private=walled,
        controllers=_GROUPS if grouped else frozenset(),
        limited_by="cgroup v2" if grouped else "",
        freezes="cgroup v2 freeze" if grouped else "",
        user=1000,
        release="6.1",
        gpu=True,
    )


def _inside(uid: str, *, files: bool) -> Inside:
    """`files`: with every right over them. Landlock and plain see this machine's name."""
    facts = {
        "uid": uid,
        "capabilities": "chown dac_override fowner" if files else "none",
        "host name": HOST_NAME if uid == "0" else "…",
        "max open files": str(FILE_DESCRIPTORS),
        "system": _SYSTEM,
        "folder /": "writable",
        "folder /usr": "read-only",
    }
    return Inside(facts, {})
