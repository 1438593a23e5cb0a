# -*- coding: utf-8 -*-
"""The hook of imports for Python 2.7, where each import statement calls `__import__`, loaded or not.

What an exception has seen of us is taken out of its traceback, which only the syntax of 2.7 can say.
"""

import sys

from . import trace

HOOK = """
def hook(original, begun, ended):
    def __import__(name, globals=None, locals=None, fromlist=None, level=-1):
        entry = begun(name, globals, fromlist, level)
        try:
            return original(name, globals, locals, fromlist, level)
        except:
            raise exc_info()[0], exc_info()[1], exc_info()[2].tb_next
        finally:
            ended(entry)
    return __import__
"""


def install(imports):
    """Returns what undoes it."""
    import __builtin__

    namespace = {"exc_info": sys.exc_info}
    exec(compile(HOOK, __file__, "exec"), namespace)
    before, watch = __builtin__.__import__, Watch(imports)
    ours = __builtin__.__import__ = namespace["hook"](before, watch.begun, watch.ended)

    def undo():
        if __builtin__.__import__ is ours:
            __builtin__.__import__ = before

    return undo


class Watch(object):
    """Makes records of those calls that have loaded something."""

    def __init__(self, imports):
        self._imports = imports

    def begun(self, name, globals, fromlist, level):
        """None where the record would be one too many."""
        imports = self._imports
        if len(imports.entries) >= imports.most:
            return None
        ident = trace.get_ident()
        parent = imports.current.get(ident)
        entry = trace.Entry("", parent)
        # What it may be the name of, and which of these are loaded already.
        names = candidates(name, globals, level)
        inner = ["%s.%s" % (one, item) for one in names for item in fromlist or () if isinstance(item, str)]
        wanted = [one for one in names + inner if sys.modules.get(one) is None]
        imports.current[ident] = entry
        imports.entries.append(entry)
        return entry, wanted, ident

    def ended(self, begun):
        if begun is None:
            return
        entry, wanted, ident = begun
        entry.end = trace.now()
        self._imports.current[ident] = entry.parent
        loaded = [one for one in wanted if sys.modules.get(one) is not None]
        if loaded:
            entry.name = loaded[0]
        elif self._imports.entries[-1] is entry:
            self._imports.entries.pop()  # nothing was loaded; one without a name is left out later


def candidates(name, globals, level):
    """The full names that a call may mean: before Python 3, a plain name is looked for in the package first."""
    globals = globals or {}
    package = globals.get("__package__")
    if package is None:
        package = globals.get("__name__") or ""
        if "__path__" not in globals:
            package = package.rpartition(".")[0]
    if level == 0 or not package:
        return [name]
    if level < 0:
        return ["%s.%s" % (package, name), name]
    base = package.rsplit(".", level - 1)[0] if level > 1 else package
    return ["%s.%s" % (base, name) if name else base]
