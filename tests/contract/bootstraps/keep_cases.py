"""Runs edits in a process that keeps and in one that starts anew, and says how what they end up with looks.

A program of its own, for every Python from 3.8 up: cases as JSON on stdin, one line of JSON for each on stdout. A case:
`before`, `after` (files by name), `handler`, `initializer`, `calls` (before the edit), `keep` (names); `traced` (by a
debugger) and `profiled`, which before Python 3.12 leave us no way to watch.
"""

import base64
import gc
import json
import os
import shutil
import sys
import tempfile
import types

BOOTSTRAP = sys.argv[1]


def main():
    for case in json.load(sys.stdin):
        print(json.dumps({"cold": in_child(run_cold, case), "kept": in_child(run_kept, case)}), flush=True)


def in_child(work, case):
    """What `work` returns in a process of its own; a text where that died."""
    folder = tempfile.mkdtemp(prefix="keep-")
    try:
        return forked(work, folder, case)
    finally:
        shutil.rmtree(folder)


def forked(work, folder, case):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            result = json.dumps(work(folder, case))
        except BaseException as error:
            result = json.dumps({"died": f"{type(error).__name__}: {error}"})
        with os.fdopen(writing, "w") as stream:
            stream.write(result)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    return json.loads(text)


class Instance:
    """A bootstrap without its server."""

    def __init__(self, folder, case):
        sys.dont_write_bytecode = True
        sys.path.insert(0, BOOTSTRAP)
        from _fclocal_bootstrap import keep_load, loading

        sys.path.remove(BOOTSTRAP)
        self.recorder = keep_load.install(folder)
        sys.path.insert(0, folder)
        self.handlers = loading.Handlers(folder)
        self.case = case
        if case.get("initializer"):
            self.initialize()
        self.handler = case.get("handler", "index.handler")

    def initialize(self):
        self.recorder.initialize(self.handlers.get(self.case["initializer"]), None)

    def call(self):
        return self.handlers.get(self.handler)(b"", None)

    def seen(self):
        """What a caller sees, and everything that the user's modules hold."""
        try:
            answer = self.call()
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        names = sorted(it.name for it in self.recorder.modules.values())
        shape = Shape(names)
        return {"answer": shape.of(answer), "globals": {it: shape.namespace(vars(sys.modules[it])) for it in names}}


def write(folder, files):
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as stream:
            stream.write(text)


def run_cold(folder, case):
    write(folder, case["after"])
    return Instance(folder, case).seen()


def run_kept(folder, case):
    write(folder, case["before"])
    if case.get("traced"):
        sys.settrace(lambda *_: None)
    if case.get("profiled"):
        sys.setprofile(lambda *_: None)
    instance = Instance(folder, case)
    instance.handlers.get(instance.handler)
    for _ in range(case.get("calls", 1)):
        instance.call()
    before = {
        f"{name}.{key}": id(value)
        for name, it in instance.recorder.modules.items()
        for key, value in it.namespace.items()
    }
    answer = json.loads(patched(folder, case, instance))
    if "refused" in answer:
        return {"refused": answer["refused"]}
    if answer["initialize"]:
        instance.initialize()
    same = sorted(
        f"{name}.{key}"
        for name, it in instance.recorder.modules.items()
        for key, value in it.namespace.items()
        if before.get(f"{name}.{key}") == id(value)
    )
    return {"patched": answer, "same": same, "seen": instance.seen()}


def patched(folder, case, instance):
    from _fclocal_bootstrap import keep

    files = {}
    for name in set(case["before"]) | set(case["after"]):
        text = case["after"].get(name)
        if text is None:
            os.remove(os.path.join(folder, name))
            files[name] = None
        elif text != case["before"].get(name):
            write(folder, {name: text})
            files[name] = base64.b64encode(text.encode()).decode()
    message = {"files": files, "data": case.get("data", []), "keep": case.get("keep")}
    return keep.patch(instance.recorder, instance.handlers, json.dumps(message).encode()).decode()


SKIPPED = {
    "__builtins__",
    "__loader__",
    "__spec__",
    "__cached__",
    "__file__",
    "__path__",
    "__dict__",
    "__weakref__",
    "__module__",
}


class Shape:
    """Objects as plain data: two processes that hold the same have the same shape, shared references included."""

    def __init__(self, modules):
        self.modules = set(modules)
        self.numbers = {}
        self.held = []
        gc.collect()

    def namespace(self, names):
        return {key: self.of(names[key]) for key in sorted(names) if key not in SKIPPED}

    def of(self, value):
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return repr(value)
        if isinstance(value, types.ModuleType):
            return "module " + value.__name__
        if id(value) in self.numbers:
            return f"as {self.numbers[id(value)]}"
        if isinstance(value, type) and value.__module__ not in self.modules:
            return "class " + value.__qualname__
        self.numbers[id(value)] = len(self.numbers)
        self.held.append(value)
        return [type(value).__name__, self.parts(value)]

    def parts(self, value):
        if isinstance(value, (list, tuple)):
            return [self.of(it) for it in value]
        if isinstance(value, (set, frozenset)):
            return sorted(repr(it) for it in value)
        if isinstance(value, dict):
            return [[self.of(key), self.of(it)] for key, it in value.items()]
        if isinstance(value, types.FunctionType):
            return self.function(value)
        if isinstance(value, types.MethodType):
            return [self.of(value.__func__), self.of(value.__self__)]
        if isinstance(value, (staticmethod, classmethod)):
            return self.of(value.__func__)
        if isinstance(value, property):
            return [self.of(it) for it in (value.fget, value.fset, value.fdel)]
        if isinstance(value, type):
            return self.cls(value)
        if hasattr(value, "__dict__") and type(value).__module__ in self.modules:
            return [type(value).__qualname__, self.namespace(vars(value))]
        return type(value).__qualname__

    def function(self, value):
        cells = [self.of(it.cell_contents) for it in value.__closure__ or ()]
        more = [value.__defaults__, value.__kwdefaults__, value.__annotations__, value.__dict__]
        return [value.__qualname__, value.__doc__, code(value.__code__), cells, [self.of(it) for it in more]]

    def cls(self, value):
        return [
            value.__qualname__,
            [self.of(it) for it in value.__bases__],
            self.namespace(vars(value)),
            sorted(it.__qualname__ for it in value.__subclasses__()),
        ]


def code(value):
    inner = [code(it) if isinstance(it, types.CodeType) else repr(it) for it in value.co_consts]
    return [value.co_name, value.co_firstlineno, value.co_code.hex(), value.co_names, value.co_varnames, inner]


main()
