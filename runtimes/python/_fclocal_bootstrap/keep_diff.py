# -*- coding: utf-8 -*-
"""What an edit did to a module: which statements are new, gone or the same, and which functions and classes can take
their new code where they are."""

import ast
import difflib
import types

from . import keep_classes, keep_load, keep_names
from .keep_classes import span
from .keep_load import inner

FUNCTION = types.FunctionType
SAME, PATCH, RUN = "same", "patch", "run"


class Edit(object):
    """One module in its new text.

    `steps` are its new steps; for each, `how` says whether it is the same as an old one, patches a function or class
    where it is, or runs; `old` is the old step of the first two. `gone` are old steps without a new one. `pairs` are
    (old code, new code), `codes` ids of old code objects that changed or are gone, `attributes` names of class
    attributes that changed, `edited` names of functions and classes that the edit touched.
    """

    def __init__(self, module, source):
        self.module = module
        self.source = source
        self.steps, self.flags = keep_load.parse(module, source)
        self.how, self.old, self.members = {}, {}, {}
        self.gone, self.pairs = [], []
        self.codes, self.attributes, self.edited = set(), set(), set()
        self._match()

    def _match(self):
        same, edited, gone = match([it.node for it in self.module.steps], [it.node for it in self.steps])
        once = single(self.module.steps) & single(self.steps)
        for index, step in enumerate(self.steps):
            self.how[step] = RUN
            if index in same:
                self._same(self.module.steps[same[index]], step)
            elif index in edited:
                self._edited(self.module.steps[edited[index]], step, step.node.name in once)
        self.gone += [self.module.steps[index] for index in gone]
        data = [it for it in self.gone if it.kind == "data"]
        fresh = [code for it in self.running() if it.kind == "data" for code in inner(it.code)]
        self._pair_lists([code for it in data for code in inner(it.code)], fresh)
        for step in self.gone:
            if step.kind in ("def", "class"):
                self._drop(step.code)
        self.edited.update(it.node.name for it in self.gone + self.running() if it.kind in ("def", "class"))

    def places(self):
        """step -> (where it stood, where it stands), of those that were there; empty where all kept their order."""
        before = {it: index for index, it in enumerate(self.module.steps)}
        found = {it: (before[self.old[it]], index) for index, it in enumerate(self.steps) if it in self.old}
        order = [old for old, _ in found.values()]
        return found if order != sorted(order) else {}

    @property
    def olds(self):
        return [self.old[it] for it in self.steps if it in self.old] + self.gone

    def loads(self):
        """Modules whose import is left to a statement that stayed."""
        return {it for step in self.steps for it in step.loaded}

    @property
    def patched(self):
        return [step.node.name for step in self.steps if self.how[step] == PATCH]

    def parts(self, step):
        """What a step that patches replaces: the function, or these members of the class."""
        name = step.node.name
        return ["%s.%s" % (name, it) for it in sorted(self.members[step])] if step.kind == "class" else [name]

    def running(self):
        return [it for it in self.steps if self.how[it] == RUN]

    def _same(self, old, new):
        self._carry(old, new, SAME)
        self._pair(old.code, new.code)

    def _carry(self, old, new, how):
        self.how[new], self.old[new] = how, old
        new.take_over(old)

    def _edited(self, old, new, once):
        """A function or class with the name that it had. `once`: there was and is no other of that name."""
        self.edited.add(new.node.name)
        value = self.module.namespace.get(new.node.name)
        if once and new.kind == "def" and type(value) is FUNCTION and self._takes(value, old, new):
            self._carry(old, new, PATCH)
            if ast.dump(old.node) == ast.dump(new.node):
                self._pair(old.code, new.code)
            else:
                self._pair_changed(first(old), first(new))
        elif once and new.kind == "class" and isinstance(value, type) and self._patches_class(value, old, new):
            self._carry(old, new, PATCH)
        else:
            # Runs as a new object; whoever holds the old function has its new code nevertheless.
            self.gone.append(old)
            self._pair_by_name(old.code, new.code)

    def _takes(self, function, old, new):
        """Whether a function can take the code of another text of it."""
        was, now = first(old), first(new)
        return (
            not any(keep_names.calls(it.node) or _defaults_act(it.node) for it in (old, new))
            and function.__code__ is was
            and function.__closure__ is None
            and now is not None
            and not now.co_freevars
        )

    def _patches_class(self, cls, old, new):
        """Whether the class can take what changed in its body, member by member; if so, notes which."""
        was, now = first(old), first(new)
        if was is None or now is None or now.co_freevars or was.co_freevars:
            return False
        matched = match(old.node.body, new.node.body)
        members = keep_classes.changed_members(cls, old.node, new.node, matched)
        if members is None:
            return False
        self._pair_members(old, new, matched)
        self.attributes |= keep_classes.seen_from_outside(old.node, new.node, members)
        self.pairs.append((was, now))
        self.members[new] = members
        return True

    def _pair_members(self, old, new, matched):
        same, edited, gone = matched
        was, now = first(old), first(new)
        for index, node in enumerate(new.node.body):
            inside = codes_of(node, now)
            if index in same:
                for pair in zip(codes_of(old.node.body[same[index]], was), inside):
                    self._pair(*pair)
            elif index in edited:
                self._pair_lists(codes_of(old.node.body[edited[index]], was), inside)
        for index in gone:
            for code in codes_of(old.node.body[index], was):
                self._drop(code, itself=True)

    # --- code objects ---

    def _pair(self, old, new):
        """Two code objects of the same statements, and all inside of them."""
        if old is None or new is None:
            return
        self.pairs.append((old, new))
        for pair in zip(inner(old), inner(new)):
            self._pair(*pair)

    def _pair_changed(self, old, new):
        self.codes.add(id(old))
        self.pairs.append((old, new))
        self._pair_lists(inner(old), inner(new))

    def _pair_by_name(self, old, new):
        self._pair_lists(inner(old), inner(new))

    def _pair_lists(self, olds, news):
        """Code objects whose texts differ: by their names, in order."""
        left = list(news)
        for old in olds:
            found = next((it for it in left if it.co_name == old.co_name and fits(old, it)), None)
            if found is None:
                self._drop(old, itself=True)
            else:
                left.remove(found)
                self._pair_changed(old, found)

    def _drop(self, code, itself=False):
        if itself:
            self.codes.add(id(code))
        for it in inner(code):
            self._drop(it, itself=True)


