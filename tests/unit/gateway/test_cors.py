"""CORS in both modes (runtime-contract.md §3.9)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.gateway.cors import CorsRules, apply, preflight, rules
from emulator.model.function import Trigger, TriggerType

EXPOSE = (b"access-control-expose-headers", b"Date,x-fc-request-id")
CREDENTIALS = (b"access-control-allow-credentials", b"true")
PAGE = b"https://page.example"


def _trigger(**config: Any) -> Trigger:
    return Trigger("http", TriggerType.HTTP, config)


def _rules(**config: Any) -> CorsRules:
    found = rules(_trigger(corsConfig=config))
    assert found is not None
    return found


def _ask(method: bytes = b"POST", headers: bytes = b"", origin: bytes = PAGE) -> list[tuple[bytes, bytes]]:
    asked = [(b"origin", origin), (b"access-control-request-method", method)]
    return [*asked, (b"access-control-request-headers", headers)] if headers else asked


def test_the_origin_is_echoed() -> None:
    answer = apply(None, PAGE, False, [(b"content-type", b"text/html")])
    assert answer == [
        (b"content-type", b"text/html"),
        (b"access-control-allow-origin", PAGE),
        CREDENTIALS,
        EXPOSE,
    ]


def test_without_an_origin_only_expose_is_added() -> None:
    assert apply(None, None, False, []) == [EXPOSE]


def test_what_a_function_sets_itself() -> None:
    own = [
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-headers", b"x-a"),
        (b"access-control-max-age", b"5"),
        (b"access-control-allow-methods", b"PUT"),
        (b"access-control-allow-credentials", b"false"),
        (b"access-control-expose-headers", b"x-b"),
    ]
    assert apply(None, PAGE, False, own) == [*own[:3], CREDENTIALS, EXPOSE]
    assert apply(None, PAGE, True, own) == [*own[:4], CREDENTIALS, EXPOSE]


def test_a_preflight_is_the_functions_where_the_trigger_lists_options() -> None:
    assert preflight(_trigger(methods=["GET", "OPTIONS"]), None, _ask()) is None
    assert preflight(_trigger(), None, _ask()) is None


def test_a_preflight_is_the_gateways_where_it_does_not() -> None:
    answer = preflight(_trigger(methods=["GET", "POST"]), None, _ask(headers=b"x-a, x-b"))
    assert answer is not None and answer.status == 200
    assert answer.headers == [
        (b"access-control-allow-origin", PAGE),
        CREDENTIALS,
        (b"access-control-allow-methods", b"GET,POST"),
        EXPOSE,
        (b"access-control-allow-headers", b"x-a, x-b"),
    ]


@pytest.mark.parametrize("headers", [[], [(b"origin", PAGE)], [(b"access-control-request-method", b"GET")]])
def test_an_options_request_that_is_no_preflight(headers: list[tuple[bytes, bytes]]) -> None:
    assert preflight(_trigger(methods=["GET"]), None, headers) is None


def test_no_rules_without_a_config() -> None:
    assert rules(_trigger()) is None
    assert rules(_trigger(corsConfig={})) is None
    assert rules(_trigger(corsConfig="nonsense")) is None


def test_a_configured_preflight() -> None:
    cors = _rules(
        allowOrigins=[PAGE.decode()],
        allowMethods=["get", "POST"],
        allowHeaders=["X-A"],
        allowCredentials=True,
        maxAge=60,
    )
    answer = preflight(_trigger(methods=["OPTIONS", "POST"]), cors, _ask(headers=b"x-a"))
    assert answer is not None and answer.status == 204
    assert answer.headers == [
        (b"access-control-allow-origin", PAGE),
        (b"vary", b"Origin"),
        CREDENTIALS,
        (b"access-control-allow-methods", b"GET,POST"),
        (b"access-control-allow-headers", b"x-a"),
        (b"access-control-max-age", b"60"),
    ]


@pytest.mark.parametrize(
    "asked", [_ask(origin=b"https://other.example"), _ask(method=b"DELETE"), _ask(headers=b"x-a, x-secret")]
)
def test_a_configured_preflight_that_does_not_match_goes_to_the_function(asked: list[tuple[bytes, bytes]]) -> None:
    cors = _rules(allowOrigins=[PAGE.decode()], allowMethods=["POST"], allowHeaders=["x-a"])
    assert preflight(_trigger(methods=["POST"]), cors, asked) is None


@pytest.mark.parametrize(
    ("patterns", "origin", "allowed"),
    [
        (["*"], "http://any.example", True),
        (["https://*"], "https://any.example", True),
        (["https://*"], "http://any.example", False),
        (["https://*"], "https://", False),
        (["https://a.example"], "https://a.example", True),
        (["https://a.example"], "https://a.example.evil", False),
        ([], "https://a.example", False),
    ],
)
def test_origins(patterns: list[str], origin: str, allowed: bool) -> None:
    assert _rules(allowOrigins=patterns, maxAge=1).allows_origin(origin) is allowed


def test_configured_answers() -> None:
    own = [(b"x", b"y"), (b"access-control-allow-origin", b"https://own.example")]
    wide = _rules(allowOrigins=["*"], exposeHeaders=["x-a", "x-b"])
    assert apply(wide, PAGE, False, own) == [
        (b"x", b"y"),
        (b"access-control-allow-origin", b"*"),
        (b"access-control-expose-headers", b"x-a,x-b"),
    ]
    narrow = _rules(allowOrigins=["https://other.example"])
    assert apply(narrow, PAGE, False, own) == [(b"x", b"y")]
    assert apply(narrow, None, False, own) == [(b"x", b"y")]
    # With credentials no browser takes `*`.
    credentials = _rules(allowOrigins="*", allowCredentials="true")
    assert (b"access-control-allow-origin", PAGE) in apply(credentials, PAGE, False, [])


@pytest.mark.parametrize(("given", "seconds"), [(60, b"60"), ("60", b"60"), (None, b"3600"), ("x", b"3600")])
def test_max_age(given: object, seconds: bytes) -> None:
    answer = preflight(_trigger(), _rules(allowOrigins=["*"], allowMethods=["*"], maxAge=given), _ask())
    assert answer is not None
    assert (b"access-control-max-age", seconds) in answer.headers
