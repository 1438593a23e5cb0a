"""What a running emulator tells of itself: `/_metrics` as Prometheus reads it, metrics as JSON, and `fclocal cost`."""

from __future__ import annotations

import json
import math
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support.command import Running, Workshop, eventually

HANDLER = """
def handler(event, context):
    if event == b"fail":
        raise ValueError("on purpose")
    return "done"
"""


def scrape(running: Running) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    status, text, headers = running.http("GET", "/_metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain"), text
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}


def labels(**pairs: str) -> frozenset[tuple[str, str]]:
    return frozenset(pairs.items())


def metrics(running: Running, **asked: Any) -> dict[str, Any]:
    token = {"x-fclocal-token": running.endpoint["token"]}
    status, text, _ = running.http("POST", "/_fclocal/metrics", json.dumps(asked), token)
    assert status == 200, text
    return json.loads(text)["functions"]


def test_what_happened_before_the_first_scrape_is_counted(workshop: Workshop):
    workshop.project(HANDLER, hello={}, other={"reservedConcurrency": 0})
    with workshop.started("--json") as running:
        for body in ("", "", "fail"):
            running.call("hello", body)
        eventually(lambda: {*metrics(running)["hello"]["instances"]} == {"frozen"}, "all instances are frozen")
        found = scrape(running)
        assert found["fclocal_invocations_total", labels(function="hello", status="200")] == 2
        assert found["fclocal_invocations_total", labels(function="hello", status="error")] == 1
        assert found["fclocal_function_errors_total", labels(function="hello", type="UnhandledInvocationError")] == 1
        cold = found["fclocal_cold_starts_total", labels(function="hello")]
        assert cold >= 1
        for name in ("fclocal_invocation_duration_seconds", "fclocal_invocation_latency_seconds"):
            assert found[f"{name}_count", labels(function="hello")] == 3
            assert found[f"{name}_bucket", labels(function="hello", le="+Inf")] == 3
            assert found[f"{name}_sum", labels(function="hello")] > 0
        assert found["fclocal_cold_start_seconds_count", labels(function="hello")] == cold
        assert found["fclocal_instances", labels(function="hello", state="frozen")] >= 1
        assert found["fclocal_memory_bytes", labels(function="hello")] > 1e6
        assert found["fclocal_compute_units_total", labels(function="hello", part="invocations")] == 0.0225
        assert found["fclocal_queued_requests", labels(function="hello")] == 0
        assert found["fclocal_events_dropped_total", labels()] == 0

        (hello,) = metrics(running, function="hello").values()
        assert hello["total"]["FunctionTotalInvocations"] == hello["window"]["FunctionTotalInvocations"] == 3
        assert hello["total"]["errors"] == {"UnhandledInvocationError": 1}
        status, text, _ = running.http("POST", "/_fclocal/metrics", "{}")
        assert status == 401, text
        assert running.http("GET", "/_metrics", headers={"Host": "evil.example"})[0] == 421
        assert running.http("POST", "/_metrics")[0] == 400


def test_what_it_would_have_cost(workshop: Workshop):
    workshop.project(HANDLER, hello={"memorySize": 512, "cpu": 0.35})
    assert "no emulator of this project is running" in workshop.run("cost").stderr
    with workshop.started("--log-level", "debug") as running:
        assert workshop.run("cost").stdout.startswith("Nothing was used yet.")
        for _ in range(4):
            running.call("hello")
        answer = json.loads(workshop.run("cost", "--json").stdout)
        total, requests = answer["total"], answer["requests"]
        assert (total["calls"], len(requests)) == (4, 4)
        hours = answer["functions"]["hello"]["hours"]
        assert total["billedCu"] == str(sum(math.ceil(float(hour["cu"])) for hour in hours))
        assert total["billed"] == {"CNY": f"0.0{len(hours)}", "USD": "0.00"}
        # 0.35 cores and half a GB at 0.15, for whole milliseconds of each call, and the calls
        active_ms = sum(request["activeMs"] for request in requests)
        assert round(float(total["cu"]), 9) == round(active_ms / 1000 * (0.35 + 0.075) + 4 * 0.0075, 9)
        shown = {by: workshop.run("cost", "--by", by).stdout for by in ("function", "hour", "session", "request")}
        assert shown["function"].splitlines()[1].split()[:2] == ["hello", "4"]
        assert all(request["requestId"] in shown["request"] for request in requests)
        assert "billed CNY" in shown["hour"] and shown["session"].startswith("Nothing was used yet.")
        assert running.stop() == 0
    assert f"in FC this would have cost 0.0{len(hours)} CNY or 0.00 USD" in running.out


def test_a_price_list_of_the_users_own(workshop: Workshop):
    workshop.project(HANDLER, hello={})
    workshop.write({"prices.toml": "date = 2026-07-24\n"})
    done = workshop.run("start", "--port", "0", "--prices", "prices.toml")
    assert done.returncode == 2 and "this is no price list" in done.stderr and "prices.toml" in done.stderr
