# -*- coding: utf-8 -*-
"""Which names each step of loading bound and used, by what was seen of it and by what its code names."""

import _ast

from . import keep_effects, keep_load, keep_names

MODULE = type(keep_names)
# Called without being named.
UNNAMED = frozenset(["__init__", "__new__", "__call__", "__enter__", "__post_init__"])


class Reads(object):
    """`steps` are those of the new text, where a module was edited; `codes` ids of code objects that the edit changed,
    `patched` (module, name) of functions and classes that take their new code where they are."""

    def __init__(self, recorder, edits):
        self.recorder = recorder
        self.edits = edits
        self.codes = {it for edit in edits.values() for it in edit.codes}
        self.patched = {(it.module.name, name) for it in edits.values() for name in it.patched}
        self.names = keep_names.NamesByCode()
        self.steps = []

    def steps_of(self, name):
        edit = self.edits.get(name)
        return edit.steps if edit is not None else self.recorder.modules[name].steps

    def all_steps(self):
        initializer = self.recorder.initializer
        return self.steps + ([initializer] if initializer is not None else [])

    def index(self):
        """`binders`: (module, name) -> steps; `volatile`: names that functions bind; `origins`: where imported names
        come from."""
        self.binders, self.origins = {}, {}
        for step in self.all_steps():
            for key in self.defs(step):
                self.binders.setdefault(key, []).append(step)
            if step.kind == "import":
                for name, origin in self.imported(step):
                    self.origins[step.module.name, name] = origin
        codes = self.recorder.codes.values()
        self.volatile = {(module.name, it) for code, module in codes for it in self.names.of(code).sets}

    def defs(self, step):
        found = set(step.defs)
        if step.code is not None:
            names = self.names.of(step.code)
            found.update((step.module.name, it) for it in names.binds if it not in keep_load.UNBOUND)
        for code, module in self.executed(step):
            names = self.names.of(code)
            found.update((module.name, it) for it in names.sets)
            if names.stores:
                others = [self.recorder.modules[it] for it in self.known(module, names)]
                found.update((it.name, name) for it in others for name in names.stores if name in it.namespace)
        return found

    def imported(self, step):
        """(name here, (module, name there)) of `from module import name`, for modules of the user."""
        node = step.node
        if not isinstance(node, _ast.ImportFrom):
            return
        source = absolute(step.module, node)
        if source in self.recorder.modules:
            names = [(it.asname or it.name, it.name) for it in node.names]
            if node.names[0].name == "*":
                names = [(name, name) for module, name in step.defs if module == step.module.name]
            for name, there in names:
                yield name, (source, there)

    def origin(self, key):
        for _ in range(20):
            if key not in self.origins:
                break
            key = self.origins[key]
        return key

    def executed(self, step):
        """Code objects that a step executes, with their modules: those seen, or where it could not be watched, all
        that it may reach by name."""
        if step.opaque or keep_effects.THREAD in step.effects:
            found = self.reachable(step)
        else:
            found = [self.recorder.codes[it] for it in step.ran if it in self.recorder.codes]
        if step.kind == "init" and step.ran & self.codes:
            found = found + self.reachable(step)
        return ([(step.code, step.module)] if step.code is not None else []) + found

    def reachable(self, step):
        """All code that is named by code that is reached, lies inside of it, or is held by a value that it names."""
        every = list(self.recorder.codes.values())
        for edit in self.edits.values():
            every += [(new, edit.module) for _, new in edit.pairs]
        owners = {id(code): module for code, module in every}
        found, seen = [], set()
        ahead = [self.recorder.codes[it] for it in step.ran if it in self.recorder.codes]
        ahead += [(step.code, step.module)] if step.code is not None else []
        while ahead:
            code, module = ahead.pop()
            found.append((code, module))
            names = self.names.of(code)
            wanted = names.reads | names.attributes | UNNAMED
            codes = [it for it, _ in every if names.everything or it.co_name in wanted]
            codes += keep_load.inner(code) if code is not step.code else []
            for name in names.reads:
                codes += keep_names.behind(module.namespace.get(name))
            for it in codes:
                if id(it) in owners and id(it) not in seen:
                    seen.add(id(it))
                    ahead.append((it, owners[id(it)]))
        return found

    def reads(self, step):
        """((module, name) pairs, names of attributes) that a step may have used."""
        keys, attributes = set(), set()
        if step.kind == "import":
            keys.update(origin for _, origin in self.imported(step))
            return keys, attributes
        for code, module in self.executed(step):
            names = self.names.of(code)
            attributes |= names.attributes
            keys.update((module.name, it) for it in names.reads)
            for other in self.known(module, names):
                keys.update((other, it) for it in names.attributes)
                if names.everything:
                    keys.update(key for key in self.binders if key[0] in (module.name, other))
            if names.everything:
                keys.update(key for key in self.binders if key[0] == module.name)
                keys.update(key for key in self.patched if key[0] == module.name)
        return keys, attributes

    def known(self, module, names):
        """Names of the user's modules that code of a module can reach through an attribute."""
        known = self.recorder.modules
        found = {it for it in names.imports if it in known}
        for value in list(module.namespace.values()):
            name = getattr(value, "__name__", None) if type(value) is MODULE else None
            if name in known:
                found.add(name)
            found.update(it for it in known if name and it.startswith(name + "."))
        return found - {module.name}


def absolute(module, node):
    """The module that a `from … import` names."""
    if not node.level:
        return node.module
    package = module.namespace.get("__package__") or ""
    parts = package.split(".")
    base = ".".join(parts[: len(parts) - node.level + 1])
    return base + "." + node.module if node.module else base


def mentioned(step):
    """Modules that the imports of a statement name."""
    found = set()
    if step.node is None:
        return found
    for it in keep_names.walk(step.node):
        if isinstance(it, _ast.Import):
            found.update(alias.name for alias in it.names)
        elif isinstance(it, _ast.ImportFrom):
            base = absolute(step.module, it)
            found.add(base)
            found.update("%s.%s" % (base, alias.name) for alias in it.names)
    return found
