# -*- coding: utf-8 -*-
"""Carries a plan out in the running process: functions and classes take their new code where they are, steps run
again in the order of a cold start."""

import ast
import gc
import sys
import types
import weakref

import _thread

from . import keep_classes, keep_diff, keep_load, keep_plan
from .keep_diff import PATCH
from .keep_plan import Refused

FUNCTION = types.FunctionType
# Types that are looked for among all objects -> how their attributes begin.
SOUGHT = {FUNCTION: "", types.GeneratorType: "gi", types.CoroutineType: "cr", types.AsyncGeneratorType: "ag"}
# Set by the interpreter in every class body.
BODY_NAMES = frozenset(
    ["__module__", "__qualname__", "__classcell__", "__classdictcell__", "__static_attributes__", "__firstlineno__"]
)
ROUNDS = 8


class Patch(object):
    """`edits` by module name. Nothing is changed before `apply`; after a failure the process is fit for nothing."""

    def __init__(self, recorder, edits, plan):
        self.recorder = recorder
        self.edits = edits
        self.plan = plan
        self._patched = set()
        # Functions of the old code that can not take the new one; they are to end with what held them.
        self._left = []

    def apply(self):
        self._stand_still()
        self._swap()
        for name, edit in self.edits.items():
            for step in edit.steps:
                self.recorder.learn(step.code, edit.module)
        self._free(self.plan.gone)
        for _ in range(ROUNDS):
            self._round()
            self.plan.adopt()
            wanted = len(self.plan.run)
            self.plan.settle()
            if len(self.plan.run) == wanted:
                break
        else:
            raise Refused("the plan found no end")
        self._check_leftovers()

    def _round(self):
        self._free(self.plan.run)
        seen = set()
        for name in list(self.recorder.modules):
            if name in self.recorder.roots:
                self._visit(name, seen)
        for name in list(self.recorder.modules):
            self._visit(name, seen)

    def _visit(self, name, seen):
        """The steps of a module that are to run, each after those of the modules that it was the first to import."""
        if name in seen or name not in self.recorder.modules:
            return
        seen.add(name)
        for step in self.plan.steps_of(name):
            for other in step.loaded:
                self._visit(other, seen)
            edit = self.edits.get(name)
            if step in self.plan.run:
                self._run(step)
            elif edit is not None and edit.how.get(step) == PATCH and step not in self._patched:
                self._patched.add(step)
                self._patch(edit, step)

    def _run(self, step):
        loaded = step.loaded
        step.forget()
        # What it had imported is there already, unless it imports something else now.
        try:
            self.recorder.run(step)
        except BaseException as error:
            text = "%s: %s" % (type(error).__name__, error)
            raise Refused("%s fails with %s" % (keep_plan.describe(step), text))
        step.loaded = loaded + [it for it in step.loaded if it not in loaded]

    def _free(self, steps):
        """What will be made again goes first: nothing outlives it by mistake, and a model's memory is there again."""
        freed = [self._unbind(step) for step in steps]
        if any(freed):
            gc.collect()

    def _unbind(self, step):
        """Answers whether that may take the collector: for a model, and for a class, which is still a subclass."""
        freed = False
        for module, name in self.plan.defs(step):
            record = self.recorder.modules.get(module)
            if record is not None and not self._is_patched(module, name):
                value = record.namespace.pop(name, None)
                freed = freed or isinstance(value, type) or type(value).__module__ != "builtins"
                annotations = record.namespace.get("__annotations__")
                if isinstance(annotations, dict):
                    annotations.pop(name, None)
        return freed and step.kind != "import"

    def _is_patched(self, module, name):
        return (module, name) in self.plan.patched and (module, name) not in self.plan.changed

    # --- functions ---

    def _stand_still(self):
        """Nobody may be in the middle of code that changes."""
        if gc.get_freeze_count() > self.recorder.frozen:
            raise Refused("gc.freeze() hides objects that may have to take the new code")
        own = _thread.get_ident()
        for ident, frame in sys._current_frames().items():
            while frame is not None and ident != own:
                if id(frame.f_code) in self.plan.codes:
                    raise Refused("a thread is in the middle of %s, which was edited" % frame.f_code.co_name)
                frame = frame.f_back

    def _swap(self):
        """Every function that is alive takes the new text of its code, for its lines where nothing else changed."""
        codes = self.plan.codes
        news = {id(old): new for edit in self.edits.values() for old, new in edit.pairs}
        functions, suspended = alive()
        for it, code in suspended:
            if id(code) in codes:
                raise Refused("%s, which was edited, is suspended in the middle" % code.co_name)
        wanted = codes.union(news)
        for it in [it for it in functions if id(it.__code__) in wanted]:
            new = news.get(id(it.__code__))
            if new is not None and keep_diff.fits(it.__code__, new):
                it.__code__ = new
            elif id(it.__code__) in codes:
                self._left.append(weakref.ref(it))
        for edit in self.edits.values():
            for step in edit.steps:
                if step.kind == "class":
                    _move(edit.module.namespace.get(step.node.name), keep_diff.first(step))

    def _check_leftovers(self):
        """Code that is gone but still held by something that was kept would answer as before the edit."""
        if self._leftover() is not None:
            gc.collect()
            left = self._leftover()
            if left is not None:
                raise Refused("something that was kept holds %s, which is not there any more" % left.__qualname__)

    def _leftover(self):
        left = (it() for it in self._left)
        return next((it for it in left if it is not None and id(it.__code__) in self.plan.codes), None)

    def _patch(self, edit, step):
        value = edit.module.namespace[step.node.name]
        if step.kind == "def":
            made = {}
            self.recorder.run(step, made)
            transplant(value, made[step.node.name])
        else:
            patch_class(value, edit, step)


