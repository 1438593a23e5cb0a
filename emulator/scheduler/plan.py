"""The policy of one revision's pool: pure, data in and decisions out. `Scheduler` acts on it.

Order (runtime-contract.md §1.2, §1.5, §1.6): retire what must go; serve waiters, oldest first; build up to the
provisioned minimum; freeze what idled; reclaim what stayed idle.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Struct, field

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
    def paused(self) -> bool: ...
    @property
    def joining(self) -> bool: ...
    @property
    def condemned(self) -> StopReason | None: ...
    @property
    def sessions(self) -> Collection[str]: ...


S = TypeVar("S", bound=Seat)


class Rules(Struct, frozen=True):
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


class Waiting(Struct, frozen=True):
    """A request without an instance. `session` is empty for none."""

    key: int
    since: float
    session: str = ""


class View(Struct, Generic[S], frozen=True):
    """One pool at one moment. `births` are under way; `allowed` more may be created, `at_once` of them now.
    `stands`: an instance is paused in the debugger, and who waits does not grow older. `scarce` says what keeps
    `allowed` low, where it is not the number of instances; `leaving`: some of that is given back in a moment."""

    now: float
    rules: Rules
    seats: Sequence[S]
    waiting: Sequence[Waiting]
    births: int
    provisioned_births: int
    allowed: int
    at_once: int
    current: bool = True
    stands: bool = False
    scarce: str = ""
    leaving: bool = False


class Give(Struct, Generic[S], frozen=True):
    waiting: Waiting
    seat: S


class Create(Struct, frozen=True):
    provisioned: bool = False


class Refuse(Struct, frozen=True):
    """429: nobody serves this request in time. `why` is for the message; `scarce`: for want of a card."""

    waiting: Waiting
    why: str
    scarce: bool = False


class Freeze(Struct, Generic[S], frozen=True):
    seat: S


class Retire(Struct, Generic[S], frozen=True):
    seat: S
    reason: StopReason


Decision = Give[S] | Create | Refuse | Freeze[S] | Retire[S]


class Plan(Struct, Generic[S]):
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
    """What no name points at any more serves those that already wait for it, and goes then."""
    kept = []
    for seat in view.seats:
        leaves = seat.state in RETIRABLE and not _is_left_alone(seat)
        if seat.condemned is not None:
            if leaves and seat.in_flight == 0:
                result.decisions.append(Retire(seat, seat.condemned))
        elif not view.current and not view.waiting and leaves:
            result.decisions.append(Retire(seat, StopReason.REPLACED))
        else:
            kept.append(seat)
    return kept


def _is_left_alone(seat: Seat) -> bool:
    """Somebody looks at it in the debugger, and it serves nobody: whatever it is to be ended for waits. But for a
    timeout, since that came in spite of the debugger."""
    return seat.paused and seat.in_flight == 0 and seat.condemned is not StopReason.TIMEOUT


def _keeps_sessions(seat: Seat) -> bool:
    """One that is ending does not, nor one that serves nobody because it is not healthy."""
    return seat.state is State.BUSY or (seat.healthy and seat.state in (State.IDLE, State.FREEZING, State.FROZEN))


class _Places(Generic[S]):
    """Rooms and slots for sessions, while a plan gives them away."""

    def __init__(self, rules: Rules, seats: Sequence[S]) -> None:
        self._rules = rules
        self._seats = seats
        self._rooms = {id(seat): _places(seat) for seat in seats}
        self._homes = {session: seat for seat in seats if _keeps_sessions(seat) for session in seat.sessions}
        self._slots = {id(seat): rules.sessions_per_seat - len(seat.sessions) for seat in seats}

    def home(self, waiting: Waiting) -> S | None:
        """The instance of the request's session."""
        return self._homes.get(waiting.session) if waiting.session else None

    def choose(self, waiting: Waiting) -> S | None:
        """The session's own instance; else the fullest with room, the latest used idle, the latest used frozen."""
        home = self.home(waiting)
        if home is not None:
            return home if self._rooms[id(home)] > 0 else None
        usable = [seat for seat in self._seats if self._rooms[id(seat)] > 0]
        if self._rules.sessions_per_seat:
            usable = [seat for seat in usable if self._slots[id(seat)] > 0]
        return max(usable, key=_preference, default=None)

    def take(self, waiting: Waiting, seat: S) -> None:
        self._rooms[id(seat)] -= 1
        if waiting.session and waiting.session not in self._homes:
            self._homes[waiting.session] = seat
            self._slots[id(seat)] -= 1

    @property
    def any(self) -> bool:
        return any(self._rooms.values())


class _Coming:
    """What births under way will have to give, and instances in which a debugger just gets ready."""

    def __init__(self, rules: Rules, births: int, seats: Sequence[Seat]) -> None:
        self._rules = rules
        joining = [seat for seat in seats if seat.joining and seat.healthy and seat.state in AWAKE]
        self._rooms = births * rules.capacity + sum(rules.capacity - seat.in_flight for seat in joining)
        self._slots = births * rules.sessions_per_seat
        self._slots += sum(max(0, rules.sessions_per_seat - len(seat.sessions)) for seat in joining)
        self._promised: set[str] = set()

    def add(self) -> None:
        self._rooms += self._rules.capacity
        self._slots += self._rules.sessions_per_seat

    def promise(self, waiting: Waiting) -> bool:
        """Whether there will be room for this request; others find so much less."""
        new = bool(self._rules.sessions_per_seat and waiting.session) and waiting.session not in self._promised
        if self._rooms < 1 or (new and self._slots < 1):
            return False
        self._rooms -= 1
        if new:
            self._slots -= 1
            self._promised.add(waiting.session)
        return True


