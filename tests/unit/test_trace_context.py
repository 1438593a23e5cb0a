"""What a function is told of a trace, and when what a caller sent is no trace at all."""

from __future__ import annotations

import re

import pytest

from emulator.instance.protocol import Heads
from emulator.model.function import Account, Function, FunctionName, Revision
from emulator.model.invocation import Invocation
from emulator.model.trace import continued, passed_on

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
REVISION = Revision(Function(FunctionName("f"), "python3.10"), 1, "x", None)
NAME = re.compile(rb"^([a-z0-9-]+):", re.MULTILINE)


def sent(**given: str) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in given.items()}


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "rubbish",
        f"ff-{TRACE}-{CALLER}-01",
        f"00-{'0' * 32}-{CALLER}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{CALLER}-01",
        f"00-{TRACE}-{CALLER}-01x",
    ],
)
def test_what_is_no_traceparent_begins_a_trace_of_its_own_without_the_callers_state(traceparent):
    found = continued(sent(traceparent=traceparent, tracestate="a=1", baggage="b=2"))
    assert found.trace_id != TRACE and len(found.trace_id) == 32 and found.parent_id == ""
    assert dict(found.headers) == sent(traceparent=found.traceparent, baggage="b=2")


def test_a_later_version_is_understood_as_far_as_it_is_known():
    found = continued(sent(traceparent=f"01-{TRACE}-{CALLER}-01-more"))
    assert (found.trace_id, found.parent_id, found.flags) == (TRACE, CALLER, 1)


def test_another_attempt_is_another_span_of_the_same_trace():
    first = continued(sent(traceparent=f"00-{TRACE}-{CALLER}-00", tracestate="a=1"))
    again = first.again()
    assert again.span_id != first.span_id
    assert (again.trace_id, again.parent_id, again.flags) == (TRACE, CALLER, 0)
    assert dict(again.headers) == sent(traceparent=again.traceparent, tracestate="a=1")


def test_nothing_is_nothing():
    assert passed_on({b"x-fc-log-type": b"Tail"}) is None


@pytest.mark.parametrize("kind", ["invoke", "http"])
def test_each_header_is_there_once_with_a_trace_and_without(kind):
    heads = Heads(REVISION, Account())
    trace = continued(sent(traceparent=f"00-{TRACE}-{CALLER}-01"))
    names = []
    for headers, told in (((), None), (trace.headers, trace)):
        head, _ = getattr(heads, kind)(Invocation(REVISION, "r", headers=headers, trace=told))
        found = NAME.findall(head.replace(b"\r\n", b"\n"))
        assert len(found) == len({*found})
        names.append({*found})
    assert names[1] - names[0] == {b"traceparent"} and names[0] <= names[1]
