"""One suite of vectors against every bootstrap, on every interpreter that this machine has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from bootstrap_harness import Family, Target, Version, ahead, ask_version, find_in_folders, in_path, targets
from bootstrap_vectors import Vector, load_vectors, run_vector, start


def pythons() -> Mapping[Version, Path]:
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    uv = Path.home() / ".local/share/uv/python"
    found = find_in_folders("python", home / "versions", uv)
    for path in in_path("python3", "python2.7", *(f"python3.{minor}" for minor in range(6, 15))):
        found.setdefault(ask_version(path), path)
    return {version: path for version, path in found.items() if version == (2, 7) or version >= (3, 6)}


def nodes() -> Mapping[Version, Path]:
    nvm = Path(os.environ.get("NVM_DIR") or Path.home() / ".nvm")
    found = find_in_folders("node", nvm / "versions/node")
    for path in in_path("node", "nodejs"):
        found.setdefault(ask_version(path), path)
    return {version[:1]: path for version, path in sorted(found.items()) if version}


# A runtime with a bootstrap is tested by adding its row here and its handlers in handlers/<name>/.
FAMILIES = (
    Family("python", pythons, lambda wanted, found: wanted[0] == found[0]),
    Family("nodejs", nodes, lambda wanted, found: True),
)
SPAWNED = [target for family in FAMILIES for target in targets(family)]
TARGETS = [*SPAWNED, *ahead(SPAWNED)]
VECTORS = list(load_vectors())
CASES = [(target, vector) for target in TARGETS for vector in VECTORS if vector.fits(target.runtime)]


@pytest.mark.parametrize(("target", "vector"), [pytest.param(*case, id=f"{case[0]}-{case[1].name}") for case in CASES])
def test_a_bootstrap_keeps_the_contract(target: Target, vector: Vector, short_folder: Path) -> None:
    with start(target, vector, short_folder) as bootstrap:
        run_vector(vector, bootstrap)


def test_vector_names_are_unique() -> None:
    assert len({vector.name for vector in VECTORS}) == len(VECTORS)
