"""A launch for walls that can not mount: programs see the host's paths, so everything is told in those."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Launch, Link, Mount

# Folders inside that hold what is ours, and that no code spells out.
OURS = ("/var/fc/", "/run/fclocal/")
# Our own variables, and what never holds a path inside.
UNTOUCHED = re.compile(r"FCLOCAL_(?!LAYERS$|DEBUG$|DEBUG_HOME$|READS$)|ALIBABA_CLOUD_|accessKey|securityToken$")


def without_mounts(launch: Launch, state_dir: Path) -> tuple[Launch, tuple[str, ...]]:
    """`launch` with host paths in its command, folder and environment, and what can not be the same.

    Mounts are kept with source and target equal, so that walls that only allow or forbid know what to allow.
    Links are made below `state_dir`. Raises `SandboxError` where that is not possible.
    """
    links = state_dir.absolute() / "links"
    _make_links(launch.links, links)
    where = {mount.target: str(mount.sources[0]) for mount in launch.mounts}
    for link in launch.links:
        folder = str(PurePosixPath(link.target).parent)
        where[folder] = f"{links}{folder}"
    rewrite = Rewriter(where)
    mounts = [_in_place(mount) for mount in launch.mounts]
    if launch.links:
        mounts.append(Mount((links,), str(links), Access.READ))
    changed = replace(
        launch,
        argv=tuple(rewrite(word) for word in launch.argv),
        env={key: value if UNTOUCHED.match(key) else rewrite(value) for key, value in launch.env.items()},
        cwd=rewrite(launch.cwd),
        mounts=tuple(mounts),
        links=(),
    )
    return changed, _notices(launch)


class Rewriter:
    """Replaces paths inside by the host's, where they stand as whole paths: at the start of a word, or in a list."""

    def __init__(self, where: Mapping[str, str]) -> None:
        self._where = {inside: outside for inside, outside in where.items() if inside != outside}
        longest_first = sorted(self._where, key=len, reverse=True)
        paths = "|".join(re.escape(path) for path in longest_first)
        self._pattern = re.compile(rf"""(?:(?<=[\s:;,='"(])|^)(?:{paths})(?=[/\s:;,'")]|$)""")

    def __call__(self, text: str) -> str:
        if not self._where:
            return text
        return self._pattern.sub(lambda found: self._where[found[0]], text)


def _in_place(mount: Mount) -> Mount:
    access = Access.WRITE if mount.access is Access.OVERLAY else mount.access
    return Mount(mount.sources[:1], str(mount.sources[0]), access, origins=mount.origins[:1])


def _make_links(links: tuple[Link, ...], top: Path) -> None:
    try:
        for link in links:
            _make_link(Path(f"{top}{link.target}"), link.points_to)
    except OSError as error:
        raise SandboxError(f"links to interpreters can not be made in {top}: {error.strerror}") from error


def _make_link(at: Path, points_to: str) -> None:
    """Replace in one step: instances of other functions use these links now."""
    with contextlib.suppress(OSError):
        if os.readlink(at) == points_to:  # noqa: PTH115 - compared as text
            return
    at.parent.mkdir(parents=True, exist_ok=True)
    fresh = at.with_name(f".{at.name}-{secrets.token_hex(4)}")
    fresh.symlink_to(points_to)
    fresh.replace(at)


def _notices(launch: Launch) -> tuple[str, ...]:
    moved = [mount for mount in launch.mounts if mount.target != str(mount.sources[0])]
    shown = [mount for mount in moved if not mount.target.startswith(OURS)]
    if not shown:
        return ()
    pairs = ", ".join(f"{mount.target} is {mount.sources[0]}" for mount in shown)
    notices = [
        f"these walls can not mount, so {pairs}; commands and variables are adapted, "
        "but a path that the code itself spells out is not found"
    ]
    written = [mount for mount in shown if mount.access is Access.OVERLAY]
    if written:
        folders = " and ".join(str(mount.sources[0]) for mount in written)
        notices.append(f"these walls can not mount, so what the function writes to its code stays in {folders}")
    return tuple(notices)
