"""A web application under a custom runtime beside an event function: one emulator, three ways to each of them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import pytest
from alibabacloud_fc20230330.client import Client
from alibabacloud_fc20230330.models import InvokeFunctionRequest
from alibabacloud_tea_openapi.models import Config

from tests.support.command import Running, Workshop
from tests.support.samples import build

FLASK_APP = """
from flask import Flask, jsonify, request

app = Flask(__name__)

@app.get("/hello/<name>")
def hello(name):
    return jsonify(hello=name, function=request.headers["x-fc-function-name"])

@app.post("/invoke")
def invoke():
    return jsonify(event=request.get_data(as_text=True))

app.run(host="0.0.0.0", port=9000, threaded=True)
"""
EVENT_HANDLER = """
import json

def handler(event, context):
    return {"event": json.loads(event), "function": context.function.name}
"""
S_YAML = """
edition: 3.0.0
name: two-functions
access: default
resources:
  web:
    component: fc3
    actions:
      pre-deploy:
        - run: pip3 install -t python Flask
          path: ./web
    props:
      region: cn-hangzhou
      functionName: web
      runtime: custom.debian10
      code: ./web
      timeout: 30
      instanceConcurrency: 10
      environmentVariables:
        PATH: /var/fc/lang/python3.10/bin:/usr/local/bin:/usr/bin:/bin
        PYTHONPATH: /code/python
      customRuntimeConfig:
        command: [python3, app.py]
        port: 9000
      triggers:
        - triggerName: http
          triggerType: http
          triggerConfig: {authType: anonymous, methods: [GET]}
  event:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: event
      runtime: python3.10
      handler: index.handler
      code: ./event
      timeout: 30
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    workshop = Workshop(tmp_path_factory.mktemp("two") / "project")
    workshop.write({"s.yaml": S_YAML, "web/app.py": FLASK_APP, "event/index.py": EVENT_HANDLER})
    build(workshop)
    with workshop.started() as running:
        yield running


def by_url(running: Running, function: str, event: str) -> str:
    """InvokeFunction by its address, as the first screen prints it for an event function."""
    assert f"/2023-03-30/functions/{function}/invocations" in running.out or function == "web"
    status, text, _ = running.call(function, event)
    assert status == 200
    return text


def by_sdk(running: Running, function: str, event: str) -> str:
    config = Config(
        access_key_id="id", access_key_secret="secret", endpoint=f"127.0.0.1:{running.port}", protocol="http"
    )
    answer = Client(config).invoke_function(function, InvokeFunctionRequest(body=io.BytesIO(event.encode())))
    assert answer.status_code == 200 and answer.headers["x-fc-request-id"]
    return answer.body.read().decode()


def by_command(running: Running, function: str, event: str) -> str:
    done = running.workshop.run("invoke", function, "-e", event)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("invoke", [by_url, by_sdk, by_command])
def test_both_answer_an_invocation(running: Running, invoke: Callable[[Running, str, str], str]) -> None:
    assert json.loads(invoke(running, "event", '{"n": 1}')) == {"event": {"n": 1}, "function": "event"}
    assert json.loads(invoke(running, "web", '{"n": 2}')) == {"event": '{"n": 2}'}


def test_the_web_application_answers_at_the_address_of_its_trigger(running: Running) -> None:
    address = f"http://web.localhost:{running.port}/"
    assert address in running.out
    status, text, _ = running.http("GET", "/hello/FC", headers={"Host": f"web.localhost:{running.port}"})
    assert (status, json.loads(text)) == (200, {"hello": "FC", "function": "web"})
    done = running.workshop.run("invoke", "web", "--path", "/hello/FC")
    assert (done.returncode, json.loads(done.stdout)["hello"]) == (0, "FC"), done.stderr


def test_the_log_is_that_of_function_compute(running: Running) -> None:
    done = running.workshop.run("invoke", "event", "-e", "{}")
    assert "FC Invoke Start RequestId: " in done.stderr and "FC Invoke End RequestId: " in done.stderr
