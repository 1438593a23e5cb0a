"""Invocation in, Outcome out: lease an instance, run the exchange, give the lease back with the last byte."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import TracebackType

from emulator.dispatch.affinity import Sessions
from emulator.instance.exchange import Exchange
from emulator.instance.hooks import InitializerFailed
from emulator.instance.instance import Instance
from emulator.journal.journal import Journal
from emulator.model.clock import Clock
from emulator.model.errors import ClientClosedRequest, FCError, FclocalError
from emulator.model.events import InvocationRejected
from emulator.model.function import FunctionName
from emulator.model.invocation import FunctionError, Header, Invocation, Outcome, Stream
from emulator.model.limits import INITIALIZER_FAILED_HTTP_STATUS
from emulator.scheduler.pool import Waiter
from emulator.scheduler.scheduler import Scheduler

# How far into a stream the event is looked for that names its session.
SSE_HEAD_BYTES = 4096


class Call:
    """One invocation as an async context: entering gives the Outcome, leaving gives the lease back.

    `start` does the same by callbacks, as far as that goes: a task costs more than all else that is done for a warm
    invocation.
    """

    __slots__ = (
        "_began",
        "_canceled",
        "_dispatcher",
        "_exchange",
        "_refused",
        "_tell",
        "_waiter",
        "invocation",
    )

    def __init__(self, dispatcher: Dispatcher, invocation: Invocation) -> None:
        self._dispatcher = dispatcher
        self.invocation = invocation
        self._began = dispatcher.journal.now()
        self._exchange: Exchange | None = None
        self._waiter: Waiter | None = None
        self._tell: tuple[Callable[[Outcome], None], Callable[[Call], None]] | None = None
        self._refused: FclocalError | None = None
        self._canceled = False

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
            if self._exchange_on(found).start(self._ended):
                return
        else:
            self._refused = found
            if self._canceled:
                self._dispatcher.reject(self.invocation, ClientClosedRequest())
                return
        self._ended(None)

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
        queue_ms = (self._dispatcher.journal.now() - self._began) * 1000
        exchange = self._exchange = Exchange(instance, self.invocation, queue_ms=queue_ms)
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
        if self._exchange is not None:
            return await self._exchange.run()
        dispatcher, invocation = self._dispatcher, self.invocation
        sessions = dispatcher.sessions_of(invocation)
        session_headers: tuple[Header, ...] = ()
        try:
            if self._refused is not None:
                raise self._refused
            instance = None if sessions or invocation.session_id else dispatcher.scheduler.take(invocation.revision)
            if instance is None:
                session_id = invocation.session_id
                if sessions is not None and not session_id:
                    found = sessions.find(invocation.headers, _query(invocation))
                    session_id, session_headers = found.session_id, found.answer
                instance = await dispatcher.scheduler.lease(invocation.revision, invocation.request_id, session_id)
        except InitializerFailed as failed:
            dispatcher.reject(invocation, FCError(200, "InitializationError", failed.detail))
            return _initializer_outcome(failed)
        except FCError as error:
            dispatcher.reject(invocation, error)
            raise
        outcome = await self._exchange_on(instance).run()
        if session_headers:
            outcome.session_headers = session_headers
        if sessions is not None:
            _learn(sessions, instance, outcome)
        return outcome

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._exchange is not None:
            self._exchange.close()

    def cancel(self) -> None:
        """The client went away: the exchange ends at once, with status 499."""
        self._canceled = True
        if self._exchange is not None:
            self._exchange.cancel()
        elif self._waiter is not None:
            self._dispatcher.scheduler.leave(self.invocation.revision, self._waiter)


class Dispatcher:
    """The Invoker: every face and companion goes through here."""

    def __init__(self, scheduler: Scheduler, journal: Journal, clock: Clock) -> None:
        self.scheduler = scheduler
        self.journal = journal
        self._clock = clock
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
            table = self._sessions[name] = Sessions(policy, self._clock)
        self._forget_expired(table)
        return table

    def _forget_expired(self, table: Sessions) -> None:
        gone = set(table.expired())
        if gone:
            for instance in self.scheduler.instances():
                instance.sessions -= gone

    def reject(self, invocation: Invocation, error: FCError) -> None:
        self.journal.append(
            InvocationRejected(
                self.journal.now(),
                invocation.request_id,
                str(invocation.revision.function.name),
                error.status,
                error.code,
                error.message,
            )
        )


def _query(invocation: Invocation) -> str:
    return invocation.target.partition(b"?")[2].decode("latin-1")


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


def _learn(sessions: Sessions, instance: Instance, outcome: Outcome) -> None:
    """Bind a session that the function itself made (MCP) to the instance that made it."""
    made = sessions.made_by_function(outcome.headers)
    if isinstance(outcome.body, bytes):
        # A stream that ended at once came whole.
        made = made or sessions.made_in_stream(outcome.body[:SSE_HEAD_BYTES])
    else:
        outcome.body = _watching(sessions, instance, outcome.body)
    if made:
        instance.sessions.add(made)


async def _watching(sessions: Sessions, instance: Instance, body: Stream) -> AsyncIterator[bytes]:
    """Pass a stream on, and look for the SSE event that names its session at its beginning."""
    head = b""
    found = False
    async for piece in body:
        if not found and len(head) < SSE_HEAD_BYTES:
            head += piece
            made = sessions.made_in_stream(head)
            if made:
                found = True
                instance.sessions.add(made)
        yield piece
