"""Finds the local folder or archive that stands for a layer (platform.md §1.7)."""

from __future__ import annotations

import re
from pathlib import Path

from emulator.model.function import Layer

_ARN = re.compile(r"acs:fc:[^:]*:[^:]*:layers/(?P<name>[^/]+)/versions/(?P<version>[^/]+)\Z")
_SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\Z")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def layer_name(arn: str) -> tuple[str, str]:
    """Name and version of a layer ARN, of `name`, or of `name/version`; two empty texts where it is none of them."""
    match = _ARN.match(arn)
    if match:
        name, version = match["name"], match["version"]
    else:
        name, _, version = arn.partition("/")
    if not _SAFE.match(name) or (version and not _SAFE.match(version)):
        return "", ""
    return name, version


def resolve_layer(arn: str, state_dir: Path) -> Layer:
    """The layer with what is found below `state_dir/layers`: `<name>/<version>` first, then `<name>`, each as a
    folder or as an archive of that name. `path` is None where nothing is there."""
    name, version = layer_name(arn)
    if not name:
        return Layer(arn)
    base = state_dir / "layers"
    stems = [base / name / version] if version else []
    stems.append(base / name)
    for stem in stems:
        for candidate in (stem, *(stem.with_name(stem.name + ending) for ending in ARCHIVES)):
            if candidate.exists():
                return Layer(arn, candidate)
    return Layer(arn)
