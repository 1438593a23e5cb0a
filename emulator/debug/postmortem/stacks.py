"""Stacks that come as text: what faulthandler wrote before the process died, and what Node.js says of an error."""

from __future__ import annotations

import re
from collections.abc import Callable

from emulator.debug.postmortem.bundle import Frame, Thread

# CPython's Python/traceback.c: `  File "/code/index.py", line 5 in handler`
_PYTHON_FRAME = re.compile(r'  File "(.*)", line (\d+|\?{3}) in (.*)')
_PYTHON_THREAD = re.compile(r"(Current thread|Thread) 0x[0-9a-f]+(?: \[(.*)\])? \(most recent call first\):")
_FATAL = re.compile(r"Fatal Python error: (.*)")
# V8: `    at handler (/code/index.js:5:11)`, `    at async /code/index.js:5:11`
_NODE_FRAME = re.compile(r"\s*at (?:async )?(?:(.*?) \()?((?:file://|/|node:)[^()]*):(\d+):\d+\)?")
# Who called the handler; whatever is outside of it is ours as well.
_BOOTSTRAP = "_fclocal_bootstrap/"
_SERVES = "answer"
_MOST_FRAMES = 100


def python_crash(lines: list[str], is_library: Callable[[str], bool]) -> tuple[str, list[Thread]]:
    """What killed an interpreter, and where its threads were; no thread where faulthandler wrote nothing.

    A signal that only asks may reach any thread: then those that serve requests are the current ones.
    """
    fatal = ""
    threads: list[Thread] = []
    serving: list[Thread] = []
    is_ours = False
    for line in lines:
        if found := _FATAL.fullmatch(line):
            fatal, threads, serving = found[1], [], []
        elif found := _PYTHON_THREAD.fullmatch(line):
            current, is_ours = found[1] == "Current thread", False
            threads.append(Thread(found[2] or ("current thread" if current else f"thread {len(threads) + 1}"), current))
        elif (found := _PYTHON_FRAME.fullmatch(line)) and threads:
            is_ours = is_ours or _BOOTSTRAP in found[1]
            if is_ours and found[3] == _SERVES:
                serving.append(threads[-1])
            elif not is_ours and len(threads[-1].frames) < _MOST_FRAMES and not found[1].startswith("<frozen"):
                number = int(found[2]) if found[2].isdigit() else 0
                frame = Frame(found[1], number, found[3], is_library(found[1]), has_locals=False)
                threads[-1].frames.append(frame)
    if serving and not fatal:
        for thread in threads:
            thread.current = any(thread is each for each in serving)
    return fatal, [thread for thread in threads if thread.frames]


def node_stack(stack: list[str], is_library: Callable[[str], bool]) -> list[Frame]:
    """The frames of `Error.stack`, without those of Node.js itself."""
    frames = []
    for line in stack[:_MOST_FRAMES]:
        found = _NODE_FRAME.fullmatch(line)
        if found and not found[2].startswith("node:"):
            file = found[2].removeprefix("file://")
            frames.append(Frame(file, int(found[3]), found[1] or "", is_library(file), has_locals=False))
    return frames
