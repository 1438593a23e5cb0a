# -*- coding: utf-8 -*-
"""Makes this process debuggable: debugpy dials the emulator, which is its adapter.

debugpy is loaded when the first debugger comes, from a folder of the emulator's.
"""

import os
import sys

from . import debug_pace, standard

PREIMPORT = "%s;_fclocal_bootstrap.debug_dial" % os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# debugpy 1.8 says that it needs 3.8; what it has for 3.7 does not load.
OLDEST = (3, 8)
# While debugpy is loaded beside a handler that computes, which else would have nearly every turn.
HASTY_SECONDS = 2e-5
# Nobody waits longer for the emulator, which answers within milliseconds.
CONFIGURE_SECONDS = 20.0


def attach(channel, order):
    """Load debugpy, let it dial, and wait until the emulator has set the breakpoints. Twice is as once."""
    if sys.version_info < OLDEST:
        raise RuntimeError("Python %d.%d is not debuggable: debugpy needs 3.8" % sys.version_info[:2])
    if not channel.home:
        raise RuntimeError("debugpy is not installed beside the emulator")
    if attached():
        return
    pace = sys.getswitchinterval()
    sys.setswitchinterval(HASTY_SECONDS)
    try:
        _connect(channel)
    finally:
        sys.setswitchinterval(pace)


def attached():
    """Whether a debugger listens, though nobody may look at it."""
    pydevd = sys.modules.get("pydevd")
    return pydevd is not None and pydevd._is_attached()


def stop_here(frame):
    """Stop in `frame`, as `breakpoint()` does: at its next line."""
    pydevd = sys.modules["pydevd"]
    pydevd.settrace(
        suspend=True,
        trace_only_current_thread=True,
        patch_multiprocessing=False,
        stop_at_frame=frame,
        notify_stdin=False,
    )


def show_failure(error):
    """Stop where `error` was raised, if an editor wants to see what nobody has caught: our bootstrap just did."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    if trace is None or not attached():
        return
    failure = (type(error), error, trace)
    debugpy = sys.modules["debugpy"]
    if hasattr(debugpy, "trigger_exception_handler"):
        debugpy.trigger_exception_handler(failure)
        return
    import threading

    py_db = sys.modules["pydevd"].get_global_debugger()
    info = py_db.set_additional_thread_info(threading.current_thread())
    info.is_tracing += 1
    try:
        py_db.stop_on_unhandled_exception(py_db, threading.current_thread(), info, failure)
    finally:
        info.is_tracing -= 1


def _is_ours(filename):
    return filename.startswith(os.path.dirname(os.path.abspath(__file__)) + os.sep)


def _connect(channel):
    from _thread import get_ident

    _take_threading(channel.main)
    if get_ident() != channel.main:
        hide_thread(get_ident())
    # Four lines of warning at each start, about modules that are frozen into the interpreter.
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    debugpy = standard.along([channel.home] + standard.OWN_PATHS, _load)
    if channel.on_debugged is not None:
        channel.on_debugged()
    with debug_pace.Hurried():
        debugpy.connect((channel.where, 1), access_token=channel.token)
    sys.modules["pydevd"]._wait_for_attach(cancel=Patience(CONFIGURE_SECONDS))


class Patience(object):
    """As `threading.Event`: set when time is over, so that a debugger that is never ready does not hold a function up.
    A thread that waits would do as well, but from Python 3.12 on pydevd shows a thread that ends as another one."""

    def __init__(self, seconds):
        import time

        self._now = time.monotonic
        self._end = self._now() + seconds

    def is_set(self):
        return self._now() > self._end

    def set(self):
        self._end = 0.0


def hide_thread(ident):
    """This thread is none of the user's: else it would be shown, and could be stopped."""
    import threading

    if ident not in threading._active:
        # Hidden from its first moment on: what a debugger has seen once, it goes on showing.
        told = {"_set_ident": lambda self: setattr(self, "_ident", ident), "_set_native_id": lambda self: None}
        type("Hidden", (threading._DummyThread,), dict(told, pydev_do_not_trace=True, is_pydev_daemon_thread=True))()
    thread = threading._active[ident]
    thread.pydev_do_not_trace = thread.is_pydev_daemon_thread = True


def _load():
    import debugpy
    import debugpy.server.api  # noqa: F401
    import pydevd

    from . import debug_dial, debug_threads

    debug_dial.dial_so()
    debug_threads.know_those_that_start()
    debug_pace.wake_at_once()
    pydevd.PydevdCustomization.PREIMPORT = PREIMPORT
    _hand_on_to_children()
    return debugpy


def _hand_on_to_children():
    """A process started by `python -c`, as multiprocessing does, is configured by code that forgets the preimport. One
    that can not be told of it is better left alone: it would not find the emulator, and end."""
    from _pydev_bundle import pydev_monkey

    wrapped = pydev_monkey._get_python_c_args
    config = "pydevd.config(%r, %r)"

    def get_python_c_args(host, port, code, args, setup):
        import pydevd

        text = wrapped(host, port, code, args, setup)
        told = config % (pydev_monkey.pydevd_constants.get_protocol(), pydevd.PydevdCustomization.DEBUG_MODE)
        given = "%s, %r)" % (told[:-1], PREIMPORT)
        if isinstance(text, bytes):
            told, given = told.encode("utf-8"), given.encode("utf-8")
        return text.replace(told, given, 1) if told in text else code

    pydev_monkey._get_python_c_args = get_python_c_args


def _take_threading(main):
    """Before 3.13, the thread that is the first to import `threading` counts as the main one. Then nothing in the real
    one can be stopped (debugging.md §6), so its identity is put right."""
    if "threading" in sys.modules:
        return
    import threading

    first = threading.main_thread()
    if first.ident != main and hasattr(first, "_ident"):
        with threading._active_limbo_lock:
            threading._active.pop(first.ident, None)
            first._ident = main
            if hasattr(first, "_native_id"):
                first._native_id = os.getpid()
            threading._active[main] = first
