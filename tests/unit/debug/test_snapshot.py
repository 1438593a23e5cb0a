"""Values become bounded trees, and no line of the user's code runs for it."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import pathlib
from dataclasses import dataclass
from typing import Any

import pytest


class Hostile:
    """Every door that a debugger might knock at is trapped."""

    def __init__(self) -> None:
        self.kept = 1

    def _trap(self, *_: object) -> Any:
        raise SystemExit("user code ran")

    __repr__ = __str__ = __len__ = __iter__ = __eq__ = __bool__ = __getattr__ = __format__ = __hash__ = _trap
    boom = property(_trap)
    __class__ = property(_trap)


class HostileDict(dict):
    def _trap(self, *_: object) -> Any:
        raise SystemExit("user code ran")

    __repr__ = __len__ = __iter__ = __getitem__ = items = keys = values = _trap


class HostileText(str):
    def __getitem__(self, _: object) -> Any:
        raise SystemExit("user code ran")

    __len__ = __repr__ = __getitem__


class Color(enum.Enum):
    RED = 1


class Slots:
    __slots__ = ("a", "unset")

    def __init__(self) -> None:
        self.a = 1


@dataclass
class Order:
    id: int
    token: str


Point = collections.namedtuple("Point", "x y")


@pytest.fixture
def tree(bootstrap):
    snapshot, redaction = bootstrap("snapshot"), bootstrap("redaction")
    return lambda value, name="value", nodes=4000: snapshot.Snapshot(
        redaction.Redaction(["known-secret"]), 60, nodes
    ).variable(name, value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        (1.5, "1.5"),
        ("a'b", '"a\'b"'),
        (b"ab", "b'ab'"),
        (datetime.date(2024, 1, 2), "datetime.date(2024, 1, 2)"),
        (decimal.Decimal("1.5"), "Decimal('1.5')"),
        (pathlib.PurePosixPath("/x"), "PurePosixPath('/x')"),
        (range(3), "range(0, 3)"),
        (int, "<class int>"),
        (collections, "<module collections>"),
        ("x known-secret y", "'x <redacted> y'"),
    ],
)
def test_one_line_values(tree, value, text):
    assert tree(value)["text"] == text


def test_enums_and_functions_are_named(tree):
    assert tree(Color.RED)["text"].endswith("Color.RED")
    assert tree(test_one_line_values)["text"].startswith("<function test_one_line_values, ")


def test_no_user_code_runs(tree):
    shown = tree([Hostile(), HostileDict(a=1), HostileText("abc")])
    hostile, mapping, text = shown["children"]
    assert (hostile["children"][0]["name"], hostile["children"][0]["text"]) == ("kept", "1")
    assert (mapping["count"], mapping["children"][0]["path"]) == (1, "['a']")
    assert text["text"] == "'abc'"


def test_paths_lead_from_parent_to_child(tree):
    shown = tree({"a": [Order(1, "t")], 2: Point(1, 2), Slots: {5}})
    first, second, third = shown["children"]
    assert first["path"] == "['a']" and first["children"][0]["path"] == "[0]"
    order = first["children"][0]
    assert [child["path"] for child in order["children"]] == [".id", ".token"]
    assert order["children"][1]["redacted"]
    assert second["path"] == "[2]" and [child["path"] for child in second["children"]] == [".x", ".y"]
    assert third["form"] == "set" and third["children"][0]["path"] == ""
    assert [child["name"] for child in tree(Slots())["children"]] == ["a"]


def test_what_is_large_is_counted(tree):
    numbers = tree(list(range(100_000)))
    assert (numbers["count"], len(numbers["children"])) == (100_000, 50)
    text = tree("x" * 100_000)
    assert text["length"] == 100_000 and len(text["text"]) < 1200
    assert tree(b"x" * 1000)["length"] == 1000
    assert tree(10**5000)["text"].startswith("<an integer of ")


def test_what_is_deep_or_turns_in_circles_ends(tree):
    circle: list[Any] = []
    circle.append(circle)
    deep: Any = "end"
    for _ in range(10_000):
        deep = [deep]
    for shown in (tree(circle), tree(deep)):
        depth = 0
        while shown.get("children"):
            shown, depth = shown["children"][0], depth + 1
        assert depth == 4 and shown["count"] == 1


def test_many_nodes_end_at_the_budget(tree):
    shown = tree([[[0] * 20] * 20] * 50, nodes=100)

    def count(node):
        return 1 + sum(map(count, node.get("children", ())))

    # Whoever was known when it ended is still named.
    assert 100 <= count(shown) < 3000
    assert all("type" in child for child in shown["children"])


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("password", "x", True),
        ("password", 1234, True),
        ("password", None, False),
        ("password", "", False),
        ("credentials", {"id": "x"}, True),
        ("max_tokens", 100, False),
        ("token_ids", [101, 102], False),
        ("tokens", ["the", "cat"], False),
        ("token", ["abc"], True),
        ("auth", Order(1, "x"), True),
        ("get_token", len, False),
        ("key", "images/cat.png", False),
        ("api_key", b"abc", True),
    ],
)
def test_names_hide_values(tree, name, value, hidden):
    shown = tree(value, name)
    assert shown.get("redacted", False) is hidden
    assert shown["type"]


def test_exceptions_show_what_they_carry(tree):
    error = ValueError("bad", 3)
    error.answer = {"status": 500}  # type: ignore[attr-defined]
    names = [child["name"] for child in tree(error)["children"]]
    assert names == ["args", "answer"]
