"""Invocation in, Outcome out: lease an instance, run the exchange, give the lease back with the last byte."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from emulator.dispatch.affinity import Sessions
from emulator.dispatch.seat import SessionSeat
from emulator.instance.exchange import Exchange
from emulator.instance.hooks import InitializerFailed
from emulator.instance.instance import Instance
from emulator.journal.journal import Journal
from emulator.model.errors import ClientClosedRequest, FCError, FclocalError
from emulator.model.events import InvocationRejected
from emulator.model.function import FunctionName
from emulator.model.invocation import FunctionError, Invocation, Outcome
from emulator.model.limits import INITIALIZER_FAILED_HTTP_STATUS
from emulator.scheduler.pool import Waiter
from emulator.scheduler.scheduler import Scheduler


class Call:
    """One invocation as an async context: entering gives the Outcome, leaving gives the lease back.

    `start` does the same by callbacks, as far as that goes: a task costs more than all else that is done for a warm
    invocation.
    """

    __slots__ = (
        "_arrived",
        "_canceled",
        "_dispatcher",
        "_exchange",
        "_refused",
        "_seat",
        "_tell",
        "_waiter",
        "invocation",
    )

    def __init__(self, dispatcher: Dispatcher, invocation: Invocation) -> None:
        self._dispatcher = dispatcher
        self.invocation = invocation
        self._arrived = dispatcher.journal.now()
        self._exchange: Exchange | None = None
        self._waiter: Waiter | None = None
        self._tell: tuple[Callable[[Outcome], None], Callable[[Call], None]] | None = None
        # Why there is no exchange, or what broke its beginning.
        self._refused: Exception | None = None
        self._canceled = False
        self._seat: SessionSeat | None = None

    def start(self, on_outcome: Callable[[Outcome], None], later: Callable[[Call], None]) -> bool:
        """Begin without a task; false where that is not possible, and the context has to be entered.

        `on_outcome` gets the outcome of an answer that came whole, and nothing is left to do. For anything else
        `later` is called, and whoever gets the call enters its context. After `cancel` nobody is told anything.
        """
        invocation = self.invocation
        if invocation.session_id or invocation.revision.function.session is not None:
            return False
        self._tell = on_outcome, later
        scheduler = self._dispatcher.scheduler
        instance = scheduler.take(invocation.revision)
        if instance is None:
            self._waiter = scheduler.ask(invocation.revision, invocation.request_id, self._taken)
            return self._waiter is not None
        self._taken(instance)
        return True

    def _taken(self, found: Instance | FclocalError) -> None:
        if isinstance(found, Instance):
            if self._begins(found):
                return
        else:
            self._refused = found
            if self._canceled:
                self._dispatcher.reject(self.invocation, ClientClosedRequest())
                return
        self._ended(None)

    def _begins(self, instance: Instance) -> bool:
        """Begin the exchange without a task, if that is possible."""
        try:
            return self._exchange_on(instance).start(self._ended)
        except Exception as fault:  # a bug of ours must reach its own caller, not whose request gave the instance back
            if self._exchange is None:
                instance.give_back()
            self._refused = fault
            return False

    def _ended(self, outcome: Outcome | None) -> None:
        # Kept no longer, or the call and who made it would keep each other alive.
        tell, self._tell = self._tell, None
        if tell is not None:
            on_outcome, later = tell
            if outcome is None:
                later(self)
            else:
                on_outcome(outcome)

    def _exchange_on(self, instance: Instance) -> Exchange:
        exchange = self._exchange = Exchange(instance, self.invocation, arrived=self._arrived)
        if self._canceled:
            exchange.cancel()
        return exchange

    async def __aenter__(self) -> Outcome:
        try:
            return await self._enter()
        except BaseException:
            # Nobody leaves a context that was not entered, and the lease must not be lost.
            self._close()
            raise

    async def _enter(self) -> Outcome:
        if self._exchange is not None and self._refused is None:
            return await self._exchange.run()
        dispatcher, invocation = self._dispatcher, self.invocation
        try:
            if self._refused is not None:
                raise self._refused
            instance = await self._lease()
        except InitializerFailed as failed:
            dispatcher.reject(invocation, FCError(200, "InitializationError", failed.detail))
            return _initializer_outcome(failed)
        except FCError as error:
            dispatcher.reject(invocation, error)
            raise
        outcome = await self._exchange_on(instance).run()
        if self._seat is not None:
            self._seat.learn(outcome)
        return outcome

    async def _lease(self) -> Instance:
        dispatcher, invocation = self._dispatcher, self.invocation
        sessions = None if invocation.session_id else dispatcher.sessions_of(invocation)
        if sessions is not None:
            self._seat = SessionSeat(sessions, dispatcher.scheduler, invocation)
            return await self._seat.lease()
        instance = None if invocation.session_id else dispatcher.scheduler.take(invocation.revision)
        revision, request_id = invocation.revision, invocation.request_id
        return instance or await dispatcher.scheduler.lease(revision, request_id, invocation.session_id)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
        if self._seat is not None:
            self._seat.close()

    def cancel(self) -> None:
        """The client went away: the exchange ends at once, with status 499."""
        self._canceled = True
        if self._exchange is not None:
            self._exchange.cancel()
        elif self._waiter is not None:
            self._dispatcher.scheduler.leave(self.invocation.revision, self._waiter)


class Dispatcher:
    """The Invoker: every face and companion goes through here."""

    def __init__(self, scheduler: Scheduler, journal: Journal) -> None:
        self.scheduler = scheduler
        self.journal = journal
        self._sessions: dict[FunctionName, Sessions] = {}

    def invoke(self, invocation: Invocation) -> Call:
        return Call(self, invocation)

    def sessions_of(self, invocation: Invocation) -> Sessions | None:
        """The session table of a function with affinity; async invocations have none (§1.6)."""
        policy = invocation.revision.function.session
        if policy is None or invocation.is_async:
            return None
        name = invocation.revision.function.name
        table = self._sessions.get(name)
        if table is None:
            table = self._sessions[name] = Sessions(policy, self.scheduler.clocks.of(name))
        self._forget_expired(table)
        return table

    @property
    def live_sessions(self) -> int:
        return sum(table.alive for table in self._sessions.values())

    def _forget_expired(self, table: Sessions) -> None:
        gone = set(table.expired())
        if gone:
            for instance in self.scheduler.instances():
                instance.sessions -= gone

    def reject(self, invocation: Invocation, error: FCError) -> None:
        trace = invocation.trace
        self.journal.append(
            InvocationRejected(
                self.journal.now(),
                invocation.request_id,
                str(invocation.revision.function.name),
                error.status,
                error.code,
                error.message,
                trace.traceparent if trace is not None else "",
                trace.parent_id if trace is not None else "",
            )
        )


def _initializer_outcome(failed: InitializerFailed) -> Outcome:
    """Not run at all: FC answers with the Initializer's own error object."""
    return Outcome(
        "",
        INITIALIZER_FAILED_HTTP_STATUS,
        [(b"content-type", b"application/json")],
        failed.body,
        error=FunctionError.INITIALIZATION,
        cause=failed.cause,
    )
