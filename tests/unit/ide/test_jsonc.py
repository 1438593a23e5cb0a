"""Reading JSON with comments: as editors do, and with the place of what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.ide.jsonc import Node, parse
from emulator.ide.problems import Unreadable
from tests.unit.ide.documents import VALUES, documents


def meaning(text: str) -> Any:
    node = parse(text)
    assert node is not None
    return node.plain()


@given(documents())
def test_a_file_means_what_it_says(document: tuple[str, Any]) -> None:
    text, value = document
    assert json.dumps(meaning(text)) == json.dumps(value)


@given(VALUES)
def test_plain_json_is_read_as_python_reads_it(value: Any) -> None:
    assert meaning(json.dumps(value, indent=2)) == value


@given(st.text(st.sampled_from('{}[]",:/*\n 1a\\'), max_size=30))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    try:
        parse(text)
    except Unreadable as error:
        assert 1 <= error.line <= text.count("\n") + 1
        assert 1 <= error.column <= len(text) + 1


@pytest.mark.parametrize("text", ["", "  \n", "// nothing yet", "/* nothing\nyet */\n", "\ufeff"])
def test_a_file_without_a_value(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('{\n  "a": 1\n  "b": 2\n}', 3, 3, "a comma is missing"),
        ('{\r\n  "a": 1\r\n  "b": 2\r\n}', 3, 3, "a comma is missing"),
        ('\ufeff{"a" 1}', 1, 6, "a colon is missing"),
        ("[1\n 2]", 2, 2, "a comma is missing"),
        ('{"a": [1, 2}', 1, 12, "a comma is missing"),
        ('{\n  "a": {', 2, 8, "there is no }"),
        ("[1, ", 1, 1, "there is no ]"),
        ("{'a': 1}", 1, 2, "double quotes"),
        ('{"a": "b}', 1, 7, "not closed"),
        ('{"a": "\\x"}', 1, 7, "wrong escape"),
        ('{"a": }', 1, 7, "a value is expected"),
        ("{,}", 1, 2, "double quotes"),
        ("[1,,2]", 1, 4, "a value is expected"),
        ("[01]", 1, 2, "a value is expected"),
        ("[truest]", 1, 2, "a value is expected"),
        ("[1] [2]", 1, 5, "behind the end"),
        ("[1] /* open", 1, 5, "the comment has no end"),
        ("[" * 5000, 1, 102, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_column(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert message in caught.value.message


def test_places_lead_back_to_the_text() -> None:
    text = '{ // one\n  "a": [1, {"b": "c"},],\n}'
    root = parse(text)
    assert root is not None

    def cut(node: Node) -> str:
        return text[node.start : node.end]

    member = root.member("a")
    assert member is not None and text[member.start :].startswith('"a"')
    assert [cut(item) for item in member.value.items] == ["1", '{"b": "c"}']
    assert cut(root) == text
    assert text[root.comma] == text[member.value.comma] == ","


def test_of_two_members_with_one_name_the_last_counts() -> None:
    root = parse('{"a": 1, "a": 2}')
    assert root is not None
    member = root.member("a")
    assert member is not None and member.value.value == 2


def test_numbers_that_python_refuses_are_kept() -> None:
    assert parse("[" + "9" * 5000 + "]") is not None
