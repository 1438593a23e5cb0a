"""Modules that are loaded at the first use of what they have, as an import in the function that needs them would do.

For `fclocal coldstart --try lazy:NAME`, which measures what such a change would bring. importlib.util.LazyLoader does
the same, but loading that takes longer than some of what is measured, and a second import of such a module loads it.
"""

import sys
from _thread import RLock, get_ident

Module = type(sys)
# What the import system itself asks of a module that is imported again.
ASKED = ("__spec__", "__class__")


class LazyModule(Module):
    """Becomes a module like others when it is used."""

    def __getattribute__(self, name):
        if name not in ASKED and not is_loading(self):
            load(self)
        return Module.__getattribute__(self, name)


class LazyLoader(object):
    """In place of the loader of one module."""

    def __init__(self, loader):
        self.loader = loader
        self.lock = RLock()
        self.thread = 0

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__class__ = LazyModule


def is_loading(module):
    """Whether this very thread does: others wait for it."""
    spec = Module.__getattribute__(module, "__spec__")
    return isinstance(spec.loader, LazyLoader) and spec.loader.thread == get_ident()


def load(module):
    """Once. Where it fails, the next use tries again, as an import does."""
    spec = Module.__getattribute__(module, "__spec__")
    lazy = spec.loader
    if not isinstance(lazy, LazyLoader):
        return
    with lazy.lock:
        if spec.loader is not lazy:
            return
        lazy.thread = get_ident()
        try:
            lazy.loader.exec_module(module)
        finally:
            lazy.thread = 0
        spec.loader = module.__dict__["__loader__"] = lazy.loader
        module.__class__ = Module


class Lazily(object):
    """The first of the finders: finds these modules as the others do, and has them loaded later."""

    def __init__(self, names):
        self._names = frozenset(names)
        self._asked = set()

    def find_spec(self, name, path=None, target=None):
        if name not in self._names or name in self._asked:
            return None
        self._asked.add(name)
        try:
            spec = self._found(name, path, target)
        finally:
            self._asked.discard(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = LazyLoader(spec.loader)
        return spec

    def _found(self, name, path, target):
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                return spec
        return None


def install(names):
    sys.meta_path.insert(0, Lazily(names))
