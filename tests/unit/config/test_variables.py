"""Expressions of platform.md §3.1.1, one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.config import dotenv, expressions
from emulator.config.section import Report
from emulator.config.tree import Json, Map, Seq, find, plain, scalars, text_node
from emulator.config.variables import Scope, Variables
from emulator.config.yaml_guard import load_text
from emulator.model.errors import ConfigError
from emulator.model.function import Place

DOCUMENT = """
vars:
  region: cn-hangzhou
  number: 640
  truth: true
  nothing:
  list: [1, {a: b}]
  nested: {a: {b: deep}}
  chained: ${vars.nested.a}
  from_file: ${json(file('data.json'))}
resources:
  one:
    component: fc3
    props: {functionName: fn, other: "${this.props.functionName}-2"}
  two:
    props: {functionName: "${resources.one.props.functionName}"}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data.json").write_text('{"level": "debug", "n": [1, 2]}')
    (tmp_path / "more.yaml").write_text("x: {y: 012}\n")
    (tmp_path / "a.txt").write_text("line 1\nline 2\n")
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bad.yaml").write_text("a: [")
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    return tmp_path


def evaluate(root: Path, text: str, resource: str = "one") -> tuple[Json, list[str]]:
    """The value of a scalar, and the messages about it."""
    document = load_text(DOCUMENT, "s.yaml")
    assert isinstance(document, Map)
    this = find(document, ("resources", resource))
    assert isinstance(this, Map)
    report = Report()
    variables = Variables(root, document, report)
    node = variables.render(text_node(text, Place("s.yaml", 7)), Scope(this, {"SET": "value", "EMPTY": ""}))
    return plain(node), [str(problem) for problem in report.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${vars.region}", "cn-hangzhou"),
        ("${ vars.region }", "cn-hangzhou"),
        ("${vars.number}", 640),
        ("n=${vars.number}", "n=640"),
        ("${vars.truth}", True),
        ("${vars.truth}!", "true!"),
        ("${vars.list}", [1, {"a": "b"}]),
        ("${vars.list[1].a}", "b"),
        ("<${vars.nested}>", '<{"a": {"b": "deep"}}>'),
        ("${vars.chained.b}", "deep"),
        ("${vars.from_file.level}", "debug"),
        ("${vars.region}/${vars.nested.a.b}", "cn-hangzhou/deep"),
        ("${this.props.functionName}", "fn"),
        ("${this.props.other}", "fn-2"),
        ("${this.component}", "fc3"),
        ("${resources.two.props.functionName}", "fn"),
        ("${two.props.functionName}", "fn"),
        ("${resources.two.output.functionName}", "fn"),
        ("${resources.two.output.url.system}", "${resources.two.output.url.system}"),
        ("${two.output.url}", "${two.output.url}"),
        ("${env('SET')}", "value"),
        ("${env(SET)}", "value"),
        ('${env("SET")}', "value"),
        ("${Env(SET)}", "value"),
        ("${env(EMPTY)}", ""),
        ("${env('NOT', 'http://a:1/?b=c,d')}", "http://a:1/?b=c,d"),
        ("${env('NOT', '')}", ""),
        ("${env(NOT, ${vars.number})}", 640),
        ("${env(NOT, vars.region)}", "cn-hangzhou"),
        ("${config('AccountID')}", "123456789"),
        ("${config(Region)}", "cn-hangzhou"),
        ("acs:ram::${config('AccountID')}:role/x", "acs:ram::123456789:role/x"),
        ("${file('./a.txt')}", "line 1\nline 2\n"),
        ("${file(a.txt)}", "line 1\nline 2\n"),
        ("${json(file('./data.json'))}", {"level": "debug", "n": [1, 2]}),
        ("${json('[1]')}", [1]),
        ("${yaml(file('./more.yaml'))}", {"x": {"y": 12}}),
        ("${str(vars.number)}", "640"),
        ("${base64('hello')}", "aGVsbG8="),
        ("${base64(file('a.txt'))}", "bGluZSAxCmxpbmUgMgo="),
        ("${secret('SET')}", "value"),
        ("${regex('^api')}", "^api"),
        ("$${vars.region}", "${vars.region}"),
        ("a $${x} ${vars.region}", "a ${x} cn-hangzhou"),
        ("{{ x }}", "{{ x }}"),
        ("${unclosed", "${unclosed"),
        ("cost: 5$", "cost: 5$"),
    ],
)
def test_an_expression_has_its_value_without_a_word(root: Path, text: str, value: object) -> None:
    assert evaluate(root, text) == (value, [])


