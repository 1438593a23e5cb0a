"""What an instance is given so that it can be debugged; for a custom runtime's program, what its interpreters heed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from emulator.model.launch import Access, Link, Mount
from emulator.runtime.debugging import DEBUG_HOME, DebugLink
from emulator.runtime.spec import builtin_dir
from emulator.runtime.toolbox import HOME_DIR

NOTHING: Mapping[str, str] = MappingProxyType({})
PYTHON_HOME = f"{HOME_DIR}/python"
NODE_HOME = f"{DEBUG_HOME}/nodejs"


class Injection(Struct, frozen=True):
    """Variables, and the files that they name."""

    env: Mapping[str, str] = NOTHING
    mounts: tuple[Mount, ...] = ()
    links: tuple[Link, ...] = ()


def into_program(env: Mapping[str, str], debug: DebugLink) -> Injection:
    """For a program whose environment is `env` else.

    Every Python that it starts loads our `sitecustomize` before anything of its own, and dials us. Every Node.js loads
    `preload.js`, where the debugger asks for it: that costs each of them its inspector; 6 and older do not heed it. One
    that runs already can be interrupted, by `interrupt.js`.
    """
    path = env.get("PYTHONPATH", "")
    python = Mount((builtin_dir() / "python",), PYTHON_HOME, Access.READ)
    # Of failures, bootstraps tell.
    found = {**replace(debug, postmortem=False).env, "PYTHONPATH": f"{PYTHON_HOME}/injected:{path}".rstrip(":")}
    node = Mount((builtin_dir() / "nodejs",), NODE_HOME, Access.READ)
    if debug.attach:
        found["NODE_OPTIONS"] = f"{env.get('NODE_OPTIONS', '')} --require={NODE_HOME}/preload.js".lstrip()
    return Injection(found, (*debug.mounts, python, node), tuple(debug.links))
