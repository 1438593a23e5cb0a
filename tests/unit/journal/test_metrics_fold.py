"""Metrics of a function over time, from facts alone."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.journal.counters import Counters
from emulator.journal.metrics_view import metrics_answer
from emulator.model.errors import UserError
from emulator.model.events import (
    GpuHeld,
    InstancePaused,
    InstanceResumed,
    InvocationRejected,
    TaskMoved,
)
from emulator.model.lifecycle import State
from tests.support.journal_facts import INSTANCE, NAME, appeared, begun, call, deployed, ended, gone, moved


def answer(events: list[Any], now: float, window: float = 900.0) -> dict[str, Any]:
    counters = Counters(0.0, None)
    counters.feed(events)
    found: dict[str, Any] = metrics_answer(counters.metrics, now, {"window": window})["functions"][NAME]
    return found


def test_fcs_own_metrics_are_counted():
    events = [
        deployed(),
        *appeared(0),
        *call(1, 0.1, cold=True, init_ms=250.0, queue_ms=300.0),
        *call(2, 0.2, status=404),
        *call(3, 0.3, error="UnhandledInvocationError", memory_mb=99.0),
        *call(4, 0.4, error="UnhandledInvocationError", detail="Function timed out after 3 seconds (…)"),
        *call(5, 0.5, status=499),
        *[InvocationRejected(6, "x", NAME, status, code, "") for status, code in REFUSED],
    ]
    total = answer(events, 10.0)["total"]
    expected = {
        "FunctionTotalInvocations": 10,
        "FunctionHTTPStatus2xx": 1,
        "FunctionHTTPStatus4xx": 2,
        "FunctionFunctionErrors": 3,
        "FunctionClientErrors": 2,
        "FunctionServerErrors": 1,
        "FunctionConcurrencyThrottles": 1,
        "FunctionResourceThrottles": 1,
        "FunctionMaxDuration": 500.0,
        "FunctionAvgDuration": 300.0,
        "FunctionLatencyAvg": 360.0,
        "FunctionMaxMemoryUsage": 99.0,
        "FunctionMemoryLimitMB": 1024,
        "coldStarts": 1,
        "coldStartRate": 0.2,
        "errors": {"UnhandledInvocationError": 1, "FunctionTimeoutError": 1},
    }
    assert {name: total[name] for name in expected} == expected
    assert total["p50ColdStart"] == pytest.approx(250, rel=0.01)
    assert total["FunctionP90Duration"] == pytest.approx(500, rel=0.01)


REFUSED = [
    (429, "ResourceExhausted"),
    (503, "ResourceThrottled"),
    (412, "FunctionNotStarted"),
    (500, "InternalServerError"),
    (200, "InitializationError"),
]


def test_instances_by_state_are_averages_over_time():
    """One is busy from 1 to 3 and idle else; the other is frozen from 2 on, and gone at 8."""
    events = [
        deployed(),
        *appeared(0),
        *appeared(0, "c-2"),
        begun(1),
        moved(2, State.IDLE, State.FREEZING, "c-2"),
        moved(2, State.FREEZING, State.FROZEN, "c-2"),
        ended(3, 2000),
        moved(8, State.FROZEN, State.STOPPED, "c-2"),
    ]
    found = answer(events, 10.0)
    assert found["instances"] == {"idle": 1}
    assert found["total"]["instances"] == {"busy": 0.2, "frozen": 0.6, "idle": 1.0}
    assert found["total"]["maxInstances"] == 2


def test_concurrency_has_an_average_and_a_peak():
    """3 requests of 2 s, two of them at the same time for a second, in 10 s: 0.6; one instance is busy for 5 s."""
    events = [
        deployed(instance_concurrency=10),
        *appeared(0),
        begun(1, "a"),
        begun(2, "b"),
        ended(3, 2000, "a"),
        ended(4, 2000, "b"),
        *call(6, 2.0),
    ]
    total = answer(events, 10.0)["total"]
    assert (total["FunctionAvgConcurrentRequests"], total["FunctionMaxConcurrentRequests"]) == (0.6, 2)
    assert total["instances"] == {"busy": 0.5, "idle": 0.5}


def test_what_runs_is_counted_until_now():
    found = answer([deployed(), *appeared(0), begun(4)], 8.0)
    assert (found["inFlight"], found["instances"]) == (1, {"busy": 1})
    assert found["total"]["instances"] == {"busy": 0.5, "idle": 0.5}


def test_a_long_call_is_shared_by_the_slots_that_it_lies_in():
    found = answer([deployed(), *appeared(0), begun(2), ended(13, 11_000)], 15.0)
    assert [slot["FunctionAvgConcurrentRequests"] for slot in found["series"]] == [0.6, 1.0, 0.6]
    assert [slot["FunctionTotalInvocations"] for slot in found["series"]] == [0, 0, 1]


def test_a_busy_instance_that_drains_is_not_busy():
    events = [deployed(), *appeared(0), begun(2), moved(4, State.BUSY, State.DRAINING), ended(6, 4000)]
    events += [moved(6, State.DRAINING, State.STOPPING), moved(8, State.STOPPING, State.STOPPED)]
    found = answer([*events, *appeared(8, "c-2"), *call(8, 1, instance_id="c-2")], 10.0)
    assert found["total"]["instances"] == {"busy": 0.3, "draining": 0.2, "idle": 0.3, "stopping": 0.2}


def test_a_pause_in_the_debugger_is_a_state():
    events = [deployed(), *appeared(0), begun(2), InstancePaused(4, INSTANCE, NAME)]
    events += [InstanceResumed(8, INSTANCE, NAME, 4000), ended(9, 3000)]
    found = answer(events, 10.0)
    assert found["total"]["instances"] == {"busy": 0.3, "idle": 0.3, "paused": 0.4}


def test_provisioned_instances_and_their_invocations_are_told_apart():
    events = [deployed(), *appeared(0, provisioned=True), *appeared(0, "c-2")]
    found = answer([*events, *call(1, 1), *call(1, 1, "s", "c-2")], 10.0)
    assert (found["FunctionProvisionedCurrentInstance"], found["FunctionOndemandActiveInstance"]) == (1, 1)
    assert found["total"]["FunctionProvisionInvocations"] == 1


def test_memory_of_cards_is_told_by_what_is_held_and_by_invocations():
    size = {"gpu_type": "fc.gpu.tesla.1", "gpu_memory_mb": 16_384}
    events = [deployed(**size), *appeared(0), GpuHeld(1, INSTANCE, NAME, "given", ("T4",), 16_384, 100.0, 0)]
    assert answer(events, 2.0)["gpuMemoryMB"] == 100.0
    found = answer([*events, *call(2, 1, gpu_memory_mb=8192.0, gpu_memory_size_mb=16_384)], 4.0)
    assert found["gpuMemoryMB"] == 8192.0
    assert found["total"]["FunctionGPUMemoryUsagePercent"] == 50.0


def test_asynchronous_invocations_have_a_backlog():
    states = [("t1", "Enqueued"), ("t2", "Enqueued"), ("t1", "Running"), ("t1", "Retrying"), ("t1", "Running")]
    found = answer([deployed(), *[TaskMoved(1, task, NAME, state) for task, state in states]], 2.0)
    assert found["FunctionAsyncMessagesBacklogV2"] == 1
    assert (found["total"]["FunctionEnqueueCount"], found["total"]["FunctionDequeueCount"]) == (2, 2)


def test_a_long_window_is_told_by_the_minute_and_nothing_is_kept_for_ever():
    events: list[Any] = [deployed(), *appeared(0)]
    for minute in range(500):
        events += call(minute * 60 + 1, 0.1)
    now = 500 * 60.0
    short, long = answer(events, now), answer(events, now, window=86_400)
    assert (short["step"], long["step"]) == (5.0, 60.0)
    assert sum(slot["FunctionTotalInvocations"] for slot in short["series"]) == 15
    assert sum(slot["FunctionTotalInvocations"] for slot in long["series"]) == 360
    assert long["total"]["FunctionTotalInvocations"] == 500
    assert len(short["series"]) <= 181 and len(long["series"]) <= 361


@pytest.mark.parametrize("hours", [1, 5, 24 * 365])
def test_a_long_silence_is_few_slots_and_no_time_is_lost(hours):
    """One is frozen all the time, and is called before and after."""
    now = hours * 3600.0
    events = [deployed(), *appeared(0), moved(0, State.IDLE, State.FROZEN), *call(1, 0.1)]
    found = answer([*events, *call(now - 1, 0.1)], now, window=86_400)
    assert found["total"]["instances"] == {"frozen": 1.0}
    assert found["total"]["FunctionTotalInvocations"] == 2
    assert len(found["series"]) == min(60 * hours, 360)
    assert all(slot["instances"] == {"frozen": 1.0} for slot in found["series"][1:-1])


def test_an_instance_that_ended_is_forgotten():
    found = answer([deployed(), *appeared(0), *call(1, 1), *gone(5)], 10.0)
    assert (found["instances"], found["memoryMB"]) == ({}, 0)


@pytest.mark.parametrize("asked", [{"window": "x"}, {"window": -1}, {"window": True}, {"function": "none"}])
def test_what_can_not_be_answered_is_refused(asked):
    counters = Counters(0.0, None)
    with pytest.raises(UserError):
        metrics_answer(counters.metrics, 1.0, asked)
