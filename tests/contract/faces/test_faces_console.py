"""The console's doors: whom they let in, and what nobody gets (sandbox.md §6.2)."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import Any

import pytest

from tests.contract.faces.faces_client import ask
from tests.contract.faces.faces_project import fc3
from tests.support.command import PATIENCE_SECONDS, Running, eventually

RESOURCES = {"event": fc3("event", environmentVariables={"API_KEY": "sk-0123456789abcdefghij", "MODE": "fast"})}
FILES = {"code/index.py": "def handler(event, context):\n    print('hi')\n    return b'ran'\n"}
VISIT = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
PAGE = "/_console"


def test_a_person_who_goes_there_gets_the_page_with_the_token(emulator: Running) -> None:
    for site in ("none", "cross-site"):
        answer = ask(emulator, "GET", PAGE, headers={**VISIT, "Sec-Fetch-Site": site})
        assert answer.status == 200 and emulator.endpoint["token"].encode() in answer.body
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "https://evil.example"},
    ],
)
def test_no_page_gets_the_token(emulator: Running, headers: dict[str, str]) -> None:
    answer = ask(emulator, "GET", PAGE, headers=headers)
    assert answer.status == 403
    assert emulator.endpoint["token"].encode() not in answer.body


@pytest.mark.parametrize("path", ["/state", "/events", "/samples", "/static/js/app.js"])
def test_pages_of_other_origins_get_nothing_at_all(emulator: Running, path: str) -> None:
    for headers in (
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "http://other.localhost:1"},
    ):
        assert ask(emulator, "GET", PAGE + path, headers=headers).status == 403
    assert ask(emulator, "GET", PAGE + path, host="evil.example").error[:2] == (421, "HostNotAllowed")


def test_what_is_shown_of_functions_has_no_secret(emulator: Running) -> None:
    answer = ask(emulator, "GET", PAGE + "/state")
    [function] = answer.json["functions"]
    assert function["environment"] == {"API_KEY": "<redacted>", "MODE": "fast"}
    assert b"sk-0123" not in answer.body and emulator.endpoint["token"].encode() not in answer.body


def test_the_stream_begins_with_what_happened_before_it(emulator: Running) -> None:
    emulator.call("event", "x")
    emulator.until(lambda event: event["kind"] == "invocation_ended")
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", PAGE + "/events")
        response = connection.getresponse()
        assert response.getheader("content-type", "").startswith("text/event-stream")
        kept, name = [], ""
        while name != "live":
            line = response.readline().decode()
            if line.startswith("event: "):
                name = line.split(": ")[1].strip()
            elif line.startswith("data: ") and name == "past":
                kept += json.loads(line.removeprefix("data: "))
        kinds = [event["kind"] for event in kept]
        assert kinds[0] == "revision_deployed" and "invocation_ended" in kinds and "log_line" in kinds
        printed = eventually(lambda: len(emulator.events()) > len(kept) and emulator.events(), "all of them")
        for shown, event in zip(kept, printed[1:], strict=False):
            large = event["kind"] == "instance_traced"
            assert shown == ({name: event[name] for name in shown} if large else event), "what --json prints"


def test_cold_starts_are_taken_apart(emulator: Running) -> None:
    def told() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask(emulator, "GET", PAGE + "/coldstarts").json
        return found

    emulator.call("event", "x")
    [cold] = eventually(told, "a cold start")
    assert cold["function"] == "event" and "imports" not in cold
    whole = ask(emulator, "GET", f"{PAGE}/coldstarts/{cold['instance_id']}").json
    assert whole["phases"] == cold["phases"] and "index" in [each["name"] for each in whole["imports"]]
    assert ask(emulator, "GET", PAGE + "/coldstarts/c-0").status == 404


def test_an_open_stream_holds_nobody_up_at_the_end(emulator: Running) -> None:
    """The last test of this file: it ends the emulator."""
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", PAGE + "/events")
        response = connection.getresponse()
        assert emulator.stop() == 0
        assert response.read().endswith(b"\n\n"), "the stream was ended, and not cut"
    emulator.assert_nothing_left()
