"""Events in, cold starts out: phases that add up to the whole, imports without what measuring them took."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from emulator.journal.waterfall import MOST_BIRTHS, PATIENCE_SECONDS, ColdStarts
from emulator.model.coldstart import ColdStart, FileRead, PageCache
from emulator.model.events import (
    Event,
    InstanceMoved,
    InstancePaused,
    InstanceResumed,
    InstanceStarted,
    InstanceTraced,
    InvocationEnded,
    InvocationStarted,
    PageCacheSeen,
    RevisionDeployed,
    Span,
)
from emulator.model.inner_events import FilesRead
from emulator.model.lifecycle import State

F, ID = "f", "c-1"
# Asked at 10.000, born from 10.002 on, answered at 10.340.
CREATE = Span(10.002, F, ID, "create", 50.0)
STARTED = InstanceStarted(10.052, ID, F, 3, "spawn")
RUNTIME = Span(10.052, F, ID, "runtime", 60.0)
INITIALIZING = InstanceMoved(10.112, ID, F, 3, State.STARTING, State.INITIALIZING, 0)
INITIALIZER = Span(10.112, F, ID, "initializer", 150.0)
READY = InstanceMoved(10.262, ID, F, 3, State.INITIALIZING, State.IDLE, 0)
ASKED = InvocationStarted(10.263, "r-1", F, "LATEST", ID, True, "api")
ANSWERED = InvocationEnded(10.340, "r-1", F, ID, 200, 77.0, 30.0, 512, True, 260.0, 263.0, start="spawn")
TRACED = InstanceTraced(
    10.341,
    ID,
    F,
    (
        ("bootstrap", 10.072, 10.110),
        ("measuring", 10.108, 10.110),
        ("load", 10.113, 10.213),
        ("initializer", 10.1125, 10.261),
        ("invoke", 10.264, 10.339),
    ),
    (
        ("index", -1, 10.113, 10.213, 0.001, "/code/index.py", 100, False),
        ("pandas", 0, 10.120, 10.200, 0.0, "/code/pandas.py", 200, False),
        ("nowhere", 1, 10.130, 10.132, 0.0, "", 0, True),
        ("late", -1, 10.300, 10.310, 0.0, "", 0, False),
    ),
    record_seconds=0.0005,
)
BIRTH: tuple[Event, ...] = (
    Span(10.003, F, ID, "compose", 20.0),
    Span(10.024, F, ID, "sandbox", 27.0),
    CREATE,
    STARTED,
    RUNTIME,
    INITIALIZING,
    INITIALIZER,
    READY,
)
WHOLE = (*BIRTH, ASKED, ANSWERED, TRACED)


def only(events: tuple[Event, ...]) -> ColdStart:
    (found,) = ColdStarts().feed(events)
    return found


def test_the_phases_of_a_cold_start_are_contiguous_and_add_up() -> None:
    found = only(WHOLE)
    top = [phase for phase in found.phases if phase.parent < 0]
    assert [phase.name for phase in top] == ["queue", "create", "runtime", "load", "initializer", "first_request"]
    at = 0.0
    for phase in top:
        assert phase.at_ms == pytest.approx(at)
        at += phase.duration_ms
    assert at == pytest.approx(found.total_ms)
    # 340 ms, of which 2 were the hook's and 4 x 0.5 the records'.
    assert (found.total_ms, found.measuring_ms) == (pytest.approx(336.0), pytest.approx(4.0))
    assert (found.function, found.instance_id, found.revision, found.start) == (F, ID, 3, "spawn")
    assert (found.memory_mb, found.error) == (30.0, "")


def test_parts_lie_in_their_phases() -> None:
    found = only(WHOLE)
    parts = {phase.name: (found.phases[phase.parent].name, phase.duration_ms) for phase in found.phases[1:]}
    assert parts["compose"] == ("create", pytest.approx(20.0))
    assert parts["sandbox"] == ("create", pytest.approx(27.0))
    assert parts["interpreter"] == ("runtime", pytest.approx(20.0))
    assert parts["bootstrap"] == ("runtime", pytest.approx(36.0))
    lengths = {phase.name: phase.duration_ms for phase in found.phases}
    # The initializer's request loads the module: each is told apart. Three records fell into that.
    assert lengths["load"] == pytest.approx(101.0 - 1.5)
    assert lengths["initializer"] == pytest.approx(49.0)


def test_imports_are_told_without_what_recording_them_took() -> None:
    index, pandas, nowhere, late = only(WHOLE).imports
    assert (index.name, index.parent, index.file, index.size, index.compiled_ms) == (
        "index",
        -1,
        "/code/index.py",
        100,
        1.0,
    )
    assert index.total_ms == pytest.approx(100.0 - 1.5)
    assert pandas.total_ms == pytest.approx(80.0 - 1.0)
    assert nowhere.total_ms == pytest.approx(2.0 - 0.5)
    assert index.self_ms == pytest.approx(index.total_ms - pandas.total_ms)
    assert pandas.self_ms == pytest.approx(pandas.total_ms - nowhere.total_ms)
    assert (pandas.parent, nowhere.parent, late.parent) == (0, 1, -1)
    assert [it.failed for it in (index, pandas, nowhere, late)] == [False, False, True, False]
    assert index.at_ms == pytest.approx(113.0 - 2.0)


def test_who_waits_for_two_at_once_has_the_rest_for_its_own() -> None:
    rows = (
        ("index.mjs", -1, 10.113, 10.213, 0.0, "/code/index.mjs", 0, False),
        ("one.mjs", 0, 10.113, 10.183, 0.0, "/code/one.mjs", 0, False),
        ("other.mjs", 0, 10.123, 10.193, 0.0, "/code/other.mjs", 0, False),
    )
    found = only((*BIRTH, ASKED, ANSWERED, replace(TRACED, imports=rows, record_seconds=0.0)))
    assert [it.self_ms for it in found.imports] == pytest.approx([20.0, 70.0, 70.0])


def test_what_is_told_may_come_before_the_end_or_after_it() -> None:
    assert ColdStarts().feed((*BIRTH, ASKED, TRACED)) == []
    assert only((*BIRTH, ASKED, TRACED, ANSWERED)) == only(WHOLE)


def test_who_tells_nothing_is_not_waited_for_for_ever() -> None:
    folds = ColdStarts()
    assert folds.feed((*BIRTH, ASKED, ANSWERED)) == []
    assert folds.due(ANSWERED.at + PATIENCE_SECONDS / 2) == []
    (found,) = folds.due(ANSWERED.at + PATIENCE_SECONDS * 1.01)
    assert found.imports == ()
    assert found.total_ms == pytest.approx(340.0)
    assert folds.feed((TRACED,)) == []


def test_time_of_other_events_is_time_too() -> None:
    folds = ColdStarts()
    folds.feed((*BIRTH, ASKED, ANSWERED))
    later = replace(ASKED, at=ANSWERED.at + PATIENCE_SECONDS + 1, instance_id="c-2")
    assert len(folds.feed((later,))) == 1


def test_nothing_is_waited_for_where_nothing_is_measured() -> None:
    (found,) = ColdStarts(traced=False).feed((*BIRTH, ASKED, ANSWERED))
    assert found.start == "spawn"


def test_files_are_told_on_the_clock_of_the_cold_start() -> None:
    read = FilesRead(
        10.341,
        ID,
        F,
        (FileRead("/code/model", 9000, 9000, 0, 2, 10_150.0, 30.0), FileRead("/lib/c.so", 500, 0, 500, 0, 0.0, 0.0)),
        measuring_ms=3.0,
    )
    folds = ColdStarts(reads=True)
    assert folds.feed(WHOLE) == []
    (found,) = folds.feed((read,))
    # Two milliseconds of the hook, three records of imports, and its own were before it or at it.
    assert found.reads[0] == replace(read.reads[0], at_ms=pytest.approx(150.0 - 2.0 - 1.5))
    assert found.reads[1].at_ms == 0.0
    assert (found.total_ms, found.measuring_ms) == (pytest.approx(333.0), pytest.approx(7.0))


def test_what_was_done_once_when_it_was_deployed_is_told_apart() -> None:
    unpacked = (Span(5.0, F, "", "prepare_code", 900.0), Span(6.0, F, "", "prepare_layers", 100.0))
    # The second deployment found all that the first had made.
    events = (*unpacked, RevisionDeployed(6.2, F, 1, "x"), RevisionDeployed(7.0, F, 2, "y"))
    found = only((*events, *WHOLE))
    assert [(it.name, it.at_ms, it.duration_ms) for it in found.before] == [
        ("prepare_code", 0.0, 900.0),
        ("prepare_layers", 1000.0, 100.0),
    ]
    assert replace(found, before=()) == only(WHOLE)


def test_a_program_is_seen_from_outside() -> None:
    program = (*BIRTH[:4], Span(10.052, F, ID, "process", 40.0), Span(10.092, F, ID, "port", 20.0), *BIRTH[4:])
    (found,) = ColdStarts().feed((*program, ASKED, ANSWERED))
    runtime = next(place for place, phase in enumerate(found.phases) if phase.name == "runtime")
    assert [phase.name for phase in found.phases if phase.parent == runtime] == ["process", "port"]


def test_an_instance_that_was_there_before_its_first_request_has_not_waited_for_it() -> None:
    late = (replace(ASKED, at=70.0, cold=False), replace(ANSWERED, at=70.077, queue_ms=1.0, cold=False))
    folds = ColdStarts()
    folds.feed((*BIRTH, *late))
    (found,) = folds.due(math.inf)
    # From 10.002 to 10.262, and 78 ms of the request.
    assert found.total_ms == pytest.approx(338.0)
    assert found.phases[0].name == "create"
    assert found.phases[-1].name == "first_request"
    assert found.phases[-1].duration_ms == pytest.approx(78.0)


def test_pauses_in_the_debugger_are_left_out() -> None:
    paused = (InstancePaused(10.150, ID, F), InstanceResumed(15.150, ID, F, 5000.0))

    def later(at: float) -> float:
        return at + 5.0

    events = (
        *BIRTH[:6],
        *paused,
        INITIALIZER,
        replace(READY, at=later(READY.at)),
        replace(ASKED, at=later(ASKED.at)),
        replace(ANSWERED, at=later(ANSWERED.at), queue_ms=ANSWERED.queue_ms + 5000),
    )
    folds = ColdStarts()
    folds.feed(events)
    (found,) = folds.due(math.inf)
    assert found.total_ms == pytest.approx(340.0)
    assert {p.name: p.duration_ms for p in found.phases}["initializer"] == pytest.approx(150.0)


def test_a_fork_has_no_interpreter_to_start() -> None:
    events = tuple(replace(it, start="fork") if isinstance(it, InstanceStarted) else it for it in WHOLE)
    names = [phase.name for phase in only(events).phases]
    assert "bootstrap" in names
    assert "interpreter" not in names


def test_a_birth_that_fails_has_read_files_too() -> None:
    folds = ColdStarts(reads=True)
    ended = InstanceMoved(10.052, ID, F, 3, State.STARTING, State.STOPPING, 0, "start_failed")
    assert folds.feed((*BIRTH[:4], ended, replace(ended, at=10.06, before=State.STOPPING, after=State.STOPPED))) == []
    read = FilesRead(10.061, ID, F, (FileRead("/code/model", 9, 9, 0, 1, 10_050.0, 1.0),), measuring_ms=0.0)
    (found,) = folds.feed((read,))
    assert (found.error, found.reads[0].path) == ("start_failed", "/code/model")
    assert folds.due(math.inf) == []


@pytest.mark.parametrize("after", [State.STOPPING, State.STOPPED])
def test_a_birth_that_fails_is_a_cold_start_with_an_error(after: State) -> None:
    ended = InstanceMoved(10.212, ID, F, 3, State.INITIALIZING, after, 0, "init_failed")
    folds = ColdStarts()
    (found,) = folds.feed((*BIRTH[:6], replace(INITIALIZER, detail="InitializerFailed"), ended))
    assert found.error == "init_failed"
    assert found.total_ms == pytest.approx(210.0)
    assert found.phases[-1].detail == "InitializerFailed"
    assert folds.feed((replace(ended, before=State.STOPPING, after=State.STOPPED),)) == []


def test_walls_that_can_not_be_built_are_told_too() -> None:
    ended = InstanceMoved(10.052, ID, F, 3, State.STARTING, State.STOPPING, 0, "start_failed")
    (found,) = ColdStarts().feed((BIRTH[0], Span(10.024, F, ID, "sandbox", 27.0, "SandboxError"), ended))
    assert [phase.name for phase in found.phases] == ["create", "compose", "sandbox"]
    assert found.error == "start_failed"


def test_who_dies_in_its_first_request_tells_nothing_any_more() -> None:
    gone = InstanceMoved(10.330, ID, F, 3, State.BUSY, State.STOPPED, 1, "crashed")
    (found,) = ColdStarts().feed((*BIRTH, ASKED, gone, replace(ANSWERED, error="UnhandledInvocationError")))
    assert found.error == "UnhandledInvocationError"


def test_other_requests_and_warm_instances_are_no_cold_starts() -> None:
    folds = ColdStarts()
    second = (
        replace(ASKED, request_id="r-2", at=10.264, cold=False),
        replace(ANSWERED, request_id="r-2", at=10.280, cold=False),
    )
    assert folds.feed((*BIRTH, ASKED, *second)) == []
    assert len(folds.feed((ANSWERED, TRACED))) == 1
    assert folds.feed((ASKED, ANSWERED, TRACED, Span(20.0, F, ID, "debugger", 5.0))) == []
    assert folds.due(math.inf) == []


def test_instances_that_nobody_asks_for_anything_take_bounded_memory() -> None:
    folds = ColdStarts()
    for number in range(MOST_BIRTHS + 10):
        folds.feed(replace(event, instance_id=f"c-{number}") for event in (CREATE, STARTED, READY))
    answers = [replace(event, instance_id="c-5") for event in (ASKED, ANSWERED, TRACED)]
    assert folds.feed(answers) == []
    assert len(folds.feed(replace(event, instance_id="c-500") for event in answers)) == 1


def test_what_is_made_ready_to_be_like_the_cloud_takes_no_time_and_downloads_do() -> None:
    """Of the 50 ms of `create`, 10 are ours and 15 a download's."""
    cloudy = (
        BIRTH[0],
        Span(10.023, F, ID, "conditions", 10.0),
        Span(10.033, F, ID, "code_download", 15.0, "1.5 MB at 100MB/s"),
        Span(10.048, F, ID, "sandbox", 4.0),
    )
    found = only((*cloudy, *WHOLE[2:]))
    plain = only(WHOLE)
    parts = {phase.name: phase for phase in found.phases}
    assert found.total_ms == pytest.approx(plain.total_ms - 10)
    assert found.measuring_ms == pytest.approx(plain.measuring_ms + 10)
    assert "conditions" not in parts
    assert parts["create"].duration_ms == pytest.approx(40.0)
    assert (parts["code_download"].duration_ms, parts["code_download"].detail) == (
        pytest.approx(15.0),
        "1.5 MB at 100MB/s",
    )
    assert found.phases[parts["code_download"].parent].name == "create"


def test_reads_say_what_was_in_the_page_cache_before_where_somebody_looked() -> None:
    sizes = PageCache(3, 300, 300, 40)
    seen = PageCacheSeen(10.01, ID, F, "cold", sizes, left=(("/code/model.bin", 40),), places=("/code", "/lib/libz.so"))
    paths = ("/code/model.bin", "/code/index.py", "/lib/libz.so", "/codec/x", "/tmp/y")
    files = FilesRead(10.342, ID, F, tuple(FileRead(path, 100, 100, 0, 1, 0.0, 0.1) for path in paths), 0.0)
    (found,) = ColdStarts(reads=True).feed((BIRTH[0], seen, *WHOLE[1:], files))
    assert found.page_cache == sizes
    assert only(WHOLE).page_cache is None
    assert {file.path: file.cached for file in found.reads} == {
        "/code/model.bin": 40,
        "/code/index.py": 0,
        "/lib/libz.so": 0,
        "/codec/x": None,
        "/tmp/y": None,
    }
