"""The session of one call, and the place that it holds at its instance."""

from __future__ import annotations

from collections.abc import AsyncIterator

from emulator.dispatch.affinity import Sessions
from emulator.instance.instance import Instance
from emulator.model.events import SessionUsed
from emulator.model.invocation import Header, Invocation, Outcome, Stream
from emulator.scheduler.scheduler import Scheduler

# How far into a stream the event is looked for that names its session.
SSE_HEAD_BYTES = 4096


class SessionSeat:
    """From the lease to the end of the call. Raises what `Sessions.find` raises.

    A session that the function itself makes has no id yet when its instance is chosen: until it has one, `key` holds
    its place, so that two clients that begin at once do not share what is for one.
    """

    __slots__ = ("_call", "_instance", "_made", "_opens", "_scheduler", "_sessions", "headers", "key")

    def __init__(self, sessions: Sessions, scheduler: Scheduler, call: Invocation) -> None:
        found = sessions.find(call)
        self._sessions = sessions
        self._scheduler = scheduler
        self._call = call
        self._opens = found.opens
        self._made = ""
        self._instance: Instance | None = None
        # What tells the client of a session that is new.
        self.headers: tuple[Header, ...] = found.answer
        # A space is in no id that a client may give.
        self.key = f"opened by {call.request_id}" if found.opens else found.session_id

    async def lease(self) -> Instance:
        revision, request_id = self._call.revision, self._call.request_id
        instance = await self._scheduler.lease(revision, request_id, self.key, opens=self._opens)
        self._instance = instance
        if self.key and not self._opens:
            self._tell(instance, self.key)
        return instance

    def _tell(self, instance: Instance, session_id: str) -> None:
        journal = instance.journal
        journal.append(SessionUsed(journal.now(), self._call.request_id, instance.function, session_id))

    def learn(self, outcome: Outcome) -> None:
        """Bind the session that the function made, which its answer names."""
        if self.headers:
            outcome.session_headers = self.headers
        if self._opens:
            self._bind(self._sessions.made_by_function(outcome.headers))
            if isinstance(outcome.body, bytes):
                # A stream that ended at once came whole.
                self._bind(self._sessions.made_in_stream(outcome.body[:SSE_HEAD_BYTES]))
            elif self._sessions.lasts_a_call:
                outcome.body = self._watched(outcome.body)
        elif outcome.status < 300 and self._sessions.deletes(self._call):
            self._made = self.key

    def _bind(self, made: str) -> None:
        if made and self._instance is not None:
            self._made = made
            self._tell(self._instance, made)
            self._instance.sessions.add(made)
            self._instance.sessions.discard(self.key)

    async def _watched(self, body: Stream) -> AsyncIterator[bytes]:
        """Pass a stream on, and look for the SSE event that names its session at its beginning."""
        head = b""
        async for piece in body:
            if not self._made and len(head) < SSE_HEAD_BYTES:
                head += piece
                self._bind(self._sessions.made_in_stream(head))
            yield piece

    def close(self) -> None:
        """The call is over."""
        if self._instance is None:
            return
        if self._opens and not self._made:
            self._scheduler.end_session(self._instance, self.key)
        elif self._made and (self._sessions.lasts_a_call or not self._opens):
            self._sessions.close(self._made)
            self._scheduler.end_session(self._instance, self._made)
