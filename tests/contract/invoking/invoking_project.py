"""Projects for the tests of the faces: a web server that shows what reached it, and one event handler of many uses."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

import yaml

from tests.support.command import Running, Workshop

PYTHON = {"runtime": "python3.10", "handler": "index.handler", "code": "./code", "memorySize": 256, "timeout": 30}
CUSTOM = {
    "runtime": "custom.debian12",
    "handler": "not-used",
    "code": "./code",
    "memorySize": 256,
    "timeout": 60,
    "instanceConcurrency": 20,
    "customRuntimeConfig": {"command": ["python3", "-u", "server.py"], "port": 9000},
}

# A web server as somebody may write it: threads, keep-alive, and a port from the environment.
SERVER = r"""
import hashlib, json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def handle_one(self):
        url = urlsplit(self.path)
        path = url.path.rsplit("/", 1)[1] if url.path.startswith("/2016-08-15/") else url.path[1:]
        getattr(self, "at_" + path, self.at_see)(dict(parse_qs(url.query, keep_blank_values=True)))

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = handle_one

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
            if not size:
                return b"".join(pieces)

    def answer(self, body, status=200, headers=()):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def at_see(self, query):
        body = self.body()
        seen = {"method": self.command, "target": self.path, "headers": [list(h) for h in self.headers.items()],
                "length": len(body), "digest": hashlib.sha256(body).hexdigest(),
                "instance": os.environ["FC_INSTANCE_ID"]}
        self.answer(json.dumps(seen).encode(), headers=[("Content-Type", "application/json")])

    at_ = at_see


port = int(os.environ.get("FC_SERVER_PORT", 9000))
ThreadingHTTPServer.request_queue_size = 64
ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""


def http_trigger(auth: str = "anonymous", methods: tuple[str, ...] = ("GET", "POST"), **config: Any) -> dict[str, Any]:
    return {
        "triggerName": "http",
        "triggerType": "http",
        "triggerConfig": {"authType": auth, "methods": list(methods), **config},
    }


def write_project(
    workshop: Workshop,
    functions: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, str],
    domains: Mapping[str, Mapping[str, Any]] | None = None,
    fc2: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """`functions` are props of fc3, `domains` of fc3-domain, `fc2` of component fc; `files` go into `code/`."""
    resources: dict[str, Any] = {}
    for name, props in functions.items():
        own = {"region": "cn-hangzhou", "functionName": name, **props}
        resources[name] = {"component": "fc3", "props": own}
    for name, props in (domains or {}).items():
        resources[f"domain-{name}"] = {"component": "fc3-domain", "props": {"region": "cn-hangzhou", **props}}
    for name, props in (fc2 or {}).items():
        resources[f"old-{name}"] = {"component": "fc", "props": {"region": "cn-hangzhou", **props}}
    project = {"edition": "3.0.0", "name": "faces", "access": "default", "resources": resources}
    workshop.write({"s.yaml": yaml.safe_dump(project, sort_keys=False, allow_unicode=True)})
    workshop.write({f"code/{name}": text for name, text in files.items()})


class Web:
    """A caller of one running emulator's URLs, by Host."""

    def __init__(self, running: Running) -> None:
        self.running = running

    def at(self, host: str, method: str, path: str, body: bytes = b"", /, **headers: str) -> Answer:
        """One request; a header's `_` stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=120)
        try:
            heads = {name.replace("_", "-"): value for name, value in headers.items()}
            name = host if ":" in host else f"{host}:{self.running.port}"
            connection.request(method, path, body or None, {"Host": name, **heads})
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()


class Answer:
    """Status, headers and body. `head` has lower-case names and the last value of each."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.headers = [(name.lower(), value) for name, value in headers]
        self.head = dict(self.headers)
        self.body = body

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.head} {self.body[:500]!r}>"

    def json(self) -> Any:
        return json.loads(self.body)

    def seen(self) -> Any:
        """What the program says that it got."""
        assert self.status == 200, self
        return self.json()
