"""What a web page may not do, and what an SDK must still be able to (sandbox.md §6.2, §6.4 R14)."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.gateway.guard import Face, Guard, host_name
from emulator.model.errors import FCError

TOKEN = "t0ken"


def classify(path: str, host: str) -> Face:
    if path.startswith("/2016-08-15/proxy/") or (host.endswith(".localhost")):
        return Face.FUNCTION_URL
    if path.startswith("/console"):
        return Face.CONSOLE
    return Face.CODE if path.endswith("/code") else Face.API


def guard(hosts: tuple[str, ...] = ()) -> Guard:
    return Guard(classify, TOKEN, hosts)


def scope(
    host: bytes | None,
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    path: str = "/2023-03-30/functions",
    version: str = "1.1",
) -> dict[str, Any]:
    first = [] if host is None else [(b"host", host)]
    return {"type": "http", "method": method, "path": path, "http_version": version, "headers": [*first, *headers]}


def status(error: FCError | None) -> int | None:
    return None if error is None else error.status


def origin(value: bytes) -> tuple[bytes, bytes]:
    return (b"origin", value)


TOKEN_HEADER = (b"x-fclocal-token", TOKEN.encode())


@pytest.mark.parametrize(
    ("host", "headers", "expected"),
    [
        (b"localhost:9000", (), None),
        (b"127.0.0.1:9000", (), None),
        (b"127.0.0.1", (), None),
        (b"127.0.0.2", (), None),
        (b"[::1]:9000", (), None),
        (b"fn.localhost:9000", (), None),
        (b"localhost.", (), None),
        (b"http://127.0.0.1:9000", (), None),
        (b"evil.example:9000", (), 421),
        (b"127.0.0.1.evil.example", (), 421),
        (b"localhost.evil.example", (), 421),
        (b"evillocalhost", (), 421),
        (b"0.0.0.0:9000", (), 421),
        (b"[::]:9000", (), 421),
        (b"192.168.1.10:9000", (), 421),
        (b"bucket.oss-cn-hangzhou.aliyuncs.com", (), 421),
        (b"http://evil.example", (), 421),
        (b"\xff:[::bad", (), 421),
        (b"localhost@evil.example", (), 421),
        (b"localhost:9000/evil", (), 421),
        (b"localhost:port", (), 421),
        (b"", (), 421),
        (None, (), 400),
        (b"localhost", ((b"host", b"evil.example"),), 400),
        (b"localhost", ((b"host", b"localhost"),), 400),
        (b"localhost:9000", (origin(b"https://evil.example"),), 403),
        (b"localhost:9000", (origin(b"null"),), 403),
        (b"localhost:9000", (origin(b"http://93.184.216.34"),), 403),
        (b"localhost:9000", (origin(b"http://[::"),), 403),
        (b"localhost:9000", (origin(b"http://localhost@evil.example"),), 403),
        (b"localhost:9000", (origin(b"http://localhost:9000/#http://evil.example"),), 403),
        (b"localhost:9000", (origin(b"chrome-extension://abc"),), 403),
        (b"localhost:9000", (origin(b""),), 403),
        (b"localhost:9000", (origin(b"http://localhost"), origin(b"http://localhost")), 403),
        (b"localhost:9000", (origin(b"http://localhost:3000"), TOKEN_HEADER), None),
        (b"localhost:9000", (origin(b"http://127.0.0.1:9000"), TOKEN_HEADER), None),
    ],
)
def test_vectors(host: bytes | None, headers: tuple[tuple[bytes, bytes], ...], expected: int | None) -> None:
    judge = guard()
    asked = scope(host, *headers)
    # The second time the decision comes from memory.
    assert [status(judge.check(asked)), status(judge.check(asked))] == [expected, expected]


def test_http_1_0_has_no_host_but_browsers_do() -> None:
    assert guard().check(scope(None, version="1.0")) is None
    assert status(guard().check(scope(None, origin(b"http://localhost"), version="1.0"))) == 400


@pytest.mark.parametrize(
    ("name", "host", "expected"),
    [
        ("api.example.com", b"api.example.com:7788", None),
        ("api.example.com", b"API.Example.com", None),
        ("api.example.com", b"x.api.example.com", 421),
        ("*.example.com", b"a.example.com", None),
        ("*.example.com", b"example.com", 421),
        ("*.example.com", b"evilexample.com", 421),
    ],
)
def test_custom_domains(name: str, host: bytes, expected: int | None) -> None:
    assert status(guard((name,)).check(scope(host))) == expected


def test_allowed_hosts_can_be_changed() -> None:
    judge = guard(("a.example.com",))
    assert judge.check(scope(b"a.example.com")) is None
    judge.allow(("b.example.com",))
    assert status(judge.check(scope(b"a.example.com"))) == 421
    assert judge.check(scope(b"b.example.com")) is None


def test_a_function_url_is_open_to_every_page_but_not_to_every_host() -> None:
    page = (origin(b"https://evil.example"), (b"sec-fetch-site", b"cross-site"))
    assert guard().check(scope(b"fn.localhost:7788", *page, path="/")) is None
    assert guard().check(scope(b"localhost", *page, path="/2016-08-15/proxy/s/f/")) is None
    assert status(guard().check(scope(b"rebound.example", *page, path="/2016-08-15/proxy/s/f/"))) == 421


LOCAL = origin(b"http://localhost:3000")


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("GET", "/2023-03-30/functions", (LOCAL,), None),
        ("HEAD", "/2023-03-30/functions", (LOCAL,), None),
        ("OPTIONS", "/2023-03-30/functions/f/code", (LOCAL,), None),
        ("POST", "/2023-03-30/functions/f/invocations", (LOCAL,), 401),
        ("PUT", "/2023-03-30/functions/f", (LOCAL,), 401),
        ("DELETE", "/2023-03-30/functions/f", (LOCAL,), 401),
        ("BREW", "/2023-03-30/functions/f", (LOCAL,), 401),
        ("GET", "/2023-03-30/functions/f/code", (LOCAL,), 401),
        ("GET", "/2023-03-30/functions/f/code", (LOCAL, TOKEN_HEADER), None),
        ("DELETE", "/2023-03-30/functions/f", (LOCAL, TOKEN_HEADER), None),
        ("DELETE", "/2023-03-30/functions/f", (LOCAL, (b"authorization", b"Bearer " + TOKEN.encode())), None),
        ("DELETE", "/2023-03-30/functions/f", (LOCAL, (b"authorization", b"Bearer no")), 401),
        ("DELETE", "/2023-03-30/functions/f", (LOCAL, (b"x-fclocal-token", b"")), 401),
        ("DELETE", "/2023-03-30/functions/f", (LOCAL, (b"x-fclocal-token", b"t0ke")), 401),
        # A WebSocket of a page is a GET, and does more than reading.
        ("GET", "/2023-03-30/instances/i/exec", (LOCAL, (b"upgrade", b"websocket")), 401),
        # A page of a function is a local page, and still needs the token.
        ("POST", "/2023-03-30/functions/f/invocations", (origin(b"http://fn.localhost:7788"),), 401),
        # Without an Origin, Fetch metadata tells a browser.
        ("GET", "/2023-03-30/functions/f/code", ((b"sec-fetch-site", b"cross-site"),), 403),
        ("POST", "/2023-03-30/functions", ((b"sec-fetch-site", b"cross-site"), TOKEN_HEADER), 403),
        ("POST", "/2023-03-30/functions", ((b"sec-fetch-site", b"same-site"),), 401),
        ("GET", "/console", ((b"sec-fetch-site", b"cross-site"),), None),
        ("GET", "/console", ((b"sec-fetch-site", b"none"),), None),
        # SDK clients: no Origin, no Fetch metadata, no token.
        ("POST", "/2023-03-30/functions/f/invocations", ((b"authorization", b"ACS3-HMAC-SHA256 Credential=x"),), None),
        ("GET", "/2023-03-30/functions/f/code", (), None),
        ("DELETE", "/2023-03-30/functions/f", (), None),
    ],
)
def test_tokens(method: str, path: str, headers: tuple[tuple[bytes, bytes], ...], expected: int | None) -> None:
    assert status(guard().check(scope(b"localhost:7788", *headers, method=method, path=path))) == expected


def test_ten_thousand_hostile_heads() -> None:
    """Nothing raises, nothing but loopback names passes, and memory stays bounded."""
    seed = random.Random(14)
    judge = guard()
    alphabet = b"localhost127.0.0.1:[]@/#?\\ \x00\xff%.evil-"

    def noise() -> bytes:
        return bytes(seed.choice(alphabet) for _ in range(seed.randrange(40)))

    for _ in range(10_000):
        host, page = noise(), noise()
        headers = [origin(page)] if seed.random() < 0.5 else []
        if judge.check(scope(host, *headers, method="GET")) is None:
            name = host_name(host)
            assert name is not None
            assert name == "localhost" or name.endswith(".localhost") or name.startswith("127.")


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([b"host", b"origin", b"sec-fetch-site", b"x-fclocal-token", b"x"]), st.binary()),
        max_size=6,
    ),
    st.text(max_size=20),
)
def test_any_bytes_as_headers(headers: list[tuple[bytes, bytes]], path: str) -> None:
    found = guard().check({**scope(None, path="/" + path), "headers": headers})
    assert found is None or found.status in (400, 401, 403, 421)
