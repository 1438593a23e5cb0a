# -*- coding: utf-8 -*-
"""What user code has left running in this process: asked before an instance is frozen, which stops all of it."""

import os
import sys

from . import control

HOME = os.path.dirname(os.path.abspath(__file__))
POOL = os.path.join("concurrent", "futures", "thread.py")
# What waiting is made of, where it is written in Python.
WAITING = ("threading.py", "queue.py")
SHOWN = 20


def told(channel, args):
    """`threads`: each its `name`, `at` (file:line of its innermost frame in the folder `code`, else of the innermost
    one) and the `function` there. `timers`: each as a text."""
    code = args.get("code", "").rstrip("/") + "/"
    threading = sys.modules.get("threading")
    known = {thread.ident: thread for thread in threading.enumerate()} if threading is not None else {}
    threads, timers = [], alarms()
    for ident, frame in sys._current_frames().items():
        thread = known.get(ident)
        if ident in (channel.main, control._thread.get_ident()) or ours(thread, frame):
            continue
        if thread is not None and isinstance(thread, timer_type(threading)):
            timers.append(timer(thread))
        elif not has_no_work(frame):
            threads.append(described(ident, thread, frame, code))
    return {"threads": threads[:SHOWN], "timers": timers[:SHOWN]}


def ours(thread, frame):
    """What the bootstrap has started, and the debugger."""
    if getattr(thread, "is_pydev_daemon_thread", False) or getattr(thread, "pydev_do_not_trace", False):
        return True
    first = frame
    while frame is not None:
        if os.path.basename(frame.f_code.co_filename) not in WAITING:
            first = frame
        frame = frame.f_back
    return first.f_code.co_filename.startswith(HOME)


def has_no_work(frame):
    """A thread of a pool that waits for work."""
    while frame is not None and os.path.basename(frame.f_code.co_filename) in WAITING:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "_worker" and frame.f_code.co_filename.endswith(POOL)


def described(ident, thread, frame, code):
    at = found = frame
    while found is not None:
        if found.f_code.co_filename.startswith(code):
            at = found
            break
        found = found.f_back
    return {
        "name": thread.name if thread is not None else "thread %d" % ident,
        "at": "%s:%d" % (at.f_code.co_filename, at.f_lineno),
        "function": at.f_code.co_name,
    }


def timer_type(threading):
    """In 2.7 `Timer` makes one of `_Timer`."""
    return getattr(threading, "_Timer", threading.Timer)


def timer(thread):
    called = getattr(thread.function, "__name__", None) or type(thread.function).__name__
    code = getattr(thread.function, "__code__", None)
    where = " (%s:%d)" % (code.co_filename, code.co_firstlineno) if code is not None else ""
    return "threading.Timer of %g s for %s%s" % (thread.interval, called, where)


def alarms():
    """signal.alarm and signal.setitimer."""
    try:
        import _signal as signal
    except ImportError:
        import signal
    due = signal.getitimer(signal.ITIMER_REAL)[0]
    return ["signal.setitimer, due in %.1f s" % due] if due else []
