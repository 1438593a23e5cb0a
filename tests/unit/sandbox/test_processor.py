"""What processes themselves take of time: computing and waiting, told apart from waiting for a processor."""

from __future__ import annotations

import subprocess
import sys

import pytest

from emulator.sandbox.processor import Own, look, own_time

# Says when it is ready, sleeps and computes for as long as it is told, and waits to be ended.
PROGRAM = """
import sys, time
print("ready", flush=True)
sys.stdin.readline()
time.sleep(0.3)
until = time.process_time() + 0.2
while time.process_time() < until:
    pass
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's counts are Linux's")
def test_sleep_and_work_are_counted():
    argv = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        first, before = {child.pid: look(child.pid)}, own_time([child.pid], {}).computed
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "done\n"
        own = own_time([child.pid], first, before)
        child.kill()
    assert own.computed >= 0.19
    assert own.waited >= 0.29


def test_of_nobody_nothing_is_counted():
    assert own_time([], {}) == Own()
    assert look(2**22 + 1) is None
    assert own_time([2**22 + 1], {}) == Own()
