# -*- coding: utf-8 -*-
"""What a template loads for its instances, and whether they would survive the fork (docs/zygote.md).

Counting threads proves nothing: numpy and torch start some when they are imported, and are forked well. A thread of
Python's own, a connection or a GPU's context is another matter: an instance would believe that it still has them.
"""

import os
import sys

from . import probe, standard

# Those that change the standard library under everybody else, and must be first to do so.
FIRST_OF_ALL = ("gevent.monkey", "eventlet.patcher")


class Editable(object):
    """Keeps out what lies below folders that may be edited, but for the packages that are installed there: `allowed`
    are files, and folders whose names end in a slash."""

    def __init__(self, folders, allowed):
        self._folders = tuple(folder.rstrip("/") + "/" for folder in folders)
        self._allowed = frozenset(allowed)
        # From where it is, without an import.
        self._finder = sys.modules["_frozen_importlib_external"].PathFinder

    def find_spec(self, name, path=None, target=None):
        spec = self._finder.find_spec(name, path, target)
        origin = getattr(spec, "origin", None)
        if origin and origin.startswith(self._folders) and not self._is_allowed(origin):
            raise ModuleNotFoundError("No module named %r" % name, name=name)
        return None

    def _is_allowed(self, file):
        return file in self._allowed or file.rpartition("/")[0] + "/" in self._allowed

    def forget(self):
        """What was seen on the search path there may be different when an instance looks."""
        for path in [path for path in sys.path if (path + "/").startswith(self._folders)]:
            sys.path_importer_cache.pop(path, None)

    def below(self, modules):
        """The files of those that lie there."""
        origins = [getattr(getattr(it, "__spec__", None), "origin", None) or "" for it in modules]
        return [origin for origin in origins if origin.startswith(self._folders)]


def load(order, before, tell):
    """Import what is ordered, and `tell` what is about to be imported; `before` is what any interpreter has loaded.

    A dict: `names` of what is loaded now, at the top, with their files; `files` that may be edited; `environ`, what
    imports have set there; or `again`, what must be set there before; or `refused`, a sentence that says why not.
    """
    for name, _ in order["modules"]:
        if name in FIRST_OF_ALL:
            return {"refused": "%s must change the standard library before anything else is loaded" % name}
    if order["debugger"]:
        standard.along([order["debugger"]] + standard.OWN_PATHS, _debugger)
    environ = dict(os.environ)
    own_path = sys.path[:]
    editable = Editable(order["editable"], order["allowed"])
    sys.path[:] = order["path"] or own_path
    sys.meta_path.insert(1, editable)  # behind the finder of the standard library
    try:
        refused = _import(order["modules"], tell)
    finally:
        sys.meta_path.remove(editable)
        editable.forget()
        sys.path[:] = own_path + [entry for entry in sys.path if entry not in (order["path"] or own_path)]
    if refused:
        return {"refused": refused}
    changed = {name: value for name, value in os.environ.items() if environ.get(name) != value}
    again = {name: value for name, value in order["environ"].items() if changed.get(name, environ.get(name)) != value}
    if again:
        return {"again": again}
    tell("")
    refused = probe.refusal()
    if refused:
        return {"refused": refused}
    return {"names": _names(before), "files": editable.below(list(sys.modules.values())), "environ": changed}


def _debugger():
    """What attaching takes the longest for; it is never connected here."""
    name = "PYDEVD_DISABLE_FILE_VALIDATION"
    os.environ[name] = "1"
    try:
        import debugpy.server.api  # noqa: F401
        import pydevd  # noqa: F401

        from . import debug, debug_dial, debug_pace  # noqa: F401

        debug_pace.find_out()
    except ImportError:
        pass  # an instance says so
    finally:
        del os.environ[name]


def _names(before):
    """Those that a file of the user's could have been loaded for."""
    names = {}
    for name, module in list(sys.modules.items()):
        if "." not in name and name not in before and name not in standard.GUARDED:
            names[name] = getattr(getattr(module, "__spec__", None), "origin", None) or ""
    return names


def _import(modules, tell):
    """Why not all of it can be had. One that was begun and failed is half there: no fork could import it again."""
    state = probe.State()
    top = ""
    for name, file in modules:
        if name.partition(".")[0] != top:
            reason = state.new()
            if reason:
                return "%s %s" % (top, reason)
            top = name.partition(".")[0]
            tell(top)
        reason = _one(name, file)
        if reason:
            return reason
    reason = state.new()
    return "%s %s" % (top, reason) if reason else ""


def _one(name, file):
    if name in sys.modules:
        return ""
    try:
        __import__(name)
    except BaseException as error:
        return "%s can not be imported by itself: %s: %s" % (name, type(error).__name__, error)
    found = getattr(getattr(sys.modules.get(name), "__spec__", None), "origin", None)
    if file and found and found != file:
        return "%s would come from %s, and an instance has it from %s" % (name, found, file)
    return ""
