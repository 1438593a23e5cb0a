"""What bubblewrap's rung does where overlays are impossible."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Launch, Mount, UnixEndpoint
from emulator.sandbox.bwrap import BwrapRung, Features, Tools
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.rung import OPTIONS_FD, Bounds


@pytest.fixture
def rung() -> BwrapRung:
    return BwrapRung(Tools("/bin/sh", "/usr/bin/bwrap", ""), Features(overlay=""), b"")


@pytest.fixture
def folders(tmp_path: Path) -> InstanceFolders:
    (tmp_path / "c-1").mkdir()
    return InstanceFolders(tmp_path / "c-1", tmp_path / "sockets", "run")


def launch(*sources: Path) -> Launch:
    return Launch(("true",), {}, "/", UnixEndpoint("/w.sock"), (Mount(sources, "/opt", Access.OVERLAY),))


def test_one_folder_is_shown_read_only(rung: BwrapRung, folders: InstanceFolders, tmp_path: Path) -> None:
    options = rung.plan(launch(tmp_path), folders, (), Bounds(1024, 0)).files[OPTIONS_FD].decode().split("\0")
    at = options.index("/opt", options.index(str(tmp_path)))
    assert options[at - 2 : at] == ["--ro-bind", str(tmp_path)]


def test_several_are_refused_and_not_half_shown(rung: BwrapRung, folders: InstanceFolders, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert not rung.overlays
    with pytest.raises(SandboxError, match="/opt can not be made of several folders"):
        rung.plan(launch(tmp_path, tmp_path / "other"), folders, (), Bounds(1024, 0))
