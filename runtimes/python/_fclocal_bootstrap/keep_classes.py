# -*- coding: utf-8 -*-
"""Which edits a class can take member by member, so that its instances and all who hold it have the new code."""

import ast
import types

from . import keep_load, keep_names

FUNCTION = types.FunctionType
# Decorators that hand the function on as it is, by the name they end in.
TRANSPARENT = frozenset(
    "staticmethod classmethod property setter getter deleter abstractmethod override final overload".split()
)
TRANSPARENT_FOR_CLASSES = frozenset(["dataclass", "final", "runtime_checkable", "total_ordering"])
SIMPLE_METACLASSES = ("type", "ABCMeta")


def changed_members(cls, old, new, matched):
    """Names that an edit of a class statement changed; None where it does more than the class can take."""
    same, _, gone = matched
    if outline(old) != outline(new) or crowded(old, new):
        return None
    if any(last(it) not in TRANSPARENT_FOR_CLASSES for it in new.decorator_list):
        return None
    touched = [new.body[it] for it in range(len(new.body)) if it not in same] + [old.body[it] for it in gone]
    members = set()
    for node in touched:
        names = _member(cls, new, node)
        if names is None:
            return None
        members.update(names)
    if _is_used_inside(old, members) or not all(_is_replaceable(cls, old, new, it) for it in members):
        return None
    return members


def _member(cls, statement, node):
    """Names that a statement of a class body binds, or None where more happens than that."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        plain = all(last(it) in TRANSPARENT for it in node.decorator_list)
        return [mangled(node.name, statement)] if plain else None
    if isinstance(node, ast.Pass):
        return []
    if keep_load.kind_of(node) == "doc":
        return ["__doc__"]
    if statement.decorator_list or type(cls).__name__ not in SIMPLE_METACLASSES:
        return None
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or keep_names.acts(node):
        return None
    names = [mangled(it.id, statement) for it in targets if isinstance(it, ast.Name)]
    return names if len(names) == len(targets) and "__slots__" not in names else None


def _is_replaceable(cls, old, new, name):
    """Members that come, go, or are implied by an operator change what the class is to others that look at it."""
    if name == "__doc__":
        return True
    before, after = bound(old), bound(new)
    came_or_went = (name in before) != (name in after)
    if type(cls).__name__ not in SIMPLE_METACLASSES:
        if came_or_went or type(vars(cls).get(name)) is not FUNCTION:
            return False
    inherited = any(name in vars(it) for it in cls.__mro__[1:])
    if came_or_went and (inherited or (name.startswith("__") and name.endswith("__"))):
        return False
    if name in after and after[name] != before.get(name, after[name]):
        return False
    return name not in before or name in vars(cls)


def _is_used_inside(node, members):
    """Whether other members were made from one that changes."""
    for it in node.body:
        if not members & set(bound(node, [it])):
            used = {mangled(x.id, node) for x in keep_names.executed(it) if isinstance(x, ast.Name)}
            if used & members:
                return True
    return False


def seen_from_outside(old, new, members):
    """Those of the members that others may have looked at: data, and what came or went."""
    before, after = set(bound(old)), set(bound(new))
    data = {name for name in members if not all(kind == "def" for kind in kinds(old, new, name))}
    return data | {name for name in members if (name in before) != (name in after)}


def outline(node):
    return [dumps(getattr(node, name, None)) for name in ("bases", "keywords", "decorator_list", "type_params")]


def dumps(nodes):
    if isinstance(nodes, list):
        return [ast.dump(it) for it in nodes]
    return ast.dump(nodes) if nodes is not None else []


def last(node):
    """The last name of `a.b.name(…)`."""
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def bound(cls, body=None):
    """name -> decorators of a function, None for other members; of all statements of a class, the last one wins."""
    found = {}
    for node in cls.body if body is None else body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[mangled(node.name, cls)] = [last(it) for it in node.decorator_list]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for it in node.targets if isinstance(node, ast.Assign) else [node.target]:
                found.update((mangled(x.id, cls), None) for x in ast.walk(it) if isinstance(x, ast.Name))
        elif not isinstance(node, (ast.Pass, ast.Expr)):
            found.update((mangled(x.id, cls), None) for x in ast.walk(node) if isinstance(x, ast.Name))
    return found


def mangled(name, cls):
    """A private name as the class has it."""
    if name.startswith("__") and not name.endswith("__"):
        return "_%s%s" % (cls.name.lstrip("_"), name)
    return name


def kinds(old, new, name):
    for statement in (old, new):
        for node in statement.body:
            if name in bound(statement, [node]):
                yield keep_load.kind_of(node)


def span(node):
    start = min([node.lineno] + [it.lineno for it in getattr(node, "decorator_list", [])])
    return start, node.end_lineno


def crowded(*nodes):
    """Whether two members of a class stand on one line: code objects are told apart by theirs."""
    for node in nodes:
        spans = [span(it) for it in node.body]
        if any(second[0] <= one[1] for one, second in zip(spans, spans[1:])):
            return True
    return False
