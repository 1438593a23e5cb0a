"""YAML: what projects write loads as it looks, and every key keeps its line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.config.tree import Json, Map, Scalar, find, plain, scalars
from emulator.config.yaml_guard import MAX_BYTES, load_file, load_text, resolve
from emulator.model.errors import ConfigError


def data(text: str) -> Json:
    return plain(load_text(text, "s.yaml"))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("22:22", "22:22"),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        ("yes", "yes"),
        ("on", "on"),
        ("True", True),
        ("~", None),
        ("", None),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("-5", -5),
        (".inf", float("inf")),
        ("1.2.3", "1.2.3"),
        ("'012'", "012"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!Ref thing", "thing"),
    ],
)
def test_a_scalar_means_what_it_looks_like(written: str, value: object) -> None:
    assert data(f"key: {written}") == {"key": value}


@pytest.mark.parametrize("written", ["012", "1.10", "22:22", "yes", "12345678901234567890123"])
def test_a_scalar_keeps_what_was_written(written: str) -> None:
    node = find(load_text(f"key: {written}", "s.yaml"), ("key",))
    assert isinstance(node, Scalar)
    assert node.text == written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: {{ x }}", {"a": "{{ x }}"}),
        ("a: {{x}}-web", {"a": "{{x}}-web"}),
        ("a: '{{ x }}'", {"a": "{{ x }}"}),
        ('a: "{{ x }}: # y"', {"a": "{{ x }}: # y"}),
        ("a: [{{ x }}, b]", {"a": ["{{ x }}", "b"]}),
        ("a: ${env(X)}", {"a": "${env(X)}"}),
        ("a: [${env('X', 'd')}, b]", {"a": ["${env('X', 'd')}", "b"]}),
        ("a: {b: ${vars.x}, c: 1}", {"a": {"b": "${vars.x}", "c": 1}}),
        ("a: ${env('X', 'k: v #1')}", {"a": "${env('X', 'k: v #1')}"}),
        ("a: ${json(file('./${vars.x}.json'))}", {"a": "${json(file('./${vars.x}.json'))}"}),
        ("a: |\n  {{ x }}\n  ${y}\n", {"a": "{{ x }}\n${y}\n"}),
        ("pre-${regex('deploy|local')}: []", {"pre-${regex('deploy|local')}": []}),
        ("a: {b: {c: {}}}", {"a": {"b": {"c": {}}}}),
        ("# {{ x\na: 1", {"a": 1}),
        ("a: '${'\nb: 1", {"a": "${", "b": 1}),
    ],
)
def test_expressions_and_placeholders_are_text(text: str, value: object) -> None:
    assert data(text) == value


def test_every_key_keeps_its_line_also_through_anchors_and_merges() -> None:
    document = load_text("base: &b\n  x: 1\n  y: 2\n\nmine:\n  <<: *b\n\n  y: 3\n", "s.yaml")
    mine = find(document, ("mine",))
    assert isinstance(mine, Map)
    assert plain(mine) == {"x": 1, "y": 3}
    assert str(mine.at("x")) == "s.yaml:2"
    assert str(mine.at("y")) == "s.yaml:8"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "written twice (first in line 1)"),
        ("a:\n  b: 1\n\tc: 2\n", 3, "tab"),
        ("a: [1, 2\nb: 3\n", 2, "not valid YAML"),
        ("a: 1\n b: 2\n", 2, "not valid YAML"),
        ("a: *nothing\n", 1, "not valid YAML|alias"),
        ("a: &x [*x]\n", 1, "alias"),
        ("a: 1\n---\nb: 2\n", 2, "more than one YAML document"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "tag"),
        ("a: !!binary aGk=\n", 1, "tag"),
        ("? [a, b]\n: 1\n", 1, "key must be text"),
        ("a: 1\n<<: 2\n", 2, "`<<` needs a mapping"),
        ("a: \x01\n", None, "not valid YAML"),
        ("", None, "is empty"),
        ("# nothing\n", None, "is empty"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int | None, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text, "s.yaml")
    assert caught.value.next_step
    place = caught.value.place
    assert place is not None
    if line is not None:
        assert place.line == line
    assert any(word in caught.value.message for word in words.split("|"))


def test_files_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml:2: is not UTF-8"):
        load_file(tmp_path / "latin.yaml", "latin.yaml")
    with pytest.raises(ConfigError, match="larger than 1024 KB"):
        load_file(tmp_path / "large.yaml", "large.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        load_file(tmp_path, "folder")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="no regular file"):
        load_file(tmp_path / "fifo", "fifo")
    with pytest.raises(ConfigError, match="No such file"):
        load_file(tmp_path / "none.yaml", "none.yaml")
    assert plain(load_file(tmp_path / "bom.yaml", "bom.yaml")) == {"a": 1, "b": 2}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=10), children, max_size=4),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=150, deadline=None)
def test_json_is_yaml(value: Json) -> None:
    """Every JSON text loads as itself; `<<` alone has a meaning of its own in YAML."""
    text = json.dumps({"top": value})
    if '"<<"' not in text and "\\u" not in text:
        assert data(text) == {"top": value}


@given(st.text(alphabet="ab:{}[]$-&*<!|>'\"#\n ?,%@`~\t", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_loads_or_is_refused(text: str) -> None:
    try:
        node = load_text(text, "s.yaml")
    except ConfigError as error:
        assert error.message and error.place is not None
    else:
        assert all(isinstance(scalar.text, str) for scalar in scalars(node))


@given(st.from_regex(r"[-+]?[0-9]{1,15}", fullmatch=True) | st.sampled_from(["true", "null", "abc", "a b"]))
def test_core_rules_agree_with_json(text: str) -> None:
    """Where JSON has a meaning for a word, so has YAML, and the same."""
    try:
        expected = json.loads(text)
    except ValueError:
        return
    assert resolve(text) == expected
