"""Which file systems others write to."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.reload.places import Probe, shared_kind

# As WSL 2, a machine with NFS, and one with sshfs have them.
MOUNTS = r"""
25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
60 25 0:50 / /mnt/c rw,noatime - 9p drvfs rw,aname=drvfs;path=C:\
61 25 0:51 / /home/me/net\040share rw - nfs4 server:/export rw
62 25 0:52 / /srv/remote rw,nosuid - fuse.sshfs me@host: rw
63 60 0:53 / /mnt/c/linux rw - ext4 /dev/sdb rw
""".strip()


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me/code", ""),
        ("/mnt/c", "9p"),
        ("/mnt/c/Users/me/code", "9p"),
        ("/mnt/cd", ""),
        ("/mnt/c/linux/code", ""),
        ("/home/me/net share/code", "nfs4"),
        ("/srv/remote/x", "sshfs"),
    ],
)
def test_the_kind_is_that_of_the_nearest_mount(folder: str, kind: str) -> None:
    assert shared_kind(folder, MOUNTS) == kind


def test_a_probe_leaves_nothing_behind_and_believes_what_it_sees(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "code").mkdir()
    assert Probe(tmp_path / "state").tells(str(tmp_path / "code"))
    assert Probe(tmp_path / "absent").tells(str(tmp_path / "code"))
    assert Probe(tmp_path / "state").tells(str(tmp_path / "absent"))
    assert [path.name for path in tmp_path.rglob("*")] in (["state", "code"], ["code", "state"])
