# -*- coding: utf-8 -*-
"""A reload that keeps what was loaded: the running process takes the edited text of its modules (docs/keep.md).

Loaded when the first edit comes, by instances of functions with `reload: keep`. `patch` answers what was kept and
replaced, or why only a cold start gives what the edit means; then this process is not to be used any more.
"""

import binascii
import importlib.util
import json
import linecache
import os
import sys

from . import keep_apply, keep_diff, keep_held, keep_names, keep_plan, keep_reads
from .keep_plan import Refused

# A change of these is no change of the function, as long as it has not opened them.
ABOUT_THE_CODE = (".md", ".rst")


def patch(recorder, handlers, body):
    """The answer to one request, as JSON."""
    wanted = json.loads(body.decode("utf-8"))
    handlers.forget()
    try:
        answer = Reload(recorder, wanted).run()
    except Refused as refused:
        answer = {"refused": str(refused)}
    except SyntaxError as error:
        answer = {"refused": "%s:%s: %s" % (os.path.basename(error.filename or "?"), error.lineno, error.msg)}
    except Exception as error:  # a bug of ours must not leave a process that is half old and half new
        answer = {"refused": "the edit could not be applied (%s: %s)" % (type(error).__name__, error)}
    return json.dumps(answer).encode("utf-8")


