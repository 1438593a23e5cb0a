"""FC's limits on HTTP, at their edges (runtime-contract.md §3.7)."""

from __future__ import annotations

import pytest

from emulator.gateway import limits
from emulator.model.errors import FCError
from emulator.model.function import Trigger, TriggerType


def _headers(size: int) -> list[tuple[bytes, bytes]]:
    return [(b"x", b"a" * (size - 5))]


def test_the_edges_pass() -> None:
    limits.check_request_head(b"/" * 4096, _headers(8192))
    limits.check_response_headers(_headers(8192))


def test_a_head_is_counted_whole() -> None:
    assert limits.header_bytes([(b"host", b"a"), (b"x", b"yz")]) == len(b"host: a\r\nx: yz\r\n")


@pytest.mark.parametrize(("target", "headers"), [(b"/" * 4097, []), (b"/", _headers(8193)), (b"/", _headers(4100) * 2)])
def test_a_head_beyond_the_limits(target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(FCError) as caught:
        limits.check_request_head(target, headers)
    assert (caught.value.status, caught.value.code) == (400, "InvalidArgument")


def test_response_headers_beyond_the_limit() -> None:
    with pytest.raises(FCError) as caught:
        limits.check_response_headers(_headers(8193))
    assert (caught.value.status, caught.value.code) == (502, "BadResponse")


@pytest.mark.parametrize(
    ("method", "route", "allowed"),
    [("GET", (), True), ("POST", (), False), ("GET", ("GET",), True), ("GET", ("POST",), False), ("TRACE", (), False)],
)
def test_methods(method: str, route: tuple[str, ...], allowed: bool) -> None:
    trigger = Trigger("t", TriggerType.HTTP, {"methods": ["GET", "PUT"]})
    if allowed:
        limits.check_method(trigger, method, route)
        return
    with pytest.raises(FCError) as caught:
        limits.check_method(trigger, method, route)
    assert caught.value.status == 403
