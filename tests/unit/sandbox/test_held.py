"""The limits table: what walls of each kind say of themselves on machines of several kinds."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest
from msgspec.structs import replace

from emulator.model.launch import Network
from emulator.sandbox import inside
from emulator.sandbox.container.held import Chosen, held_by_containers
from emulator.sandbox.held import Found, held_by_processes
from emulator.sandbox.inside import HOST_NAME, NOTHING_SEEN, Inside
from emulator.sandbox.limits_table import LIMITS, Level

EXACT, APPROXIMATE, ABSENT = Level.EXACT, Level.APPROXIMATE, Level.ABSENT
BWRAP = Found(
    rung="bwrap",
    limits=True,
    strict=False,
    mounts=True,
    overlays=True,
    own_networks=True,
    private=True,
    controllers=frozenset({"memory", "cpu", "pids"}),
    limited_by="cgroup v2",
    freezes="cgroup v2 freeze",
    user=1000,
    release="6.1.0-18",
    gpu=True,
    scope_lift="the scope",
)
UNGROUPED = replace(BWRAP, controllers=frozenset(), limited_by="", freezes="")
PLAIN = replace(UNGROUPED, rung="plain", mounts=False, overlays=False, own_networks=False, private=False, lift="bwrap")
SEEN = Inside(
    {
        "uid": "0",
        "capabilities": "chown dac_override fowner setuid",
        "host name": HOST_NAME,
        "max open files": "100000",
        "time zone": "UTC",
        "folder /": "writable",
        "folder /usr": "writable",
    },
    {},
)
DOCKER = {"MemoryLimit": True, "SwapLimit": True, "CpuCfsQuota": True, "PidsLimit": True, "CgroupVersion": "2"}


def seen(**facts: str) -> Inside:
    return Inside({**SEEN.facts, **{name.replace("_", " "): value for name, value in facts.items()}}, {})


def docker(found: Inside = SEEN, /, *, limits: bool = True, strict: bool = False, **info: Any) -> Any:
    return held_by_containers({**DOCKER, **info}, found, Chosen(limits=limits, strict=strict, gpu=True))


def test_every_kind_of_walls_has_every_row_once():
    names = [limit.name for limit in LIMITS]
    for table in (held_by_processes(BWRAP, SEEN), held_by_processes(PLAIN, NOTHING_SEEN), docker(NOTHING_SEEN)):
        assert sorted(table) == sorted(names)
        assert all(held.why for held in table.values() if held.level is not EXACT)


@pytest.mark.parametrize(
    ("found", "limit", "level", "lift"),
    [
        (BWRAP, "memory", EXACT, ""),
        (UNGROUPED, "memory", APPROXIMATE, "the scope"),
        (replace(BWRAP, limits=False), "memory", ABSENT, ""),
        (BWRAP, "cpu", EXACT, ""),
        (UNGROUPED, "cpu", ABSENT, "the scope"),
        (BWRAP, "processes", EXACT, ""),
        (UNGROUPED, "processes", APPROXIMATE, "the scope"),
        (replace(UNGROUPED, user=0), "processes", ABSENT, "the scope"),
        (replace(UNGROUPED, release="5.10.0"), "processes", ABSENT, "the scope"),
        (UNGROUPED, "out of memory", APPROXIMATE, "the scope"),
        (BWRAP, "freeze", EXACT, ""),
        (UNGROUPED, "freeze", APPROXIMATE, "the scope"),
        (PLAIN, "root folder", ABSENT, "bwrap"),
        (replace(BWRAP, strict=True), "root folder", ABSENT, ""),
        (PLAIN, "code folder", APPROXIMATE, "bwrap"),
        (replace(BWRAP, overlays=False), "code folder", APPROXIMATE, "fclocal doctor"),
        (PLAIN, "network", ABSENT, "bwrap"),
        (BWRAP, "GPU memory", APPROXIMATE, "--gpu-limit enforce"),
        (replace(BWRAP, gpu=False), "GPU memory", ABSENT, "--gpu fake, for code that only looks for one"),
        (BWRAP, "network", APPROXIMATE, "--network private"),
        (replace(BWRAP, private=False, network_lift="install passt"), "network", APPROXIMATE, "install passt"),
    ],
)
def test_process_walls_by_what_was_found_out(found, limit, level, lift):
    held = held_by_processes(found, SEEN)[limit]
    assert (held.level, held.lift) == (level, lift)


@pytest.mark.parametrize(
    ("facts", "limit", "level"),
    [
        ({}, "descriptors", EXACT),
        ({"max_open_files": "20000"}, "descriptors", APPROXIMATE),
        ({}, "user", EXACT),
        ({"capabilities": "none"}, "user", APPROXIMATE),
        ({"uid": "1000"}, "user", ABSENT),
        ({}, "root folder", EXACT),
        ({"folder_/usr": "read-only"}, "root folder", APPROXIMATE),
        ({"folder_/": "read-only"}, "root folder", ABSENT),
        ({"host_name": "laptop"}, "host name", ABSENT),
        ({"time_zone": "CST"}, "time zone", APPROXIMATE),
    ],
)
def test_either_kind_of_walls_by_what_was_seen_inside(facts, limit, level):
    for table in (held_by_processes(BWRAP, seen(**facts)), docker(seen(**facts))):
        assert table[limit].level is level


@pytest.mark.parametrize(
    ("info", "limit", "level"),
    [
        ({}, "memory", EXACT),
        ({"SwapLimit": False}, "memory", APPROXIMATE),
        ({"MemoryLimit": False}, "memory", ABSENT),
        ({"CgroupDriver": "none"}, "memory", APPROXIMATE),
        ({"MemoryLimit": False}, "out of memory", ABSENT),
        ({"CpuCfsQuota": False}, "cpu", ABSENT),
        ({"PidsLimit": False}, "processes", ABSENT),
        ({"CgroupDriver": "none"}, "freeze", ABSENT),
    ],
)
def test_containers_by_what_the_engine_says_of_itself(info, limit, level):
    held = docker(**info)[limit]
    assert held.level is level and bool(held.lift) is (level is not EXACT)


def test_a_network_of_their_own_for_all_is_exact_in_either_walls():
    for network, level in ((Network.NONE, EXACT), (Network.PRIVATE, EXACT), (Network.HOST, APPROXIMATE)):
        container = held_by_containers(DOCKER, SEEN, Chosen(network=network))
        for table in (held_by_processes(BWRAP, SEEN, network), container):
            assert table["network"].level is level


def test_limits_and_a_writable_root_that_are_switched_off_are_absent():
    off = docker(limits=False, strict=True)
    assert {name for name, held in off.items() if held.level is ABSENT} == {
        "memory", "out of memory", "cpu", "disk", "root folder", "code folder",
    }  # fmt: skip


@pytest.mark.parametrize("shell", ["/bin/sh", "bash"])
def test_what_a_shell_answers_is_read_whatever_values_hold(shell, tmp_path):
    variables = {
        "PATH": "/usr/bin:/bin",
        "QUOTES": 'it\'s "so" $HOME `x` \\ \\n',
        "EMPTY": "",
        "MARKED": "mark:kernel=none",
        "SEVERAL": "one\nexport OTHER='2'\n'three'",
        "EQUAL": "a=b=c",
    }
    argv = inside.questions([shell], "mark:", ["sh", "no-such-program"])
    done = subprocess.run(argv, env=variables, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    found = inside.answers(["a line of the program's", *done.stdout.splitlines()], "mark:")
    assert {name: found.environment.get(name) for name in variables} == variables
    assert "OTHER" not in found.environment
    assert found.facts["working folder"] == str(tmp_path)
    assert found.facts["capabilities"] == "none" or (os.geteuid() == 0 and "chown" in found.facts["capabilities"])
    assert found.facts["uid"].isdigit() and found.number("max open files")
    assert "lo" in found.facts["network"].split()
    assert found.facts["kernel"] != "none" and "version no-such-program" not in found.facts
    assert "/tmp" in found.folders("writable")


@pytest.mark.parametrize(
    ("line", "facts"),
    [
        (
            "id=CapEff:\t00000000000005fb",
            "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service",
        ),
        ("id=Groups:\t0 27 ", "0 27"),
        ("control group memory=268435456", "256 MB"),
        ("control group memory=9223372036854771712", "no limit"),
        ("control group cpu=max 100000", "no limit"),
        ("control group cpu=-1", "no limit"),
        ("control group cpu=35000", "0.35 cores"),
        ("control group processes=1025", "1025"),
        ("limit=Max open files            20000                100000               files", "20000"),
        ("mount=/code overlay rw,relatime,lowerdir=/home/me/code,upperdir=/x", "overlay rw"),
        ('system=PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"', "Debian GNU/Linux 12 (bookworm)"),
    ],
)
def test_what_the_kernel_says_is_told_in_words(line, facts):
    assert [*inside.answers([f"mark:{line}"], "mark:").facts.values()] == [facts]
