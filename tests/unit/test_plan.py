"""The scheduling policy: data in, decisions out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from emulator.model.lifecycle import State, StopReason
from emulator.scheduler.plan import Create, Freeze, Give, Refuse, Retire, Rules, View, Waiting, plan


@dataclass(eq=False)
class FakeSeat:
    state: State = State.IDLE
    capacity: int = 1
    in_flight: int = 0
    since: float = 0.0
    served: int = 1
    provisioned: bool = False
    healthy: bool = True
    reserved: bool = False
    paused: bool = False
    joining: bool = False
    condemned: StopReason | None = None
    sessions: set[str] = field(default_factory=set)

    @property
    def room(self) -> int:
        awake = self.state in (State.IDLE, State.BUSY) and self.healthy and not self.paused and self.condemned is None
        return self.capacity - self.in_flight if awake else 0


RULES = Rules(capacity=1, provisioned=0, on_demand=True, freeze_after=0.015, keep_alive=240.0, queue_timeout=0.0)


def look(seats=(), waiting=(), rules=RULES, now=0.0, births=0, allowed=10, at_once=10, current=True):
    return plan(View(now, rules, list(seats), list(waiting), births, 0, allowed, at_once, current))


def test_an_instance_that_a_debugger_joins_counts_as_one_that_is_coming():
    rules = replace(RULES, capacity=3)
    joining = FakeSeat(capacity=3, in_flight=1, state=State.BUSY, paused=True, joining=True)
    waiting = [Waiting(number, 0.0) for number in range(3)]
    assert look([joining], waiting[:2], rules).decisions == []
    assert look([joining], waiting, rules).decisions == [Create()]
    joining.joining = False
    assert look([joining], waiting[:1], rules).decisions == [Create()]


def kinds(result, kind):
    return [it for it in result.decisions if isinstance(it, kind)]


def test_a_request_without_an_instance_makes_one():
    result = look(waiting=[Waiting(1, 0.0)])
    assert result.decisions == [Create()]


def test_an_idle_instance_is_given_and_none_is_made():
    seat = FakeSeat()
    assert look([seat], [Waiting(1, 0.0)]).decisions == [Give(Waiting(1, 0.0), seat)]


def test_the_fullest_instance_with_room_is_preferred_then_idle_then_frozen():
    full = FakeSeat(State.BUSY, capacity=3, in_flight=3)
    fuller = FakeSeat(State.BUSY, capacity=3, in_flight=2)
    busy = FakeSeat(State.BUSY, capacity=3, in_flight=1)
    idle, frozen = FakeSeat(State.IDLE, capacity=1), FakeSeat(State.FROZEN, capacity=1)
    waiting = [Waiting(n, 0.0) for n in range(5)]
    seats = [frozen, idle, busy, fuller, full]
    given_to = [it.seat for it in kinds(look(seats, waiting), Give)]
    assert given_to[0] is fuller
    assert given_to.count(busy) == 2
    assert given_to[-2:] == [idle, frozen]


def test_of_two_idle_instances_the_one_used_last_serves():
    old, new = FakeSeat(since=1.0), FakeSeat(since=2.0)
    assert kinds(look([old, new], [Waiting(1, 2.0)], now=2.0), Give)[0].seat is new


def test_a_birth_under_way_is_promised_to_as_many_as_it_carries():
    rules = Rules(3, 0, True, 0.015, 240.0, 0.0)
    four = [Waiting(n, 0.0) for n in range(4)]
    assert kinds(look(waiting=four[:3], rules=rules, births=1), Create) == []
    assert kinds(look(waiting=four, rules=rules, births=1), Create) == [Create()]


def test_at_the_limit_a_request_gets_429_at_its_deadline_and_not_before():
    busy = FakeSeat(State.BUSY, in_flight=1)
    assert isinstance(look([busy], [Waiting(1, 0.0)], allowed=0).decisions[0], Refuse)
    patient = Rules(1, 0, True, None, 240.0, 5.0)
    waiting = [Waiting(1, 0.0)]
    result = look([busy], waiting, rules=patient, now=4.9, allowed=0)
    assert (result.decisions, result.wake_at) == ([], 5.0)
    assert isinstance(look([busy], waiting, rules=patient, now=5.0, allowed=0).decisions[0], Refuse)


def test_more_births_than_the_machine_takes_at_once_wait_and_are_not_refused():
    waiting = [Waiting(n, 0.0) for n in range(8)]
    assert look(waiting=waiting, at_once=3).decisions == [Create()] * 3


def test_a_request_is_patient_while_an_instance_is_busy_and_then_gets_its_own():
    rules = Rules(1, 0, True, 0.015, 240.0, 0.0, patience=0.01)
    busy = FakeSeat(State.BUSY, in_flight=1)
    early = look([busy], [Waiting(1, 5.0), Waiting(2, 5.001)], rules=rules, now=5.002)
    assert (early.decisions, early.wake_at, early.saturated) == ([], 5.01, True)
    due = look([busy], [Waiting(1, 5.0), Waiting(2, 5.001)], rules=rules, now=5.01)
    assert (due.decisions, due.wake_at) == ([Create()], 5.011)


def test_patience_needs_a_busy_instance_and_no_session_and_room_below_the_limit():
    rules = Rules(1, 0, True, 0.015, 240.0, 0.0, patience=0.01)
    waiting = [Waiting(1, 5.0)]
    assert look([], waiting, rules=rules, now=5.0).decisions == [Create()]
    busy = FakeSeat(State.BUSY, in_flight=1, sessions={"a"})
    assert isinstance(look([busy], waiting, rules=rules, now=5.0, allowed=0).decisions[0], Refuse)
    sessions = replace(rules, sessions_per_seat=1)
    assert look([busy], [Waiting(1, 5.0, "b")], rules=sessions, now=5.0).decisions == [Create()]


BETWEEN = [FakeSeat(State.FREEZING), FakeSeat(State.FROZEN, reserved=True)]


@pytest.mark.parametrize("seat", BETWEEN, ids=lambda it: it.state.value)
def test_a_request_waits_for_an_instance_that_goes_into_a_freeze_or_comes_out_of_one(seat):
    waiting = [Waiting(1, 5.0)]
    patient = replace(RULES, patience=0.01)
    early = look([seat], waiting, rules=patient, now=5.0)
    assert (kinds(early, Create), early.wake_at) == ([], 5.01)
    assert kinds(look([seat], waiting, rules=patient, now=5.01), Create), "such as behind a long PreFreeze"
    assert kinds(look([seat], waiting, allowed=0), Refuse) == [], "no second one may be made, so this one is waited for"


@pytest.mark.parametrize("seat", BETWEEN, ids=lambda it: it.state.value)
def test_a_session_waits_for_its_own_instance_however_long_that_freezes(seat):
    rules = replace(RULES, sessions_per_seat=1)
    result = look([dataclasses.replace(seat, sessions={"a"})], [Waiting(1, 0.0, "a")], rules=rules, now=100.0)
    assert kinds(result, Create) == kinds(result, Refuse) == []


def test_a_saturated_plan_stays_the_same_with_one_more_request():
    busy = FakeSeat(State.BUSY, in_flight=1)
    queued = replace(RULES, queue_timeout=5.0)
    patient = replace(RULES, patience=0.01)
    for situation in (
        {"rules": queued, "allowed": 0},
        {"rules": RULES, "at_once": 0},
        {"rules": patient},
    ):
        first = look([busy], [Waiting(1, 1.0)], now=1.0, **situation)
        second = look([busy], [Waiting(1, 1.0), Waiting(2, 1.0)], now=1.0, **situation)
        assert first.saturated and second == first
    assert not look([busy], [Waiting(1, 0.0)], allowed=0).saturated, "the next request is refused at once"
    assert not look([busy], [Waiting(1, 0.0)], births=2).saturated, "the third request needs another birth"


def test_without_on_demand_instances_only_provisioned_ones_serve():
    rules = Rules(1, 1, False, 0.015, 240.0, 0.0)
    busy = FakeSeat(State.BUSY, in_flight=1, provisioned=True)
    assert isinstance(look([busy], [Waiting(1, 0.0)], rules=rules).decisions[0], Refuse)


def test_provisioned_instances_are_built_without_a_request_and_kept():
    rules = Rules(1, 2, True, None, 240.0, 0.0)
    assert look(rules=rules).decisions == [Create(provisioned=True)] * 2
    old = [FakeSeat(provisioned=True, since=0.0), FakeSeat(provisioned=True, since=0.0)]
    assert look(old, rules=rules, now=1e6).decisions == []


def test_surplus_provisioned_instances_are_scaled_in():
    rules = Rules(1, 1, True, None, 240.0, 0.0)
    seats = [FakeSeat(provisioned=True) for _ in range(3)]
    assert [it.reason for it in look(seats, rules=rules, now=1.0).decisions] == [StopReason.SCALED_IN] * 2


def test_idle_instances_freeze_after_a_while_and_are_reclaimed_after_a_longer_one():
    idle = FakeSeat(since=0.0)
    result = look([idle], now=0.01)
    assert (result.decisions, result.wake_at) == ([], 0.015)
    assert look([idle], now=0.015).decisions == [Freeze(idle)]
    frozen = FakeSeat(State.FROZEN, since=0.0)
    assert look([frozen], now=239.0).wake_at == 240.0
    assert look([frozen], now=240.0).decisions == [Retire(frozen, StopReason.IDLE)]


def test_an_instance_that_serves_now_is_not_frozen():
    idle = FakeSeat(since=0.0)
    result = look([idle], [Waiting(1, 9.0)], now=9.0)
    assert kinds(result, Freeze) == []


def test_condemned_instances_go_when_they_are_free_and_serve_nobody():
    seat = FakeSeat(condemned=StopReason.TIMEOUT)
    busy = FakeSeat(State.BUSY, capacity=2, in_flight=1, condemned=StopReason.CANCELED)
    result = look([seat, busy], [Waiting(1, 0.0)])
    assert result.decisions == [Retire(seat, StopReason.TIMEOUT), Create()]


def test_a_replaced_revision_retires_idle_and_busy_instances():
    seats = [FakeSeat(State.IDLE), FakeSeat(State.BUSY, in_flight=1), FakeSeat(State.FROZEN)]
    result = look(seats, current=False)
    assert [it.reason for it in result.decisions] == [StopReason.REPLACED] * 3


@pytest.mark.parametrize("sessions", [0, 1])
def test_a_replaced_revision_serves_those_that_wait_for_it_already(sessions):
    """One that was born for them is not retired before they had it, only to make another one."""
    rules = Rules(1, 0, True, 0.015, 240.0, 0.0, sessions_per_seat=sessions)
    idle = FakeSeat(State.IDLE)
    result = look([idle], [Waiting(1, 0.0, "s" * sessions)], rules=rules, current=False)
    assert [type(it) for it in result.decisions] == [Give]


def test_a_session_goes_to_its_own_instance_or_a_new_one_with_a_free_place():
    rules = Rules(200, 0, True, 0.015, 240.0, 0.0, sessions_per_seat=2)
    home = FakeSeat(State.BUSY, capacity=200, in_flight=1, sessions={"a", "b"})
    other = FakeSeat(State.BUSY, capacity=200, in_flight=5, sessions={"c", "d"})
    assert kinds(look([home, other], [Waiting(1, 0.0, "a")], rules=rules), Give)[0].seat is home
    assert look([home, other], [Waiting(1, 0.0, "e")], rules=rules).decisions == [Create()]


def test_new_sessions_that_come_at_once_get_a_place_each_and_one_session_one_instance():
    rules = Rules(200, 0, True, 0.015, 240.0, 0.0, sessions_per_seat=1)
    free = FakeSeat(State.IDLE, capacity=200)
    waiting = [Waiting(1, 0.0, "a"), Waiting(2, 0.0, "b"), Waiting(3, 0.0, "a"), Waiting(4, 0.0, "c")]
    result = look([free], waiting, rules=rules)
    assert [it.waiting.key for it in kinds(result, Give)] == [1, 3]
    assert len(kinds(result, Create)) == 2
    # Births that are under way are promised to one session each as well.
    assert len(kinds(look([], waiting, rules=rules, births=2), Create)) == 1


@pytest.mark.parametrize("state", [State.DRAINING, State.STOPPING])
def test_a_session_whose_instance_is_ending_begins_anew(state):
    rules = Rules(200, 0, True, 0.015, 240.0, 0.0, sessions_per_seat=1)
    ending, free = FakeSeat(state, sessions={"a"}), FakeSeat(State.IDLE, capacity=200)
    assert kinds(look([ending, free], [Waiting(1, 0.0, "a")], rules=rules), Give)[0].seat is free


def test_a_session_whose_instance_is_full_gets_429():
    rules = Rules(1, 0, True, 0.015, 240.0, 60.0, sessions_per_seat=1)
    home = FakeSeat(State.BUSY, in_flight=1, sessions={"a"})
    refused = look([home], [Waiting(1, 0.0, "a")], rules=rules).decisions
    assert isinstance(refused[0], Refuse) and "slot" in refused[0].why


def test_an_unhealthy_instance_serves_nobody_and_is_not_frozen():
    sick = FakeSeat(healthy=False)
    assert look([sick], [Waiting(1, 1.0)], now=1.0).decisions == [Create()]


states = st.sampled_from([State.STARTING, State.INITIALIZING, State.IDLE, State.BUSY, State.FREEZING, State.FROZEN])


@st.composite
def seats(draw):
    state = draw(states)
    capacity = draw(st.integers(1, 4))
    in_flight = draw(st.integers(1, capacity)) if state is State.BUSY else 0
    return FakeSeat(
        state,
        capacity,
        in_flight,
        since=draw(st.floats(0, 500)),
        provisioned=draw(st.booleans()),
        healthy=draw(st.booleans()),
        reserved=state is State.FROZEN and draw(st.booleans()),
        condemned=draw(st.sampled_from([None, None, StopReason.TIMEOUT])),
    )


@given(
    st.lists(seats(), max_size=8),
    st.integers(0, 12),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 4),
    st.integers(0, 3),
    st.booleans(),
)
def test_no_plan_ever_overbooks(pool, requests, allowed, at_once, births, provisioned, current):
    rules = Rules(2, provisioned, True, 0.015, 240.0, 1.0)
    waiting = [Waiting(n, 0.0) for n in range(requests)]
    result = look(pool, waiting, rules, 500.0, births, allowed, at_once, current)
    gives, creates = kinds(result, Give), kinds(result, Create)
    assert len(creates) <= min(allowed, at_once)
    assert len({it.waiting.key for it in gives}) == len(gives)
    for seat in pool:
        given_here = sum(it.seat is seat for it in gives)
        assert given_here <= (1 if seat.state is State.FROZEN else seat.room)
        if given_here:
            assert seat.condemned is None and seat.healthy and not seat.reserved
        ends = [it for it in result.decisions if isinstance(it, Retire | Freeze) and it.seat is seat]
        assert len(ends) <= 1 and not (ends and given_here)
    answered = {it.waiting.key for it in [*gives, *kinds(result, Refuse)]}
    assert len(answered) == len(gives) + len(kinds(result, Refuse))
