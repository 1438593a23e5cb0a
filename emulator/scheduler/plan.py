"""The policy of one revision's pool: pure, data in and decisions out. `Scheduler` acts on it.

Order (runtime-contract.md §1.2, §1.5, §1.6): retire what must go; serve waiters, oldest first; build up to the
provisioned minimum; freeze what idled; reclaim what stayed idle.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from emulator.model.lifecycle import State, StopReason


class Seat(Protocol):
    """An instance, as far as the policy looks at it."""

    @property
    def state(self) -> State: ...
    @property
    def room(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def since(self) -> float: ...
    @property
    def served(self) -> int: ...
    @property
    def provisioned(self) -> bool: ...
    @property
    def healthy(self) -> bool: ...
    @property
    def reserved(self) -> bool: ...
    @property
    def condemned(self) -> StopReason | None: ...
    @property
    def sessions(self) -> Collection[str]: ...


S = TypeVar("S", bound=Seat)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the policy obeys. `freeze_after` None: never freeze. `sessions_per_seat` 0: no affinity.

    `patience`: a request that finds every instance busy gets a new one (runtime-contract.md §1.2) only after this
    long: half of what a birth takes. A busy instance is often free sooner, and processes beyond the machine's cores
    make each call of a quick function dearer (on two cores, 64 clients were served twice as fast by 24 as by 58).
    """

    capacity: int
    provisioned: int
    on_demand: bool
    freeze_after: float | None
    keep_alive: float
    queue_timeout: float
    sessions_per_seat: int = 0
    patience: float = 0.0

    @property
    def cools_after(self) -> float:
        """How long after its last request something becomes due for an idle instance."""
        return self.keep_alive if self.freeze_after is None else min(self.freeze_after, self.keep_alive)


class Waiting(NamedTuple):
    """A request without an instance. `session` is empty for none."""

    key: int
    since: float
    session: str = ""


@dataclass(frozen=True, slots=True)
class View(Generic[S]):
    """One pool at one moment. `births` are under way; `allowed` more may be created, `at_once` of them now."""

    now: float
    rules: Rules
    seats: Sequence[S]
    waiting: Sequence[Waiting]
    births: int
    provisioned_births: int
    allowed: int
    at_once: int
    current: bool = True


@dataclass(frozen=True, slots=True)
class Give(Generic[S]):
    waiting: Waiting
    seat: S


@dataclass(frozen=True, slots=True)
class Create:
    provisioned: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """429: nobody serves this request in time. `why` is for the message."""

    waiting: Waiting
    why: str


@dataclass(frozen=True, slots=True)
class Freeze(Generic[S]):
    seat: S


@dataclass(frozen=True, slots=True)
class Retire(Generic[S]):
    seat: S
    reason: StopReason


Decision = Give[S] | Create | Refuse | Freeze[S] | Retire[S]


@dataclass(slots=True)
class Plan(Generic[S]):
    """Decisions in the order in which to act on them, and when to look again (None: at the next change).

    `saturated`: one more request without a session would only wait, so it needs no plan of its own. That holds until
    a birth or an instance ends, an instance freezes, or nobody waits any more.
    """

    decisions: list[Decision[S]] = field(default_factory=list)
    wake_at: float | None = None
    saturated: bool = False

    def look_again(self, at: float) -> None:
        if self.wake_at is None or at < self.wake_at:
            self.wake_at = at


AWAKE = (State.IDLE, State.BUSY)
RETIRABLE = (State.IDLE, State.FROZEN, State.BUSY)


def plan(view: View[S]) -> Plan[S]:
    """What to do now."""
    result: Plan[S] = Plan()
    kept = _retire_what_must_go(view, result)
    if view.waiting:
        kept = _serve(view, kept, result)
    _provision(view, result)
    _cool(view, kept, result)
    return result


def _retire_what_must_go(view: View[S], result: Plan[S]) -> list[S]:
    kept = []
    for seat in view.seats:
        if seat.condemned is not None:
            if seat.state in RETIRABLE and seat.in_flight == 0:
                result.decisions.append(Retire(seat, seat.condemned))
        elif not view.current and seat.state in RETIRABLE:
            result.decisions.append(Retire(seat, StopReason.REPLACED))
        else:
            kept.append(seat)
    return kept


