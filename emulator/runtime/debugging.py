"""What an instance is given so that it can dial the emulator, for whoever wants to look into it later."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from emulator.model.function import Revision
from emulator.model.launch import MACHINE, Access, Link, Mount
from emulator.runtime.tree import SYSTEM, is_within

# Beside the socket of the bootstraps. Its name on the host is another one, see `sandbox.base.Walls.sockets`.
DEBUG_SOCKET = "/run/fclocal/debug.sock"


# In the command of a function's own debugger.
PORT_FIELD = "{port}"
# Holds debugpy and nothing else, so that it can be a search path without showing user code more than FC has.
DEBUG_HOME = "/var/fc/debug"


class DebugLink(Struct, frozen=True):
    """The emulator's socket on the host, or the port of this machine on which it is reached where none can be shown to
    an instance; and the one instance's token for it.

    `attach`: the program waits for what it is asked before it loads user code. `debugpy` is its folder on the host,
    None where it is not installed. `postmortem`: it tells of failures. `trace`: where this is not empty, it tells
    how its start was spent; where it is `modules`, also ES modules one by one, whose text is changed for it; where it
    is `usage`, it also watches which of its imports it uses, which slows it down.
    `in_image`: nothing of the host is seen but what is mounted, and what is linked to may be something else.
    """

    socket: Path | int
    token: str
    attach: bool = False
    debugpy: Path | None = None
    postmortem: bool = False
    trace: str = ""
    in_image: bool = False

    @property
    def mounts(self) -> Iterator[Mount]:
        """A socket can be dialled through a read-only mount, and a written one would lift the limit of file sizes."""
        if isinstance(self.socket, Path):
            yield Mount((self.socket,), DEBUG_SOCKET, Access.READ)
        if self.debugpy is not None and self.in_image:
            yield Mount((self.debugpy,), f"{DEBUG_HOME}/debugpy", Access.READ)
        elif self.debugpy is not None and not any(is_within(str(self.debugpy), folder) for folder in SYSTEM):
            yield Mount((self.debugpy,), str(self.debugpy), Access.READ)

    @property
    def links(self) -> Iterator[Link]:
        if self.debugpy is not None and not self.in_image:
            yield Link(f"{DEBUG_HOME}/debugpy", str(self.debugpy))

    @property
    def env(self) -> Mapping[str, str]:
        where = f"unix:{DEBUG_SOCKET}" if isinstance(self.socket, Path) else f"tcp:{MACHINE}:{self.socket}"
        env = {"FCLOCAL_DEBUG": where, "FCLOCAL_DEBUG_TOKEN": self.token}
        if self.debugpy is not None:
            env["FCLOCAL_DEBUG_HOME"] = DEBUG_HOME
        if self.attach:
            env["FCLOCAL_DEBUG_ATTACH"] = "1"
        if self.postmortem:
            env["FCLOCAL_POSTMORTEM"] = "1"
        if self.trace:
            env["FCLOCAL_TRACE"] = self.trace
        return env


def own_debugger(revision: Revision, port: int | None) -> tuple[Revision, tuple[Mount, ...]]:
    """The revision as it is started by its own debugger, which listens on `port`; and that debugger's program, where
    it lies in a folder that functions do not see."""
    function = revision.function
    if function.debugger is None or not function.debugger.command:
        return revision, ()
    words = [word.replace(PORT_FIELD, str(port)) for word in function.debugger.command]
    found = shutil.which(words[0]) if "/" not in words[0] or words[0].startswith("/") else None
    mounts: tuple[Mount, ...] = ()
    if found is not None and not any(is_within(found, folder) for folder in SYSTEM):
        program = Path(found).resolve()
        words[0] = str(program)
        mounts = (Mount((program,), words[0], Access.READ),)
    debugger = replace(function.debugger, command=tuple(words))
    return replace(revision, function=replace(function, debugger=debugger)), mounts


def debugpy_folder() -> Path | None:
    """Where debugpy is installed beside us. One release serves every interpreter that it can debug."""
    found = importlib.util.find_spec("debugpy")
    return Path(found.origin).parent if found is not None and found.origin else None
