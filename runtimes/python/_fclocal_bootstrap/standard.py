# -*- coding: utf-8 -*-
"""Imports of the standard library that are put off until somebody needs them, and FC's preset of logging.

FC's own bootstrap has loaded these modules before user code runs. So a user's `json.py` never shadows them there, and
the root logger is preset. Loading them costs a third of a cold start and many functions need none of them; hence a
finder that does both at the first import.
"""

import os
import sys
import time

PY2 = sys.version_info[0] == 2
if not PY2:
    from _thread import get_ident
LIBRARY = os.path.dirname(os.path.abspath(os.__file__))
# The package is imported before the user's folders are added.
OWN_PATHS = sys.path[:]
GUARDED = frozenset(["base64", "datetime", "decimal", "json", "logging", "threading", "traceback"])
# Threads that are `isolated`, with their search paths.
inside = {}
# Modules that a template had loaded when this process was forked from it.
preloaded = set()
# Name and id of the one that was imported last of those.
newest = ()
# What fills the holes between objects of a template, see `holes`.
fillers = []


class Current(object):
    """The request that runs now. With concurrency above 1, `by_thread` tells the threads apart."""

    def __init__(self):
        self.request_id = ""
        self.by_thread = None

    def begin(self, request_id):
        self.request_id = request_id
        if self.by_thread is not None:
            self.by_thread.request_id = request_id

    def get(self):
        return getattr(self.by_thread, "request_id", self.request_id)


current = Current()


class Isolated(object):
    """Finds modules for threads that are isolated."""

    def find_spec(self, name, path=None, target=None):
        paths = inside.get(get_ident()) if path is None else None
        return self.search(name, paths) if paths is not None else None

    def search(self, name, paths):
        # The finder of search paths, from where it is without an import, which would come here again.
        return sys.modules["_frozen_importlib_external"].PathFinder.find_spec(name, paths)


class Standard(Isolated):
    """Finds the guarded modules in the standard library, whatever lies in the code folder."""

    def find_spec(self, name, path=None, target=None):
        if name not in GUARDED or path is not None:
            return Isolated.find_spec(self, name, path)
        spec = self.search(name, [LIBRARY])
        if spec is not None and spec.loader is not None:
            spec.loader = Loader(spec.loader)
        return spec


class Loader(object):
    """Runs a module of the standard library with the interpreter's own search path, and presets logging."""

    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        isolated(self._loader.exec_module, module)
        if module.__name__ == "logging":
            preset(module)


def isolated(call, *args):
    """`call` with the interpreter's own search path: the standard library imports more of itself when it is used."""
    return along(OWN_PATHS, call, *args)


def along(paths, call, *args):
    """`call` with another search path for this thread alone: others may just import user code."""
    if PY2:
        return _swapped(paths, call, *args)
    if not any(isinstance(finder, Isolated) for finder in sys.meta_path):
        sys.meta_path.insert(0, Isolated())  # a program that is not ours has no guard
    ident = get_ident()
    before = inside.get(ident)
    inside[ident] = paths
    try:
        return call(*args)
    finally:
        if before is None:
            del inside[ident]
        else:
            inside[ident] = before


def _swapped(paths, call, *args):
    """2.7 has no finders that are asked first."""
    before = sys.path[:]
    sys.path[:] = paths
    try:
        return call(*args)
    finally:
        sys.path[:] = before


def guard():
    """Called once, before the user's folders are added to the search path."""
    if PY2:
        import json  # noqa: F401 - 2.7 has no specs; all of these take it 3 ms
        import logging
        import traceback  # noqa: F401

        preset(logging)
    elif not any(isinstance(finder, Standard) for finder in sys.meta_path):  # a template has done it
        sys.meta_path.insert(0, Standard())


def stamp(seconds):
    """`2024-03-04T09:57:28.192Z` (runtime-contract.md §6.2)."""
    return "%s.%03dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)), int(seconds * 1000) % 1000)


def preset(logging):
    """The root logger writes FC's format to stdout from INFO on (runtime-contract.md §2.2)."""

    class Formatter(logging.Formatter):
        def formatTime(self, record, datefmt=None):
            return stamp(record.created)

        def format(self, record):
            record.fc_request_id = current.get()
            return logging.Formatter.format(self, record)

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Formatter("%(asctime)s %(fc_request_id)s [%(levelname)s] %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


def log_error(text):
    """One line at ERROR, as FC logs the error object, without loading logging for it."""
    write("%s %s [ERROR] %s\n" % (stamp(time.time()), current.get(), text))


def write(text):
    """To the function's log. User code may have closed or replaced stdout: the log is not worth a crash."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except Exception:
        pass


def flush():
    """What user code wrote is complete in the log when its answer arrives."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
