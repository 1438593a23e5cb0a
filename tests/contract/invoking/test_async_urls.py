"""Asynchronous calls by URL: accepted at once, and the function gets the caller's own request (platform.md §5)."""

from __future__ import annotations

import pytest

from tests.contract.invoking.invoking_project import CUSTOM, PYTHON, http_trigger, write_project
from tests.support.mailbox import Mailbox

POST = """
import os, socket

def post(text):
    with socket.create_connection(("127.0.0.1", int(os.environ["MAILBOX"]))) as sock:
        sock.sendall(text)
"""
INDEX = """
import json
from posting import post

def handler(event, context):
    post(event)

def wsgi(environ, start_response):
    about = {"rawPath": environ["PATH_INFO"], "body": environ["wsgi.input"].read().decode()}
    post(json.dumps(about).encode())
    start_response("200 OK", [])
    return []
"""
SERVER = """
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from posting import post

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        about = {"rawPath": self.path, "body": body, "retries": self.headers["X-Fc-Retry-Count"],
                 "request": self.headers["X-Fc-Request-Id"], "mine": self.headers["X-Mine"]}
        post(json.dumps(about).encode())
        self.send_response(204)
        self.end_headers()

ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def mailbox():
    box = Mailbox()
    yield box
    box.close()


@pytest.fixture(scope="module")
def project(workshop, mailbox):
    post = {"environmentVariables": {"MAILBOX": str(mailbox.port)}, "triggers": [http_trigger()]}
    old = {
        "service": {"name": "svc"},
        "function": {
            "name": "old", "runtime": "python3", "handler": "index.wsgi", "codeUri": "./code", "timeout": 30,
            "environmentVariables": {"MAILBOX": str(mailbox.port)},
        },
        "triggers": [{"name": "http", "type": "http", "config": {"authType": "anonymous", "methods": ["POST"]}}],
    }  # fmt: skip
    functions = {"event": {**PYTHON, **post}, "web": {**CUSTOM, **post}}
    files = {"index.py": INDEX, "server.py": SERVER, "posting.py": POST}
    write_project(workshop, functions, files, fc2={"old": old})


def call(web, host, body=b"text", **headers):
    return web.at(host, "POST", "/a?b=c", body, Content_Type="text/plain", X_Fc_Invocation_Type="Async", **headers)


@pytest.mark.parametrize(
    ("host", "task", "path"),
    [
        ("event.localhost", "x-fc-async-task-id", "/a"),
        ("web.localhost", "x-fc-async-task-id", "/a?b=c"),
        ("svc-old.localhost", "x-fc-stateful-async-invocation-id", "/a"),
    ],
    ids=["built-in", "custom", "FC 2"],
)
def test_it_is_accepted_and_runs(web, mailbox, host, task, path):
    answer = call(web, host)
    assert (answer.status, answer.body) == (202, b"")
    assert set(answer.head) == {"date", "content-length", "x-fc-request-id", task}
    got = mailbox.read_json()
    assert (got["rawPath"], got["body"]) == (path, "text")


def test_a_program_gets_the_caller_s_headers_and_fc_s(web, mailbox):
    answer = call(web, "web.localhost", X_Mine="mine")
    got = mailbox.read_json()
    assert (got["mine"], got["retries"], got["request"]) == ("mine", "0", answer.head["x-fc-request-id"])


def test_a_task_has_the_name_that_it_is_given_once(web, mailbox):
    assert call(web, "event.localhost", X_Fc_Async_Task_Id="mine").head["x-fc-async-task-id"] == "mine"
    mailbox.read()
    again = call(web, "event.localhost", X_Fc_Async_Task_Id="mine")
    assert (again.status, again.json()["Code"]) == (409, "AsyncTaskAlreadyExists")


@pytest.mark.parametrize("host", ["event.localhost", "web.localhost"])
def test_a_body_above_the_limit_is_refused(web, host):
    answer = call(web, host, b"x" * (128 * 1024 + 1))
    assert (answer.status, answer.json()["Code"]) == (400, "InvalidArgument")


def test_a_delayed_call_runs_later(web, mailbox):
    answer = call(web, "web.localhost", X_Fc_Async_Delay="1")
    assert answer.status == 202
    assert mailbox.read_json()["request"] == answer.head["x-fc-request-id"]