class Reload(object):
    """One edit. `files`: new texts of Python files below the code folder, None for deleted ones; `data`: other files
    that changed; `keep`: names of globals to keep, or None for all that the edit does not touch."""

    def __init__(self, recorder, wanted):
        self.recorder = recorder
        self.files = {
            os.path.join(recorder.code, name): None if text is None else binascii.a2b_base64(text)
            for name, text in wanted["files"].items()
        }
        self.data = [os.path.join(recorder.code, name) for name in wanted["data"]]
        self.keep = wanted["keep"]
        self.by_path = {it.path: it for it in recorder.modules.values()}
        self.dropped = []

    def run(self):
        self._check_data()
        edits, fresh, deleted = self._sort()
        self._check_futures(edits)
        plan = self._plan(edits, fresh, deleted)
        self._take_texts()
        keep_apply.Patch(self.recorder, edits, plan).apply()
        return self._commit(edits, plan)

    def _check_data(self):
        for path in self.data:
            name = os.path.relpath(path, self.recorder.code)
            if path in self.recorder.opened:
                raise Refused("%s, which the code has read, has changed" % name)
            if not name.lower().endswith(ABOUT_THE_CODE):
                raise Refused("%s has changed, and what was made of it is not known" % name)

    # --- which modules ---

    def _sort(self):
        """Edits by module, names of modules that appeared or went, and the modules that went."""
        edits, fresh, deleted = {}, set(), []
        for path, text in self.files.items():
            module = self.by_path.get(path)
            if module is None:
                self._check_unknown(path)
                if path not in self.recorder.sources or self.recorder.sources[path] is None or text is None:
                    fresh.update(self._names(path))
            elif text is None:
                deleted.append(module.name)
                fresh.add(module.name)
            elif text != module.source:
                edits[module.name] = keep_diff.Edit(module, text)
        self._check_shadows(fresh, deleted)
        return edits, fresh, deleted

    def _check_unknown(self, path):
        """A file that is not a module which was loaded step by step."""
        if path in self.recorder.opened_modules:
            raise Refused("%s was loaded in a way that can not be repeated in part" % os.path.basename(path))
        for module in list(sys.modules.values()):
            if getattr(module, "__file__", None) == path:
                raise Refused("%s belongs to a package that is installed in the code folder" % module.__name__)

    def _names(self, path):
        """What a file would be imported as."""
        for entry in sys.path:
            if path.startswith(entry.rstrip("/") + "/") and self.recorder.is_ours(entry.rstrip("/")):
                parts = os.path.relpath(path, entry)[:-3].split("/")
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _check_shadows(self, fresh, deleted):
        for name in fresh:
            if name in sys.modules and name not in deleted and name not in self.recorder.modules:
                raise Refused("a new file takes the place of the module %s, which is loaded" % name)

    def _check_futures(self, edits):
        for edit in edits.values():
            if edit.flags != edit.module.flags:
                raise Refused("%s has other imports from __future__" % edit.module.name)

    # --- the plan ---

    def _plan(self, edits, fresh, deleted):
        gone = self._drop(edits, deleted)
        for name in self.dropped:
            edits.pop(name, None)
            self._forget_module(name)
        plan = keep_plan.Plan(self.recorder, edits, fresh, gone)
        if self.keep is not None:
            keep_held.hold(plan, self.keep)
        plan.settle()
        if self.keep is not None:
            plan.hold_only()
        return plan

    def _drop(self, edits, deleted):
        """Steps of the modules that a cold start would not load any more."""
        mentions = set()
        for name in self.recorder.modules:
            steps = edits[name].steps if name in edits else self.recorder.modules[name].steps
            for step in steps if name not in deleted else ():
                mentions |= keep_reads.mentioned(step)
        for name in deleted:
            if name in mentions:
                raise Refused("the module %s is gone and still imported" % name)
        self.dropped = list(deleted)
        kept = {it for edit in edits.values() for it in edit.loads()}
        loaded = [it for edit in edits.values() for step in edit.gone for it in step.loaded]
        self.dropped += [it for it in loaded if it not in kept and not _is_mentioned(it, mentions)]
        gone = []
        for name in self.dropped:
            for step in self.recorder.modules[name].steps:
                gone.append(step)
                self.dropped += [it for it in step.loaded if it not in self.dropped and not _is_mentioned(it, mentions)]
        return gone

    def _forget_module(self, name):
        self.recorder.modules.pop(name, None)
        module = sys.modules.pop(name, None)
        package, _, last = name.rpartition(".")
        parent = sys.modules.get(package)
        if parent is not None and vars(parent).get(last) is module:
            delattr(parent, last)

    # --- after it ---

    def _take_texts(self):
        """What an overlay may not show yet, for later imports and for tracebacks."""
        self.recorder.sources.update(self.files)
        for path, text in self.files.items():
            linecache.cache.pop(path, None)
            if text is not None:
                lines = importlib.util.decode_source(text).splitlines(True)
                linecache.cache[path] = (len(text), None, lines, path)
        importlib.invalidate_caches()

    def _commit(self, edits, plan):
        answer = self._answer(edits, plan)
        news = {id(old): id(new) for edit in edits.values() for old, new in edit.pairs}
        for edit in edits.values():
            edit.module.source, edit.module.flags = edit.source, edit.flags
            edit.module.steps = edit.steps
        olds = set()
        for edit in edits.values():
            for step in edit.olds:
                olds.update(_ids(step.code))
        for step in plan.all_steps():
            step.ran = {news.get(it, it) for it in step.ran} - olds
        for key in olds:
            self.recorder.codes.pop(key, None)
        return answer

    def _answer(self, edits, plan):
        kept, replaced, rebuilt, removed = [], [], {}, []
        for step in plan.all_steps():
            edit = edits.get(step.module.name) if step.module is not None else None
            if step in plan.run:
                names = [key[1] for key in sorted(plan.defs(step))]
                if step.kind != "import" and plan.run[step] == keep_plan.EDITED:
                    replaced += names
                elif step.kind != "import":
                    # Several steps may bind a name, such as `model = None` and the Initializer.
                    rebuilt.update((name, plan.run[step]) for name in names if name not in rebuilt)
            elif edit is not None and edit.how[step] == keep_diff.PATCH:
                replaced += edit.parts(step)
        for step in plan.gone:
            removed += [key[1] for key in sorted(plan.defs(step)) if key not in plan.binders]
        for key in plan.binders:
            if self._is_kept(plan, key):
                kept.append(key[1])
        return {
            "kept": kept,
            "replaced": list(dict.fromkeys(replaced)),
            "removed": list(dict.fromkeys(removed)),
            "rebuilt": [[name, why] for name, why in rebuilt.items()],
            "initialize": self.recorder.initializer in plan.run,
        }

    def _is_kept(self, plan, key):
        """Worth a word: what was made, and is more than a constant, a function or a module."""
        steps = plan.binders[key]
        if any(step in plan.run or step.kind not in ("data", "init") for step in steps):
            return False
        module = self.recorder.modules.get(key[0])
        return module is not None and key[1] in module.namespace and not keep_names.is_fixed(module.namespace[key[1]])


def _is_mentioned(name, mentions):
    return any(it == name or it.startswith(name + ".") for it in mentions)


def _ids(code):
    if code is None:
        return set()
    found = {id(code)}
    for it in keep_diff.inner(code):
        found |= _ids(it)
    return found
