"""What is remembered of private networks from one start to the next."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from emulator.sandbox.network import NamespaceHelper
from emulator.sandbox.private import PrivateNetwork, PrivateProbe, recall, remember


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program by the name of pasta, the only one on PATH."""
    program = tmp_path / "bin" / "pasta"
    program.parent.mkdir()
    shutil.copy("/bin/true", program)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


@pytest.fixture
def memory(tmp_path: Path, tool: Path) -> Path:
    file = tmp_path / "private-network.json"
    network = PrivateNetwork("pasta", str(tool), "127.0.0.1", None, NamespaceHelper(), tmp_path)
    remember(PrivateProbe(network, ()), file)
    return file


def test_what_worked_is_remembered(memory: Path, tool: Path) -> None:
    found = recall(NamespaceHelper(), memory.parent, memory)
    assert found is not None and found.network is not None
    assert (found.network.tool, found.network.program, found.network.localhost) == ("pasta", str(tool), "127.0.0.1")
    assert found.findings[0].full


def test_another_version_of_the_tool_is_tried_again(memory: Path, tool: Path) -> None:
    tool.touch()
    assert recall(NamespaceHelper(), memory.parent, memory) is None


def test_a_tool_that_is_gone_is_forgotten(memory: Path, tool: Path) -> None:
    tool.unlink()
    assert recall(NamespaceHelper(), memory.parent, memory) is None


def test_a_file_that_came_with_a_project_says_not_what_to_run(memory: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    shutil.copy("/bin/true", evil)
    known = json.loads(memory.read_text())
    memory.write_text(json.dumps({**known, "program": str(evil), "changed": evil.stat().st_mtime_ns}))
    assert recall(NamespaceHelper(), memory.parent, memory) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"tool": "pasta"}'])
def test_nonsense_is_nothing(memory: Path, text: str) -> None:
    memory.write_text(text)
    assert recall(NamespaceHelper(), memory.parent, memory) is None


def test_failure_is_not_remembered(tmp_path: Path) -> None:
    remember(PrivateProbe(None, ()), tmp_path / "file")
    assert not (tmp_path / "file").exists()
