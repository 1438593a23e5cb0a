# -*- coding: utf-8 -*-
"""Loads the user's modules step by step and notes what each step did, so that a reload can keep what it made.

Only functions with `reload: keep` load this; the plan that uses the notes is made in keep.py. A step is a top-level
statement of a module, or the Initializer. Python 3.8 to 3.13.
"""

import builtins
import gc
import os
import sys

import _frozen_importlib
import _thread

from . import keep_effects, keep_find
from .keep_watch import make_watch

ONLY_AST = 0x400  # ast.PyCF_ONLY_AST: `ast` itself takes 5 ms to load
OLDEST, NEWEST = (3, 8), (3, 13)
# Bound by the interpreter, not by a statement.
UNBOUND = frozenset(["__builtins__", "__annotations__", "__warningregistry__", "__conditional_annotations__"])
DEFS = frozenset(["FunctionDef", "AsyncFunctionDef"])
IMPORTS = frozenset(["Import", "ImportFrom"])
MISSING = object()
EXECUTE = getattr(builtins, "exec")  # a keyword to Python 2.7


class Step(object):
    """One step of loading, and what was seen while it ran.

    `kind`: import, def, class, data, doc, or init for the Initializer. `ran`: ids of the user's code objects that it
    executed. `defs`: (module, name) pairs that it bound. `loaded`: modules that it was the first to import. `effects`:
    texts of keep_effects. `opaque`: `ran` could not be watched.
    """

    __slots__ = ("code", "defs", "effects", "kind", "loaded", "module", "node", "opaque", "ran", "thread")

    def __init__(self, module, node, kind, code):
        self.module = module
        self.node = node
        self.kind = kind
        self.code = code
        self.forget()

    def forget(self):
        self.ran = set()
        self.defs = set()
        self.loaded = []
        self.effects = set()
        self.opaque = False
        self.thread = 0

    def take_over(self, other):
        """What was seen of a step that is the same statement in another text."""
        for name in ("ran", "defs", "loaded", "effects", "opaque"):
            setattr(self, name, getattr(other, name))

    @property
    def line(self):
        return self.node.lineno if self.node is not None else 0

    @property
    def quiet(self):
        """Whether nothing but an import of something else can happen: not worth a look at the whole process."""
        if self.kind == "def":
            args = self.node.args
            return not (self.node.decorator_list or args.defaults or args.kw_defaults)
        return self.kind == "doc" or (self.kind == "import" and self.node.names[0].name != "*")


class Module(object):
    """A module of the user that was loaded step by step. `path` as the interpreter has it, `source` in bytes."""

    def __init__(self, name, path, source, namespace):
        self.name = name
        self.path = path
        self.source = source
        self.namespace = namespace
        self.steps = []
        self.flags = 0


def parse(module, source):
    """(steps, flags of `from __future__`) of a text; raises what the interpreter would for the whole module."""
    tree = compile(source, module.path, "exec", ONLY_AST, True)
    # Whole as well: some errors show only then.
    compile(tree, module.path, "exec", 0, True)
    flags = 0
    for node in tree.body:
        if type(node).__name__ == "ImportFrom" and node.module == "__future__":
            import __future__

            for alias in node.names:
                flags |= getattr(__future__, alias.name).compiler_flag
    return [_step(module, tree, index, flags) for index in range(len(tree.body))], flags


def _step(module, tree, index, flags):
    node = tree.body[index]
    kind = kind_of(node)
    code = None
    if kind != "doc" or index == 0:
        # A text that stands alone further down would be taken for the docstring of its own little module.
        whole = type(tree)(body=[node], type_ignores=[])
        code = compile(whole, module.path, "exec", flags, True)
    return Step(module, node, kind, code)


def kind_of(node):
    name = type(node).__name__
    if name in DEFS:
        return "def"
    if name in IMPORTS:
        return "import"
    if name == "Expr" and isinstance(getattr(node.value, "value", None), str):
        return "doc"
    return "class" if name == "ClassDef" else "data"


def inner(code):
    """The code objects directly inside of one."""
    return [it for it in code.co_consts if isinstance(it, type(code))]


