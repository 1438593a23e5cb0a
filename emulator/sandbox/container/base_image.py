"""The image of containers that run what this machine has: folders and links, a few KB, made once and never pulled.

What it lacks is mounted when a container starts: /usr and a little of /etc, as bubblewrap shows them.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from emulator.sandbox.container import labels
from emulator.sandbox.container.engine import Absent, Api, Engine
from emulator.sandbox.rootfs import SYSTEM

# So podman calls what was made here, and Docker takes it as it is.
REPOSITORY = "localhost/fclocal/host"
_FOLDERS = (
    "code", "dev", "etc", "home", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr", "var", "var/cache",
    "var/lib", "var/log", "var/tmp",
)  # fmt: skip
_OPEN = frozenset({"tmp", "var/tmp"})


async def base_image(engine: Engine) -> str:
    """The name of the image, which is made where the engine does not have it. Raises `SandboxError`."""
    content = skeleton()
    tag = hashlib.sha256(content).hexdigest()[:12]
    name = f"{REPOSITORY}:{tag}"
    try:
        await engine.call(Api.inspect_image, name)
    except Absent:
        # podman does not look at a tag that is given by itself.
        changes = [f"LABEL {labels.IMAGE}={labels.HOST}"]
        await engine.call(Api.import_image_from_data, content, name, changes=changes)
    return name


def skeleton() -> bytes:
    """The files of the image as a tar archive, the same on each call."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name in _OPEN else 0o755
            archive.addfile(folder)
        for name in SYSTEM:
            path = Path(name)
            if path.is_symlink():
                link = tarfile.TarInfo(name.lstrip("/"))
                link.type, link.linkname = tarfile.SYMTYPE, str(path.readlink())
                archive.addfile(link)
    return buffer.getvalue()
