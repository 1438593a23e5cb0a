# -*- coding: utf-8 -*-
"""Which names code reads and binds, which values can change, and what a statement does to what it names."""

import _ast
import dis
import functools
import sys
import types

# Through these, code reaches names that it does not spell.
REACHES_ALL = frozenset(["globals", "locals", "vars", "eval", "exec", "inspect", "_getframe", "__dict__"])
REACHES_BY_TEXT = frozenset(["getattr", "hasattr", "setattr", "delattr", "attrgetter", "methodcaller", "import_module"])
REACHES_BY_TEXT = REACHES_BY_TEXT | frozenset(["__import__", "modules", "patch"])
FUNCTION = types.FunctionType
PLAIN = (types.ModuleType, types.BuiltinFunctionType, type(Ellipsis), type(NotImplemented), type(None))
GROWING = frozenset(
    "append appendleft add update extend extendleft insert setdefault pop popleft popitem remove discard clear sort"
    " reverse subtract move_to_end rotate".split()
)
# Modules whose effects keep_effects sees, or that have none that lasts.
SEEN = frozenset("atexit builtins gc logging os random shutil signal subprocess sys threading time warnings".split())
# What only refers to values, without looking into them.
REFERRING = (_ast.Constant, _ast.Name, _ast.Tuple, _ast.List, _ast.Dict, _ast.Set, _ast.Lambda)
# What may look into values, and calls nothing that changes them.
LOOKING = (
    _ast.Attribute,
    _ast.Starred,
    _ast.BinOp,
    _ast.UnaryOp,
    _ast.BoolOp,
    _ast.Compare,
    _ast.IfExp,
    _ast.JoinedStr,
    _ast.FormattedValue,
    _ast.Subscript,
    _ast.Slice,
)
# Making a class calls its metaclass, and `__init_subclass__` of its bases.
ACTING = (_ast.AugAssign, _ast.ClassDef, _ast.Delete, _ast.With, _ast.For, _ast.Raise)
FUNCTIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.Lambda)


class Names(object):
    """What one code object names, without those inside of it: names that it `reads`, `binds` where it stands, `sets`
    as globals; `attributes`, and those that it `stores`; modules that it `imports`. `everything`: it may reach any
    name."""

    __slots__ = ("attributes", "binds", "everything", "imports", "reads", "sets", "stores")

    def __init__(self, code):
        self.reads, self.binds, self.sets = set(), set(), set()
        self.attributes, self.stores, self.imports = set(), set(), set()
        for it in dis.get_instructions(code):
            if it.opcode in dis.hasname and isinstance(it.argval, str):
                self._note(it.opname, it.argval)
        named = self.reads | self.attributes
        self.everything = bool(named & REACHES_ALL)
        if named & REACHES_BY_TEXT:
            texts = set(_texts(code.co_consts))
            self.attributes |= texts
            self.stores |= texts
            self.imports |= texts

    def _note(self, opname, name):
        if opname == "IMPORT_NAME":
            self.imports.add(name)
        elif opname.startswith("LOAD_") and ("GLOBAL" in opname or opname == "LOAD_NAME"):
            self.reads.add(name)
        elif opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            self.sets.add(name)
        elif opname in ("STORE_NAME", "DELETE_NAME"):
            self.binds.add(name)
        else:
            self.attributes.add(name)
            if opname in ("STORE_ATTR", "DELETE_ATTR"):
                self.stores.add(name)


def _texts(constants):
    for it in constants:
        if isinstance(it, str):
            yield it
        elif isinstance(it, (tuple, frozenset)):
            for text in _texts(it):
                yield text


class NamesByCode(object):
    """Each code object is looked at once."""

    def __init__(self):
        self._found = {}

    def of(self, code):
        found = self._found.get(id(code))
        if found is None:
            found = self._found[id(code)] = (Names(code), code)
        return found[0]


def is_fixed(value, depth=0):
    """Whether a value can not have been changed since it was made. Where that can not be known: False."""
    kind = type(value)
    if isinstance(value, PLAIN):
        return True
    if kind in (tuple, frozenset):
        return depth < 20 and all(is_fixed(it, depth + 1) for it in value)
    if kind is FUNCTION:
        return not value.__closure__ and not value.__dict__ and is_fixed(value.__defaults__ or ())
    if isinstance(value, type):
        return all(_is_fixed_member(it) for name, it in vars(value).items() if name[:2] != "__")
    logging = sys.modules.get("logging")
    if logging is not None and kind is getattr(logging, "Logger", None):
        return True  # keep_effects looks at all of them
    # Who compares by value and has no state of its own can not change without losing its place in a dict.
    by_value = kind.__hash__ is not None and kind.__hash__ is not object.__hash__
    return by_value and not hasattr(value, "__dict__") and not hasattr(kind, "__setitem__")


