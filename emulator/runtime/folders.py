"""The folders of a function: its code, its layers, and local stand-ins for NAS and OSS (runtime-contract.md §7.1)."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from emulator.model.errors import ConfigError
from emulator.model.function import Function, RemoteMount, Revision
from emulator.model.launch import Access, Mount
from emulator.runtime.build_steps import build_hint
from emulator.runtime.mounted import mounted_below
from emulator.runtime.tree import CODE, LAYERS


class Folders(Struct, frozen=True):
    """Mounts, and what the user should know of them."""

    mounts: tuple[Mount, ...]
    notices: tuple[str, ...] = ()


def function_folders(revision: Revision, state_dir: Path, *, strict: bool, overlays: bool) -> Folders:
    """Mounts of code, layers, NAS and OSS. `overlays` is false where several layers must become one folder.

    Raises `ConfigError` where there is no code.
    """
    function = revision.function
    access = Access.READ if strict or function.user_id != 0 else Access.OVERLAY
    code = _code(revision)
    layers, notices = _layers(function, state_dir, access, overlays and access is Access.OVERLAY)
    if overlays and access is Access.OVERLAY and (mounted := mounted_below(code)) is not None:
        access = Access.READ
        told = f"{mounted} is a mount in the code of function {function.name}, which no overlay can hold: /code is"
        notices += (f"{told} read-only",)
    return Folders((Mount((code,), CODE, access), *layers, *remote_folders(function, state_dir)), notices)


def remote_folders(function: Function, state_dir: Path) -> tuple[Mount, ...]:
    """Mounts of NAS and OSS."""
    return tuple(_remote(function, mount, state_dir) for mount in function.mounts)


def _code(revision: Revision) -> Path:
    folder, function = revision.code_dir, revision.function
    if folder is None:
        raise ConfigError(f"function {function.name} has no code", "set its code to a folder", function.place)
    if not folder.is_dir():
        step = build_hint(function) or "build it first, or correct `code`"
        raise ConfigError(f"the code folder {folder} of function {function.name} is not there", step, function.place)
    return folder.absolute()


def _layers(
    function: Function, state_dir: Path, access: Access, overlays: bool
) -> tuple[tuple[Mount, ...], tuple[str, ...]]:
    found: list[Path] = []
    notices: list[str] = []
    for layer in function.layers:
        if layer.path is not None and layer.path.is_dir():
            found.append(layer.path.absolute())
        else:
            looked = f": {layer.path} is not a folder" if layer.path is not None else ""
            notices.append(f"layer {layer.arn} of function {function.name} is not in /opt{looked}")
    if len(found) > 1 and not overlays:
        found = [merge(found, state_dir.absolute() / "merged")]
    return ((Mount(tuple(found), LAYERS, access),) if found else ()), tuple(notices)


def _remote(function: Function, mount: RemoteMount, state_dir: Path) -> Mount:
    """A folder that outlives instances and is shared by them, as the remote one is; made 0777 as NAS does (§7.1)."""
    folder = state_dir.absolute() / mount.kind.value / _safe(mount)
    try:
        _make_open(folder, state_dir.absolute())
    except OSError as error:
        raise ConfigError(f"the folder {folder} can not be made: {error.strerror}", place=function.place) from error
    return Mount((folder,), mount.target, Access.READ if mount.read_only else Access.WRITE)


def _safe(mount: RemoteMount) -> Path:
    """`host:/path`, `bucket:/path` and `oss://bucket/path` without marks, and with nothing that leads outside."""
    text = re.sub(r"^\w+://", "", mount.remote).replace(":", "/")
    parts = [part for part in text.split("/") if part not in ("", ".", "..")]
    return Path(*(re.sub(r"[^\w.@%+=-]", "_", part) for part in parts or ["default"]))


def _make_open(folder: Path, top: Path) -> None:
    top.mkdir(parents=True, exist_ok=True)
    for part in [*reversed(folder.relative_to(top).parents), folder.relative_to(top)][1:]:
        try:
            (top / part).mkdir()
        except FileExistsError:
            continue
        (top / part).chmod(0o777)


def merge(layers: Sequence[Path], below: Path) -> Path:
    """One folder below `below` that holds all layers, of which the first wins. Made once per content.

    Files are hard links where the disk allows, else copies.
    """
    files = dict(_winners(layers))
    made = below / _digest(files)
    if made.is_dir():
        return made
    below.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=below))
    try:
        fresh.chmod(0o755)
        for relative, file in files.items():
            _place(file, fresh / relative)
        fresh.rename(made)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        if not made.is_dir():  # else another start was faster
            raise
    return made


def _winners(layers: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Relative path → file; a path is a folder only if the first layer that has it says so."""
    taken: dict[str, bool] = {}
    for layer in layers:
        for folder, names, files in os.walk(layer):
            here = os.path.relpath(folder, layer)
            links = [name for name in names if Path(folder, name).is_symlink()]
            keep = []
            for name in sorted({*names} - {*links}):
                if taken.setdefault(os.path.normpath(f"{here}/{name}"), True):
                    keep.append(name)
            names[:] = keep
            for name in sorted([*files, *links]):
                relative = os.path.normpath(f"{here}/{name}")
                if relative not in taken:
                    taken[relative] = False
                    yield relative, Path(folder, name)


def _digest(files: dict[str, Path]) -> str:
    digest = hashlib.sha256()
    for relative, file in files.items():
        stat = file.lstat()
        digest.update(
            f"{relative}\0{file}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_mode}\n".encode(
                "utf-8", "surrogateescape"
            )
        )
    return digest.hexdigest()[:24]


def _place(file: Path, at: Path) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    if file.is_symlink():
        at.symlink_to(file.readlink())
        return
    if not file.is_file():
        return  # sockets and devices have no place in a layer
    try:
        os.link(file, at)
    except OSError:
        shutil.copy2(file, at)