def _serve(view: View[S], seats: list[S], result: Plan[S]) -> list[S]:
    """Give, create, wait or refuse; returns the seats that nobody was given to."""
    places, coming = _Places(view.rules, seats), _Coming(view.rules, view.births, seats)
    given: set[int] = set()
    created = 0
    may_create = min(view.allowed, view.at_once) if view.rules.on_demand else 0
    for waiting in view.waiting:
        seat = places.choose(waiting)
        if seat is not None:
            places.take(waiting, seat)
            given.add(id(seat))
            result.decisions.append(Give(waiting, seat))
            continue
        if _is_its_sessions(view.rules, places.home(waiting), waiting, result) or coming.promise(waiting):
            continue
        if created < may_create and _patient(view, seats, waiting):
            # Who came later is no less patient.
            result.look_again(waiting.since + view.rules.patience)
            result.saturated = True
            break
        if created < may_create:
            created += 1
            coming.add()
            coming.promise(waiting)
            result.decisions.append(Create())
        elif view.rules.on_demand and view.allowed > created:
            pass  # births are under way as fast as this machine takes them
        elif view.leaving or any(_is_between(seat) or _will_have_room(view.rules, seat) for seat in seats):
            pass  # the next move says whether this one is served
        elif _refused(view, waiting, result):
            continue
        if created >= may_create and not view.rules.sessions_per_seat and not places.any:
            # Who came later finds no more than this one did, and has a later deadline.
            result.saturated = True
            break
    return [seat for seat in seats if id(seat) not in given]


def _is_its_sessions(rules: Rules, home: S | None, waiting: Waiting, result: Plan[S]) -> bool:
    """Whether no other instance may serve this request: it waits for its session's, which has no room now, or is
    refused (§1.6)."""
    if home is not None and home.state in AWAKE and not _will_have_room(rules, home):
        result.decisions.append(Refuse(waiting, "the session's instance has no request slot left"))
    return home is not None


def _places(seat: Seat) -> int:
    """How many requests may be given to it now; one to a frozen one, since thawing takes a moment."""
    if seat.state is State.FROZEN:
        return int(seat.healthy and not seat.reserved and not seat.paused)
    return seat.room


def _patient(view: View[S], seats: Sequence[S], waiting: Waiting) -> bool:
    """Whether a request still waits for an instance that is there. One with a session needs that session's."""
    if view.rules.sessions_per_seat or view.now >= waiting.since + view.rules.patience:
        return False
    return any((seat.state is State.BUSY and not seat.paused) or _is_between(seat) for seat in seats)


def _is_between(seat: Seat) -> bool:
    """On the way into a freeze or out of one: it serves again within a moment, or ends."""
    return seat.healthy and (seat.state is State.FREEZING or (seat.state is State.FROZEN and seat.reserved))


def _will_have_room(rules: Rules, seat: Seat) -> bool:
    """Paused in the debugger, and good for one more request when it goes on."""
    return seat.paused and seat.healthy and seat.in_flight < rules.capacity


def _refused(view: View[S], waiting: Waiting, result: Plan[S]) -> bool:
    """At the limit: whether its patience is at an end; if not, look again then. It does not wear out while an instance
    is paused in the debugger."""
    if view.stands and view.rules.queue_timeout:
        return False
    deadline = waiting.since + view.rules.queue_timeout
    if view.now < deadline:
        result.look_again(deadline)
        return False
    if view.rules.on_demand and view.scarce:
        result.decisions.append(Refuse(waiting, view.scarce, scarce=True))
        return True
    why = "the instance limit is reached" if view.rules.on_demand else "on-demand instances are disabled"
    result.decisions.append(Refuse(waiting, why))
    return True


def _preference(seat: Seat) -> tuple[int, bool, int, float]:
    awake = {State.BUSY: 2, State.IDLE: 1}.get(seat.state, 0)
    return awake, seat.provisioned, seat.in_flight, seat.since


def _provision(view: View[S], result: Plan[S]) -> None:
    if not view.current:
        return
    alive = sum(1 for seat in view.seats if seat.provisioned and seat.condemned is None)
    missing = view.rules.provisioned - alive - view.provisioned_births
    creating = sum(isinstance(it, Create) for it in result.decisions)
    room = min(view.at_once, view.allowed) - creating
    for _ in range(max(0, min(missing, room))):
        result.decisions.append(Create(provisioned=True))


def reclaim_in(now: float, rules: Rules, seat: Seat) -> float | None:
    """Seconds until an instance has been idle for so long that it is reclaimed; None where it is not to be."""
    return _reclaim_at(seat, rules) - now if _cools(seat) and not seat.provisioned else None


def freeze_in(now: float, rules: Rules, seat: Seat) -> float | None:
    """As `reclaim_in`, until it is frozen."""
    if rules.freeze_after is None or not _cools(seat) or seat.state is not State.IDLE or not seat.healthy:
        return None
    return seat.since + rules.freeze_after - now


def _reclaim_at(seat: Seat, rules: Rules) -> float:
    return seat.since + rules.keep_alive


def _cools(seat: Seat) -> bool:
    return seat.state in (State.IDLE, State.FROZEN) and not seat.reserved and not seat.paused


def _cool(view: View[S], seats: Sequence[S], result: Plan[S]) -> None:
    rules = view.rules
    surplus = sum(1 for seat in view.seats if seat.provisioned and seat.condemned is None) - rules.provisioned
    for seat in seats:
        if not _cools(seat):
            continue
        kept = seat.provisioned and surplus <= 0
        if not kept:
            due = seat.since if seat.provisioned else _reclaim_at(seat, rules)
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
