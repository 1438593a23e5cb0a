"""Installs into `bench/.peers` what is measured beside the product, and what measured functions import.

Python packages by groups of pyproject.toml, npm's by the lock.
"""

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

PYPROJECT = ROOT / "pyproject.toml"
INSTALL_SECONDS = 1800
QUIET_INSTALL = ("install", "--quiet", "--disable-pip-version-check")
SAID_CHARACTERS = 200
PACKAGE_NAME = re.compile(r"[A-Za-z0-9._-]+")


class Absent(Exception):
    """A peer can not be had here; the text says why."""


class PeerStore:
    """The folder with these packages, apart from the product's so that their pins can not break it."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._python = folder / "python"
        self._node = folder / "node"
        self._layers = folder / "layers"
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
        wanted = [_requirement("bench", package) for package in packages]
        stamp = self._python / f"{packages[0]}.stamp"
        if not _is_fresh(stamp, [*wanted, sys.version]):
            self._say(f"installing {' and '.join(packages)} into {self._python.relative_to(ROOT)}")
            self._make_venv()
            _run([str(self.python), "-m", "pip", *QUIET_INSTALL, *wanted])
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

    def install_layer(self, python: Path) -> Path:
        """Install the group `bench-layer` for an interpreter that functions run on; returns the folder of the layer.

        Raises `Absent`.
        """
        layer = self._layers / python.name
        wanted = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["dependency-groups"]["bench-layer"]
        stamp = layer / "layer.stamp"
        if not _is_fresh(stamp, [*wanted, python.name]):
            self._say(f"installing {', '.join(wanted)} into {layer.relative_to(ROOT)}, which takes some GB")
            self._make_venv()
            into = ("--upgrade", "--target", str(layer / "python"))
            _run([str(self.python), "-m", "pip", "--python", str(python), *QUIET_INSTALL, *into, *wanted])
            _make_fresh(stamp, [*wanted, python.name])
        return layer

    def _make_venv(self) -> None:
        if not self.python.exists():
            _run([sys.executable, "-m", "venv", str(self._python)])

    def _python_version(self, package: str) -> str:
        code = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
        return _run([str(self.python), "-c", code]).strip()

    def _node_version(self, package: str) -> str:
        data = json.loads((self.node_modules / package / "package.json").read_text(encoding="utf-8"))
        return str(data["version"])


def _requirement(group: str, package: str) -> str:
    """What pyproject.toml asks of a package of a group."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    for line in project["dependency-groups"][group]:
        found = PACKAGE_NAME.match(line)
        if found is not None and found.group() == package:
            return str(line)
    raise KeyError(f"{package} is not in the dependency group {group}")


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
