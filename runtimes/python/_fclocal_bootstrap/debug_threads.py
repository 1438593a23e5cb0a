# -*- coding: utf-8 -*-
"""Threads that are just being started, of which pydevd would make others.

It traces whatever has a frame, and what `threading` does not know it takes for a thread of C code, which it shows as
`Dummy-N` for ever. But a thread of the program's has a frame a moment before `threading` knows it, and pydevd's own
helpers are never known there.
"""

import sys
import threading
import time

PATIENCE_SECONDS, PAUSE_SECONDS = 0.5, 0.0005
HELPERS = ("increase_tracing_count",)


def know_those_that_start():
    """Up to Python 3.11, where it traces threads one by one."""
    import pydevd_tracing

    trace = getattr(pydevd_tracing, "set_trace_to_threads", None)
    if trace is None or not hasattr(threading, "_limbo"):
        return

    def set_trace_to_threads(tracing_func, thread_idents=None, create_dummy_thread=True):
        if thread_idents is None:
            thread_idents = to_be_traced()
        return trace(tracing_func, thread_idents=thread_idents, create_dummy_thread=create_dummy_thread)

    pydevd_tracing.set_trace_to_threads = set_trace_to_threads


def to_be_traced():
    """As pydevd finds them, once nothing that has a frame is still to be known. What starts later is traced anyway."""
    frames = sys._current_frames()
    found = {ident for ident, frame in frames.items() if frame.f_code.co_name not in HELPERS}
    end = time.monotonic() + PATIENCE_SECONDS
    while threading._limbo and time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)
    for thread in threading.enumerate():
        if getattr(thread, "pydev_do_not_trace", False):
            found.discard(thread.ident)
        elif thread.ident is not None:
            found.add(thread.ident)
    return found