def _is_fixed_member(value):
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if isinstance(
        value, (property, types.GetSetDescriptorType, types.MemberDescriptorType, types.MethodDescriptorType)
    ):
        return True
    return isinstance(value, (FUNCTION, types.WrapperDescriptorType)) or is_fixed(value)


def behind(value, depth=0):
    """Code objects that run when something is called on a value, as far as its parts say."""
    if depth > 4 or isinstance(value, PLAIN):
        return []
    if isinstance(value, FUNCTION):
        parts = [it.cell_contents for it in value.__closure__ or () if not _is_empty(it)] + list(
            value.__dict__.values()
        )
        return [value.__code__] + _behind_all(parts, depth)
    if isinstance(value, types.MethodType):
        return behind(value.__func__, depth) + behind(value.__self__, depth + 1)
    if isinstance(value, (staticmethod, classmethod)):
        return behind(value.__func__, depth)
    if isinstance(value, property):
        return _behind_all([value.fget, value.fset, value.fdel], depth)
    if isinstance(value, type):
        return _behind_all([it for cls in value.__mro__ for it in vars(cls).values() if cls is not object], depth)
    if isinstance(value, dict):
        return _behind_all(value.values(), depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        return _behind_all(value, depth)
    if type(value).__module__ == "builtins":
        return []
    held = [value.func] if isinstance(value, functools.partial) else []
    return _behind_all(held + list(getattr(value, "__dict__", {}).values()) + [type(value)], depth)


def _behind_all(values, depth):
    return [code for it in list(values)[:1000] for code in behind(it, depth + 1)]


def _is_empty(cell):
    try:
        cell.cell_contents
    except ValueError:
        return True
    return False


# --- statements ---


def executed(node):
    """The nodes that are evaluated when a statement runs: not the insides of the functions that it makes."""
    yield node
    for field in node._fields:
        if isinstance(node, FUNCTIONS) and field == "body":
            continue
        value = getattr(node, field, None)
        for it in value if isinstance(value, list) else [value]:
            if isinstance(it, _ast.AST):
                for inside in executed(it):
                    yield inside


def acts(node):
    """Whether a statement does more than refer to things: it depends on what they hold, or changes it."""
    return _does(node, REFERRING)


def calls(node):
    """Whether a statement may change what it names."""
    return _does(node, REFERRING + LOOKING)


def _does(node, passive):
    for it in executed(node):
        if isinstance(it, (_ast.Attribute, _ast.Subscript)) and not isinstance(it.ctx, _ast.Load):
            return True
        if isinstance(it, _ast.expr) and not isinstance(it, passive):
            return True
        if isinstance(it, ACTING) or getattr(it, "decorator_list", None):
            return True
    return False


def root(node):
    """The name at the beginning of `name.attribute[index]()…`, or None."""
    while isinstance(node, (_ast.Attribute, _ast.Subscript, _ast.Call, _ast.Starred)):
        node = node.func if isinstance(node, _ast.Call) else node.value
    return node.id if isinstance(node, _ast.Name) else None


def changed_in_place(function):
    """Names whose values the body of a function grows, shrinks or sets parts of."""
    found = set()
    for it in walk(function):
        if isinstance(it, (_ast.Attribute, _ast.Subscript)) and not isinstance(it.ctx, _ast.Load):
            found.add(root(it))
        elif isinstance(it, _ast.AugAssign):
            found.add(root(it.target))
        elif isinstance(it, _ast.Call) and isinstance(it.func, _ast.Attribute) and it.func.attr in GROWING:
            found.add(root(it.func.value))
    return found - {None}


def walk(node):
    yield node
    for field in node._fields:
        value = getattr(node, field, None)
        for it in value if isinstance(value, list) else [value]:
            if isinstance(it, _ast.AST):
                for inside in walk(it):
                    yield inside


def foreign_effects(node, namespace, is_ours):
    """Lines where a statement calls other people's code for its effect alone, or sets something of theirs.

    `is_ours(value)` says whether a module, function or class is the user's own.
    """
    for it in walk(node):
        if isinstance(it, _ast.Expr) and isinstance(it.value, _ast.Call):
            if _is_foreign(root(it.value), namespace, is_ours):
                yield it.lineno
        elif isinstance(it, (_ast.Attribute, _ast.Subscript)) and not isinstance(it.ctx, _ast.Load):
            if _is_foreign(root(it), namespace, is_ours):
                yield it.lineno


def _is_foreign(name, namespace, is_ours):
    value = namespace.get(name)
    if isinstance(value, types.ModuleType):
        return value.__name__.partition(".")[0] not in SEEN and not is_ours(value)
    if isinstance(value, (FUNCTION, types.BuiltinFunctionType, type)):
        return (getattr(value, "__module__", None) or "").partition(".")[0] not in SEEN and not is_ours(value)
    return False
