"""An entry in JSON with comments: nothing but the entry changes, and nothing at all the second time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given

from emulator.ide.jsonc import Node, parse
from emulator.ide.jsonc_edit import Entry, put
from emulator.ide.problems import Unreadable
from tests.unit.ide.documents import LAUNCH_FILES

COMMENTS = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\r\n]*|/\*.*?\*/', re.DOTALL)


def ours(port: int = 47100, **more: Any) -> Entry:
    value = {"name": "ours", "connect": {"host": "127.0.0.1", "port": port}, "justMyCode": True, **more}
    return Entry(("configurations",), "name", value, ("connect",), {"version": "0.2.0"})


def meaning(text: str) -> Any:
    node = parse(text)
    return None if node is None else node.plain()


def own(text: str) -> Node | None:
    """Our entry: the first of the array that has its name."""
    root = parse(text)
    assert root is not None
    member = root.member("configurations")
    items = member.value.items if member else ()
    return next((i for i in items if (name := i.member("name")) and name.value.value == "ours"), None)


def comments(text: str) -> list[str]:
    return [found for found in COMMENTS.findall(text) if found.startswith("/")]


def only_added(before: str, after: str) -> bool:
    """True where `after` is `before` with one piece added, and perhaps a comma somewhere before that."""
    tail = next(
        (n for n in range(min(len(before), len(after)) + 1) if before[-n - 1 :] != after[-n - 1 :]), len(before)
    )
    kept, longer = before[: len(before) - tail], after[: len(after) - tail]
    head = next((n for n, pair in enumerate(zip(kept, longer, strict=False)) if pair[0] != pair[1]), len(kept))
    return kept == longer[: len(kept)] or (longer[head] == "," and longer[head + 1 :].startswith(kept[head:]))


# --- random files ---


@given(LAUNCH_FILES)
def test_adding_keeps_every_byte_and_comment(document: tuple[str, Mapping[str, Any]]) -> None:
    text, value = document
    if own(text) is not None:
        return
    after = put(text, ours())
    assert only_added(text, after)
    assert meaning(after) == {**value, "configurations": [*value.get("configurations", []), ours().value]}
    assert comments(after) == comments(text)


@given(LAUNCH_FILES)
def test_changing_keeps_every_byte_outside_of_the_entry(document: tuple[str, Mapping[str, Any]]) -> None:
    text, _ = document
    before = put(text, ours(port=1))
    old, after = own(before), put(before, ours(port=2))
    new = own(after)
    assert old is not None and new is not None
    assert (before[: old.start], before[old.end :]) == (after[: new.start], after[new.end :])
    assert new.plain() == {**old.plain(), "connect": {**old.plain()["connect"], **ours(port=2).value["connect"]}}


@given(LAUNCH_FILES)
def test_the_second_time_changes_nothing(document: tuple[str, Mapping[str, Any]]) -> None:
    once = put(document[0], ours())
    assert put(once, ours()) == once


# --- examples, as they look ---


def test_a_new_file() -> None:
    assert put("", ours()) == (
        "{\n"
        '    "version": "0.2.0",\n'
        '    "configurations": [\n'
        "        {\n"
        '            "name": "ours",\n'
        '            "connect": {\n'
        '                "host": "127.0.0.1",\n'
        '                "port": 47100\n'
        "            },\n"
        '            "justMyCode": true\n'
        "        }\n"
        "    ]\n"
        "}\n"
    )


def tiny(name: str = "ours") -> Entry:
    return Entry(("configurations",), "name", {"name": name}, (), {"version": "0.2.0"})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            '{\n  "configurations": [\n    {"name": "a"} // mine\n    // {"name": "old"}\n  ]\n}',
            '{\n  "configurations": [\n    {"name": "a"}, // mine\n    // {"name": "old"}\n'
            '    {\n      "name": "ours"\n    }\n  ]\n}',
            id="behind the comments that follow the last entry",
        ),
        pytest.param(
            '{\r\n\t"configurations": [\r\n\t\t{"name": "a"},\r\n\t],\r\n}\r\n',
            '{\r\n\t"configurations": [\r\n\t\t{"name": "a"},\r\n'
            '\t\t{\r\n\t\t\t"name": "ours"\r\n\t\t},\r\n\t],\r\n}\r\n',
            id="tabs, CRLF and commas at the end",
        ),
        pytest.param(
            '{"configurations": []}',
            '{"configurations": [\n    {\n        "name": "ours"\n    }\n]}',
            id="a file in one line",
        ),
        pytest.param(
            '{\n  "configurations": [ /* none yet */ ]\n}',
            '{\n  "configurations": [ /* none yet */\n    {\n      "name": "ours"\n    }\n   ]\n}',
            id="an array with nothing but a comment",
        ),
        pytest.param(
            "// Mine.",
            '// Mine.\n{\n    "version": "0.2.0",\n    "configurations": [\n        {\n            "name": "ours"\n'
            "        }\n    ]\n}\n",
            id="a file with nothing but a comment",
        ),
        pytest.param(
            "\ufeff{}",
            '\ufeff{\n    "configurations": [\n        {\n            "name": "ours"\n        }\n    ]\n}',
            id="BOM",
        ),
    ],
)
def test_an_entry_looks_as_its_neighbours_do(before: str, after: str) -> None:
    assert put(before, tiny()) == after


def test_a_changed_port_is_one_number() -> None:
    own = '{"connect": {"port": 1, /* why */ "host": "127.0.0.1"}, "justMyCode": false, "name": "ours"}'
    before = f'{{"configurations": [{own}]}}'
    assert put(before, ours()) == before.replace("1,", "47100,", 1)


def test_a_fixed_member_that_was_removed_comes_back() -> None:
    after = put('{"configurations": [{"name": "ours"}]}', ours())
    assert meaning(after)["configurations"] == [{"name": "ours", "connect": ours().value["connect"]}]


def test_an_entry_in_an_array_that_is_the_file() -> None:
    entry = Entry((), "label", {"label": "ours"}, ())
    assert put("", entry) == '[\n    {\n        "label": "ours"\n    }\n]\n'
    assert put('[\n  {"label": "a"}\n]\n', entry) == '[\n  {"label": "a"},\n  {\n    "label": "ours"\n  }\n]\n'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[]", (1, 1)),
        ('{\n  "configurations": {}\n}', (2, 21)),
        ('{\n  "configurations": null\n}', (2, 21)),
        ("{", (1, 1)),
    ],
)
def test_a_file_of_another_shape_is_refused(text: str, place: tuple[int, int]) -> None:
    with pytest.raises(Unreadable) as caught:
        put(text, ours())
    assert (caught.value.line, caught.value.column) == place
