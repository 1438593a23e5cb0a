# -*- coding: utf-8 -*-
"""Which imported packages the first event uses: those whose code ran, or that code which ran has named.

Loaded only where somebody asks, since it slows down what it watches. What a package does by being imported alone can
not be seen, so that none is ever called useless, but "not used in this event".
"""

import sys
from types import BuiltinFunctionType, FunctionType, ModuleType

from . import trace

# Of the six that sys.monitoring has, those that nobody has claimed (3.12 and newer).
TOOLS = (3, 4)


class Usage(object):
    """Watches what runs between `begin` and `end`, but for what runs while something is imported."""

    def __init__(self, imports):
        self._imports = imports
        self._codes = set()
        self._tool = None
        self._before = None

    def begin(self):
        """Called after each load; what was begun goes on."""
        if self._before is not None or self._tool is not None:
            return
        monitoring = getattr(sys, "monitoring", None)
        if monitoring is not None:
            self._tool = next((tool for tool in TOOLS if monitoring.get_tool(tool) is None), None)
        if self._tool is None:
            self._profile()
            return
        monitoring.use_tool_id(self._tool, "fclocal")
        monitoring.register_callback(self._tool, monitoring.events.PY_START, self._started)
        monitoring.set_events(self._tool, monitoring.events.PY_START)

    def _profile(self):
        self._before = (sys.getprofile(),)
        if "threading" in sys.modules:
            sys.modules["threading"].setprofile(self._called)
        sys.setprofile(self._called)

    def end(self):
        if self._tool is not None:
            sys.monitoring.set_events(self._tool, 0)
            sys.monitoring.free_tool_id(self._tool)
        elif self._before is not None:
            sys.setprofile(self._before[0])
            if "threading" in sys.modules:
                sys.modules["threading"].setprofile(None)

    def _started(self, code, offset):
        if self._imports.running():
            return None
        self._codes.add(code)
        return sys.monitoring.DISABLE

    def _called(self, frame, event, arg):
        if event == "call" and not self._imports.running():
            self._codes.add(frame.f_code)

    def told(self):
        """`used` and `unused`: names of top-level packages that were imported since the hook was there."""
        files, namespaces = {}, {}
        for name, module in list(sys.modules.items()):
            file = source_of(module)
            if file:
                files[file] = top(name)
                namespaces[file] = module.__dict__
        used = set()
        for code in self._codes:
            file = code.co_filename
            if file in files:
                used.add(files[file])
                used.update(named(code, namespaces[file]))
        found = {top(entry.name) for entry in self._imports.entries if entry.name and not entry.failed}
        found.discard("_fclocal_bootstrap")
        return {"used": sorted(found & used), "unused": sorted(found - used)}


def named(code, namespace):
    """The packages of what a function's global names are bound to."""
    for name in code.co_names:
        value = namespace.get(name)
        if isinstance(value, ModuleType):
            yield top(value.__name__)
        elif isinstance(value, (FunctionType, BuiltinFunctionType, type)):
            yield top(value.__module__)
        elif value is not None:
            # Not of the value itself, which may run code of its own when it is asked.
            yield top(type(value).__module__)


def top(name):
    return name.partition(".")[0] if isinstance(name, str) else ""


def source_of(module):
    """As code objects have it."""
    file = getattr(module, "__dict__", {}).get("__file__")
    if not isinstance(file, str):
        return ""
    return file[:-1] if trace.PY2 and file.endswith((".pyc", ".pyo")) else file
