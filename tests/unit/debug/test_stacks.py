"""Stacks that come as text."""

from __future__ import annotations

from emulator.debug.postmortem.bundle import Frame
from emulator.debug.postmortem.stacks import node_stack, python_crash

CRASH = """Fatal Python error: Segmentation fault

Thread 0x00007f0001 (most recent call first):
  File "/code/worker.py", line 3 in run

Current thread 0x00007f0002 [MainThread] (most recent call first):
  File "/usr/lib/python3.10/ctypes/__init__.py", line 517 in string_at
  File "/code/in dex.py", line 28 in handler
  File "/var/fc/runtime/python3.10/_fclocal_bootstrap/calls.py", line 75 in answer
  File "/var/fc/runtime/python3.10/bootstrap.py", line 18 in main
  File "<frozen runpy>", line 1 in x

Extension modules: numpy (total: 1)""".splitlines()


def is_library(file: str) -> bool:
    return not file.startswith("/code/")


def test_what_faulthandler_wrote() -> None:
    fatal, threads = python_crash(CRASH, is_library)
    assert fatal == "Segmentation fault"
    assert [(t.name, t.current) for t in threads] == [("thread 1", False), ("MainThread", True)]
    library, own = threads[1].frames
    assert own == Frame("/code/in dex.py", 28, "handler", has_locals=False)
    assert library.library and library.line == 517
    assert python_crash(["nonsense", '  File "x", line ??? in y'], is_library) == ("", [])


def test_a_signal_may_reach_any_thread() -> None:
    said = """Current thread 0x01 (most recent call first):
  File "/code/worker.py", line 3 in run

Thread 0x02 (most recent call first):
  File "/code/index.py", line 5 in handler
  File "/x/_fclocal_bootstrap/calls.py", line 75 in answer""".splitlines()
    fatal, threads = python_crash(said, is_library)
    assert not fatal and [(t.frames[0].function, t.current) for t in threads] == [("run", False), ("handler", True)]


def test_stacks_of_node() -> None:
    stack = """TypeError: x is not a function
    at total (/code/lib/price.js:5:11)
    at async exports.handler (file:///code/index.mjs:12:3)
    at /code/node_modules/a/b.js:1:2
    at node:internal/main:1:1
    at new Promise (<anonymous>)""".splitlines()
    frames = node_stack(stack, lambda file: "node_modules" in file)
    assert [(f.file, f.line, f.function, f.library) for f in frames] == [
        ("/code/lib/price.js", 5, "total", False),
        ("/code/index.mjs", 12, "exports.handler", False),
        ("/code/node_modules/a/b.js", 1, "", True),
    ]
