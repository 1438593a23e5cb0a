"""CORS of HTTP triggers, as a browser meets it (runtime-contract.md §3.9)."""

from __future__ import annotations

from tests.contract.faces.faces_client import ask, visit
from tests.contract.faces.faces_project import SERVER, custom, fc3, web_trigger
from tests.support.command import Running

CORS = {
    "allowOrigins": ["https://page.example"],
    "allowMethods": ["GET", "PUT"],
    "allowHeaders": ["X-Token"],
    "exposeHeaders": ["X-Own"],
    "maxAge": 60,
}
RESOURCES = {
    "web": custom("web"),
    "api": fc3("api", triggers=[web_trigger(methods=["GET", "POST"])]),
    "closed": fc3("closed", triggers=[web_trigger(authType="function", methods=["GET"])]),
    "listed": fc3("listed", triggers=[web_trigger(corsConfig=CORS)]),
}
FILES = {"code/index.py": "def handler(event, context):\n    return b'ran'\n", "code/server.py": SERVER}
PAGE = "https://page.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-token"}


def test_the_origin_of_any_page_is_echoed(emulator: Running) -> None:
    answer = visit(emulator, "api", headers={"Origin": PAGE, "Sec-Fetch-Site": "cross-site"})
    assert answer.body == b"ran"
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-expose-headers"] == "Date,x-fc-request-id"
    assert "access-control-allow-origin" not in visit(emulator, "api").names


def test_a_preflight_is_answered_for_the_function_unless_its_trigger_lists_options(emulator: Running) -> None:
    answer = visit(emulator, "api", method="OPTIONS", headers=PREFLIGHT)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == "GET,POST"
    assert answer.headers["access-control-allow-headers"] == "x-token"
    own = visit(emulator, "web", "/x", method="OPTIONS", headers=PREFLIGHT)
    assert own.json["method"] == "OPTIONS", "a trigger without `methods` lists all"


def test_a_preflight_carries_no_credentials_and_needs_none(emulator: Running) -> None:
    assert visit(emulator, "closed", method="OPTIONS", headers=PREFLIGHT).status == 200
    assert visit(emulator, "closed").status == 400


def test_the_rules_of_a_trigger(emulator: Running) -> None:
    answer = visit(emulator, "listed", method="OPTIONS", headers=PREFLIGHT)
    assert (answer.status, answer.headers["access-control-max-age"]) == (204, "60")
    assert answer.headers["access-control-allow-methods"] == "GET,PUT"
    simple = visit(emulator, "listed", headers={"Origin": PAGE})
    assert simple.headers["access-control-allow-origin"] == PAGE
    assert simple.headers["access-control-expose-headers"] == "X-Own"
    stranger = visit(emulator, "listed", headers={"Origin": "https://stranger.example"})
    assert stranger.body == b"ran" and "access-control-allow-origin" not in stranger.names
    refused = visit(emulator, "listed", method="OPTIONS", headers={**PREFLIGHT, "Origin": "https://stranger.example"})
    assert refused.body == b"ran", "a preflight that does not fit goes to the function"


def test_invocations_expose_their_headers_and_allow_no_page(emulator: Running) -> None:
    answer = ask(emulator, "POST", "/2023-03-30/functions/api/invocations", b"x")
    assert "x-fc-instance-id" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in answer.names
