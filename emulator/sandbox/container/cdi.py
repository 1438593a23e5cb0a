"""The Container Device Interface: which files of this machine describe devices, and what they do to a container.

Engines that read it are asked by a device's name. For others what a file says is done here: nodes, mounts, variables.
Hooks are not run; NVIDIA's make links to libraries by their short names, which are mounted beside the long ones instead
(cncf-tags/container-device-interface, SPEC.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import yaml
from msgspec import Struct

from emulator.model.errors import SandboxError

FOLDERS = (Path("/etc/cdi"), Path("/var/run/cdi"))
NOTHING: Mapping[str, str] = MappingProxyType({})
# `libcuda.so.580.95.05`, which programs ask for as `libcuda.so.1`.
LIBRARY = re.compile(r"(lib[\w.+-]*?\.so)\.\d[\d.]*\Z")
Json = Mapping[str, Any]


class Edits(Struct, frozen=True):
    """What is added to a container: `devices` and `mounts` as (on the host, inside)."""

    devices: tuple[tuple[str, str], ...] = ()
    mounts: tuple[tuple[str, str], ...] = ()
    env: Mapping[str, str] = NOTHING


def has_cdi(kind: str, folders: Sequence[Path] = FOLDERS) -> bool:
    return any(spec.get("kind") == kind for spec in _specs(folders))


def edits_of(names: Sequence[str], folders: Sequence[Path] = FOLDERS) -> Edits:
    """Of devices by their full names, such as `nvidia.com/gpu=0`. Raises `SandboxError` for one that no file has."""
    specs = [*_specs(folders)]
    edits: list[Json] = []
    for name in names:
        kind, _, device = name.partition("=")
        of_kind = [spec for spec in specs if spec.get("kind") == kind]
        found = [
            (spec, entry) for spec in of_kind for entry in spec.get("devices") or () if str(entry.get("name")) == device
        ]
        if not found:
            raise SandboxError(
                f"no file in {' or '.join(map(str, folders))} describes {name}, by which the engine is given the card",
                "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
            )
        spec, entry = found[0]
        edits += [entry.get("containerEdits") or {}, spec.get("containerEdits") or {}]
    return _joined(edits)


def _joined(edits: Sequence[Json]) -> Edits:
    devices, mounts, env = dict[str, str](), dict[str, str](), dict[str, str]()
    for edit in edits:
        for node in edit.get("deviceNodes") or ():
            devices[str(node["path"])] = str(node.get("hostPath") or node["path"])
        for mount in edit.get("mounts") or ():
            for target in _names(str(mount["containerPath"])):
                mounts[target] = str(mount["hostPath"])
        for pair in edit.get("env") or ():
            name, _, value = str(pair).partition("=")
            env[name] = value
    return Edits(
        tuple((host, inside) for inside, host in devices.items()),
        tuple((host, inside) for inside, host in mounts.items()),
        env,
    )


def _names(target: str) -> Iterator[str]:
    """A library is asked for by its short name too."""
    yield target
    path = PurePosixPath(target)
    library = LIBRARY.match(path.name)
    if library and path.name != f"{library[1]}.1":
        yield str(path.with_name(f"{library[1]}.1"))


def _specs(folders: Sequence[Path]) -> Iterator[Json]:
    for folder in folders:
        for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.json")]):
            try:
                spec = yaml.safe_load(file.read_text(encoding="utf-8"))  # JSON is YAML too
            except (OSError, yaml.YAMLError):
                continue
            if isinstance(spec, dict):
                yield spec
