"""Installs the peers into `bench/.peers`: Python ones by the group `bench` of pyproject.toml, npm ones by the lock."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.processes import ROOT

INSTALL_SECONDS = 900
SAID_CHARACTERS = 200
PACKAGE_NAME = re.compile(r"[A-Za-z0-9._-]+")


class Absent(Exception):
    """A peer can not be had here; the text says why."""


class PeerStore:
    """The folder with the peers' packages, apart from the product's so that their pins can not break it."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._python = folder / "python"
        self._node = folder / "node"
        self._say = say

    @property
    def python(self) -> Path:
        """The interpreter that has the Python peers."""
        return self._python / "bin" / "python"

    @property
    def node_modules(self) -> Path:
        return self._node / "node_modules"

    def install_python(self, packages: Sequence[str]) -> str:
        """Install packages of the group `bench`; returns their versions. Raises `Absent`."""
        wanted = [_requirement(package) for package in packages]
        stamp = self._python / f"{packages[0]}.stamp"
        if not _is_fresh(stamp, [*wanted, sys.version]):
            self._say(f"installing {' and '.join(packages)} into {self._python.relative_to(ROOT)}")
            if not self.python.exists():
                _run([sys.executable, "-m", "venv", str(self._python)])
            _run([str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
            _make_fresh(stamp, [*wanted, sys.version])
        return ", ".join(f"{package} {self._python_version(package)}" for package in packages)

    def install_node(self, packages: Sequence[str]) -> str:
        """Install all of `bench/package.json`; returns the versions of `packages`. Raises `Absent`."""
        lock = ROOT / "bench" / "package-lock.json"
        stamp = self._node / "npm.stamp"
        if shutil.which("npm") is None or shutil.which("node") is None:
            raise Absent("node and npm are not on PATH")
        if not _is_fresh(stamp, [lock.read_text(encoding="utf-8")]):
            self._say(f"installing the npm peers into {self._node.relative_to(ROOT)}")
            self._node.mkdir(parents=True, exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(ROOT / "bench" / name, self._node / name)
            _run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel", "error", "--prefix", str(self._node)])
            _make_fresh(stamp, [lock.read_text(encoding="utf-8")])
        return ", ".join(f"{package} {self._node_version(package)}" for package in packages)

    def _python_version(self, package: str) -> str:
        code = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
        return _run([str(self.python), "-c", code]).strip()

    def _node_version(self, package: str) -> str:
        data = json.loads((self.node_modules / package / "package.json").read_text(encoding="utf-8"))
        return str(data["version"])


def _requirement(package: str) -> str:
    """What pyproject.toml asks of a package of the group `bench`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for line in project["dependency-groups"]["bench"]:
        found = PACKAGE_NAME.match(line)
        if found is not None and found.group() == package:
            return str(line)
    raise KeyError(f"{package} is not in the dependency group bench")


def _is_fresh(stamp: Path, parts: Sequence[str]) -> bool:
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _digest(parts)


def _make_fresh(stamp: Path, parts: Sequence[str]) -> None:
    stamp.write_text(_digest(parts), encoding="utf-8")


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _run(argv: Sequence[str]) -> str:
    """Run an installer. Raises `Absent` with the end of what it said."""
    name = f"{Path(argv[0]).name} {' '.join(argv[1:4])}"
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Absent(f"{name}: {error}") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise Absent(f"{name} failed: {said[-SAID_CHARACTERS:]}")
    return done.stdout