def _defaults_act(node):
    return any(keep_names.acts(it) for it in node.args.defaults + node.args.kw_defaults if it is not None)


def fits(old, new):
    """Whether functions of the one code can take the other."""
    return old.co_freevars == new.co_freevars


def first(step):
    """The code of the function or the class body that a statement makes."""
    found = [it for it in inner(step.code) if it.co_name == step.node.name]
    return found[-1] if found else None


def codes_of(node, code):
    start, end = span(node)
    return [it for it in inner(code) if start <= it.co_firstlineno <= end]


def match(olds, news):
    """Of two lists of statements: {new: old} of the same ones in order, {new: old} of functions and classes that kept
    their name, and the old ones without a new one."""
    blocks = difflib.SequenceMatcher(None, [ast.dump(it) for it in olds], [ast.dump(it) for it in news], False)
    same = {b + i: a + i for a, b, size in blocks.get_matching_blocks() for i in range(size)}
    left = [index for index in range(len(olds)) if index not in set(same.values())]
    edited = {}
    for index, node in enumerate(news):
        if index not in same and hasattr(node, "name"):
            twins = [it for it in left if getattr(olds[it], "name", None) == node.name and twin(olds[it], node)]
            if len(twins) == 1:
                edited[index] = twins[0]
                left.remove(twins[0])
    return same, edited, left


def single(steps):
    """Names of functions and classes that are defined once."""
    names = [it.node.name for it in steps if it.kind in ("def", "class")]
    return {it for it in names if names.count(it) == 1}


def twin(old, new):
    return keep_load.kind_of(old) == keep_load.kind_of(new) and keep_load.kind_of(new) in ("def", "class")
