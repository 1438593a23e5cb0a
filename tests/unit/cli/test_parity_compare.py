"""`fclocal parity`: what counts as a difference, what is made equal first, and what an event file may be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.cli.parity_compare import ABSENT, Answer, Compared, Difference, Look, compare, compare_inside
from emulator.cli.parity_events import http_call, read_samples
from emulator.debug.postmortem.redact import HIDDEN, redaction
from emulator.model.errors import UserError
from emulator.model.function import Place
from emulator.sandbox.inside import Inside

HIDE = redaction({"DB_PASSWORD": "hunter22secret"}, ())
HERE, THERE = "c-6b09264f-067bf54f-f9b514733423", "c-6b09264e-4753e18f-68a255fadcd8"


def answer(
    body: Any = b"", *log: str, status: int = 200, known: dict[str, str] | None = None, **headers: str
) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    heads = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, heads, data, log, known or {})


def differences(process: Answer, container: Answer) -> list[tuple[str, str, str]]:
    return [(it.where, it.process, it.container) for it in compare(process, container, HIDE).differences]


def test_the_same_answers_have_no_difference():
    one = answer({"a": [1, None, True]}, "a line", content_type="application/json")
    assert differences(one, one) == []


def test_status_error_type_headers_body_and_log_are_named_with_both_values():
    one = answer({"uid": 0, "list": [1, 2]}, "first", "second", x_mine="a")
    other = answer(
        {"uid": 1000, "list": [1, 3, 4]}, "first", "another", "more", status=502, x_fc_error_type="FunctionError"
    )
    assert differences(one, other) == [
        ("status", "200", "502"),
        ("header x-fc-error-type", ABSENT, "FunctionError"),
        ("header x-mine", "a", ABSENT),
        ("body $.list[1]", "2", "3"),
        ("body $.list[2]", ABSENT, "4"),
        ("body $.uid", "0", "1000"),
        ("log line 2", "second", "another"),
        ("log line 3", ABSENT, "more"),
    ]


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ({"id": HERE}, {"id": THERE}, "instance ids"),
        ({"at": "2026-11-27T06:51:11.123Z"}, {"at": "2026-11-27T06:51:12Z"}, "times"),
        ({"at": 1795762216.16}, {"at": 1795762217.48}, "times"),
        ({"at": [1795762216161]}, {"at": [1795762216999]}, "times"),
        (b"took 3.5 ms", b"took 12 ms", "durations"),
        (b"<Thing at 0x7f1234567890>", b"<Thing at 0x7f0034567890>", "addresses of memory"),
        (b"7c9e6679-7425-40de-944b-e07fc1f90ae7", b"7c9e6679-7425-40de-944b-e07fc1f90ae8", "ids"),
        (b"http://web.localhost:41001/", b"http://web.localhost:41002/", "ports"),
    ],
)
def test_what_differs_from_call_to_call_is_made_equal_and_told(one, other, told):
    known = [{HERE: "instance id", "localhost:41001": "port"}, {THERE: "instance id", "localhost:41002": "port"}]
    compared = compare(
        answer(one, "a line", known=known[0], date="1"), answer(other, "a line", known=known[1], date="2"), HIDE
    )
    assert compared.differences == []
    assert told in compared.left_out and "header date" in compared.left_out


def test_an_id_that_stands_where_the_other_walls_have_none_is_a_difference():
    one, other = answer({"host": HERE}, known={HERE: "instance id"}), answer({"host": "laptop"}, known={THERE: "x"})
    assert differences(one, other) == [("body $.host", '"<instance id>"', '"laptop"')]


def test_texts_that_are_no_json_are_compared_by_lines_and_bytes_by_their_digest():
    assert differences(answer(b"a\nb\nc"), answer(b"a\nB\nc")) == [("body line 2", "b", "B")]
    ((where, one, other),) = differences(answer(b"\xff\x00"), answer(b"\xff\x01\x02"))
    assert where == "body" and one.startswith("2 bytes, sha256 ") and other.startswith("3 bytes, sha256 ")
    deep = b"[" * 5000 + b"]" * 5000
    assert len(differences(answer(deep), answer(b"[]"))) == 1


def test_numbers_texts_and_truth_are_told_apart():
    assert differences(answer({"a": 1, "b": "1"}), answer({"a": True, "b": 1})) == [
        ("body $.a", "1", "true"),
        ("body $.b", '"1"', "1"),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"api_key": "first-secret-1"}, {"api_key": "second-secret-2"}),
        ({"credentials": {"user": ["first-secret-1"]}}, {"credentials": {"user": ["second-secret-2"]}}),
        ({"text": "hunter22secret"}, {"text": "none"}),
        (b"password=first-secret-1", b"password=second-secret-2"),
    ],
)
def test_secrets_are_never_shown(one, other):
    found = differences(answer(one), answer(other))
    assert len(found) == 1 and HIDDEN in str(found)
    assert not any(secret in str(found) for secret in ("first-secret", "second-secret", "hunter22"))


def test_a_secret_header_and_a_secret_line_of_log_are_not_shown():
    one = answer(b"", "password=first-secret-1", set_cookie="sid=first-secret-1")
    other = answer(b"", "password=second-secret-2", set_cookie="sid=second-secret-2")
    assert [it[0] for it in differences(one, other)] == ["header set-cookie", "log line 1"]
    assert "secret-" not in str(differences(one, other))


def seen(environment: dict[str, str], **facts: str) -> Inside:
    return Inside({name.replace("_", " "): value for name, value in facts.items()}, environment)


def test_what_is_seen_inside_is_compared_without_what_is_ours():
    one = seen({"PATH": "/bin", "FCLOCAL_CONTROL": "a", "DB_PASSWORD": "x-first", "ID": HERE}, uid="0", host_name=HERE)
    other = seen({"PATH": "/usr/bin", "FCLOCAL_CONTROL": "b", "DB_PASSWORD": "y", "ID": THERE}, uid="5", host_name="vm")
    compared = compare_inside(Look(one, {HERE: "instance id"}), Look(other, {THERE: "instance id"}), HIDE)
    assert compared == Compared(
        [
            Difference("host name", "<instance id>", "vm"),
            Difference("uid", "0", "5"),
            Difference("env DB_PASSWORD", HIDDEN, HIDDEN),
            Difference("env PATH", "/bin", "/usr/bin"),
        ],
        ("variables FCLOCAL_*", "instance ids"),
    )


# --- events ---

PLACE = Place("a.http")


def test_a_request_has_a_method_a_path_headers_and_a_body():
    call = http_call(b"post /a?b=1 HTTP/1.1\r\nX-Mine: 1: 2\r\nAccept:*/*\r\n\r\n\xff\r\n\r\nrest", PLACE)
    assert call.http is not None and (call.http.method, call.http.path) == ("POST", "/a?b=1")
    assert call.http.headers == (("X-Mine", "1: 2"), ("Accept", "*/*"))
    assert call.event == b"\xff\r\n\r\nrest"
    assert http_call(b"GET /\n", PLACE).event == b""


@pytest.mark.parametrize("data", [b"", b"GET", b"FETCH /", b"GET path", b"{}", b"\xff /", b"GET / \nno header\n\n"])
def test_what_is_no_request_is_an_error_with_a_step(data):
    with pytest.raises(UserError) as raised:
        http_call(data, PLACE)
    assert raised.value.next_step and raised.value.place == PLACE


def test_each_file_is_an_event_in_the_order_of_the_names(tmp_path):
    for name, data in {"b.json": b'{"b": 1}\n', "a.bin": b"\0\xff", ".hidden": b"", "c.http": b"GET /x\n"}.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder").mkdir()
    samples = read_samples(tmp_path)
    assert [(it.name, it.call.event) for it in samples] == [
        ("a.bin", b"\0\xff"),
        ("b.json", b'{"b": 1}\n'),
        ("c.http", b""),
    ]
    assert [it.call.http is not None for it in samples] == [False, False, True]


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_events_is_an_error(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError) as raised:
        read_samples(tmp_path / name)
    assert raised.value.next_step
