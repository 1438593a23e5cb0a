# -*- coding: utf-8 -*-
"""`keep: [names]`: which globals are meant, and whether the edit touched what assigned them."""

import _ast
import ast

from . import keep_names


def hold(plan, names):
    """Tell a plan what the user chose to keep, but for what a function assigns in another way now."""
    keys = {key for key in set(plan.binders) | plan.volatile if key[1] in names}
    keys = {plan.origin(key) for key in keys}
    remade = {key for key in keys if key in plan.volatile and _is_remade(plan, key)}
    plan.held = keys - remade
    for key in remade:
        for step in plan.binders.get(key, ()):
            plan.run[step] = "is assigned in another way"


def _is_remade(plan, key):
    """Whether a function that binds the global does it with another expression, or one that ran what was edited."""
    module, name = key
    edit = plan.edits.get(module)
    old = _assignments(plan.recorder.modules[module].steps, name)
    new = _assignments(edit.steps, name) if edit is not None else old
    if [ast.dump(it) for it in old] != [ast.dump(it) for it in new]:
        return True
    wanted = {word for it in old for word in _words(it)}
    done = set()
    while wanted - done:
        done |= wanted
        for code, _ in list(plan.recorder.codes.values()):
            if code.co_name in done:
                if id(code) in plan.codes:
                    return True
                names = plan.names.of(code)
                wanted |= names.reads | names.attributes
    return False


def _assignments(steps, name):
    """The assignments to a global inside of functions."""
    found = []
    for step in steps:
        for function in keep_names.walk(step.node):
            if isinstance(function, keep_names.FUNCTIONS[:2]) and _declares(function, name):
                found += [it for it in keep_names.walk(function) if _assigns(it, name)]
    return found


def _declares(function, name):
    return any(isinstance(it, _ast.Global) and name in it.names for it in keep_names.walk(function))


def _assigns(node, name):
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    return isinstance(node, _ast.stmt) and any(isinstance(it, _ast.Name) and it.id == name for it in targets)


def _words(node):
    for it in keep_names.walk(node):
        if isinstance(it, _ast.Name):
            yield it.id
        elif isinstance(it, _ast.Attribute):
            yield it.attr
