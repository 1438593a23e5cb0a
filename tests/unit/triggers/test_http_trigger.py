"""HTTP trigger events and answers, row by row of runtime-contract.md §2.8."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.triggers.http import HttpRequest, canonical, from_result, passed_on, raw_value, to_event

SAMPLE = HttpRequest(
    method="POST",
    raw_path="/a%20b",
    query="p=v1&p=v2",
    headers=[
        (b"host", b"demo-abc.cn-hangzhou.fcapp.run"),
        (b"user-agent", b"curl/8.7.1"),
        (b"accept", b"*/*"),
        (b"content-type", b"application/json"),
        (b"content-length", b"8"),
    ],
    body=b'{"k": 1}',
    host="demo-abc.cn-hangzhou.fcapp.run",
    client_ip="127.0.0.1",
    request_id="1-67aee50c-15d8796a-cb9b4feb69ca",
    account_id="1234567890",
    at=1739515148.145,
)


def _event(**changes: Any) -> Any:
    return json.loads(to_event(msgspec.structs.replace(SAMPLE, **changes)))


def test_the_sample_of_the_contract() -> None:
    expected = (
        '{"version":"v1","rawPath":"/a%20b","body":"{\\"k\\": 1}","isBase64Encoded":false,'
        '"headers":{"Accept":"*/*","Content-Length":"8","Content-Type":"application/json","User-Agent":"curl/8.7.1"},'
        '"queryParameters":{"p":"v1,v2"},'
        '"requestContext":{"accountId":"1234567890","domainName":"demo-abc.cn-hangzhou.fcapp.run",'
        '"domainPrefix":"demo-abc","http":{"method":"POST","path":"/a b","protocol":"HTTP/1.1",'
        '"sourceIp":"127.0.0.1","userAgent":"curl/8.7.1"},'
        '"requestId":"1-67aee50c-15d8796a-cb9b4feb69ca","time":"2025-02-14T06:39:08Z","timeEpoch":"1739515148145"}}'
    )
    assert to_event(SAMPLE).decode() == expected


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        (b"text/plain", True),
        (b"text/html; charset=utf-8", True),
        (b"Application/JSON;charset=UTF-8", True),
        (b"application/ld+json", True),
        (b"application/xhtml+xml", True),
        (b"application/xml", True),
        (b"application/atom+xml", True),
        (b"application/javascript", True),
        (b"application/x-www-form-urlencoded", False),
        (b"application/octet-stream", False),
        (b"application/problem+json", False),
        (b"image/svg+xml", False),
        (b"multipart/form-data; boundary=x", False),
        (b"", False),
    ],
)
def test_text_or_base64_by_content_type_alone(content_type: bytes, text: bool) -> None:
    headers = [(b"content-type", content_type)] if content_type else []
    event = _event(headers=headers, body="汉字".encode())
    assert event["isBase64Encoded"] is not text
    assert (event["body"] if text else base64.b64decode(event["body"]).decode()) == "汉字"


def test_a_plain_get() -> None:
    event = _event(method="GET", headers=[], body=b"", query="", raw_path="/")
    assert (event["body"], event["isBase64Encoded"], event["queryParameters"], event["headers"]) == ("", True, {}, {})
    assert event["requestContext"]["http"]["userAgent"] == ""


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (b"accept-encoding", "Accept-Encoding"),
        (b"x-my-ID", "X-My-Id"),
        (b"ETAG", "Etag"),
        (b"x-1a-b2", "X-1a-B2"),
        (b"x--y", "X--Y"),
        (b"bad name", "bad name"),
    ],
)
def test_header_names_as_go_writes_them(name: bytes, key: str) -> None:
    assert canonical(name) == key


def test_headers_are_sorted_and_joined() -> None:
    event = _event(
        headers=[
            (b"x-b", b"1"),
            (b"cookie", b"a=1"),
            (b"x-a", b"2"),
            (b"x-b", b"3"),
            (b"transfer-encoding", b"chunked"),
            (b"connection", b"keep-alive"),
            (b"authorization", b"acs x:y"),
            (b"x-raw", b"\xff"),
        ]
    )
    assert list(event["headers"].items()) == [
        ("Authorization", "acs x:y"),
        ("Cookie", "a=1"),
        ("X-A", "2"),
        ("X-B", "1,3"),
        ("X-Raw", "\ufffd"),
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a=1&b=2&a=3", {"a": "1,3", "b": "2"}),
        ("a", {"a": ""}),
        ("a=&b==", {"a": "", "b": "="}),
        ("q=a+b%2Bc%26", {"q": "a b+c&"}),
        ("%E6%B1%89=%E5%AD%97", {"汉": "字"}),
        ("bad=%zz%ff", {"bad": "%zz\ufffd"}),
    ],
)
def test_queries(query: str, expected: dict[str, str]) -> None:
    assert _event(query=query)["queryParameters"] == expected


def test_paths() -> None:
    event = _event(raw_path="/%E6%B1%89/a%2Fb/%")
    assert event["rawPath"] == "/%E6%B1%89/a%2Fb/%"
    assert event["requestContext"]["http"]["path"] == "/汉/a/b/%"


@given(
    st.binary(max_size=200), st.lists(st.tuples(st.binary(min_size=1), st.binary()), max_size=5), st.text(max_size=60)
)
def test_any_request_becomes_valid_json(body: bytes, headers: list[tuple[bytes, bytes]], text: str) -> None:
    for given_headers in (headers, [*headers, (b"content-type", b"text/plain")]):
        event = _event(body=body, headers=given_headers, query=text, raw_path="/" + text, host=text)
        if event["isBase64Encoded"]:
            assert base64.b64decode(event["body"]) == body


def test_headers_that_reach_a_function() -> None:
    headers = [
        (b"host", b"a"),
        (b"connection", b"keep-alive"),
        (b"keep-alive", b"5"),
        (b"x-fc-request-id", b"forged"),
        (b"x-fc-access-key-id", b"forged"),
        (b"x-fc-log-type", b"Tail"),
        (b"te", b"trailers"),
        (b"accept-encoding", b"gzip"),
    ]
    assert passed_on(headers) == [headers[0], *headers[5:]]


def _answer(result: object) -> Any:
    return from_result(json.dumps(result, ensure_ascii=False).encode())


def test_a_described_answer() -> None:
    answer = _answer({"statusCode": 201, "headers": {"Content-Type": "text/html", "X-A": "b"}, "body": "<p>汉字"})
    assert answer.status == 201
    assert answer.headers == [(b"content-type", b"text/html"), (b"x-a", b"b")]
    assert answer.body == "<p>汉字".encode()
    assert not answer.failed


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"hello",
        b'"a string"',
        b"[1, 2]",
        b"17",
        b'{"message": "no statusCode"}',
        b'{"statusCode": 200',
        b"{" * 100_000,
        b'{"statusCode": 200, "body": "\xff"}',
        b"\x00\xff\xfe",
    ],
)
def test_everything_else_is_sent_as_it_is(output: bytes) -> None:
    answer = from_result(output)
    assert (answer.status, answer.headers, answer.body) == (200, [(b"content-type", b"application/json")], output)


@pytest.mark.parametrize(
    ("body", "encoded", "expected"),
    [
        (base64.b64encode(b"\x00\xff").decode(), True, b"\x00\xff"),
        ("not base64!", True, b"not base64!"),
        ("abc", True, b"abc"),
        ("aGk=", False, b"aGk="),
        ("aGk=", "true", b"aGk="),
    ],
)
def test_base64_bodies(body: str, encoded: object, expected: bytes) -> None:
    assert _answer({"statusCode": 200, "body": body, "isBase64Encoded": encoded}).body == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"statusCode":200,"body":{"a" : [1,2] , "b":"汉"}}', '{"a" : [1,2] , "b":"汉"}'),
        ('{"body":[ 1 ],"statusCode":200}', "[ 1 ]"),
        ('{ "statusCode" : 200 , "body" : 1.50 }', "1.50"),
        ('{"statusCode":200,"body":true}', "true"),
        ('{"statusCode":200,"body":null}', ""),
        ('{"statusCode":200}', ""),
        ('{"body":[1],"statusCode":200,"body":[2]}', "[2]"),
    ],
)
def test_bodies_that_are_no_strings_are_sent_as_written(text: str, expected: str) -> None:
    assert from_result(text.encode()).body.decode() == expected


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists), min_size=1))
def test_the_raw_text_of_any_member(members: dict[str, Any]) -> None:
    for indent in (None, 1):
        text = json.dumps(members, indent=indent)
        for key, value in members.items():
            assert json.loads(raw_value(text, key)) == value


@pytest.mark.parametrize(("given_status", "status"), [("404", 404), (599, 599), (200.0, 200)])
def test_statuses(given_status: object, status: int) -> None:
    assert _answer({"statusCode": given_status}).status == status


@pytest.mark.parametrize(
    "given_status", [0, 99, 101, 600, -200, True, None, "", "abc", "２００", [200], {}, 200.5, "0200"]
)
def test_a_status_that_is_none_is_a_function_error(given_status: object) -> None:
    answer = _answer({"statusCode": given_status, "body": "secret"})
    assert (answer.status, answer.body, answer.failed) == (502, b"Internal Server Error", True)
    assert answer.headers == [(b"content-type", b"application/json")]


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(status: int) -> None:
    assert _answer({"statusCode": status, "body": "x"}).body == b""


def test_headers_that_a_function_may_not_set() -> None:
    dropped = ["X-Fc-Anything", "Connection", "Content-Length", "Date", "Keep-Alive", "Server", "Content-Disposition"]
    framing = ["Transfer-Encoding", "Upgrade"]
    answer = _answer({"statusCode": 200, "headers": dict.fromkeys([*dropped, *framing, "X-Kept"], "v")})
    assert answer.headers == [(b"x-kept", b"v"), (b"content-type", b"application/json")]


def test_header_values_of_every_kind() -> None:
    headers = {
        "set-cookie": ["a=1", "b=2"],
        "x-int": 3,
        "x-bool": True,
        "x-none": None,
        "x-split": "a\r\nset-cookie: evil=1",
        "x-汉": "1",
        "bad name": "1",
        "": "1",
        "x-utf8": "汉",
    }
    assert _answer({"statusCode": 200, "headers": headers}).headers == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"x-int", b"3"),
        (b"x-bool", b"true"),
        (b"x-split", b"a  set-cookie: evil=1"),
        (b"x-utf8", "汉".encode()),
        (b"content-type", b"application/json"),
    ]


@pytest.mark.parametrize("headers", [None, [], "text", 3])
def test_headers_that_are_none(headers: object) -> None:
    assert _answer({"statusCode": 200, "headers": headers, "body": "x"}).headers == [
        (b"content-type", b"application/json")
    ]


@given(st.binary(max_size=100))
def test_any_output_becomes_an_answer(output: bytes) -> None:
    answer = from_result(output)
    assert 200 <= answer.status <= 599
