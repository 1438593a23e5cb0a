"""Events as lines: FC's words verbatim, ours marked, and nothing twice."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from emulator.cli.jsonlines import to_lines
from emulator.cli.render import LogRenderer
from emulator.cli.terminal import Paint
from emulator.model.events import (
    HookEnded,
    HookStarted,
    InstanceMoved,
    InstanceStarted,
    InstanceWrote,
    InvocationEnded,
    InvocationRejected,
    InvocationStarted,
    LogLine,
    Notice,
    RevisionDeployed,
    RevisionRefused,
)
from emulator.model.lifecycle import State

REQUEST = "1-6b074b56-090f9aea-009d264123f7"
INSTANCE = "c-6b074b56-c39ccbbc-a425e6daf7ed"
ENDED = InvocationEnded(2.0, REQUEST, "hello", INSTANCE, 200, 1.234, 10.5, 256, True, 79.69, 0.0)


def text(*events, functions=("hello",), level="info", paint=False) -> str:
    return LogRenderer(Paint(paint), functions, level).batch(events)


def log(line: str, request_id: str = REQUEST) -> LogLine:
    return LogLine(1.0, "hello", INSTANCE, request_id, line)


def test_an_invocation_reads_as_in_fcs_log_with_three_figures_of_ours():
    started = InvocationStarted(1.0, REQUEST, "hello", "LATEST", INSTANCE, True, "api")
    assert text(started, log("said"), ENDED) == (
        f"FC Invoke Start RequestId: {REQUEST}\n"
        "said\n"
        f"FC Invoke End RequestId: {REQUEST}\n"
        "\n"
        "Duration: 1.23 ms, Billed Duration: 2 ms, Memory Size: 256 MB, Max Memory Used: 10.50 MB, "
        f"Cold: yes, Init: 79.69 ms, Instance: {INSTANCE}\n"
    )
    assert text(replace(ENDED, cold=False)).endswith(f"Cold: no, Instance: {INSTANCE}\n")
    stood = text(replace(ENDED, paused_ms=4000.0))
    assert stood.endswith(f"Instance: {INSTANCE}, Paused: 4000.00 ms\n")


def test_what_a_forks_memory_leaves_out_is_told_once_for_a_function():
    forked = InstanceStarted(1.0, INSTANCE, "hello", 2, "spare", ("numpy", "torch"))
    other = replace(forked, function="other")
    assert text(replace(forked, start="spawn", packages=())) == ""
    assert text(forked, forked, other, functions=("hello",)) == (
        "fclocal: Max Memory Used of hello leaves out from now on what its instances share (numpy, torch); "
        "--cold faithful counts it\n"
        "fclocal: Max Memory Used of other leaves out from now on what its instances share (numpy, torch); "
        "--cold faithful counts it\n"
    )


@pytest.mark.parametrize(
    ("error", "detail", "suffix"),
    [
        ("UnhandledInvocationError", "", ", Error: Unhandled function error"),
        ("HandledInvocationError", "", ", Error: Handled function error"),
        (
            "UnhandledInvocationError",
            "Function timed out after 3 seconds",
            ", Error: Function timed out after 3 seconds",
        ),
    ],
)
def test_a_failure_is_told_behind_the_end_line(error, detail, suffix):
    assert f"FC Invoke End RequestId: {REQUEST}{suffix}\n" in text(replace(ENDED, error=error, detail=detail))


def test_hooks_have_their_lines():
    begun = HookStarted(1.0, REQUEST, "hello", INSTANCE, "PreStop")
    ended = HookEnded(2.0, REQUEST, "hello", INSTANCE, "PreStop", 1.0, "PreStop timed out after 3 seconds")
    assert text(begun, ended) == (
        f"FC PreStop Start RequestId: {REQUEST}\n"
        f"FC PreStop End RequestId: {REQUEST}, Error: PreStop timed out after 3 seconds\n"
    )


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"FC Invoke Start RequestId: {REQUEST}", False),
        (f"FC Invoke End RequestId: {REQUEST}, Error: Unhandled function error", False),
        ("FC Invoke Start RequestId: another-id", True),
        ("FC is a football club", True),
        (" FC Invoke Start RequestId: indented", True),
    ],
)
def test_markers_that_a_program_prints_itself_are_not_shown_twice(line, shown):
    assert (text(log(line)) != "") is shown


def test_what_a_function_writes_is_left_as_it_is_also_its_colours():
    line = "\x1b[35mmine\x1b[0m\ttab 中文 \\n"
    assert text(log(line), paint=True) == line + "\n"


def test_with_several_functions_each_line_says_whose_it_is():
    events = [log("one"), replace(log("two"), function="a-much-longer-name-than-fits-here")]
    lines = text(*events, functions=("hello", "a-much-longer-name-than-fits-here")).splitlines()
    assert lines == [f"{'hello':24} | one", "a-much-longer-name-than… | two"]


def test_levels_choose_among_our_own_lines_only():
    moved = InstanceMoved(1.0, INSTANCE, "hello", 1, State.IDLE, State.STOPPING, 0, "idle")
    events = [moved, Notice(1.0, "info", "by the way"), Notice(1.0, "warning", "careful", "hello"), log("theirs")]
    assert text(*events, level="warning").splitlines() == ["fclocal: hello: careful", "theirs"]
    assert text(*events).splitlines() == ["fclocal: by the way", "fclocal: hello: careful", "theirs"]
    assert text(*events, level="debug").splitlines()[0] == f"fclocal: hello@r1 {INSTANCE} idle → stopping (idle)"


def test_a_redeployment_is_told_and_the_first_deployment_is_not():
    assert text(RevisionDeployed(1.0, "hello", 1, "f")) == ""
    once = RevisionDeployed(1.0, "hello", 2, "f", ("index.py",), 1)
    assert text(once) == "fclocal: reloaded hello (index.py, revision 2)\n"
    twice = RevisionDeployed(1.0, "hello", 3, "f", ("a.py", "b.py"), 2)
    assert text(twice) == "fclocal: reloaded hello (2 files, revision 3)\n"
    new = RevisionDeployed(1.0, "other", 1, "f", ("s.yaml",), 1)
    assert text(new) == "fclocal: deployed other (s.yaml, revision 1)\n"


def test_a_refused_change_names_its_place_and_what_stays():
    refused = RevisionRefused(1.0, "hello", 2, "code/index.py:3", "SyntaxError: invalid syntax", "def handler(:")
    assert text(refused) == (
        "fclocal: hello was not reloaded; revision 2 stays: code/index.py:3: SyntaxError: invalid syntax\n"
        "    def handler(:\n"
    )
    project = RevisionRefused(1.0, "", 0, "s.yaml:7", "is no YAML")
    assert text(project) == "fclocal: the project was not reloaded: s.yaml:7: is no YAML\n"


def test_a_refused_call_is_told_with_its_code():
    event = InvocationRejected(1.0, REQUEST, "hello", 429, "ResourceExhausted", "no room")
    assert text(event) == f"fclocal: hello: 429 ResourceExhausted: no room (RequestId: {REQUEST})\n"


def test_written_files_are_told_once_and_the_interpreters_own_never():
    def wrote(*paths: str) -> InstanceWrote:
        return InstanceWrote(1.0, INSTANCE, "hello", paths, len(paths))

    cache = "/code/__pycache__/index.cpython-310.pyc"
    assert text(wrote(cache)) == ""
    several = [f"/code/{n}" for n in range(7)]
    told = text(wrote("/code/a", cache), wrote("/code/a", cache), wrote("/code/b"), wrote(*several)).splitlines()
    assert told == [
        "fclocal: hello wrote /code/a: gone with the instance, as in FC",
        "fclocal: hello wrote /code/b: gone with the instance, as in FC",
        "fclocal: hello wrote /code/0, /code/1, /code/2, /code/3, /code/4 and 2 more: gone with the instance, as in FC",
    ]


def test_the_stream_has_one_object_a_line_whatever_was_written():
    lines = to_lines([log('quote " and\nnewline \u2028 中文'), ENDED]).split("\n")
    assert len(lines) == 3 and lines[2] == ""
    first, second = map(json.loads, lines[:2])
    assert first["kind"] == "log_line" and first["text"] == 'quote " and\nnewline \u2028 中文'
    assert second["kind"] == "invocation_ended" and second["cold"] is True