def alive():
    """Every function, and every generator and coroutine that is suspended, with its code."""
    found = [it for it in gc.get_objects() if type(it) in SOUGHT]
    functions = [it for it in found if type(it) is FUNCTION]
    suspended = []
    for it in found:
        prefix = SOUGHT[type(it)]
        if prefix and getattr(it, prefix + "_frame") is not None:
            suspended.append((it, getattr(it, prefix + "_code")))
    return functions, suspended


def _move(cls, body):
    """Python 3.13 keeps the line of a class."""
    if isinstance(cls, type) and body is not None and "__firstlineno__" in vars(cls):
        cls.__firstlineno__ = body.co_firstlineno


def transplant(old, new):
    """Make a function what another is; it stays the same object for all who hold it."""
    old.__code__ = new.__code__
    old.__defaults__ = new.__defaults__
    old.__kwdefaults__ = new.__kwdefaults__
    old.__doc__ = new.__doc__
    old.__annotations__ = new.__annotations__
    old.__dict__.clear()
    old.__dict__.update(new.__dict__)


class Body(dict):
    """The names of a class body that is executed in part: what it does not bind is the class's own."""

    def __init__(self, cls):
        dict.__init__(self)
        self._cls = cls

    def __missing__(self, name):
        return vars(self._cls)[name]


def patch_class(cls, edit, step):
    """Execute the statements of the class body that changed, and give the class what they bind."""
    members = edit.members[step]
    wanted = [it for it in step.node.body if members & set(keep_classes.bound(step.node, [it]))]
    bound = keep_classes.bound(step.node)
    for name in members:
        if name != "__doc__" and name not in bound and name in vars(cls):
            delattr(cls, name)
            vars(cls).get("__annotations__", {}).pop(name, None)
    if "__doc__" in members:
        cls.__doc__ = ast.get_docstring(step.node, clean=False)
    if not wanted:
        return
    body = _execute(cls, edit, step, wanted)
    cell = body.get("__classcell__")
    if cell is not None:
        cell.cell_contents = cls
    annotations = body.pop("__annotations__", None)
    if annotations:
        cls.__annotations__ = dict(vars(cls).get("__annotations__", {}), **annotations)
    for name, value in list(body.items()):
        if name not in BODY_NAMES:
            _give(cls, name, value)


def _execute(cls, edit, step, wanted):
    """A class statement with only those statements; its body runs alone, so that no second class is made."""
    node = ast.ClassDef(name=step.node.name, bases=[], keywords=[], body=wanted, decorator_list=[])
    if hasattr(step.node, "type_params"):
        node.type_params = []
    module = ast.Module(body=[ast.copy_location(node, step.node)], type_ignores=[])
    code = compile(module, edit.module.path, "exec", edit.flags, True)
    part = [it for it in keep_load.inner(code) if it.co_name == step.node.name][-1]
    body = Body(cls)
    exec(with_codes_of(part, keep_diff.first(step)), edit.module.namespace, body)
    return body


def with_codes_of(part, whole):
    """A part of a class body that makes its functions from the code objects of the whole one, which the notes know."""
    left = keep_load.inner(whole)
    constants = []
    for it in part.co_consts:
        if isinstance(it, type(part)):
            twin = next(x for x in left if (x.co_name, x.co_firstlineno) == (it.co_name, it.co_firstlineno))
            left.remove(twin)
            it = twin
        constants.append(it)
    return part.replace(co_consts=tuple(constants))


def _give(cls, name, value):
    old = vars(cls).get(name)
    if type(old) is FUNCTION and type(value) is FUNCTION and keep_diff.fits(old.__code__, value.__code__):
        transplant(old, value)
    elif type(old) is type(value) and isinstance(value, (staticmethod, classmethod)) and _both(old, value):
        transplant(old.__func__, value.__func__)
    else:
        setattr(cls, name, value)
        if hasattr(type(value), "__set_name__"):
            value.__set_name__(cls, name)


def _both(old, new):
    one, two = old.__func__, new.__func__
    return type(one) is FUNCTION and type(two) is FUNCTION and keep_diff.fits(one.__code__, two.__code__)
