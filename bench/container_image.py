"""The custom image of the container measures: the bench's own interpreter, made of this machine, and removed after."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers import Absent
from emulator.model.errors import SandboxError
from emulator.sandbox.container.engine import Engine
from emulator.sandbox.container.host_image import Brought, build_host_image

REPOSITORY = "fclocal-bench/python"
LINK = "/usr/local/bin/python3"


@contextmanager
def image() -> Iterator[str]:
    """Its name. Raises `Absent` where there is no engine, or no `docker` to be held against."""
    if shutil.which("docker") is None:
        raise Absent("the command docker is not here")
    name = f"{REPOSITORY}:{os.getpid()}"
    try:
        asyncio.run(_build(name))
    except SandboxError as error:
        raise Absent(error.message) from None
    try:
        yield name
    finally:
        # SAM makes an image of its own from it.
        for tag in (name, f"{REPOSITORY}:rapid-x86_64", f"{REPOSITORY}:rapid-arm64"):
            docker("image", "rm", "--force", tag)


def docker(*words: str) -> str:
    """What the command says; nothing where it fails."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


async def _build(name: str) -> None:
    engine = await Engine.connect(os.environ)
    python, prefix = Path(sys.executable).resolve(), Path(sys.base_prefix).resolve()
    try:
        await build_host_image(engine, name, [Brought(python, prefix, sys.version.split()[0], (LINK,))])
    finally:
        await engine.aclose()
