"""A policy survives its way to the launcher, and what can not is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from emulator.sandbox.confine import confine_argv
from emulator.sandbox.landlock import SYSTEM_READ, SYSTEM_WRITE, Policy


def test_records_hold_any_path_and_any_value() -> None:
    odd = os.fsdecode(b"/a\nb=c \xff")
    policy = Policy((odd,), ("/tmp",), {"A": "x=y\nz", "函数": "值", "EMPTY": ""}, filter=b"\x00\xff", parent=7)
    assert policy.encode().split(b"\0") == [
        b"read=/a\nb=c \xff", b"write=/tmp", b"environment=A=x=y\nz", "environment=函数=值".encode(),
        b"environment=EMPTY=", b"filter=00ff", b"open_files=100000", b"connect=1", b"parent=7", b"",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["relative", "", "./x", "/a\0b"])
def test_a_path_that_means_nothing_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"full path|zero byte"):
        Policy((path,), ()).encode()


def test_an_environment_can_not_smuggle_a_record() -> None:
    with pytest.raises(ValueError, match="zero byte"):
        Policy((), (), {"A": "1\0write=/"}).encode()


def test_the_system_holds_no_home_and_no_secret() -> None:
    for path in map(Path, (*SYSTEM_READ, *SYSTEM_WRITE)):
        assert not any(
            Path(secret).is_relative_to(path) for secret in ("/home/u", "/root", "/etc/shadow", "/run", "/dev/sda")
        )


def test_the_command_line_tells_nothing_but_where_the_policy_is() -> None:
    argv = confine_argv("/usr/bin/python3", "9", ["prog", "-x"])
    assert argv[:3] == ("/usr/bin/python3", "-I", "-S")
    assert argv[4:] == ("9", "--", "prog", "-x")
