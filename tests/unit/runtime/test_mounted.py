"""Mounts below a folder, as the kernel lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.runtime.mounted import first_below

LINES = (
    b"26 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
    b"40 26 0:33 / /work/fn rw - ext4 /dev/sdb rw\n"
    b"41 26 0:34 /x /work/my\\040code/node_modules rw shared:1 - overlay overlay rw\n"
    b"42 26 0:35 / /work/\xc3\xbc/data rw - tmpfs tmpfs rw\n"
    b"garbage\n"
)


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("/work/fn", None),
        ("/work/my code", "/work/my code/node_modules"),
        ("/work/my", None),
        ("/work/ü", "/work/ü/data"),
        ("/elsewhere", None),
    ],
)
def test_only_what_lies_in_the_folder_counts(folder: str, found: str | None) -> None:
    assert first_below(Path(folder), LINES) == (Path(found) if found else None)