def test_a_path_is_absolute(root: Path) -> None:
    assert evaluate(root, "${path('./dir')}") == (str(root / "dir"), [])


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("${env('NOT')}", "", "environment variable `NOT` is not set"),
        ("a${env(NOT)}b", "ab", "environment variable `NOT` is not set"),
        ("${secret(NOT)}", "", "secret `NOT` is not known"),
        ("${vars.absent}", "", "`${vars.absent}` is not found"),
        ("${this.props.absent}", "", "not found"),
        ("${resources.two.props.absent}", "", "not found"),
        ("${var.region}", "${var.region}", "did you mean `vars`?"),
        ("${HOME}", "${HOME}", "`${HOME}` is not found"),
        ("${envs('X')}", "${envs('X')}", "did you mean `env`?"),
        ("${config('Nope')}", "", "no such credential field"),
        ("${file('absent.txt')}", "", "no such file"),
        ("${file('.')}", "", "no such file"),
        ("${file('../../etc/passwd')}", "", "outside of the project"),
        ("${file('/etc/passwd')}", "", "outside of the project"),
        ("${file('latin.txt')}", "", "not UTF-8"),
        ("${json(file('bad.json'))}", "", "not JSON"),
        ("${yaml(file('bad.yaml'))}", "", "not valid YAML"),
        ("${a b}", "${a b}", "not understood"),
        ("${}", "${}", "not understood"),
    ],
)
def test_what_has_no_value_is_told_with_its_line(root: Path, text: str, value: object, words: str) -> None:
    found, problems = evaluate(root, text)
    assert found == value
    assert len(problems) == 1
    assert problems[0].startswith("s.yaml:7: ")
    assert words in problems[0]


def test_a_problem_is_told_once(root: Path) -> None:
    assert len(evaluate(root, "${env(NOT)}${env(NOT)}")[1]) == 1


def test_lists_and_mappings_are_rendered_all_the_way_down(root: Path) -> None:
    document = load_text(DOCUMENT, "s.yaml")
    assert isinstance(document, Map)
    variables = Variables(root, document, Report())
    seq = Seq((text_node("${vars.number}", Place("x")), text_node("${this.a}", Place("x"))), Place("x"))
    this = Map({"a": text_node("A", Place("x"))}, Place("x"))
    assert plain(variables.render(seq, Scope(this, {}))) == [640, "A"]


@given(st.text(alphabet="${}()'\",. avrsx[0]\n", max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_split_and_parsed(text: str) -> None:
    """Nothing is lost: the pieces are the text, but for the escape."""
    pieces = expressions.split(text)
    if "$${" not in text:
        assert "".join(p if isinstance(p, str) else f"${{{p[0]}}}" for p in pieces) == text
    for piece in pieces:
        if isinstance(piece, tuple):
            expressions.parse(piece[0])


@given(st.text(alphabet="${}()'\",. avrsenjofilpth[0]/", max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_rendered_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    document = load_text(DOCUMENT, "s.yaml")
    assert isinstance(document, Map)
    variables = Variables(Path("/nonexistent"), document, Report())
    try:
        node = variables.render(text_node(text, Place("x")), Scope(Map({}, Place("x")), {}))
    except ConfigError:
        return
    assert all(isinstance(scalar.text, str) for scalar in scalars(node))


def test_dotenv_reads_what_people_write() -> None:
    text = """
# comment
A=1
 B = two words  # comment
export C='single # kept'
D="double \\"quoted\\"\\nline"
E=
F="several
lines"
G=a#b
H=`back`
not a line
I=http://x:1/?a=b
"""
    assert dotenv.parse(text) == {
        "A": "1",
        "B": "two words",
        "C": "single # kept",
        "D": 'double "quoted"\nline',
        "E": "",
        "F": "several\nlines",
        "G": "a#b",
        "H": "back",
        "I": "http://x:1/?a=b",
    }


def test_dotenv_that_is_absent_or_strange_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"A=\xe9")
    assert dotenv.load(tmp_path / "absent") == {}
    assert dotenv.load(tmp_path) == {}
    assert dotenv.load(tmp_path / "latin") == {}
