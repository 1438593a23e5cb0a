"""Small programs and edits of them, at random but the same for the same seed: for test_keep_edits.py."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

PRELUDE = """
import helper
registry = {}
def register(f):
    registry[f.__name__] = f
    return f
def wrap(f):
    def inner(*a): return f(*a)
    inner.f = f
    return inner
def tagged(tag):
    def decorate(f):
        registry.setdefault(tag, []).append(f)
        return f
    return decorate
"""
HELPER = """
h0 = 0
h1 = 1
h2 = 2
hd = {}
def hf(): return h0
def grow(x):
    hd[x] = h1
    return hd
"""
HANDLER = """
def initialize(context):
    global ready
    ready = [{init}]
def handler(event, context):
    return {answer}
"""


class Writer:
    """Writes statements that mostly use names which are there already."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.names: set[str] = set()
        self.functions: set[str] = set()
        self.classes: set[str] = set()
        self.containers: set[str] = set()
        self.kinds: list[Callable[[], str]] = [
            self.constant,
            self.derived,
            self.container,
            self.container,
            self.function,
            self.function,
            self.function,
            self.call,
            self.call,
            self.table,
            self.change,
            self.cls,
            self.cls,
            self.instance,
            self.attribute,
            self.decorated,
            self.condition,
            self.loop,
            self.from_helper,
            self.of_helper,
            self.setter,
            self.attempt,
        ]

    def statement(self) -> str:
        return self.chance.choice(self.kinds)()

    def one_of(self, names: set[str], otherwise: str) -> str:
        return self.chance.choice(sorted(names)) if names else otherwise

    def digit(self) -> int:
        return self.chance.randrange(5)

    def value(self) -> str:
        return self.chance.choice([str(self.chance.randrange(9)), *sorted(self.names)])

    def new(self, names: set[str], prefix: str, count: int) -> str:
        name = f"{prefix}{self.chance.randrange(count)}"
        names.add(name)
        return name

    def constant(self) -> str:
        return f"{self.new(self.names, 'n', 8)} = {self.digit()}"

    def derived(self) -> str:
        value = self.value()
        return f"{self.new(self.names, 'n', 8)} = ({value}, {self.digit()})"

    def container(self) -> str:
        value = self.value()
        if self.chance.random() < 0.5:
            return f"{self.new(self.containers, 'm', 4)} = [{value}]"
        return f"{self.new(self.containers, 'd', 3)} = {{'a': {value}}}"

    def function(self) -> str:
        bodies = [
            f"return {self.value()}",
            f"return ({self.value()}, {self.digit()})",
            f"x = [{self.value()}]\n    return x",
            f"return [lambda: {self.digit()}, {self.value()}]",
            f"def g(): return {self.value()}\n    return g",
            f"{self.one_of(self.containers, 'registry')}.__len__()\n    return {self.value()}",
            f"return {self.one_of(self.functions, 'str')}()",
        ]
        arguments = ["", "", f"x={self.value()}", "x=[]", f"x: 'int'={self.digit()}", f"*, y={self.digit()}"]
        doc = f'"""D{self.digit()}."""\n    ' if self.chance.random() < 0.3 else ""
        body, given = self.chance.choice(bodies), self.chance.choice(arguments)
        return f"def {self.new(self.functions, 'f', 5)}({given}):\n    {doc}{body}"

    def call(self) -> str:
        function = self.one_of(self.functions, "str")
        if self.chance.random() < 0.5:
            return f"{self.new(self.names, 'n', 8)} = str({function}())[:3]"
        return f"{self.new(self.containers, 'm', 4)} = [{function}()]"

    def table(self) -> str:
        function = self.one_of(self.functions, "register")
        return f"{self.new(self.containers, 'd', 3)} = {{'f': {function}}}"

    def change(self) -> str:
        name = self.one_of(self.containers, "registry")
        return f"{name}.append({self.value()})" if name[0] == "m" else f"{name}[{self.digit()}] = {self.value()}"

    def cls(self) -> str:
        base = self.one_of(self.classes, "") if self.chance.random() < 0.4 else ""
        members = [f"A = {self.digit()}"]
        more = [
            f"def __init__(self): self.v = [{self.value()}]",
            f"def m(self): return self.A + {self.digit()}",
            f"def m2(self, x={self.digit()}): return x",
            "def s(self): return super().__repr__()[:3]",
            f"@staticmethod\n    def st(): return {self.digit()}",
            f"@classmethod\n    def cm(cls): return {self.digit()}",
            f"@property\n    def p(self): return {self.digit()}",
            f"L = [{self.digit()}]",
            f"__private = {self.digit()}",
            f"B = A + {self.digit()}",
        ]
        members += [member for member in more if self.chance.random() < 0.3]
        if self.chance.random() < 0.2:
            members.insert(0, f'"""C{self.digit()}."""')
        name = self.new(self.classes, "C", 3)
        heritage = f"({base})" if base and base != name else ""
        return f"class {name}{heritage}:\n    " + "\n    ".join(members)

    def instance(self) -> str:
        return f"{self.new(self.names, 'o', 3)} = {self.one_of(self.classes, 'dict')}()"

    def attribute(self) -> str:
        return f"{self.new(self.names, 'n', 8)} = {self.one_of(self.classes, 'helper.hf')}.__name__"

    def decorated(self) -> str:
        decorators = ["@register", "@wrap", "@wrap\n@register", f"@tagged({self.digit()})"]
        decorator, value = self.chance.choice(decorators), self.value()
        return f"{decorator}\ndef {self.new(self.functions, 'w', 2)}(): return {value}"

    def condition(self) -> str:
        value = self.value()
        name = self.new(self.names, "n", 8)
        return f"if {value}:\n    {name} = {self.digit()}\nelse:\n    {name} = {value}"

    def loop(self) -> str:
        return f"for i{self.digit()} in range({self.digit() + 1}):\n    {self.new(self.names, 'n', 8)} = {self.digit()}"

    def from_helper(self) -> str:
        name = self.chance.choice(["h0", "h1", "h2"])
        self.names.add(name)
        return f"from helper import {name}"

    def of_helper(self) -> str:
        self.containers.add("d9")
        return self.chance.choice(
            [
                "d9 = helper.hd",
                f"d9 = helper.grow({self.digit()})",
                f"{self.new(self.names, 'n', 8)} = helper.h{self.chance.randrange(3)}",
                f"helper.hd[{self.digit()}] = {self.value()}",
                f"helper.h{self.chance.randrange(3)} = {self.digit()}",
            ]
        )

    def setter(self) -> str:
        name, target = f"g{self.chance.randrange(2)}", self.one_of(self.names, "zz")
        self.functions.add(name)
        return f"def {name}():\n    global {target}\n    {target} = {self.digit()}\n{name}()"

    def attempt(self) -> str:
        value = self.value()
        name = self.new(self.names, "n", 8)
        return (
            f"try:\n    {name} = {self.one_of(self.containers, 'missing')}[0]\nexcept Exception:\n    {name} = {value}"
        )


