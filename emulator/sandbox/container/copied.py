"""Folders that are copied into a container, where its engine can not mount overlays of them."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO

from emulator.model.launch import Mount


def packed(mount: Mount, hidden: Sequence[Path]) -> IO[bytes]:
    """A tar archive of what the mount would show, its owner root. Raises `OSError`.

    What comes later in an archive replaces what came before, and of the sources the first one wins.
    """
    hidden = [folder.resolve() for folder in hidden]
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is the caller's
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for source in reversed(mount.sources):
            archive.add(source.absolute(), ".", filter=partial(_kept, source.resolve(), hidden))
    file.seek(0)
    return file


def _kept(source: Path, hidden: Sequence[Path], entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if entry.name != "." and source / entry.name in hidden:
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry
