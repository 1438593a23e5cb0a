# -*- coding: utf-8 -*-
"""What a step of loading does to the whole process: only a new process is without it again, so no step repeats it."""

import os
import sys

import _thread

THREAD = "starts a thread"
# Audit events of the interpreter -> what the step did.
EVENTS = {
    "_thread.start_new_thread": THREAD,
    "_thread.start_joinable_thread": THREAD,
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.putenv": "changes the environment",
    "os.unsetenv": "changes the environment",
    "os.chdir": "changes the working directory",
    "os.mkdir": "changes files",
    "os.remove": "changes files",
    "os.rename": "changes files",
    "os.rmdir": "changes files",
    "os.symlink": "changes files",
    "os.link": "changes files",
    "os.truncate": "changes files",
    "socket.bind": "listens on a socket",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
SIGNALS = (1, 2, 3, 10, 12, 13, 14, 15, 17)


def watch_threads(note):
    """Python before 3.12 raises no event: `note` is called for each thread that is started."""
    start = _thread.start_new_thread

    def start_new_thread(*args, **kwargs):
        note("_thread.start_new_thread", args)
        return start(*args, **kwargs)

    _thread.start_new_thread = start_new_thread
    if "threading" in sys.modules:
        sys.modules["threading"]._start_new_thread = start_new_thread


def facets():
    """[(what a difference means, value)] of what the interpreter raises no audit event for."""
    import _signal
    import atexit
    import builtins

    return [
        ("changes sys.path", (tuple(sys.path), len(sys.meta_path), len(sys.path_hooks))),
        ("replaces streams or hooks of sys", (id(sys.stdout), id(sys.stderr), id(sys.excepthook))),
        ("sets a signal handler", [_signal.getsignal(number) for number in SIGNALS]),
        ("registers a function for the exit", atexit._ncallbacks()),
        ("changes builtins", len(builtins.__dict__)),
        ("changes the filters of warnings", _filters()),
        ("changes logging", _logging()),
    ]


def _filters():
    warnings = sys.modules.get("warnings")
    return [id(it) for it in warnings.filters] if warnings is not None else []


def _logging():
    """Levels and handlers of all loggers. A logger that is only made, or logging that is only loaded, is no change."""
    logging = sys.modules.get("logging")
    root = getattr(logging, "root", None)
    if root is None:
        return None
    found = [("", root.level, [id(it) for it in root.handlers], root.manager.disable)]
    for name, logger in list(root.manager.loggerDict.items()):
        handlers = getattr(logger, "handlers", None)
        if handlers or getattr(logger, "level", 0) or getattr(logger, "disabled", False):
            found.append((name, logger.level, [id(it) for it in handlers or ()], logger.disabled))
    return found


def differences(before, after):
    """What happened between two looks."""
    return [
        text
        for (text, old), (_, new) in zip(before, after)
        if old != new and not (text == "changes logging" and old is None)
    ]


def is_written(path, flags):
    """Whether an `open` event changes a file that counts: the interpreter's own caches and devices do not."""
    if not isinstance(flags, int) or not flags & WRITING:
        return False
    return not (path.startswith("/dev/") or "__pycache__" in path)
