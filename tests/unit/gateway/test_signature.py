"""Signatures as the official signers make them, and what FC answers to others (runtime-contract.md §4.5, §9)."""

from __future__ import annotations

import datetime
import time
from email.utils import formatdate
from urllib.parse import parse_qs

import pytest
from alibabacloud_openapi_util.client import Client as OpenApi
from alibabacloud_tea_openapi.utils import Utils as TeaOpenApi
from fc2.auth import Auth as Fc2
from Tea.request import TeaRequest

from emulator.gateway.signature import Signed, verify
from emulator.model.errors import FCError

KEYS = {"me": "my-secret"}
NOW = 1_760_000_000.0
DATE = formatdate(NOW, usegmt=True)
PATH = "/2023-03-30/functions/a%24b/invocations"


def encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def stamp(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def api_call(secret: str = "my-secret", key: str = "me", at: float = NOW) -> Signed:
    """As the FC 3 and 2021 clients sign: many headers, the body's hash, an encoded path."""
    headers = {
        "host": "127.0.0.1:7788",
        "x-acs-version": "2023-03-30",
        "x-acs-action": "InvokeFunction",
        "x-acs-date": stamp(at),
        "x-acs-content-sha256": "ab" * 32,
        "x-fc-log-type": "Tail",
        "content-type": "application/octet-stream",
    }
    request = TeaRequest()
    request.method, request.pathname, request.headers, request.query = "POST", PATH, headers, {"qualifier": "a b~"}
    authorization = TeaOpenApi.get_authorization(request, "ACS3-HMAC-SHA256", "ab" * 32, key, secret)
    own = encoded({**headers, "authorization": authorization, "accept-encoding": "identity"})
    return Signed("POST", PATH, "qualifier=a%20b~", own)


def trigger_call(path: str = "/a$b", query: str = "foo=bar&foo=2&empty=&k=%E5%87%BD") -> Signed:
    """FC's own sample for HTTP triggers (runtime-contract.md §9.2)."""
    headers = {"x-acs-date": stamp(NOW), "x-acs-security-token": ""}
    request = TeaRequest()
    request.method, request.pathname, request.headers = "POST", path.replace("$", "%24"), headers
    request.query = {key: values[0] for key, values in parse_qs(query).items()}
    authorization = OpenApi.get_authorization(request, "ACS3-HMAC-SHA256", "", "me", "my-secret")
    own = encoded({**headers, "authorization": authorization, "host": "web.localhost:7788"})
    return Signed("POST", path, query, own)


def fc2_call(with_query: bool) -> Signed:
    headers = {
        "date": formatdate(NOW, usegmt=True),
        "content-type": "application/json",
        "x-fc-log-type": "Tail",
        "X-Fc-Account-Id": "1",
    }
    path = "/2016-08-15/proxy/s/f/函数" if with_query else "/2016-08-15/services/s/functions/f/invocations"
    queries = {"b": ["2", "1"], "a": ["x y"]} if with_query else None
    headers["authorization"] = Fc2("me", "my-secret").sign_request("POST", path, headers, queries)
    raw_path = "/2016-08-15/proxy/s/f/%E5%87%BD%E6%95%B0" if with_query else path
    return Signed("POST", raw_path, "b=2&b=1&a=x+y" if with_query else "", encoded(headers))


def roa_call() -> Signed:
    headers = {"accept": "application/json", "date": formatdate(NOW, usegmt=True), "x-acs-version": "2023-03-30"}
    request = TeaRequest()
    request.method, request.pathname, request.headers, request.query = "GET", PATH, headers, {"b": "1", "a": ""}
    signature = OpenApi.get_roasignature(OpenApi.get_string_to_sign(request), "my-secret")
    return Signed("GET", PATH, "b=1&a=", encoded({**headers, "authorization": f"acs me:{signature}"}))


@pytest.mark.parametrize(
    "request_", [api_call(), trigger_call(), trigger_call("/", ""), fc2_call(True), fc2_call(False), roa_call()]
)
def test_a_right_signature_passes(request_: Signed) -> None:
    assert verify(request_, KEYS, NOW, strict=True)


@pytest.mark.parametrize("request_", [api_call(), trigger_call(), fc2_call(True), fc2_call(False), roa_call()])
def test_any_change_is_noticed(request_: Signed) -> None:
    for changed in (
        Signed("PUT", request_.raw_path, request_.query, request_.headers),
        Signed(request_.method, request_.raw_path + "x", request_.query, request_.headers),
    ):
        assert refused(changed, KEYS) == (403, "SignatureNotMatch")
    assert refused(request_, {"me": "another"}) == (403, "SignatureNotMatch")


def refused(request_: Signed, keys: dict[str, str], now: float = NOW, *, strict: bool = True) -> tuple[int, str]:
    with pytest.raises(FCError) as caught:
        verify(request_, keys, now, strict=strict)
    return caught.value.status, caught.value.code


def test_a_key_that_is_not_known_is_an_error_only_where_signatures_are_asked_for() -> None:
    assert refused(api_call(key="somebody"), KEYS) == (403, "InvalidAccessKeyID")
    assert verify(api_call(key="somebody"), KEYS, NOW, strict=False) is False


@pytest.mark.parametrize("off", [-901, 901])
def test_a_date_that_is_off_by_more_than_15_minutes(off: float) -> None:
    with pytest.raises(FCError, match=r"the difference between the request time '.*' and the current time '.* GMT' is"):
        verify(api_call(), KEYS, NOW + off, strict=True)
    assert verify(api_call(), KEYS, NOW + off / 901 * 899, strict=True)


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({}, 400, "required HTTP header Date was not specified"),
        ({"authorization": "FC me:abc"}, 400, "required HTTP header Date was not specified"),
        ({"date": "yesterday"}, 400, "invalid date 'yesterday'"),
        ({"date": formatdate(NOW, usegmt=True)}, 400, "invalid authorization ''"),
        (
            {"date": formatdate(NOW, usegmt=True), "authorization": "Bearer s3cret"},
            400,
            "invalid authorization 'Bearer'",
        ),
    ],
)
def test_what_is_missing_is_named_and_no_secret_is_shown(headers: dict[str, str], status: int, message: str) -> None:
    with pytest.raises(FCError) as caught:
        verify(Signed("GET", "/", "", encoded(headers)), KEYS, NOW, strict=False)
    assert (caught.value.status, caught.value.message) == (status, message)


def test_the_clients_of_today_are_in_time() -> None:
    assert verify(api_call(at=time.time()), KEYS, time.time(), strict=True)
