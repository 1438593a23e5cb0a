"""Rewrite rules, with the examples of FC's own page."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.gateway.rewrites import MATCHERS, compiled, rewrite
from emulator.model.function import RewriteRule


def _one(kind: str, match: str, replacement: str, target: str) -> str:
    return rewrite([RewriteRule(kind, match, replacement)], target)


@pytest.mark.parametrize(
    ("match", "replacement", "target", "expected"),
    [
        ("/old", "/new", "/old", "/new"),
        ("/old", "/new", "/test/old", "/test/old"),
        ("/old", "/new", "/old?a=b", "/new?a=b"),
        ("/old", "/new?x=$1", "/old?a=b", "/new?x=$1&a=b"),
        ("/serviceName.Qualifier", "/serviceA", "/serviceName.Qualifier", "/serviceA"),
    ],
)
def test_exact(match: str, replacement: str, target: str, expected: str) -> None:
    assert _one("exact", match, replacement, target) == expected


@pytest.mark.parametrize(
    ("match", "replacement", "target", "expected"),
    [
        ("/old", "/new", "/old", "/new"),
        ("/old", "/new", "/test/old", "/new"),
        ("^/old", "/new", "/old", "/new"),
        ("^/old", "/new", "/test/old", "/test/old"),
        ("^/old", "/new", "/test/old/old", "/test/old/old"),
        ("/api/*", "/$1", "/api/getFunctionName", "/getFunctionName"),
        ("/api/*", "/$1", "/api/getFunctionName&Version=1", "/getFunctionName&Version=1"),
        ("/css/*", "/public/static/css/$1", "/css/style.css", "/public/static/css/style.css"),
        (
            "/ServiceName/*/FunctionName/*/Qualifier/*",
            "/$1.$3/$2",
            "/ServiceName/svc-a/FunctionName/func-a/Qualifier/1",
            "/svc-a.1/func-a",
        ),
        ("^/*.php", "/$1.py", "/a/b.php", "/a/b.py"),
        ("^/*.php", "/$1.py", "/a/b.html", "/a/b.html"),
        ("/a.c", "/x", "/abc", "/abc"),
        ("*", "/all$1", "/x/y", "/all/x/y"),
        ("/q/*", "/s?word=$1", "/q/tea?lang=zh", "/s?word=tea&lang=zh"),
        ("/m/*", "/${1}0/$2", "/m/7", "/70/"),
    ],
)
def test_wildcards(match: str, replacement: str, target: str, expected: str) -> None:
    assert _one("wildcard", match, replacement, target) == expected


@pytest.mark.parametrize(
    ("match", "replacement", "target", "expected"),
    [
        (r"^/old/(\d+)/(.*)$", "/new/$2/$1", "/old/42/a/b", "/new/a/b/42"),
        (r"^/old/(\d+)$", "/new/$1", "/old/x", "/old/x"),
        (r"^/(?:en|zh)/(.*)", "$1", "/zh/page?a=1", "/page?a=1"),
        (r"^/x(\.html)?$", "/y$1", "/x", "/y"),
        (r"(?P<name>[a-z]+)\.html$", "/$1", "/dir/page.html", "/page"),
        ("(", "/broken", "/a", "/a"),
    ],
)
def test_regular_expressions(match: str, replacement: str, target: str, expected: str) -> None:
    assert _one("regex", match, replacement, target) == expected


def test_kinds_are_tried_in_fcs_order_and_the_first_match_stops() -> None:
    rules = [
        RewriteRule("regex", "^/a$", "/regex"),
        RewriteRule("wildcard", "/a", "/wildcard"),
        RewriteRule("exact", "/a", "/exact"),
        RewriteRule("exact", "/exact", "/again"),
        RewriteRule("wildcard", "/b*", "/first"),
        RewriteRule("wildcard", "/b", "/second"),
    ]
    assert rewrite(rules, "/a") == "/exact"
    assert rewrite(rules, "/bb") == "/first"
    assert rewrite(rules, "/none") == "/none"


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|aa)+$",
        "(a*)*b",
        r"(\w+\s?)*$",
        "((a{2,9}){2,9}){2,9}",
        r"(a)\1",
        "(?=a)a",
        "(?<!a)b",
        "(?P<x>a)(?P=x)",
        "a" * 600,
        "(" * 300 + ")" * 300,
    ],
)
def test_expressions_that_could_run_away_are_not_tried(pattern: str) -> None:
    cost = compiled(pattern)
    assert cost is None or cost.steps(4096) < 10_000_000
    assert _one("regex", pattern, "/x", "/" + "a" * 4000 + "!") in ("/" + "a" * 4000 + "!", "/x")


@pytest.mark.parametrize("pattern", [".*a.*b.*c.*d.*e.*f", "a?" * 60 + "a" * 60, "(x|y)?" * 30 + "$"])
def test_long_paths_are_not_given_to_costly_expressions(pattern: str) -> None:
    assert _one("regex", pattern, "/x", "/" + "a" * 4000) == "/" + "a" * 4000


def test_a_path_that_is_too_long_is_left_alone() -> None:
    assert _one("wildcard", "*", "/x", "/" + "a" * 5000) == "/" + "a" * 5000


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(MATCHERS)), st.text(max_size=60), st.text(max_size=40), st.text(max_size=200))
def test_hostile_rules_end(kind: str, match: str, replacement: str, path: str) -> None:
    assert isinstance(_one(kind, match, replacement, "/" + path), str)
