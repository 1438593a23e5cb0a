"""Versions that do not change, and aliases that point at them (platform.md §7)."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from emulator.journal.journal import Journal
from emulator.model.errors import AliasNotFound, UserError, VersionNotFound
from emulator.model.function import Function, FunctionName
from emulator.model.provision import Provision
from emulator.registry.registry import Registry

NAME = FunctionName("hello")


@pytest.fixture
def registry(tmp_path: Path):
    made = Registry(tmp_path / "state", Journal())
    yield made
    made.close()


def deploy(registry: Registry, tmp_path: Path, text: str):
    code = tmp_path / "code"
    (code / "below").mkdir(parents=True, exist_ok=True)
    (code / "index.py").write_text(text)
    (code / "below" / "run.sh").write_text("#!/bin/sh\n")
    (code / "below" / "run.sh").chmod(0o755)
    (code / "__pycache__").mkdir(exist_ok=True)
    (code / "__pycache__" / "index.pyc").write_bytes(b"stale")
    return registry.deploy(Function(NAME, "python3.10", handler="index.handler", code=code, provisioned=Provision(2)))


def published(registry):
    return asyncio.run(registry.publish(NAME))


def test_a_version_keeps_its_code_when_the_folder_changes(registry, tmp_path):
    deploy(registry, tmp_path, "one")
    version = published(registry)
    latest = deploy(registry, tmp_path, "two")
    assert registry.resolve(NAME) is latest and registry.resolve(NAME, "1") is version
    assert (version.version_id, version.code_dir / "index.py") != ("", latest.code_dir / "index.py")
    assert (version.code_dir / "index.py").read_text() == "one"
    assert (version.code_dir / "below" / "run.sh").stat().st_mode & 0o111
    assert not (version.code_dir / "__pycache__").exists(), "caches are no part of a package"
    assert version.function.provisioned == Provision(), "provisioned instances are LATEST's"
    second = published(registry)
    assert second.version_id == "2" and (second.code_dir / "index.py").read_text() == "two"


def test_an_alias_points_where_it_was_pointed_last(registry, tmp_path):
    deploy(registry, tmp_path, "one")
    first = published(registry)
    deploy(registry, tmp_path, "two")
    second = published(registry)
    registry.versions.point(NAME, "prod", "1", {})
    assert registry.resolve(NAME, "prod") is first
    registry.versions.point(NAME, "prod", "2", {})
    assert registry.resolve(NAME, "prod") is second
    registry.versions.chance = Random(1)
    registry.versions.point(NAME, "prod", "1", {"2": 0.25})
    shares = Counter(registry.resolve(NAME, "prod").version_id for _ in range(1000))
    assert 200 < shares["2"] < 300 and shares["1"] + shares["2"] == 1000


def test_what_fc_refuses(registry, tmp_path):
    deploy(registry, tmp_path, "one")
    with pytest.raises(VersionNotFound):
        registry.resolve(NAME, "1")
    with pytest.raises(AliasNotFound):
        registry.resolve(NAME, "prod")
    with pytest.raises(UserError, match="no version 1"):
        registry.versions.point(NAME, "prod", "1", {})
    published(registry)
    with pytest.raises(UserError, match="nothing of hello has changed"):
        published(registry)
    for name in ("", "7", "LATEST", "x" * 129):
        with pytest.raises(UserError, match="can not be named"):
            registry.versions.point(NAME, name, "1", {})


def test_versions_go_with_their_function(registry, tmp_path):
    deploy(registry, tmp_path, "one")
    version = published(registry)
    registry.versions.point(NAME, "prod", "1", {})
    gone = []
    registry.on_change(lambda old, new: gone.append((old, new)))
    registry.remove(NAME)
    assert (version, None) in gone and registry.find(NAME, "prod") is None and registry.find(NAME, "1") is None
