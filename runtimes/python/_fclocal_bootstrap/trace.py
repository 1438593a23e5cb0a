# -*- coding: utf-8 -*-
"""Takes the start of an instance apart: which modules are imported, how long each takes, and when our own steps are.

From before user code can be loaded until the first answer was sent; then nothing of it is left (docs/coldstart.md).
On Python 3 the import system itself is hooked, where it looks for what is not loaded yet; its frames are known for what
they are by the file name, and so are ours, which are given the same: no traceback shows them.
"""

import os
import sys
import time

PY2 = sys.version_info[0] == 2
if PY2:
    from thread import get_ident
else:
    from _thread import get_ident

# Each record takes about 300 bytes.
MOST = 5000
# The answer goes its way first: whoever passes it on has to look at what is told, too.
PAUSE_SECONDS = 0.002
FIRST_PATHS = frozenset(["/invoke", "/http-invoke"])
now = time.time if PY2 else time.monotonic


class Entry(object):
    """An import: `parent` is the one that asked for it, None for none; `compiled` the seconds for which its source had
    to be compiled. Times are those of `now`."""

    __slots__ = ("name", "parent", "begin", "end", "compiled", "failed")

    def __init__(self, name, parent):
        self.name = name
        self.parent = parent
        self.end = self.compiled = 0.0
        self.failed = False
        self.begin = now()


class Imports(object):
    """What was imported, in the order in which it began: `entries`, and how many `more` there were."""

    def __init__(self):
        self.entries = []
        self.more = 0
        # When it was got ready in a program that is not ours: begin and end.
        self.installing = ()
        self.most = MOST
        self._undo = []
        # The import that runs now, by thread.
        self.current = {}

    def install(self):
        if PY2:
            from . import trace_two

            self._undo.append(trace_two.install(self))
            return
        import _frozen_importlib as importing
        import _frozen_importlib_external as external

        self._replace(importing, "_find_and_load", hide(self.hook(importing._find_and_load), importing))
        compiling = external.SourceLoader
        self._replace(compiling, "source_to_code", hide(self._compiling(compiling.source_to_code), external))

    def remove(self):
        """Nothing is recorded from here on, even where somebody has kept our function."""
        self.most = 0
        for undo in self._undo:
            undo()

    def running(self):
        """Whether this thread imports something now."""
        return self.current.get(get_ident()) is not None

    def _replace(self, owner, name, ours):
        before = getattr(owner, name)
        setattr(owner, name, ours)

        def undo():
            if getattr(owner, name) is ours:
                setattr(owner, name, before)

        self._undo.append(undo)

    def hook(self, original, modules=sys.modules):
        """The function that the interpreter calls for what is not in `modules`."""
        imports, entries, current = self, self.entries, self.current

        def _find_and_load(name, import_):
            if name in modules or len(entries) >= imports.most:
                imports.more += name not in modules
                return original(name, import_)
            ident = get_ident()
            parent = current.get(ident)
            entry = current[ident] = Entry(name, parent)
            entries.append(entry)
            try:
                return original(name, import_)
            finally:
                entry.end = now()
                entry.failed = name not in modules
                current[ident] = parent

        return _find_and_load

    def _compiling(self, original):
        current = self.current

        def source_to_code(self, *args, **kwargs):
            entry = current.get(get_ident())
            begin = now()
            try:
                return original(self, *args, **kwargs)
            finally:
                if entry is not None:
                    entry.compiled += now() - begin

        return source_to_code


def hide(function, module):
    """The same function, whose frames the interpreter takes for those of a part of its import system."""
    part = "_bootstrap_external" if module.__name__.endswith("external") else "_bootstrap"
    code, name = function.__code__, "<frozen importlib.%s>" % part
    if hasattr(code, "replace"):
        function.__code__ = code.replace(co_filename=name)
    else:  # 3.6 and 3.7
        fields = "argcount kwonlyargcount nlocals stacksize flags code consts names varnames".split()
        rest = "name firstlineno lnotab freevars cellvars".split()
        told = [getattr(code, "co_" + field) for field in fields] + [name]
        function.__code__ = type(code)(*(told + [getattr(code, "co_" + field) for field in rest]))
    return function


class Trace(object):
    """Watches a server until its first answer was sent, and tells `channel` then. `began` is when this process began
    to be an instance, `usage` whether it is asked what of its imports it uses."""

    def __init__(self, channel, began, usage):
        self.channel = channel
        self.imports = Imports()
        # (name, begin, end): bootstrap, measuring (a part of it), load, initializer and invoke.
        self.phases = []
        self.usage = None
        if usage:
            from . import trace_usage

            self.usage = trace_usage.Usage(self.imports)
        self._began = began
        self._answered = False
        self._pid = os.getpid()

    def watch(self, server, calls, handlers, measured_from):
        """Until the end, `server`, `calls` and `handlers` go through us; these are attributes of the objects alone."""
        self._watched = ((server, "_one"), (calls, "answer"), (handlers, "_load"))
        self._one, self._answer, self._load = server._one, calls.answer, handlers._load
        server._one, calls.answer, handlers._load = self.one, self.answer, self.load
        self.imports.install()
        serving = now()
        self.phases += [("bootstrap", self._began, serving), ("measuring", measured_from, serving)]

    def one(self, connection):
        alive = self._one(connection)
        if self._answered:
            self._end()
        return alive

    def answer(self, request):
        path = request.headers.get("x-fc-control-path", "")
        if path not in FIRST_PATHS:
            return self._timed("initializer", self._answer, request) if path == "/initialize" else self._answer(request)
        result = self._timed("invoke", self._answer, request)
        self._answered = os.getpid() == self._pid
        if self.usage is not None:
            self.usage.end()
        return result

    def load(self, handler):
        function = self._timed("load", self._load, handler)
        if self.usage is not None:
            self.usage.begin()
        return function

    def _timed(self, name, call, argument):
        begin = now()
        try:
            return call(argument)
        finally:
            self.phases.append((name, begin, now()))

    def _end(self):
        """Once, though several threads may have their first answer at the same time."""
        watched, self._watched = self._watched, ()
        if not watched:
            return
        self._answered = False
        self.imports.remove()
        for owner, name in watched:
            delattr(owner, name)
        from . import control

        control.start_hidden(self._tell)

    def _tell(self):
        from . import control

        time.sleep(PAUSE_SECONDS)

        control.module("trace_tell").tell(self)
