"""Base images for tests, made of this machine, since no registry can be counted on. Made once a machine."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from emulator.sandbox.container import host_image
from emulator.sandbox.container.builds import Recipe, build
from emulator.sandbox.container.engine import Engine
from emulator.sandbox.container.host_image import Brought, build_host_image
from emulator.sandbox.container.store import find
from tests.support.engine import why_no_engine
from tests.support.samples import UNREACHABLE, build_environ

REPOSITORY = "fclocal-tests/python"
NODE_REPOSITORY = "fclocal-tests/node"
PACKAGES = ("Flask>=2.2,<4", "gunicorn>=21,<24", "scikit-learn>=1.2")
NVML = ("nvidia-ml-py>=12.560",)
TORCH = ("torch==2.13.0",)
SHORT = f"python{sys.version_info[0]}.{sys.version_info[1]}"
T = TypeVar("T")


def with_engine(work: Callable[[Engine], Awaitable[T]]) -> T:
    async def main() -> T:
        engine = await Engine.connect(os.environ)
        try:
            return await work(engine)
        finally:
            await engine.aclose()

    return asyncio.run(main())


def need_engine() -> None:
    if reason := why_no_engine():
        pytest.skip(reason)


@functools.cache
def bare_python() -> str:
    """The interpreter that runs the tests, and a shell."""
    binary = Path(sys.executable).resolve()
    key = hashlib.sha256(f"{binary} {sys.version} {Path(host_image.__file__).read_text()}".encode()).hexdigest()[:12]
    links = tuple(f"/usr/local/bin/{name}" for name in ("python3", "python", SHORT))
    brought = Brought(binary, Path(sys.base_prefix).resolve(), sys.version.split()[0], links)
    return _made(f"{REPOSITORY}:{key}", lambda engine, name: build_host_image(engine, name, [brought]))


@functools.cache
def bare_node() -> str:
    """The machine's Node.js, and a shell. May skip."""
    command = shutil.which("node")
    if command is None:
        pytest.skip("no node is here to make an image of")
    binary = Path(command).resolve()
    version = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    key = hashlib.sha256(f"{binary} {version} {Path(host_image.__file__).read_text()}".encode()).hexdigest()[:12]
    brought = Brought(binary, binary.parents[1], version.lstrip("v"), ("/usr/local/bin/node",))
    return _made(f"{NODE_REPOSITORY}:{key}", lambda engine, name: build_host_image(engine, name, [brought]))


@functools.cache
def registry_with_python() -> str:
    """The name, for --image-registry, of a registry that nobody asks: the engine has its image for python3.10."""
    base = bare_python()
    registry = f"fclocal-tests/registry-{hashlib.sha256(base.encode()).hexdigest()[:12]}"
    folder = "/var/fc/lang/python3.10/bin"
    text = f"FROM {base}\nRUN mkdir -p {folder} && ln -s /usr/local/bin/python3 {folder}/python3.10\n"

    async def add(engine: Engine, name: str) -> object:
        with tempfile.TemporaryDirectory() as context:
            Path(context, "Dockerfile").write_text(text)
            return await build(engine, Recipe(Path(context), name), lambda _: None)

    _made(f"{registry}/aliyunfc/runtime-python3.10:3.1.0", add)
    return registry


@functools.cache
def python_with_packages() -> str:
    """The same, with what the samples' requirements ask for, so that a build needs no index. May skip."""
    base = bare_python()
    key = hashlib.sha256(f"{base} {PACKAGES}".encode()).hexdigest()[:12]

    async def add(engine: Engine, name: str) -> object:
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            _install(context / "packages", PACKAGES)
            (context / "Dockerfile").write_text(f"FROM {base}\nCOPY packages/ {site_packages()}/\n")
            return await build(engine, Recipe(context, name), lambda _: None)

    return _made(f"{REPOSITORY}:{key}-packages", add)


@functools.cache
def python_with_nvml() -> str:
    """The same with what asks NVIDIA's driver. May skip."""
    base = bare_python()
    key = hashlib.sha256(f"{base} {NVML}".encode()).hexdigest()[:12]

    async def add(engine: Engine, name: str) -> object:
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            _install(context / "packages", NVML)
            (context / "Dockerfile").write_text(f"FROM {base}\nCOPY packages/ {site_packages()}/\n")
            return await build(engine, Recipe(context, name), lambda _: None)

    return _made(f"{REPOSITORY}:{key}-nvml", add)


def torch_in(folder: Path) -> Path:
    """PyTorch for processors, in a folder that a container is shown: an image of it takes minutes to make. May skip."""
    _install(folder, TORCH)
    tried = [sys.executable, "-c", "import torch"]
    done = subprocess.run(tried, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no PyTorch for processors can be had here: {done.stderr.splitlines()[-1]}")
    return folder


def site_packages() -> Path:
    return Path(sys.base_prefix).resolve() / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


def _install(to: Path, packages: tuple[str, ...]) -> None:
    argv = [sys.executable, "-m", "pip", "install", "-q", "--no-compile", "-t", str(to), *packages]
    done = subprocess.run(argv, env=build_environ(), capture_output=True, text=True)
    if done.returncode and (reason := UNREACHABLE.search(done.stderr)):
        pytest.skip(f"the packages of the container samples can not be had here: {reason[0]}")
    assert done.returncode == 0, done.stderr
    for tests in [*to.rglob("tests")]:
        shutil.rmtree(tests, ignore_errors=True)


def _made(name: str, make: Callable[[Engine, str], Awaitable[object]]) -> str:
    """The image, made where the engine does not have it; one process of this machine makes it for all."""
    need_engine()

    async def once(engine: Engine) -> None:
        if await find(engine, name) is None:
            await make(engine, name)

    lock = Path(tempfile.gettempdir(), f"{re.sub(r'[^a-z0-9]', '-', name)}-{os.getuid()}.lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with_engine(once)
    return name
