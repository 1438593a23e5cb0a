"""Traces: what a function is told of the one that it is part of, and the spans that a collector gets."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from tests.support.collector import Collector, collecting
from tests.support.command import Running, Workshop, eventually, free_port

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = {
    "traceparent": f"00-{TRACE}-{CALLER}-01",
    "tracestate": "vendor=1",
    "baggage": "user=al%C3%A1,flag=on;p=1",
}
HANDLER = """
import json

def handler(event, context):
    if event == b"fail":
        raise ValueError("on purpose")
    tracing = context.tracing
    found = [tracing.span_context, tracing.span_baggages, tracing.jaeger_endpoint]
    return json.dumps({"context": found, "event": event.decode()})

def initialize(context):
    pass
"""
# A custom runtime that answers with the headers it was given
SERVER = """
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Handler).serve_forever()
"""


def project(workshop: Workshop) -> None:
    trigger = {"triggerName": "http", "triggerType": "http", "triggerConfig": {"authType": "anonymous"}}
    initializer = {"instanceLifecycleConfig": {"initializer": {"handler": "index.initialize", "timeout": 30}}}
    port = free_port()
    custom = {
        "runtime": "custom.debian12",
        "triggers": [trigger],
        "environmentVariables": {"FC_SERVER_PORT": str(port)},
        "customRuntimeConfig": {"command": ["python3", "server.py"], "port": port},
    }
    workshop.project(HANDLER, hello={"triggers": [trigger], **initializer}, web=custom)
    workshop.write({"code/server.py": SERVER})


def headers_of(running: Running, headers: Mapping[str, str] = GIVEN) -> dict[str, str]:
    """What the program of the custom runtime was given by InvokeFunction."""
    status, text, _ = running.call("web", headers=headers)
    assert status == 200, text
    return json.loads(text)


def by_url(running: Running, name: str) -> dict[str, str]:
    status, text, _ = running.http("GET", "/x", headers={**GIVEN, "Host": f"{name}.localhost"})
    assert status == 200, text
    return json.loads(text)


def test_without_a_collector_what_the_caller_sent_is_passed_on(workshop: Workshop):
    project(workshop)
    with workshop.started() as running:
        for told in (headers_of(running), by_url(running, "web")):
            assert {name: told.get(name) for name in GIVEN} == GIVEN
            assert told["x-fc-tracing-opentracing-span-context"] == ""
        assert not {*headers_of(running, {})} & {*GIVEN}
        _, text, _ = running.call("hello", "{}", headers=GIVEN)
        assert json.loads(text)["context"] == ["", {}, ""]


def test_spans_continue_the_callers_trace_and_the_function_is_told_its_own(workshop: Workshop):
    project(workshop)
    with collecting() as collector, workshop.started("--otlp-endpoint", collector.url) as running:
        told = headers_of(running)
        version, trace, span, flags = told["traceparent"].split("-")
        assert (version, trace, flags) == ("00", TRACE, "01") and span != CALLER
        assert (told["tracestate"], told["baggage"]) == (GIVEN["tracestate"], GIVEN["baggage"])
        assert told["x-fc-tracing-opentracing-span-context"] == f"{TRACE}:{span}:{CALLER}:1"
        baggages = json.loads(base64.b64decode(told["x-fc-tracing-opentracing-span-baggages"]))
        assert baggages == {"user": "alá", "flag": "on"}
        _, text, _ = running.call("hello", "{}", headers=GIVEN)
        context, found, _ = json.loads(text)["context"]
        assert context.startswith(f"{TRACE}:") and found == baggages
        asked = json.loads(by_url(running, "hello")["event"])
        in_event = {name.lower(): value for name, value in asked["headers"].items()}
        assert in_event["traceparent"].startswith(f"00-{TRACE}-") and CALLER not in in_event["traceparent"]

        eventually(lambda: len(collector.named("Invocation")) == 3, "three invocations were exported")
        assert collector.paths == {"/v1/traces"}
        assert collector.resources[0]["service.name"] == "fclocal"
        assert collector.resources[0]["cloud.region"] == "cn-hangzhou"
        (invocation,) = [it for it in collector.named("Invocation") if it["id"] == span]
        (outer,) = [it for it in collector.named("InvokeFunction") if it["id"] == invocation["parent"]]
        assert (outer["trace"], outer["parent"], outer["kind"]) == (TRACE, CALLER, 2)
        assert outer["start"] <= invocation["start"] <= invocation["end"] <= outer["end"]
        assert outer["values"]["faas.name"] == "web" and outer["values"]["faas.coldstart"] is True
        assert_cold_start(collector)


def assert_cold_start(collector: Collector) -> None:
    """That of the function in Python: in its invocation's span, with FC's own spans in it."""
    cold = next(it for it in collector.named("ColdStart") if it["values"]["faas.name"] == "hello")
    outer = next(it for it in collector.named("InvokeFunction") if it["id"] == cold["parent"])
    assert outer["values"]["faas.name"] == "hello"
    inside = [it for it in collector.spans if it["parent"] == cold["id"]]
    assert {"PrepareCode", "RuntimeInitialization", "Initializer"} <= {it["name"] for it in inside}
    assert all(cold["start"] <= it["start"] <= it["end"] <= cold["end"] for it in inside)


def test_a_failure_is_an_error_and_what_is_not_sampled_is_not_sent(workshop: Workshop):
    project(workshop)
    unsampled = {"traceparent": f"00-{TRACE}-{CALLER}-00"}
    with collecting() as collector:
        with workshop.started("--json", env={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}) as running:
            running.call("hello", "fail")
            told = headers_of(running, unsampled)
            assert told["traceparent"].startswith(f"00-{TRACE}-") and told["traceparent"].endswith("-00")
            assert headers_of(running, {"traceparent": "rubbish"})["traceparent"][:3] == "00-"
            # What waits at the end is sent.
            assert running.stop() == 0
        failed, other = sorted(collector.named("Invocation"), key=lambda it: it["start"])
        assert (failed["status"], failed["values"]["faas.name"], failed["error"]) == (
            2,
            "hello",
            "UnhandledInvocationError",
        )
        assert other["status"] == 1 and other["trace"] != TRACE
        assert len({it["trace"] for it in collector.spans}) == 2


def test_a_collector_that_is_not_there_is_told_once_and_holds_nothing_up(workshop: Workshop):
    project(workshop)
    with workshop.started("--otlp-endpoint", f"http://127.0.0.1:{free_port()}") as running:
        for _ in range(3):
            assert running.call("hello", "{}")[0] == 200
        eventually(lambda: "traces do not arrive" in running.out, "it is told")
        assert running.stop() == 0
    assert running.out.count("traces do not arrive") == 1
    assert "Traceback" not in running.err and "Connection" not in running.err
