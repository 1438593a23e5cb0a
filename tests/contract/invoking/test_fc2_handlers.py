"""HTTP handlers of FC 2 on built-in runtimes: WSGI of Python, (req, resp, context) of Node.js (§2.9)."""

from __future__ import annotations

import hashlib
import shutil

import pytest

from tests.contract.invoking.invoking_project import write_project

PYTHON = """
import hashlib, json

def handler(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if environ["PATH_INFO"] == "/fail":
        raise ValueError("hidden")
    names = ["REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT",
             "SERVER_PROTOCOL", "CONTENT_TYPE", "REMOTE_ADDR", "HTTP_X_MANY", "HTTP_HOST", "fc.request_uri",
             "wsgi.url_scheme"]
    context = environ["fc.context"]
    about = {name: environ.get(name) for name in names}
    about.update(digest=hashlib.sha256(body).hexdigest(), request_id=context.request_id,
                 function=context.function.name, service=context.service.name)
    write = start_response("418 I am a teapot", [("Content-Type", "application/json"), ("X-Own", "1"), ("X-Own", "2")])
    write(b" ")
    return iter([json.dumps(about).encode(), b"\\n"])
"""
NODE = """
const crypto = require('crypto');
exports.handler = (req, resp, context) => {
  if (req.path === '/fail') throw new Error('hidden');
  resp.setStatusCode(418);
  resp.setHeader('x-own', ['1', '2']);
  resp.setHeader('content-type', 'application/json');
  resp.send(JSON.stringify({method: req.method, path: req.path, url: req.url, queries: req.queries, ip: req.clientIP,
    many: req.headers['x-many'], digest: crypto.createHash('sha256').update(req.body).digest('hex'),
    request_id: context.requestId, function: context.function.name, service: context.service.name}));
};
"""
BODY = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(BODY).hexdigest()

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


@pytest.fixture(scope="module")
def project(workshop):
    def old(name, runtime, handler):
        function = {"name": name, "runtime": runtime, "handler": handler, "codeUri": "./code", "memorySize": 256,
                    "timeout": 30}  # fmt: skip
        config = {"authType": "anonymous", "methods": ["GET", "POST"]}
        trigger = {"name": "http", "type": "http", "config": config}
        return {"service": {"name": "svc"}, "function": function, "triggers": [trigger]}

    domain = {"domainName": "old.example.com", "protocol": "HTTP", "routeConfig": {"routes": [
        {"path": "/*", "functionName": "svc$wsgi"}]}}  # fmt: skip
    fc2 = {"wsgi": old("wsgi", "python3", "index.handler"), "node": old("node", "nodejs14", "index.handler")}
    write_project(workshop, {}, {"index.py": PYTHON, "index.js": NODE}, {"old": domain}, fc2)


def test_a_wsgi_handler(web):
    answer = web.at("svc-wsgi.localhost", "POST", "/a%20b/c?x=1&x=2", BODY, Content_Type="image/png", X_Many="m")
    about = answer.json()
    assert (answer.status, answer.head["content-type"]) == (418, "application/json")
    assert [value for name, value in answer.headers if name == "x-own"] == ["1", "2"]
    assert about["digest"] == DIGEST
    assert about["request_id"] == answer.head["x-fc-request-id"]
    expected = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/a b/c",
        "QUERY_STRING": "x=1&x=2",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "FCRUNTIME",
        "SERVER_PORT": "9000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "image/png",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_X_MANY": "m",
        "fc.request_uri": "/a%20b/c?x=1&x=2",
        "wsgi.url_scheme": "http",
        "function": "wsgi",
        "service": "svc",
    }
    assert {name: about[name] for name in expected} == expected
    assert about["HTTP_HOST"].startswith("svc-wsgi.localhost")


def test_a_wsgi_handler_behind_the_proxy_path(web):
    about = web.at("127.0.0.1", "GET", "/2016-08-15/proxy/svc/wsgi/x?y=z").json()
    assert (about["PATH_INFO"], about["QUERY_STRING"]) == ("/x", "y=z")
    assert about["fc.request_uri"] == "/2016-08-15/proxy/svc/wsgi/x?y=z", "as the client wrote it"


def test_a_wsgi_handler_behind_a_domain(web):
    about = web.at("old.example.com", "GET", "/x").json()
    assert (about["PATH_INFO"], about["fc.request_uri"]) == ("/x", "/x")


@needs_node
def test_a_node_handler(web):
    answer = web.at("svc-node.localhost", "POST", "/a%20b/c?x=1&x=2&y=3", BODY, X_Many="m")
    about = answer.json()
    assert (answer.status, answer.head["content-type"]) == (418, "application/json")
    assert [value for name, value in answer.headers if name == "x-own"] == ["1", "2"]
    assert (about["method"], about["url"]) == ("POST", "/a%20b/c?x=1&x=2&y=3")
    assert (about["queries"], about["ip"], about["many"]) == ({"x": ["1", "2"], "y": "3"}, "127.0.0.1", "m")
    assert (about["digest"], about["function"], about["service"]) == (DIGEST, "node", "svc")
    assert about["request_id"] == answer.head["x-fc-request-id"]


@pytest.mark.parametrize("host", ["svc-wsgi.localhost", pytest.param("svc-node.localhost", marks=needs_node)])
def test_a_handler_that_fails_is_hidden(web, host):
    answer = web.at(host, "GET", "/fail")
    assert (answer.status, answer.body) == (502, b"Internal Server Error"), answer
