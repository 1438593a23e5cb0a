"""Listeners and process trees of real processes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from emulator.sandbox.base import Listener
from emulator.sandbox.listeners import descendants, holder_of, host_ports, listening, process_tree

# A child in a session of its own, whose child again listens; says the pid of both and the ports.
FAMILY = """
import os, socket, sys
if os.fork():
    os.wait()
os.setsid()
if os.fork():
    os.wait()
sockets = [socket.create_server((host, 0), family=family) for host, family in (
    ("127.0.0.1", socket.AF_INET), ("0.0.0.0", socket.AF_INET), ("::1", socket.AF_INET6), ("::", socket.AF_INET6))]
print(os.getpid(), os.getppid(), *(each.getsockname()[1] for each in sockets), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def family() -> Iterator[tuple[int, list[int]]]:
    """Our child's pid, and what its grandchild says."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    argv = [sys.executable, "-c", FAMILY]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield child.pid, [int(word) for word in child.stdout.readline().split()]
        child.communicate()


def test_a_tree_holds_processes_that_left_the_session(family: tuple[int, list[int]]) -> None:
    pid, (grandchild, parent, *_) = family
    assert process_tree(pid) == [pid, parent, grandchild]
    assert descendants(os.getpid())[0] == os.getpid()
    assert {pid, parent, grandchild} <= set(descendants(os.getpid()))


def test_listeners_of_all_kinds_are_found(family: tuple[int, list[int]]) -> None:
    pid, (_, _, loopback, everywhere, loopback6, everywhere6) = family
    expected = {loopback: True, everywhere: False, loopback6: True, everywhere6: False}
    assert listening(process_tree(pid)) == [Listener(port, only) for port, only in sorted(expected.items())]
    assert listening([os.getpid()]) == []
    assert set(expected) <= host_ports()


def test_what_is_not_there_listens_on_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert listening([child.pid]) == []
    assert process_tree(child.pid) == []


def test_a_bound_port_that_does_not_listen_is_no_listener() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert listening([os.getpid()]) == []
        assert holder_of(bound.getsockname()[1]) is None


def test_a_port_open_on_both_loopback_and_elsewhere_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as inner:
        port = inner.getsockname()[1]
        try:
            outer = socket.create_server(("::", port), family=socket.AF_INET6)
        except OSError:
            pytest.skip("the port is not free for IPv6")
        with outer:
            assert listening([os.getpid()]) == [Listener(port, False)]


def test_the_holder_of_a_port_is_named(family: tuple[int, list[int]]) -> None:
    _, (grandchild, _, loopback, everywhere, loopback6, _) = family
    named = re.escape(f"pid {grandchild} (") + ".+" + re.escape(")")
    for port, host in ((loopback, "127.0.0.1"), (loopback, "localhost"), (everywhere, "127.0.0.1"), (loopback6, "::1")):
        assert re.fullmatch(named, holder_of(port, host) or "")


def test_a_listener_on_another_address_is_not_in_the_way(family: tuple[int, list[int]]) -> None:
    _, (_, _, loopback, _, loopback6, _) = family
    assert holder_of(loopback, "127.0.0.2") is None
    assert holder_of(loopback6, "127.0.0.1") is None
    assert holder_of(loopback, "0.0.0.0") is not None