def edited(chance: random.Random, statements: list[str]) -> list[str]:
    """One to three edits: a statement goes, comes, moves or has another number in it."""
    result = list(statements)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        at = chance.randrange(len(result)) if result else 0
        kind = chance.randrange(6)
        if kind == 0 and result:
            del result[at]
        elif kind == 1:
            result.insert(at, fresh(chance))
        elif kind == 2 and len(result) > 1:
            other = chance.randrange(len(result))
            result[at], result[other] = result[other], result[at]
        elif result:
            result[at] = with_other_number(chance, result[at])
    return result


def fresh(chance: random.Random) -> str:
    writer = Writer(chance)
    return [writer.statement() for _ in range(4)][chance.randrange(4)]


def with_other_number(chance: random.Random, text: str) -> str:
    places = [i for i, c in enumerate(text) if c.isdigit() and not (i and text[i - 1].isalnum())]
    if not places:
        return fresh(chance)
    at = chance.choice(places)
    return f"{text[:at]}{(int(text[at]) + 1) % 9}{text[at + 1 :]}"


def rendered(main: list[str], helper: list[str], ending: str) -> dict[str, str]:
    body, more = "\n".join(main), "\n".join(helper)
    return {"index.py": f"{PRELUDE}{body}\n{ending}", "helper.py": f"{HELPER}{more}\n"}


def random_case(seed: int) -> dict[str, Any]:
    """A case for keep_cases.py. Nothing in it depends on what requests leave behind."""
    chance = random.Random(seed)
    writer = Writer(chance)
    main = [writer.statement() for _ in range(chance.randrange(4, 14))]
    alone = Writer(chance)
    alone.kinds = [
        it for it in alone.kinds if it not in (alone.from_helper, alone.of_helper, alone.decorated, alone.table)
    ]
    helper = [alone.statement() for _ in range(chance.randrange(0, 5))]
    helper = [it for it in helper if "registry" not in it and "helper" not in it and "register" not in it]
    ending = HANDLER.format(init=writer.value(), answer=writer.value())
    before = rendered(main, helper, ending)
    what = chance.random()
    if what < 0.7:
        main = edited(chance, main)
    elif what < 0.9:
        helper = edited(chance, helper)
    else:
        ending = with_other_number(chance, ending)
    case = {"before": before, "after": rendered(main, helper, ending), "calls": chance.choice([0, 1])}
    return {**case, "initializer": "index.initialize"} if chance.random() < 0.5 else case
