"""Function URLs: by host name, proxy path and custom domain, and what the function sees (contract §2.8, §3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.faces.faces_client import Answer, ask, visit
from tests.contract.faces.faces_project import SERVER, custom, fc2, fc3, web_trigger
from tests.support.command import Running

INDEX = '''
import json

def handler(event, context):
    """Whatever the request asks for as its body is the result; without one, the event itself."""
    request = json.loads(event)
    if request["rawPath"] == "/fail":
        raise ValueError("told to")
    return json.loads(request["body"]) if request["body"] else event
'''
REWRITES = {
    "equalRules": [{"match": "/exact", "replacement": "/exactly?from=rule"}],
    "wildcardRules": [{"match": "^/wild/*/end", "replacement": "/tame/$1"}],
    "regexRules": [{"match": "^/user/([0-9]+)$", "replacement": "/by-id?id=$1"}],
}
RESOURCES = {
    "web": {**custom("web")},
    "reader": custom("reader"),
    "event": fc3("event", triggers=[web_trigger()]),
    "quiet": fc3("quiet"),
    "hidden": fc3("hidden", triggers=[web_trigger(disableURLInternet=True)]),
    "old": fc2(
        "svc",
        "old",
        ({"name": "h", "type": "http", "config": {"authType": "anonymous"}},),
        runtime="custom",
        customRuntimeConfig={"command": ["python3", "/code/server.py"]},
    ),
    "short": custom("short", timeout=1),
    "domain": {
        "component": "fc3-domain",
        "props": {
            "region": "cn-hangzhou",
            "domainName": "shop.example.com",
            "protocol": "HTTP",
            "routeConfig": {
                "routes": [
                    {"path": "/*", "functionName": "web", "rewriteConfig": REWRITES},
                    {"path": "/api/*", "functionName": "event"},
                    {"path": "/api/read", "functionName": "reader", "methods": ["GET"]},
                    {"path": "/hidden", "functionName": "hidden"},
                    {"path": "/quiet", "functionName": "quiet"},
                ]
            },
        },
    },
    "narrow": {
        "component": "fc3-domain",
        "props": {
            "region": "cn-hangzhou",
            "domainName": "*.wild.example.com",
            "protocol": "HTTP",
            "routeConfig": {"routes": [{"path": "/only", "functionName": "web"}]},
        },
    },
    "named-by-us": {
        "component": "fc3-domain",
        "props": {
            "region": "cn-hangzhou",
            "domainName": "auto",
            "protocol": "HTTP",
            "routeConfig": {"routes": [{"path": "/*", "functionName": "web"}]},
        },
    },
}
RESOURCES["reader"]["props"]["triggers"] = [web_trigger(methods=["GET", "POST"])]
FILES = {"code/index.py": INDEX, "code/server.py": SERVER}
SHOP = "shop.example.com"
EXPOSE = {"access-control-expose-headers": "Date,x-fc-request-id"}


def sent_on(answer: Answer, name: str) -> list[str]:
    """Values of a header that the custom runtime was sent."""
    return [value for key, value in answer.json["headers"] if key.lower() == name]


def test_the_own_request_of_a_caller_reaches_a_custom_runtime(emulator: Running) -> None:
    headers = {"X-One": "1", "X-fc-secret": "no", "Keep-Alive": "timeout=5", "Authorization": "Bearer kept"}
    answer = visit(emulator, "web", "/a%20b/c?x=1&y=%2F", method="PUT", body=b"\x00body", headers=headers)
    seen = answer.json
    assert (answer.status, seen["method"], seen["path"]) == (200, "PUT", "/a%20b/c?x=1&y=%2F")
    assert seen["body"] == "\x00body"
    assert sent_on(answer, "x-one") == ["1"] and sent_on(answer, "authorization") == ["Bearer kept"]
    assert sent_on(answer, "host") == [f"web.localhost:{emulator.port}"]
    assert not sent_on(answer, "x-fc-secret") and not sent_on(answer, "keep-alive")
    assert sent_on(answer, "x-fc-control-path") == ["/http-invoke"]
    assert sent_on(answer, "x-fc-request-id") == [answer.headers["x-fc-request-id"]]
    assert sent_on(answer, "x-fc-client-ip") == ["127.0.0.1"] and sent_on(answer, "x-fc-function-name") == ["web"]
    assert sent_on(answer, "content-length") == ["5"]


def test_the_answer_comes_as_the_custom_runtime_gave_it(emulator: Running) -> None:
    answer = visit(emulator, "web")
    assert answer.headers["x-own"] == "mine" and answer.headers["content-type"] == "application/json"
    assert [value for name, value in answer.pairs if name == "set-cookie"] == ["a=1", "b=2"]
    dropped = {"x-fc-mine", "content-disposition", "server", "x-fc-instance-id", "x-fc-invocation-duration"}
    assert not dropped & answer.names
    assert EXPOSE.items() <= answer.headers.items()


def test_every_status_even_where_the_server_gives_a_body_that_can_not_be(emulator: Running) -> None:
    for status in (200, 204, 304, 404, 500, 599) * 3:
        answer = visit(emulator, "web", f"/status/{status}")
        assert (answer.status, answer.body) == (status, b"" if status in (204, 304) else b"as told")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_every_method(emulator: Running, method: str) -> None:
    answer = visit(emulator, "web", "/x", method=method)
    assert answer.status == 200
    assert answer.body == b"" if method == "HEAD" else answer.json["method"] == method


def test_a_method_that_the_trigger_does_not_list(emulator: Running) -> None:
    assert visit(emulator, "reader", method="GET").status == 200
    assert visit(emulator, "reader", method="PUT").error[:2] == (403, "AccessDenied")
    assert ask(emulator, "POST", "/api/read", b"x", host=SHOP).error[:2] == (403, "AccessDenied"), "nor the route"


def test_a_built_in_runtime_gets_an_event(emulator: Running) -> None:
    answer = visit(emulator, "event", "/a%20b?p=v1&p=v2", headers={"x-my-ID": "7", "User-Agent": "test/1"})
    event = answer.json
    assert (event["version"], event["rawPath"], event["queryParameters"]) == ("v1", "/a%20b", {"p": "v1,v2"})
    assert (event["body"], event["isBase64Encoded"], event["headers"]["X-My-Id"]) == ("", True, "7")
    context = event["requestContext"]
    assert context["domainName"] == "event.localhost" and context["domainPrefix"] == "event"
    wanted = {"method": "GET", "path": "/a b", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test/1"}
    assert context["http"] == wanted
    assert context["requestId"] == answer.headers["x-fc-request-id"]
    assert answer.names == {"content-type", "content-length", "date", "x-fc-request-id", *EXPOSE}, "and nothing else"


@pytest.mark.parametrize(
    ("result", "status", "headers", "body"),
    [
        ({"a": 1}, 200, {"content-type": "application/json"}, None),
        ({"statusCode": 404, "body": "no"}, 404, {"content-type": "application/json"}, b"no"),
        ({"statusCode": "201", "headers": {"Content-Type": "text/x", "X": "y"}, "body": "b"}, 201, {"x": "y"}, b"b"),
        ({"statusCode": 200, "isBase64Encoded": True, "body": "AP8="}, 200, {}, b"\x00\xff"),
        ({"statusCode": 200, "isBase64Encoded": True, "body": "no base64"}, 200, {}, b"no base64"),
        ({"statusCode": 200, "body": {"k": [1]}}, 200, {}, b'{"k": [1]}'),
        ({"statusCode": 999, "body": "x"}, 502, {"content-type": "application/json"}, b"Internal Server Error"),
    ],
)
def test_what_the_result_of_a_built_in_runtime_becomes(
    emulator: Running, result: Any, status: int, headers: dict[str, str], body: bytes | None
) -> None:
    sent = {"Content-Type": "application/json"}
    answer = visit(emulator, "event", method="POST", body=json.dumps(result).encode(), headers=sent)
    assert answer.status == status and headers.items() <= answer.headers.items()
    assert answer.json == result if body is None else answer.body == body


def test_a_function_error_is_hidden(emulator: Running) -> None:
    answer = visit(emulator, "event", "/fail")
    assert (answer.status, answer.body) == (502, b"Internal Server Error")
    assert answer.headers["content-type"] == "application/json" and "x-fc-error-type" not in answer.names


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("function", "path"), [("web", "/crash"), ("short", "/sleep")])
def test_a_server_that_dies_or_takes_too_long(emulator: Running, function: str, path: str, method: str) -> None:
    answer = visit(emulator, function, path, method=method)
    assert (answer.status, answer.body) == (502, b"Internal Server Error")
    assert answer.headers["x-fc-request-id"] and visit(emulator, function, "/status/200").status == 200


def test_asynchronously_by_url(emulator: Running) -> None:
    answer = visit(emulator, "web", "/later", method="POST", body=b"x", headers={"x-fc-invocation-type": "Async"})
    assert (answer.status, answer.body) == (202, b"")
    request_id = answer.headers["x-fc-request-id"]
    [ended] = emulator.until(lambda e: e["kind"] == "invocation_ended" and e["request_id"] == request_id)
    assert ended["status"] == 200


@pytest.mark.parametrize("path", ["/2016-08-15/proxy/_/web", "/2016-08-15/proxy/_.LATEST/web"])
def test_a_proxy_path_of_fc_3(emulator: Running, path: str) -> None:
    assert ask(emulator, "GET", f"{path}/a/b?c=1").json["path"] == "/a/b?c=1"
    assert ask(emulator, "GET", path).json["path"] == "/"


def test_a_custom_runtime_of_fc_2_sees_the_prefix_of_a_proxy_path(emulator: Running) -> None:
    prefix = "/2016-08-15/proxy/svc/old"
    assert ask(emulator, "GET", f"{prefix}/a%20b?c=1").json["path"] == f"{prefix}/a%20b?c=1"
    named = {"x-fc-invocation-target": "2016-08-15/proxy/svc/old"}
    assert ask(emulator, "GET", f"{prefix}/a?c=1", headers=named).json["path"] == "/a?c=1"
    assert visit(emulator, "svc-old", "/a").json["path"] == "/a", "its own address has none"


@pytest.mark.parametrize(
    ("path", "reached"),
    [
        ("/", "/"),
        ("/any/thing?q=1", "/any/thing?q=1"),
        ("/exact?a=1", "/exactly?from=rule"),
        ("/wild/beast/end", "/tame/beast"),
        ("/user/42", "/by-id?id=42"),
        ("/user/x", "/user/x"),
    ],
)
def test_routes_and_rewrites_of_a_custom_domain(emulator: Running, path: str, reached: str) -> None:
    assert ask(emulator, "GET", path, host=SHOP).json["path"].partition("&")[0] == reached


def test_the_longest_route_wins_and_an_equal_one_over_all(emulator: Running) -> None:
    assert ask(emulator, "GET", "/api/x", host=SHOP).json["rawPath"] == "/api/x"
    assert ask(emulator, "GET", "/api/read", host=SHOP).json["path"] == "/api/read"
    assert ask(emulator, "GET", "/api", host=SHOP).json["path"] == "/api", "/api/* is not /api"


def test_domains_and_routes_that_are_not_there(emulator: Running) -> None:
    wild = "a.wild.example.com"
    assert ask(emulator, "GET", "/only", host=wild).json["path"] == "/only"
    message = "no route found in domain '*.wild.example.com' for path '/only/'"
    assert ask(emulator, "GET", "/only/", host=wild).error == (404, "DomainRouteNotFound", message)
    assert ask(emulator, "GET", "/only", host="a.b.wild.example.com").status == 421, "one label, not two"
    assert ask(emulator, "GET", "/quiet", host=SHOP).error[:2] == (404, "TriggerNotFound")
    assert visit(emulator, "nobody").error[:2] == (400, "PathNotSupported")
    assert ask(emulator, "GET", "/2016-08-15/proxy/_/nobody/").error[:2] == (404, "FunctionNotFound")


def test_a_domain_that_fc_would_name_is_named_here_and_told(emulator: Running) -> None:
    assert ask(emulator, "GET", "/x", host="named-by-us.auto.localhost").json["path"] == "/x"
    assert "named-by-us.auto.localhost" in emulator.out


def test_a_trigger_without_internet_url_is_reached_by_its_domain_only(emulator: Running) -> None:
    message = "access denied due to function internet URL is disable"
    assert visit(emulator, "hidden").error == (403, "AccessDenied", message)
    assert ask(emulator, "GET", "/2016-08-15/proxy/_/hidden/").error == (403, "AccessDenied", message)
    assert ask(emulator, "GET", "/hidden", host=SHOP).json["rawPath"] == "/hidden"


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/" + "x" * 5000, {}), ("/", {"X-Large": "x" * 9000})],
)
def test_a_head_above_fcs_limits(emulator: Running, path: str, headers: dict[str, str]) -> None:
    assert visit(emulator, "web", path, headers=headers).error[:2] == (400, "InvalidArgument")


def test_response_headers_above_8_kb(emulator: Running) -> None:
    assert visit(emulator, "web", "/head/7000").headers["x-large"] == "x" * 7000
    assert visit(emulator, "web", "/head/9000").error[:2] == (502, "BadResponse")
    large = json.dumps({"statusCode": 200, "headers": {"x": "y" * 9000}}).encode()
    sent = {"Content-Type": "application/json"}
    assert visit(emulator, "event", method="POST", body=large, headers=sent).error[:2] == (502, "BadResponse")
    assert visit(emulator, "web").status == visit(emulator, "event").status == 200


@pytest.mark.parametrize(("kind", "limit"), [("Sync", 32 * 1024 * 1024), ("Async", 128 * 1024)])
@pytest.mark.parametrize("function", ["web", "event"])
def test_a_body_above_the_limit(emulator: Running, function: str, kind: str, limit: int) -> None:
    for body in (b"x" * (limit + 1), iter([b"x" * (limit + 1)])):
        answer = visit(emulator, function, method="POST", body=body, headers={"x-fc-invocation-type": kind})
        assert answer.error == (400, "InvalidArgument", f"the request body exceeds the limit of {limit} bytes")
