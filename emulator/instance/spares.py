"""What a spare of a function is parked with, and which functions can not have one (docs/zygote.md).

A spare is started before it is known for which instance. So whatever a process reads once, when it starts, is the same
for all of them, and nothing of the user's may be read then: it may be edited before the spare is assigned.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from msgspec.structs import replace

from emulator.instance.keys import common
from emulator.model.launch import Launch
from emulator.runtime.tree import LAYERS, Tree, is_within

# Of an instance's environment, what is its own: it is told these when it is assigned.
OWN = ("FC_INSTANCE_ID", "FCLOCAL_DEBUG_TOKEN", "FCLOCAL_DEBUG_ATTACH")
MARK = "FCLOCAL_PARKED"
LIBRARIES = "LD_LIBRARY_PATH"
# What makes a process read files, or write some, before it runs any code.
EARLY = (
    "GCONV_PATH", "LD_AUDIT", "LD_PRELOAD", "LOCPATH", "NODE_EXTRA_CA_CERTS", "NODE_ICU_DATA",
    "NODE_REDIRECT_WARNINGS", "NODE_V8_COVERAGE", "OPENSSL_CONF", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONWARNINGS",
)  # fmt: skip
MODULES = "PYTHONPATH"
CUSTOM = ("sitecustomize", "usercustomize")
FLAGS = "NODE_OPTIONS"
# A flag without a file, and those that load something by a name, or watch a process from its start on.
FLAG = re.compile(r"--([a-z0-9-]+)(?:=[\w-]*)?")
LOADS = frozenset({"require", "import", "loader", "experimental-loader"})
WATCHES = ("inspect", "cpu-prof", "heap-prof", "prof")
# Libraries that an interpreter may be linked to, and the folder in which the dynamic linker looks for better ones.
LINKED = re.compile(
    r"(?:ld-linux|lib(?:c|m|dl|rt|pthread|stdc\+\+|gcc_s|atomic|node|uv|z|ssl|crypto|cares|nghttp[23]|python\d"
    r"|ngtcp2|brotli\w*|icu\w*|zstd|simd\w*|ada|sqlite3))[.-]|glibc-hwcaps$"
)
NOTHING: Mapping[str, str] = MappingProxyType({})
RESOLVER = Path("/etc/resolv.conf")


def parked(launch: Launch) -> Callable[[str], Launch]:
    """The launch of a spare by its name, for instances with this one."""
    return named(launch, {MARK: "1"})


def named(launch: Launch, more: Mapping[str, str] = NOTHING) -> Callable[[str], Launch]:
    """The same where no program has to know of it."""
    env = {name: value for name, value in launch.env.items() if name not in OWN}

    def of(name: str) -> Launch:
        return replace(launch, env={**env, OWN[0]: name, **more}, hostname=name)

    return of


def hindrance(launch: Launch) -> str:
    """A sentence on why an instance with this launch can not come from a spare; empty where it can."""
    reason = _reason(launch)
    return f"no spares are parked: {reason}" if reason else ""


def _reason(launch: Launch) -> str:
    """What of either language is absent in the other's environment, or says nothing there."""
    early = next((name for name in EARLY if launch.env.get(name)), "")
    if early:
        return f"{early} is read when a process starts"
    flag = next((word for word in launch.env.get(FLAGS, "").split() if not _harmless(word)), "")
    if flag:
        return f"{flag} in {FLAGS} takes effect when a process starts"
    library = next(
        (entry for folder in _library_folders(launch) for entry in _entries(folder) if LINKED.match(entry)), ""
    )
    if library:
        return f"{library} stands before a library that the interpreter itself may need"
    module = next((name for folder in _module_folders(launch) for name in _entries(folder) if _is_early(name)), "")
    return f"{module} in {MODULES} is imported when a process starts" if module else ""


def key(launch: Launch) -> object:
    """What all spares of a function have in common: what a process reads when it starts, or finds out for good."""
    return common(launch, OWN.__contains__), tuple(folder.is_dir() for folder in _library_folders(launch))


def watched(launch: Launch) -> tuple[str, ...]:
    """Files of the host that a spare has seen as they were."""
    interpreter = Tree(launch.mounts, launch.links).host(launch.argv[0])
    files = (RESOLVER, *([interpreter] if interpreter is not None else ()))
    return tuple(str(file) for file in files)


def _harmless(word: str) -> bool:
    flag = FLAG.fullmatch(word)
    return flag is not None and flag[1] not in LOADS and not flag[1].startswith(WATCHES)


def _library_folders(launch: Launch) -> Iterator[Path]:
    """On the host, those in which the dynamic linker looks for libraries of the user's."""
    own = (launch.cwd, launch.env.get("FCLOCAL_LAYERS", LAYERS))
    for folder in launch.env.get(LIBRARIES, "").split(":"):
        if any(is_within(folder, editable) for editable in own):
            yield from _sources(folder, launch)


def _sources(folder: str, launch: Launch) -> Iterator[Path]:
    for mount in launch.mounts:
        if is_within(folder, mount.target):
            rest = folder[len(mount.target) :].lstrip("/")
            yield from (source / rest for source in mount.sources)


def _module_folders(launch: Launch) -> Iterator[Path]:
    """On the host, the user's folders in which Python looks for modules before its own."""
    for folder in launch.env.get(MODULES, "").split(":"):
        if folder:
            yield from _sources(posixpath.join(launch.cwd, folder), launch)


def _is_early(name: str) -> bool:
    """A module that an interpreter imports before any code, or that would stand before one of its own."""
    module = name.partition(".")[0]
    return module in CUSTOM or module in sys.stdlib_module_names


def _entries(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries)
    except OSError:
        return