class Recorder(object):
    """Every module of the user with its steps, in the order in which loading began.

    `roots` are the modules that no step imported. `sources` are texts by path that replace those on the disk (None:
    deleted). `frozen` counts objects that the collector hid before user code ran. `opened` are the files below the code
    folder that were opened, `opened_modules` those of Python.
    """

    def __init__(self, code):
        self.code = code
        self.modules = {}
        self.roots = []
        self.initializer = None
        self.frozen = gc.get_freeze_count()
        self.sources = {}
        self.opened = set()
        self.opened_modules = set()
        self.codes = {}
        self._stack = []
        self._watch = make_watch(self.codes, self._stack)

    # --- finding ---

    def install(self):
        sys.path_hooks.insert(0, keep_find.hook(self))
        sys.addaudithook(self._audit)
        if sys.version_info < (3, 12):
            keep_effects.watch_threads(self._audit)

    def is_ours(self, path):
        return path == self.code or path.startswith(self.code + "/")

    # --- loading ---

    def load(self, module, loader):
        path = module.__spec__.origin
        record = Module(module.__name__, path, loader.get_data(path), module.__dict__)
        record.steps, record.flags = parse(record, record.source)
        if self._stack:
            self._stack[-1].loaded.append(record.name)
        else:
            self.roots.append(record.name)
        self.modules[record.name] = record
        try:
            for step in record.steps:
                self.learn(step.code, record)
                self.run(step)
        except BaseException:
            self.modules.pop(record.name, None)
            raise

    def learn(self, code, module):
        """Whose code object it is, and all inside of it."""
        if code is not None:
            self.codes[id(code)] = (code, module)
            for it in inner(code):
                self.learn(it, module)

    def run(self, step, namespace=None):
        """Execute a step in its module; what it binds goes to `namespace`, if that is given."""
        if step.code is None:
            return
        call = _frozen_importlib._call_with_frames_removed
        where = step.module.namespace
        self.noted(step, call, EXECUTE, step.code, where, where if namespace is None else namespace)

    def initialize(self, function, context):
        """Call the Initializer, which is a step as well."""
        self.initializer = Step(None, None, "init", None)
        code = getattr(function, "__code__", None)
        if id(code) in self.codes:
            self.initializer.ran.add(id(code))
        return self.noted(self.initializer, function, context)

    def noted(self, step, call, *args):
        """`call`, and what it does goes to the notes of `step`."""
        looks = not step.quiet
        if looks:
            before = keep_effects.facets()
            bound = [(it, dict(it.namespace)) for it in self.modules.values()]
        self._begin(step)
        try:
            return call(*args)
        finally:
            self._end(step)
            if looks:
                step.effects.update(keep_effects.differences(before, keep_effects.facets()))
                step.defs.update(_rebound(bound))

    def _begin(self, step):
        step.thread = _thread.get_ident()
        if self._stack and self._stack[-1].thread != step.thread:
            step.opaque = self._stack[-1].opaque = True
        self._stack.append(step)
        self._watch.begin(step)

    def _end(self, step):
        self._watch.end(step)
        self._stack.remove(step)

    def _audit(self, event, args):
        if event == "open":
            self._opened(args[0], args[2])
        elif self._stack and event in keep_effects.EVENTS:
            self._stack[-1].effects.add(keep_effects.EVENTS[event])

    def _opened(self, path, flags):
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str):
            return
        path = os.path.normpath(os.path.join(self.code, path))
        if self._stack and keep_effects.is_written(path, flags):
            self._stack[-1].effects.add("writes " + path)
        if self.is_ours(path) and not path.endswith(".pyc") and not keep_effects.is_written(path, flags):
            (self.opened_modules if path.endswith(".py") else self.opened).add(path)


def _rebound(bound):
    """(module, name) pairs whose value is another one now."""
    for module, before in bound:
        now = module.namespace
        for name in set(before) | set(now):
            value = now.get(name, MISSING)
            if value is before.get(name, MISSING) or name in UNBOUND:
                continue
            if sys.modules.get(module.name + "." + name) is not value:
                yield module.name, name


recorder = None


def install(code):
    """Record what is loaded from now on; None on a Python that this was not tried with."""
    global recorder
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        recorder = Recorder(code)
        recorder.install()
    return recorder
