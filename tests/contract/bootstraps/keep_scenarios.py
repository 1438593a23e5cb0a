"""Edits of small functions, and what has to be kept over each: for test_keep_edits.py.

`SCENARIOS`: name → (files, files of the edit, what is kept, more of the case). What is kept is a list of names that
must be among those; `REFUSED` where only a cold start will do; None where either is right, as long as it is exact.
"""

from __future__ import annotations

from typing import Any

REFUSED = "refused"
Files = dict[str, str]
Scenario = tuple[Files, dict[str, str | None], list[str] | str | None, dict[str, Any]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, files: Files, edit: dict[str, str | None], kept: list[str] | str | None, **more: Any) -> None:
    assert name not in SCENARIOS
    SCENARIOS[name] = (files, edit, kept, more)


BASE = '''import json
LIMIT = 3
class Model:
    """A model."""
    scale = 2
    def __init__(self): self.w = [1,2]
    def forward(self, x): return x * self.scale
def load():
    return Model()
def helper(x, y=1):
    return x + y
model = load()
cache = {}
def handler(event, context):
    cache["n"] = cache.get("n", 0) + 1
    return [model.forward(2), helper(1), LIMIT, sorted(k for k in globals() if k[0] != "_"), model.__doc__]
'''

BASE_FILES = {"index.py": BASE}


def edited(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new)


for name, text in {
    "body": edited("return x + y", "return x - y"),
    "shift": "\n\n" + BASE,
    "default": edited("y=1", "y=5"),
    "constant": edited("LIMIT = 3", "LIMIT = 4"),
    "method": edited("return x * self.scale", "return x * self.scale + 1"),
    "attr": edited("scale = 2", "scale = 7"),
    "doc": edited("A model.", "The model."),
    "handler": edited('cache.get("n", 0) + 1', 'cache.get("n", 0) + 2'),
    "decorator": edited("def helper", "import functools\n@functools.lru_cache()\ndef helper"),
    "new": edited("def handler", "def more(): return 1\ndef handler"),
    "removed": edited("def helper(x, y=1):\n    return x + y\n", "").replace("helper(1)", "0"),
    "if": edited("cache = {}", "cache = {}\nif LIMIT > 2:\n    EXTRA = 1\n    def extra(): return 2"),
    "import": edited("import json", "import json\nimport math").replace("LIMIT,", "math.floor(LIMIT),"),
    "init": edited("self.w = [1,2]", "self.w = [1,2,3]"),
    "load": edited("    return Model()", "    m = Model(); return m"),
    "newmethod": edited("    def forward", "    def extra(self): return 1\n    def forward"),
}.items():
    # Requests change `cache`, which is kept as they left it.
    scenario(name, BASE_FILES, {"index.py": text}, [] if name in ("init", "load") else ["model"], calls=0)

FL = """
class App:
    def __init__(self): self.routes = []
    def route(self, path):
        def deco(f):
            self.routes.append((path, f)); return f
        return deco
"""
MAIN = """
from fl import App
from models import load
app = App()
model = load()
@app.route("/a")
def a(): return model.run(1)
@app.route("/b")
def b(): return 2
def handler(e, c):
    return [[(p, f(), f.__name__, f.__code__.co_firstlineno) for p, f in app.routes]]
"""
MOD = """
class M:
    def __init__(self): self.data = bytearray(10)
    def run(self, x): return x + 1
def load(): return M()
"""
F = {"index.py": MAIN, "fl.py": FL, "models.py": MOD}
scenario("flask body", F, {"index.py": MAIN.replace("return 2", "return 3")}, ["model"])
scenario(
    "flask new route",
    F,
    {"index.py": MAIN.replace("def handler", '@app.route("/c")\ndef c(): return 9\ndef handler')},
    ["model"],
)
scenario("flask removed route", F, {"index.py": MAIN.replace('@app.route("/b")\ndef b(): return 2\n', "")}, ["model"])
scenario("flask handler", F, {"index.py": MAIN.replace("f.__name__,", "f.__name__.upper(),")}, ["model", "app"])
scenario("method in other module", F, {"models.py": MOD.replace("x + 1", "x + 5")}, ["model", "app"])
scenario("load in other module", F, {"models.py": MOD.replace("return M()", "m = M(); return m")}, ["app"])
scenario(
    "fl decorator edited",
    F,
    {"fl.py": FL.replace("self.routes.append((path, f)); return f", "self.routes.insert(0, (path, f)); return f")},
    ["model"],
)
CL = """
import functools
def twice(f):
    @functools.wraps(f)
    def inner(*a): return f(*a) * 2
    return inner
reg = {}
def register(f):
    reg[f.__name__] = f
    return f
big = [object()]
@twice
def p(x): return x + 1
@register
def q(x): return x
@register
@twice
def r(x): return x
part = functools.partial(q, 3)
lam = lambda x: x * 10
table = {"p": p, "q": q, "lam": lam}
def handler(e, c):
    return [p(1), q(2), r(3), part(), lam(4), sorted(reg),
        [reg[k](5) for k in sorted(reg)], [table[k](6) for k in sorted(table)]]
"""
F = {"index.py": CL}
scenario("decorated body", F, {"index.py": CL.replace("return x + 1", "return x + 7")}, ["big"])
scenario("decorator body", F, {"index.py": CL.replace("* 2", "* 3")}, ["big"])
scenario("registered body", F, {"index.py": CL.replace("def q(x): return x", "def q(x): return x - 1")}, ["big"])
scenario("lambda", F, {"index.py": CL.replace("x * 10", "x * 11")}, ["big"])
scenario("registry fn", F, {"index.py": CL.replace("reg[f.__name__] = f", "reg[f.__name__.upper()] = f")}, ["big"])
scenario(
    "remove registered",
    F,
    {"index.py": CL.replace("@register\n@twice\ndef r(x): return x\n", "@twice\ndef r(x): return x\n")},
    ["big"],
)
