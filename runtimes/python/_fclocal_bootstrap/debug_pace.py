# -*- coding: utf-8 -*-
"""What makes debugpy quicker, by changes of its internals (debugging.md §7): each is only made where it fits, and
without it debugging is slower, and else the same.
"""

import os
import sys
import types


class Hurried(object):
    """While debugpy connects: without its fixed tenth of a second, and without a list of every installed distribution
    for a log that nobody asked for."""

    def __enter__(self):
        import time

        import debugpy.common.log
        import pydevd

        self._pydevd, self._log = pydevd, debugpy.common.log
        self._time = getattr(pydevd, "time", None)
        self._describe = getattr(self._log, "describe_environment", None)
        if self._time is time:
            pydevd.time = types.ModuleType("time")
            pydevd.time.__dict__.update(time.__dict__)
            pydevd.time.sleep = lambda seconds: None if seconds == 0.1 else time.sleep(seconds)
        if self._describe is not None:
            self._log.describe_environment = lambda *args, **kwargs: None

    def __exit__(self, *_):
        if self._time is not None:
            self._pydevd.time = self._time
        if self._describe is not None:
            self._log.describe_environment = self._describe


def wake_at_once():
    """A thread that stands looks every 0.2 seconds whether it may go on, after each command that it was given: which is
    how long each `continue` and each step would take."""
    from _pydevd_bundle import pydevd_comm, pydevd_thread_lifecycle

    command = getattr(pydevd_comm, "InternalThreadCommand", None)
    if command is not None and hasattr(command, "do_it"):
        _wake_after_command(command)
    if hasattr(pydevd_thread_lifecycle, "internal_run_thread"):
        _wake_after_resume(pydevd_thread_lifecycle)


def _wake_after_command(command):
    do_it = command.do_it

    def do_and_look(self, py_db):
        try:
            do_it(self, py_db)
        finally:
            if self.thread_id != "*":
                py_db.get_internal_queue_and_event(self.thread_id)[1].set()

    command.do_it = do_and_look


def _wake_after_resume(lifecycle):
    import pydevd
    from _pydevd_bundle.pydevd_constants import get_current_thread_id

    resume = lifecycle.internal_run_thread

    def resume_and_wake(thread, *args, **kwargs):
        resume(thread, *args, **kwargs)
        py_db = pydevd.get_global_debugger()
        if py_db is not None:
            py_db.get_internal_queue_and_event(get_current_thread_id(thread))[1].set()

    lifecycle.internal_run_thread = resume_and_wake


# Modules whose code runs while a fork is attached: the debugger asks for the real names of their files.
ON_THE_WAY = ("_fclocal_bootstrap", "__main__", "debugpy", "pydev", "_pydev", "threading", "queue", "posixpath")


def find_out():
    """In a template, what each of its forks would find out for itself when it is attached, and finds the same: where
    libraries lie, what files are called, and the library that reaches other threads."""
    for step in (_library_roots, _helper_library, _names_of_files):
        try:
            step()
        except (ImportError, AttributeError):
            pass


def _library_roots():
    from _pydevd_bundle.pydevd_filtering import FilesFiltering

    find = FilesFiltering._get_default_library_roots
    known = {_place(): find()}

    def roots(cls):
        found = known.get(_place())
        return list(found) if found is not None else find()

    FilesFiltering._get_default_library_roots = classmethod(roots)


def _place():
    """What the folders of libraries are found by: they are others where code has changed it before an attach."""
    return tuple(sys.path), os.environ.get("HOME"), os.environ.get("PYTHONUSERBASE")


def _helper_library():
    import pydevd_tracing

    pydevd_tracing._load_python_helper_lib()


def _names_of_files():
    import pydevd_file_utils

    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if name.startswith(ON_THE_WAY) and file.endswith(".py"):
            pydevd_file_utils.get_abs_path_real_path_and_base_from_file(file)
