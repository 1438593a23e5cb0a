"""Which file of the host an instance sees where, or has a copy of."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from emulator.model.launch import Launch
from emulator.runtime.toolbox import HOME_DIR
from emulator.runtime.tree import SYSTEM, is_within

# Ours, in which nobody sets breakpoints.
HIDDEN = ("/var/fc/", "/run/fclocal/")
BOOTSTRAP = "/bootstrap.py"


def places(launch: Launch) -> list[tuple[Path, str]]:
    """Folders and files of the host with their names inside, the deepest of those inside first."""
    mounted = [(source, mount.target) for mount in launch.mounts for source in mount.files]
    known = [*mounted, *((copy.source, copy.target) for copy in launch.copies)]
    shown = [(source, target) for source, target in known if not target.startswith(HIDDEN)]
    return sorted(shown, key=lambda place: place[1].count("/"), reverse=True)


def path_mappings(launch: Launch) -> list[dict[str, str]]:
    """In DAP's form: code, layers, and whatever else has another name inside. With a slash, /code is not /code-2."""
    return [
        {"localRoot": f"{source}{end}", "remoteRoot": f"{target}{end}"}
        for source, target in places(launch)
        if str(source) != target
        for end in ["/" if source.is_dir() else ""]
    ]


def our_files(launch: Launch) -> list[dict[str, object]]:
    """Rules, in debugpy's form, by which the bootstrap is neither shown nor stepped into."""
    homes = [str(PurePosixPath(word).parent) for word in launch.argv if word.endswith(BOOTSTRAP)]
    return [{"path": f"{home}/**", "include": False} for home in (HOME_DIR, *homes)]


def as_mounted(path: str, launch: Launch) -> str:
    """`path` as the instance's mounts spell it, where an editor has come to the file through a symbolic link."""
    if not path.startswith("/") or any(_relative(Path(path), source) for source in _sources(launch)):
        return path
    real = Path(path).resolve()
    for source in _sources(launch):
        relative = _relative(real, source.resolve())
        if relative is not None:
            return str(source / relative)
    return path


def is_seen(path: str, launch: Launch) -> bool:
    """Whether the instance can have that file of the host. Breakpoints in others are not its business: debugpy would
    complain of each in the function's log."""
    if not launch.image and not path_mappings(launch):
        return True
    shown = [str(source) for source in _sources(launch)]
    return any(is_within(path, folder) for folder in (*shown, *(() if launch.image else SYSTEM)))


def spellings(path: str, launch: Launch) -> list[str]:
    """How a program of the instance may have been told of this file when it was built: on the host, or inside."""
    known = as_mounted(path, launch)
    inside = [
        str(PurePosixPath(target) / relative)
        for source, target in places(launch)
        if str(source) != target and (relative := _relative(Path(known), source)) is not None
    ]
    return [*dict.fromkeys((path, known, *inside))]


def as_on_host(path: str, launch: Launch) -> str:
    """The host's file for one that is named as inside; `path` where there is none."""
    for source, target in places(launch):
        relative = _relative(Path(path), Path(target))
        if str(source) != target and relative is not None and (found := source / relative).exists():
            return str(found)
    return path


def _sources(launch: Launch) -> list[Path]:
    return [source for source, _ in places(launch)]


def _relative(path: Path, folder: Path) -> Path | None:
    return path.relative_to(folder) if path.is_relative_to(folder) else None
