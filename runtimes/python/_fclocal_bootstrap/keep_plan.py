# -*- coding: utf-8 -*-
"""Which steps of loading have to run again after an edit, so that all is as after a cold start; and why, or why not.

The rule: a step that used what the edit changed runs again. A step that runs again, or is gone, may have changed what
it used, so whatever made that runs again as well; and so on until nothing is added. What is left is kept.
"""

import _ast

from . import keep_diff, keep_names, keep_reads
from .keep_diff import PATCH
from .keep_reads import Reads

INITIALIZER = "the Initializer"
EDITED = "was edited"


class Refused(Exception):
    """Only a cold start gives what the edit means; the text says why."""


class Plan(Reads):
    """`run`: step -> why it runs again. `changed`: (module, name) whose value will be another.

    `edits` are keep_diff.Edit by module name, `fresh` names of modules that appeared or went, `gone` the steps that
    are not there any more, `held` (module, name) that the user chose to keep.
    """

    def __init__(self, recorder, edits, fresh, gone):
        Reads.__init__(self, recorder, edits)
        self.fresh = fresh
        self.gone = gone + [step for edit in edits.values() for step in edit.gone]
        self.run = {}
        self.changed = set()
        self.held = set()
        self.tainted = set()
        self.closed = False
        self.attributes = {it for edit in edits.values() for it in edit.attributes}
        self.places = {step: at for edit in edits.values() for step, at in edit.places().items()}
        self.taken = set()
        self.adopt()
        self.run = {step: EDITED for edit in edits.values() for step in edit.running()}

    def adopt(self):
        """Take modules in that were loaded meanwhile: their steps are of this plan as well."""
        for name in self.recorder.modules:
            if name not in self.taken:
                self.taken.add(name)
                self.steps += self.steps_of(name)
                self.run.update((step, "is loaded anew") for step in self.steps_of(name))
        self.index()

    # --- the plan ---

    def settle(self):
        """Add steps until nothing changes; raises Refused."""
        before = None
        while before != (len(self.run), len(self.changed)):
            before = (len(self.run), len(self.changed))
            for step in self.all_steps():
                if step not in self.run and not (self.closed and self._makes_held(step)):
                    why = self._touched(step)
                    if why:
                        self.run[step] = why
                        self.held -= self.defs(step)
            for step in self.gone + list(self.run):
                self._spread(step)
            for step in list(self.run):
                self._not_before(step)
            self._spread_patched()
        for step in self.gone + list(self.run):
            self._refuse(step)

    def _touched(self, step):
        ran = {id(code) for code, _ in self.executed(step)} & self.codes
        edit = self.edits.get(step.module.name) if step.module is not None else None
        if ran and not (edit is not None and edit.how.get(step) == PATCH):
            return "it ran %s, which was edited" % self.recorder.codes[min(ran)][0].co_name
        keys, attributes = self.reads(step)
        used = sorted(name for _, name in keys & self.changed)
        if not used and step.kind == "import" and step.node.names[0].name == "*":
            source = keep_reads.absolute(step.module, step.node)
            used = sorted(name for module, name in self.changed if module == source)
        used = used or sorted(attributes & self.attributes) or sorted(self._handed_on(step))
        if used:
            return "it uses %s" % used[0]
        if step in self.places:
            used = sorted(name for module, name in keys if module == step.module.name and self._passed(step, name))
            if used:
                return "%s stands on the other side of it" % used[0]
        fresh = self.fresh & keep_reads.mentioned(step)
        return "it imports %s" % min(fresh) if fresh else ""

    def _passed(self, step, name):
        """Whether a statement that binds a name has moved past one that uses it."""
        was, now = self.places[step]
        others = [self.places[it] for it in self.binders.get((step.module.name, name), ()) if it in self.places]
        return any((before < was) != (after < now) for before, after in others)

    def _handed_on(self, step):
        """Edited functions that a statement hands to code that is not the user's: it may have looked inside."""
        if step.node is None or step.kind not in ("data", "class") or not self.patched:
            return
        for it in keep_names.executed(step.node):
            if isinstance(it, _ast.Call) and not self._is_ours(it.func, step.module):
                for argument in it.args + [word.value for word in it.keywords]:
                    for name in keep_names.executed(argument):
                        key = (step.module.name, getattr(name, "id", None))
                        if self.origin(key) in self.patched and isinstance(name, _ast.Name):
                            yield name.id

    def _is_ours(self, function, module):
        value = module.namespace.get(getattr(function, "id", None))
        return value is not None and self.is_ours(value)

    def is_ours(self, value):
        name = value.__name__ if type(value) is keep_reads.MODULE else getattr(value, "__module__", None)
        return name in self.recorder.modules

    def _spread(self, step):
        """What follows from a step that runs again or is gone."""
        for key in self.defs(step):
            if key not in self.changed and not self._is_held(key):
                self.changed.add(key)
                self._again(key, "it makes %s, which is made again" % key[1])
        if step.kind == "init" or (step.node is not None and step.kind != "import" and keep_names.acts(step.node)):
            for key in self.reads(step)[0]:
                self._spread_use(self.origin(key), step)

    def _not_before(self, step):
        """What is bound further down is not there yet when a step runs, and what is bound several times has not had
        its last value."""
        if step.module is None:
            return
        order = {it: index for index, it in enumerate(self.steps_of(step.module.name))}
        for key in self.reads(step)[0] if step in order else ():
            binders = [order.get(it, -1) for it in self.binders.get(key, ())]
            several = len(set(binders)) > 1 or self.origin(key) in self.volatile
            if binders and (min(binders) > order[step] or several):
                self._again(self.origin(key), "%s used it" % describe(step))

    def _spread_use(self, key, step):
        binders = self.binders.get(key, ())
        others = [it for it in binders if it is not step]
        if not others or self._is_held(key) or all(it.kind == "import" for it in others):
            return
        module = self.recorder.modules.get(key[0])
        value = module.namespace.get(key[1]) if module is not None else None
        if len(binders) > 1 or key in self.volatile or not keep_names.is_fixed(value):
            self._again(key, "%s used it" % describe(step))
            if key not in self.tainted:
                # What it was made from may be a part of it, and changed through it.
                self.tainted.add(key)
                for binder in binders:
                    for other in self.reads(binder)[0]:
                        self._spread_use(self.origin(other), step)

    def _again(self, key, why):
        for step in self.binders.get(key, ()):
            if step not in self.run and not self._makes_held(step):
                self.run[step] = why

    def _makes_held(self, step):
        return any(it in self.held for it in self.defs(step))

    def _is_held(self, key):
        return self.origin(key) in self.held

    def _spread_patched(self):
        """What an edited function may have done to globals while it served requests is undone."""
        for code, module in list(self.recorder.codes.values()):
            if id(code) not in self.codes:
                continue
            names = set(self.names.of(code).sets)
            node = self.function(code, module)
            if node is not None:
                names |= keep_names.changed_in_place(node) & self.names.of(code).reads
            for name in names:
                key = self.origin((module.name, name))
                if not self._is_held(key):
                    self._again(key, "%s, which was edited, changes it" % code.co_name)

    def function(self, code, module):
        for step in module.steps:
            for it in keep_names.walk(step.node):
                if isinstance(it, keep_names.FUNCTIONS[:2]) and it.name == code.co_name:
                    if keep_diff.span(it)[0] == code.co_firstlineno:
                        return it
        return None

    # --- what no plan can do ---

    def _refuse(self, step):
        if step.effects:
            raise Refused("%s %s: only a new process is without that again" % (describe(step), min(step.effects)))
        nodes = [(step.node, step.module)] if step.kind == "data" else []
        for code, module in self.executed(step):
            node = self.function(code, module)
            if node is not None and code.co_name != "<module>":
                nodes.append((node, module))
        for node, module in nodes:
            for line in keep_names.foreign_effects(node, module.namespace, self.is_ours):
                where = "%s:%d" % (module.name, line)
                raise Refused(
                    "%s runs other people's code for its effect (%s), which can not be undone" % (describe(step), where)
                )

    def hold_only(self):
        """With names given: all other values are made again, but for what has effects on the whole process."""
        for step in self.all_steps():
            if step in self.run or step.kind not in ("data", "init") or self._makes_held(step):
                continue
            try:
                self._refuse(step)
            except Refused:
                continue
            self.run[step] = "is not among the names to keep"
        self.closed = True
        self.settle()


def describe(step):
    if step.kind == "init":
        return INITIALIZER
    return "%s:%d" % (step.module.name, step.line)
