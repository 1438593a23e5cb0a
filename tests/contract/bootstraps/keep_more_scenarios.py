"""More of keep_scenarios.py: classes, several modules, the Initializer, effects, names to keep."""

from __future__ import annotations

from keep_scenarios import REFUSED, scenario

SU = """
class Base:
    kind = "base"
    def __init__(self): self.v = 1
    def hi(self): return "hi " + self.kind
class Child(Base):
    kind = "child"
    __secret = 4
    LIMITS = {"a": 1}
    @property
    def val(self): return self.v
    @val.setter
    def val(self, x): self.v = x
    @staticmethod
    def st(x): return x
    @classmethod
    def cm(cls): return cls.kind
    def hi(self): return super().hi() + "!"
    def sec(self): return self.__secret
obj = Child()
bound = obj.hi
def handler(e, c):
    obj.val = 5
    return [obj.hi(), bound(), obj.val, obj.st(1), obj.cm(), obj.sec(), Child.LIMITS,
        sorted(k for k in vars(Child) if not k.startswith("__")), type(obj) is Child,
        isinstance(obj, Base), Child.__doc__, len(Base.__subclasses__())]
"""
F = {"index.py": SU}
scenario("super method", F, {"index.py": SU.replace('"!"', '"?"')}, ["obj"])
scenario("base method", F, {"index.py": SU.replace('"hi "', '"ho "')}, ["obj"])
scenario(
    "new super method",
    F,
    {
        "index.py": SU.replace("    def sec", "    def extra(self): return super().hi()\n    def sec").replace(
            "obj.sec(),", "obj.sec(), getattr(obj, 'extra', lambda: 0)(),"
        )
    },
    None,
)
scenario(
    "method gains super",
    F,
    {"index.py": SU.replace("return self.__secret", "return super().hi() + str(self.__secret)")},
    ["obj"],
)
scenario("private attr", F, {"index.py": SU.replace("__secret = 4", "__secret = 5")}, ["obj"])
scenario("property", F, {"index.py": SU.replace("return self.v\n", "return self.v * 2\n")}, ["obj"])
scenario("setter", F, {"index.py": SU.replace("self.v = x", "self.v = x + 1")}, ["obj"])
scenario(
    "static->class",
    F,
    {"index.py": SU.replace("    @staticmethod\n    def st(x)", "    @classmethod\n    def st(x, y=0)")},
    None,
)
scenario("classmethod body", F, {"index.py": SU.replace("return cls.kind", "return cls.kind.upper()")}, ["obj"])
scenario("attr dict", F, {"index.py": SU.replace('{"a": 1}', '{"a": 2}')}, ["obj"])
scenario("removed attr", F, {"index.py": SU.replace('    LIMITS = {"a": 1}\n', "").replace("Child.LIMITS", "0")}, None)
scenario("class doc", F, {"index.py": SU.replace("class Child(Base):", 'class Child(Base):\n    """Doc."""')}, ["obj"])
scenario("bases", F, {"index.py": SU.replace("class Child(Base):", "class Child(Base, dict):")}, None)
scenario("base kind used in init", F, {"index.py": SU.replace("self.v = 1", "self.v = 2")}, [])
IN = """
import helpers
from helpers import SCALE
model = None
names = []
def init(context):
    global model
    model = helpers.build(SCALE)
    names.append("init")
def handler(e, c):
    return [model.n, names, helpers.post(1), SCALE]
"""
HE = """
SCALE = 2
OTHER = 3
class B:
    def __init__(self, n): self.n = n
def build(n): return B(n)
def post(x): return x + OTHER
"""
F = {"index.py": IN, "helpers.py": HE}
WITH_INITIALIZER = {"initializer": "index.init"}
scenario(
    "init handler",
    F,
    {"index.py": IN.replace("names, helpers", "names + [0], helpers")},
    ["model", "names"],
    **WITH_INITIALIZER,
)
scenario("init post", F, {"helpers.py": HE.replace("x + OTHER", "x - OTHER")}, ["model", "names"], **WITH_INITIALIZER)
scenario("init OTHER", F, {"helpers.py": HE.replace("OTHER = 3", "OTHER = 4")}, ["model", "names"], **WITH_INITIALIZER)
scenario("init SCALE", F, {"helpers.py": HE.replace("SCALE = 2", "SCALE = 4")}, [], **WITH_INITIALIZER)
scenario("init build", F, {"helpers.py": HE.replace("return B(n)", "return B(n + 1)")}, [], **WITH_INITIALIZER)
scenario("init itself", F, {"index.py": IN.replace('"init"', '"INIT"')}, [], **WITH_INITIALIZER)
scenario(
    "both modules",
    F,
    {"index.py": IN.replace("SCALE]", "SCALE, 1]"), "helpers.py": HE.replace("x + OTHER", "x * OTHER")},
    ["model"],
    **WITH_INITIALIZER,
)
scenario(
    "new module",
    F,
    {
        "index.py": IN.replace("import helpers", "import helpers\nimport extra").replace("SCALE]", "SCALE, extra.E]"),
        "extra.py": "E = 5\n",
    },
    ["model"],
    **WITH_INITIALIZER,
)
scenario(
    "drop module",
    {
        **F,
        "extra.py": "import sys\nE=1\n",
        "index.py": IN.replace("import helpers", "import helpers\nimport extra").replace(
            "SCALE]", "SCALE, 'extra' in __import__('sys').modules]"
        ),
    },
    {"index.py": IN.replace("SCALE]", "SCALE, 'extra' in __import__('sys').modules]")},
    None,
    **WITH_INITIALIZER,
)
scenario("deleted file still imported", F, {"helpers.py": None}, REFUSED, **WITH_INITIALIZER)
TH = """
import threading, os, logging
big = [1]
t = threading.Thread(target=lambda: None); t.start()
os.environ["KX"] = "1"
logging.getLogger("x").addHandler(logging.NullHandler())
def handler(e, c): return [os.environ["KX"], len(logging.getLogger("x").handlers)]
"""
F = {"index.py": TH}
scenario("thread untouched", F, {"index.py": TH.replace("return [", "return [7, ")}, ["big"])
scenario("env edited", F, {"index.py": TH.replace('"KX"] = "1"', '"KX"] = "2"')}, REFUSED)
scenario(
    "env removed",
    F,
    {"index.py": TH.replace('os.environ["KX"] = "1"\n', "").replace('os.environ["KX"]', 'os.environ.get("KX")')},
    REFUSED,
)
scenario(
    "handler removed",
    F,
    {"index.py": TH.replace('logging.getLogger("x").addHandler(logging.NullHandler())\n', "")},
    REFUSED,
)
LZ = """
model = None
big = [1]
def load(): return [1]
def get():
    global model
    if model is None: model = load()
    return model
def handler(e, c): return [len(get())]
"""
F = {"index.py": LZ}
scenario("lazy handler", F, {"index.py": LZ.replace("len(get())", "len(get()) + 1")}, ["big"])
scenario("lazy get", F, {"index.py": LZ.replace("    return model", "    return model or 1")}, ["big"])
scenario("lazy load named", F, {"index.py": LZ.replace("[1]\ndef get", "[1, 2]\ndef get")}, [], keep=["model"])
scenario(
    "lazy get named",
    F,
    {"index.py": LZ.replace("    return model", "    return model or 1")},
    ["model"],
    keep=["model"],
)
NM = """
import time
model = [1, 2]
cfg = {"t": 1}
class Pipe:
    def __init__(self, m, t): self.m, self.t = m, t
pipe = Pipe(model, cfg["t"])
model.append(3)
def handler(e, c): return [pipe.t, pipe.m is model, sum(pipe.m[:2])]
"""
F = {"index.py": NM}
scenario("pipe edit", F, {"index.py": NM.replace('cfg["t"])', 'cfg["t"] + 1)')}, [])
scenario("pipe edit named", F, {"index.py": NM.replace('cfg["t"])', 'cfg["t"] + 1)')}, ["model"], keep=["model"])
scenario("model edit named", F, {"index.py": NM.replace("[1, 2]", "[1, 5]")}, [], keep=["model"])
DC = """
import dataclasses, enum, abc
@dataclasses.dataclass
class Conf:
    a: int = 1
    def total(self): return self.a + 1
class Color(enum.Enum):
    RED = 1
    def show(self): return self.name
class Abs(abc.ABC):
    @abc.abstractmethod
    def f(self): ...
class Con(Abs):
    def f(self): return 1
conf = Conf()
con = Con()
big = [object()]
def handler(e, c):
    return [conf.total(), repr(conf), [x.show() for x in Color], con.f(), Color.RED.value, type(conf) is Conf]
"""
F = {"index.py": DC}
scenario("dataclass method", F, {"index.py": DC.replace("self.a + 1", "self.a + 2")}, ["big", "conf"])
scenario("dataclass field", F, {"index.py": DC.replace("a: int = 1", "a: int = 3")}, ["big"])
scenario("dataclass new field", F, {"index.py": DC.replace("a: int = 1", "a: int = 1\n    b: int = 2")}, ["big"])
scenario("enum method", F, {"index.py": DC.replace("return self.name", "return self.name.lower()")}, ["big"])
scenario("enum member", F, {"index.py": DC.replace("RED = 1", "RED = 1\n    BLUE = 2")}, ["big"])
scenario("abc method", F, {"index.py": DC.replace("def f(self): return 1", "def f(self): return 2")}, ["big", "con"])
GE = """
def gen():
    while True: yield 1
g = gen()
big = [1]
def outer():
    n = 1
    def inner(): return n
    return inner
fn = outer()
def handler(e, c): return [next(g), fn()]
"""
F = {"index.py": GE}
scenario("suspended generator", F, {"index.py": GE.replace("yield 1", "yield 2")}, None)
scenario("closure", F, {"index.py": GE.replace("return n\n", "return n + 5\n")}, ["big"])
scenario(
    "closure vars",
    F,
    {"index.py": GE.replace("n = 1", "n = 1; m = 2").replace("return n\n", "return n + m\n")},
    ["big"],
)
IFS = """
FLAG = True
big = [1]
if FLAG:
    def h(): return 1
    K = 1
else:
    def h(): return 2
try:
    import nothing_here
except ImportError:
    nothing_here = None
def handler(e, c): return [h(), K, nothing_here is None, sorted(k for k in globals() if k[0] != "_")]
"""
F = {"index.py": IFS}
scenario("if body", F, {"index.py": IFS.replace("return 1", "return 3")}, ["big"])
scenario(
    "if cond",
    F,
    {"index.py": IFS.replace("FLAG = True", "FLAG = False").replace(" K,", " globals().get('K'),")},
    ["big"],
)
scenario("optional module appears", F, {"nothing_here.py": "x=1\n"}, ["big"])
scenario("del", F, {"index.py": IFS + "del FLAG\n"}, ["big"])
scenario("syntax", F, {"index.py": IFS + "def (\n"}, REFUSED)
scenario("raises", F, {"index.py": IFS + "1/0\n"}, REFUSED)
CA = """
import functools
big = [1]
@functools.lru_cache(None)
def f(x): return x + 1
def memo(x, _c={}):
    if x not in _c: _c[x] = x * 2
    return _c[x]
def handler(e, c): return [f(1), memo(2)]
"""
F = {"index.py": CA}
scenario("lru", F, {"index.py": CA.replace("x + 1", "x + 2")}, ["big"])
scenario("memo default", F, {"index.py": CA.replace("x * 2", "x * 3")}, ["big"])
PK = {
    "index.py": "from pkg import sub, thing\nimport pkg.deep.leaf as leaf\n"
    "big=[1]\ndef handler(e,c): return [sub.f(), thing, leaf.g()]\n",
    "pkg/__init__.py": "from .sub import f\nthing = f() + 1\n",
    "pkg/sub.py": "def f(): return 1\n",
    "pkg/deep/__init__.py": "",
    "pkg/deep/leaf.py": "from ..sub import f\nfrom .. import thing\ndef g(): return f() + thing\n",
}
scenario("pkg sub", PK, {"pkg/sub.py": "def f(): return 10\n"}, ["big"])
scenario("pkg init", PK, {"pkg/__init__.py": "from .sub import f\nthing = f() + 5\n"}, ["big"])
scenario(
    "pkg leaf",
    PK,
    {"pkg/deep/leaf.py": "from ..sub import f\nfrom .. import thing\ndef g(): return f() - thing\n"},
    ["big"],
)
ST = {
    "index.py": "from names import *\nbig=[1]\ndef handler(e,c): return [A, sorted(globals())]\n",
    "names.py": "A=1\nB=2\n",
}
scenario("star", ST, {"names.py": "A=5\nC=3\n"}, ["big"])
