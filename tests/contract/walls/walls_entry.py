"""What scenarios start as `python -c PROGRAM`, with something of ours before it."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from emulator.model.launch import Access, Launch, Mount, UnixEndpoint
from emulator.sandbox.base import Walls

# In its place, what goes on with the program.
GO_ON = """
sys.argv = ["-c", *sys.argv[2:]]
exec(compile(open({program!r}).read(), "<string>", "exec"), {{"__name__": "__main__"}})
"""


def is_program(launch: Launch) -> bool:
    listens = isinstance(launch.endpoint, UnixEndpoint)
    return launch.argv[1:4] == ("-I", "-S", "-c") and listens and bool(launch.mounts)


def with_entry(walls: Walls, place: Path, name: str, launch: Launch, entry: str, *shown: Path) -> Launch:
    """`entry`, a program that imports sys, runs before its own; the `shown` folders are seen too."""
    folder = place / "programs"
    folder.mkdir(exist_ok=True)
    inside = "/srv/programs" if walls.mounts else str(folder)
    (folder / f"{name}.py").write_text(launch.argv[4])
    (folder / f"{name}-entry.py").write_text(entry + GO_ON.format(program=f"{inside}/{name}.py"))
    mounts = (Mount((folder,), inside, Access.READ), *(Mount((it,), str(it), Access.READ) for it in shown))
    argv = (*launch.argv[:3], f"{inside}/{name}-entry.py", "-", *launch.argv[5:])
    return replace(launch, argv=argv, mounts=(*launch.mounts, *mounts))