def _serve(view: View[S], seats: list[S], result: Plan[S]) -> list[S]:
    """Give, create, wait or refuse; returns the seats that nobody was given to."""
    rooms = {id(seat): _places(seat) for seat in seats}
    given: set[int] = set()
    unserved = created = 0
    coming = view.births * view.rules.capacity
    may_create = min(view.allowed, view.at_once) if view.rules.on_demand else 0
    for waiting in view.waiting:
        seat = _choose(view.rules, seats, rooms, waiting)
        if seat is not None:
            rooms[id(seat)] -= 1
            given.add(id(seat))
            result.decisions.append(Give(waiting, seat))
            continue
        if _is_its_sessions(_bound(seats, waiting), waiting, result):
            continue
        unserved += 1
        if unserved <= coming:
            continue
        if created < may_create and _patient(view, seats, waiting):
            # Who came later is no less patient.
            result.look_again(waiting.since + view.rules.patience)
            result.saturated = True
            break
        if created < may_create:
            created += 1
            coming += view.rules.capacity
            result.decisions.append(Create())
        elif view.rules.on_demand and view.allowed > created:
            pass  # births are under way as fast as this machine takes them
        elif any(_is_between(seat) for seat in seats):
            pass  # the next move says whether this one is served
        elif _refused(view, waiting, result):
            continue
        if created >= may_create and not view.rules.sessions_per_seat and not any(rooms.values()):
            # Who came later finds no more than this one did, and has a later deadline.
            result.saturated = True
            break
    return [seat for seat in seats if id(seat) not in given]


def _is_its_sessions(bound: S | None, waiting: Waiting, result: Plan[S]) -> bool:
    """Whether no other instance may serve this request: it waits for its session's, or is refused (§1.6)."""
    if bound is None:
        return False
    if bound.state is State.BUSY and bound.room == 0:
        result.decisions.append(Refuse(waiting, "the session's instance has no request slot left"))
        return True
    return _is_between(bound)


def _places(seat: Seat) -> int:
    """How many requests may be given to it now; one to a frozen one, since thawing takes a moment."""
    if seat.state is State.FROZEN:
        return int(seat.healthy and not seat.reserved)
    return seat.room


def _patient(view: View[S], seats: Sequence[S], waiting: Waiting) -> bool:
    """Whether a request still waits for an instance that is there. One with a session needs that session's."""
    if view.rules.sessions_per_seat or view.now >= waiting.since + view.rules.patience:
        return False
    return any(seat.state is State.BUSY or _is_between(seat) for seat in seats)


def _is_between(seat: Seat) -> bool:
    """On the way into a freeze or out of one: it serves again within a moment, or ends."""
    return seat.healthy and (seat.state is State.FREEZING or (seat.state is State.FROZEN and seat.reserved))


def _refused(view: View[S], waiting: Waiting, result: Plan[S]) -> bool:
    """At the limit: whether its patience is at an end; if not, look again then."""
    deadline = waiting.since + view.rules.queue_timeout
    if view.now < deadline:
        result.look_again(deadline)
        return False
    why = "the instance limit is reached" if view.rules.on_demand else "on-demand instances are disabled"
    result.decisions.append(Refuse(waiting, why))
    return True


def _choose(rules: Rules, seats: Sequence[S], rooms: dict[int, int], waiting: Waiting) -> S | None:
    """The session's own instance; else the fullest with room, the latest used idle, the latest used frozen."""
    bound = _bound(seats, waiting)
    if bound is not None:
        return bound if rooms[id(bound)] > 0 else None
    if rules.sessions_per_seat:
        seats = [seat for seat in seats if len(seat.sessions) < rules.sessions_per_seat]
    usable = [seat for seat in seats if rooms[id(seat)] > 0]
    return max(usable, key=_preference, default=None)


def _preference(seat: Seat) -> tuple[int, bool, int, float]:
    awake = {State.BUSY: 2, State.IDLE: 1}.get(seat.state, 0)
    return awake, seat.provisioned, seat.in_flight, seat.since


def _bound(seats: Sequence[S], waiting: Waiting) -> S | None:
    """The instance of the request's session."""
    return next((seat for seat in seats if waiting.session in seat.sessions), None) if waiting.session else None


def _provision(view: View[S], result: Plan[S]) -> None:
    if not view.current:
        return
    alive = sum(1 for seat in view.seats if seat.provisioned and seat.condemned is None)
    missing = view.rules.provisioned - alive - view.provisioned_births
    creating = sum(isinstance(it, Create) for it in result.decisions)
    room = min(view.at_once, view.allowed) - creating
    for _ in range(max(0, min(missing, room))):
        result.decisions.append(Create(provisioned=True))


def _cool(view: View[S], seats: Sequence[S], result: Plan[S]) -> None:
    rules = view.rules
    surplus = sum(1 for seat in view.seats if seat.provisioned and seat.condemned is None) - rules.provisioned
    for seat in seats:
        if seat.state not in (State.IDLE, State.FROZEN) or seat.reserved:
            continue
        kept = seat.provisioned and surplus <= 0
        if not kept:
            due = seat.since if seat.provisioned else seat.since + rules.keep_alive
            if view.now >= due:
                surplus -= seat.provisioned
                reason = StopReason.SCALED_IN if seat.provisioned else StopReason.IDLE
                result.decisions.append(Retire(seat, reason))
                continue
            result.look_again(due)
        if seat.state is State.IDLE and rules.freeze_after is not None and seat.healthy:
            due = seat.since + rules.freeze_after
            if view.now >= due:
                result.decisions.append(Freeze(seat))
            else:
                result.look_again(due)
