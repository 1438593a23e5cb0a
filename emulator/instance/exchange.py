"""One invocation at one instance, from the head that is sent to the last byte of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from emulator.gpu.use import begin, peak_of, size_of
from emulator.instance import messages
from emulator.instance.instance import Instance
from emulator.instance.protocol import LogTail, failure_of, header_bytes
from emulator.instance.recorder import Failed
from emulator.instance.wire import Wire, WireBodyBroken, WireClosed, WireError, WireGarbage, WireResponse
from emulator.model.errors import BadResponse, ClientClosedRequest, FCError
from emulator.model.events import InvocationEnded, InvocationStarted
from emulator.model.function import Function
from emulator.model.invocation import Cause, FunctionError, Invocation, Kind, Outcome, Report
from emulator.model.launch import Exit, Usage
from emulator.model.lifecycle import StopReason
from emulator.model.limits import RESPONSE_HEADER_BYTES

# Memory is measured anew when the last figure is older than this: a measurement costs some file reads.
MEMORY_AGE_SECONDS = 1.0
# How long a closed connection may wait for the news that the process behind it is dead.
DEATH_SECONDS = 1.0
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})
OnEnd = Callable[[Outcome | None], None]


class StreamBroken(Exception):
    """The answer's body broke off after its head was passed on: the face can only close the connection."""


class Exchange:
    """Runs one invocation on an instance that was taken for it, and gives the instance back at its end.

    An instance that must not be used again is condemned, with the reason.
    """

    __slots__ = (
        "_alone",
        "_arrived",
        "_began",
        "_call",
        "_canceled",
        "_cold",
        "_error",
        "_function",
        "_head",
        "_instance",
        "_on_end",
        "_stood",
        "_tail",
        "_tail_result",
        "_timed_out",
        "_tunnel",
        "_wire",
        "ended",
    )

    def __init__(self, instance: Instance, call: Invocation, *, arrived: float) -> None:
        self._instance = instance
        self._function: Function = instance.revision.function
        self._call = call
        self._cold = instance.served == 0 and instance.in_flight == 1 and not instance.provisioned
        self._arrived = arrived
        self._began = arrived
        # How long the instance had stood in the debugger when this began.
        self._stood = 0.0
        self._wire: Wire | None = None
        # What came of the request that `start` sent.
        self._head: WireResponse | Exception | None = None
        self._on_end: OnEnd | None = None
        self._timed_out = False
        self._canceled = False
        self.ended = False
        self._tunnel = False
        self._alone = instance.capacity == 1
        self._tail = LogTail() if call.want_tail and self._alone else None
        self._tail_result: bytes | None = None
        self._error: FunctionError | None = None

    @property
    def _elapsed_ms(self) -> float:
        return self._ran_ms(self._instance.journal.now())

    def _stood_ms(self, now: float) -> float:
        return (self._instance.clock.stood(now) - self._stood) * 1000

    def _ran_ms(self, now: float) -> float:
        return (now - self._began) * 1000 - self._stood_ms(now)

    def start(self, on_end: OnEnd) -> bool:
        """Begin now, without a task, on a connection that is open; False where there is none, and `run` has to begin.

        `on_end` gets the outcome of an answer that came whole. It gets None where anything else came, and `run` has to
        go on. After `cancel` it is not called.
        """
        wire = self._wire = self._instance.idle_wire()
        if wire is None:
            return False
        self._on_end = on_end
        self._begin()
        head, chunked = self._request_head()
        wire.send(head, self._call.body, self._answered, chunked=chunked, no_body=self._call.method == b"HEAD")
        return True

    def _answered(self, head: WireResponse | WireError) -> None:
        on_end, self._on_end = self._on_end, None
        self._head = head
        if self._canceled:
            self._end_canceled()
        elif on_end is not None:
            outcome = None
            try:
                if isinstance(head, WireResponse) and head.is_whole and self._refusal(head) is None:
                    outcome = self._complete(head)
            except Exception as fault:  # a bug of ours must reach the caller, not vanish in a connection
                self._head = fault
            on_end(outcome)

    async def run(self) -> Outcome:
        """The outcome, with its body or a stream of it. Raises `ClientClosedRequest` and `BadResponse`."""
        try:
            head = self._head or await self._ask()
            if isinstance(head, WireError):
                return await self._broken(head)
            if isinstance(head, Exception):
                raise head
            refusal = self._refusal(head)
            if isinstance(refusal, WireError):
                return await self._broken(refusal)
        except asyncio.CancelledError:
            self.close()
            raise
        if refusal is not None:
            self._error = FunctionError.UNHANDLED
            self._end(502, "response headers too large")
            raise refusal
        return self._complete(head) if head.is_whole else self._stream(head)

    async def _ask(self) -> WireResponse | WireError:
        self._begin()
        try:
            return await self._send()
        except WireError as error:
            return error
        except OSError:
            return WireClosed(answered=False)

    def _refusal(self, response: WireResponse) -> WireGarbage | BadResponse | None:
        """Why an answer can not be passed on."""
        if response.upgraded and not self._call.upgrade:
            return WireGarbage("it upgrades the connection, which nobody asked for")
        if self._wire is not None and self._wire.head_bytes > RESPONSE_HEADER_BYTES < header_bytes(response.headers):
            return BadResponse(f"response headers exceed the maximum allowed size ({RESPONSE_HEADER_BYTES} bytes)")
        return None

    def _outcome(self, response: WireResponse) -> Outcome:
        error = self._error = failure_of(response.headers)
        outcome = Outcome(self._instance.id, response.status, response.headers, error=error)
        if error is not None:
            outcome.cause = Cause.RAISED
        return outcome

    def _complete(self, response: WireResponse) -> Outcome:
        """The end of an exchange whose answer came whole."""
        outcome = self._outcome(response)
        outcome.body = response.body
        outcome.report = self._end(response.status)
        outcome.tail = self._tail_result
        if outcome.error is not None:
            self._instance.recorder.failed(self._instance, Failed.of(self._call, outcome))
        return outcome

    def _begin(self) -> None:
        instance, call = self._instance, self._call
        self._began = now = instance.journal.now()
        self._stood = instance.clock.stood(now)
        instance.deadlines.add(now, self)
        if instance.in_flight == 1:
            begin(instance.gpu)
        if self._alone:
            if self._tail is not None:
                self._tail.add(f"FC Invoke Start RequestId: {call.request_id}".encode())
            instance.log.begin(call.request_id, self._tail)
        instance.journal.append(
            InvocationStarted(
                now,
                call.request_id,
                instance.function,
                call.qualifier,
                instance.id,
                self._cold,
                call.trigger,
                "" if call.trace is None else call.trace.traceparent,
                "" if call.trace is None else call.trace.parent_id,
            )
        )

    def _request_head(self) -> tuple[bytes, bool]:
        heads, call = self._instance.heads, self._call
        return heads.invoke(call) if call.kind is Kind.EVENT else heads.http(call)

    async def _send(self) -> WireResponse:
        instance, call = self._instance, self._call
        head, chunked = self._request_head()
        no_body = call.method == b"HEAD"
        reused = instance.idle_wire()
        wire = self._wire = reused or await instance.open_wire()
        try:
            return await wire.request(head, call.body, chunked=chunked, no_body=no_body)
        except WireClosed as closed:
            # A server may close an idle connection just as we write: FC sends idempotent requests again.
            again = reused is not None and not closed.answered and isinstance(call.body, bytes)
            if not again or call.method not in IDEMPOTENT or instance.sandbox.exited.done():
                raise
            wire = self._wire = await instance.open_wire()
            return await wire.request(head, call.body, chunked=chunked, no_body=no_body)

    def due(self) -> None:
        """The function's time is over, but for what the instance stood in the debugger."""
        self._instance.clock.count_down(self, self._function.timeout, self._began, self._stood)

    def expire(self) -> None:
        """The function's time is over."""
        self._timed_out = True
        if self._wire is not None:
            self._wire.abandon(WireError("deadline"))

    def cancel(self) -> None:
        """The client is gone: stop waiting for the answer."""
        self._canceled = True
        if self._wire is not None:
            self._wire.abandon(WireError("canceled"))

    def _stream(self, response: WireResponse) -> Outcome:
        outcome = self._outcome(response)
        outcome.length = response.length
        if response.upgraded:
            self._tunnel = True
            outcome.tunnel = response
            return outcome
        if self._call.kind is Kind.EVENT:
            # A handler has returned before its bootstrap answers, so its log and duration are complete.
            self._instance.sandbox.drain_logs()
            outcome.report = self._report(self._instance.journal.now(), self._instance.usage(MEMORY_AGE_SECONDS))
            self._close_tail(outcome.report, "")
            outcome.tail = self._tail_result
        outcome.body = self._body(response)
        return outcome

    async def _body(self, response: WireResponse) -> AsyncIterator[bytes]:
        try:
            async for piece in response.stream():
                yield piece
        except WireError as error:
            await self._broken(error)
            raise StreamBroken(str(error)) from error
        self._end(response.status)

    def close(self) -> None:
        """Called when the face is done: an answer that was not read to its end was not wanted any more."""
        if self.ended:
            return
        if self._tunnel:
            self._end(101)
        else:
            self._end_canceled()

    def _end_canceled(self) -> None:
        """At concurrency 1 the canceled request may still be running, so FC replaces the instance (§1.2)."""
        if self._wire is not None:
            self._wire.close()
        replace = self._alone and self._function.program.health_check is None
        detail = messages.canceled(self._elapsed_ms, self._memory())
        self._end(499, detail, StopReason.CANCELED if replace else None)

    # --- what can go wrong ---

    async def _broken(self, error: WireError) -> Outcome:
        if isinstance(error, WireBodyBroken) and isinstance(error.cause, FCError):
            self._end_canceled()
            raise error.cause
        if self._canceled:
            self._end_canceled()
            raise ClientClosedRequest
        if self._timed_out:
            text = messages.timed_out(self._function.timeout, self._memory())
            return self._failed(text, Cause.TIMEOUT, StopReason.TIMEOUT)
        exit_ = await self._death()
        duration_ms = self._elapsed_ms
        text = messages.process_exited(duration_ms, self._memory())
        if exit_ is None:
            if isinstance(error, WireGarbage):
                text = f"the function's answer is not HTTP: {error}"
            return self._failed(text, Cause.EXITED, StopReason.UNHEALTHY)
        if self._instance.out_of_memory:
            return self._failed(text, Cause.OOM, StopReason.OOM)
        return self._failed(text, Cause.EXITED, StopReason.CRASHED)

    async def _death(self) -> Exit | None:
        """The exit of the process behind a broken connection, or None if it lives on."""
        exited = self._instance.sandbox.exited
        done, _ = await asyncio.wait([exited], timeout=DEATH_SECONDS)
        return exited.result() if done else None

    def _failed(self, text: str, cause: Cause, reason: StopReason) -> Outcome:
        status = 200 if self._call.kind is Kind.EVENT else 502
        self._error = FunctionError.UNHANDLED
        report = self._end(status, text, reason)
        outcome = Outcome(
            self._instance.id,
            502,
            [(b"content-type", b"application/json")],
            messages.error_body(text),
            error=FunctionError.UNHANDLED,
            cause=cause,
            report=report,
        )
        outcome.tail = self._tail_result
        self._instance.recorder.failed(self._instance, Failed.of(self._call, outcome, text))
        return outcome

    # --- the end ---

    def _memory(self, usage: Usage | None = None) -> float:
        """The peak so far. What was killed for its memory had all of it, though nobody looked at that moment."""
        peak_mb = (usage or self._instance.usage(0.0)).peak_mb
        exited = self._instance.sandbox.exited
        return max(peak_mb, self._function.memory_mb) if exited.done() and exited.result().oom else peak_mb

    def _report(self, now: float, usage: Usage) -> Report:
        cold, paused_ms = self._cold, self._stood_ms(now)
        return Report(
            (now - self._began) * 1000 - paused_ms,
            self._memory(usage),
            cold,
            self._instance.init_ms if cold else 0.0,
            (self._began - self._arrived) * 1000,
            paused_ms,
            peak_of(self._instance.gpu),
        )

    def _disk_full(self, usage: Usage) -> StopReason | None:
        """Only root could make a disk of this size, so an instance that filled it is replaced (sandbox.md §2.6)."""
        used, limit = usage.disk_mb, self._instance.sandbox.launch.disk_mb
        if used is None or limit is None or used <= limit:
            return None
        text = f"an instance wrote more than diskSize, {limit} MB: in FC writing fails with `No space left on device`"
        self._instance.journal.notice(f"{text}; here it is replaced", function=self._instance.function)
        return StopReason.DISK_FULL

    def _close_tail(self, report: Report, detail: str) -> None:
        """The log of this request is complete: nothing that is written from here on belongs to it."""
        tail, self._tail = self._tail, None
        if tail is not None:
            tail.add(f"FC Invoke End RequestId: {self._call.request_id}{messages.suffix(self._error, detail)}".encode())
            self._tail_result = tail.result(report.summary(self._function.memory_mb))
        if self._alone:
            self._instance.log.end()

    def _end(self, status: int, detail: str = "", condemn: StopReason | None = None) -> Report:
        """Journal the end once, and give wire and instance back. `condemn` says why it must not serve again."""
        instance, error = self._instance, self._error
        instance.sandbox.drain_logs()
        now, usage = instance.journal.now(), instance.usage(MEMORY_AGE_SECONDS)
        report = self._report(now, usage)
        if self.ended:
            return report
        self.ended = True
        self._close_tail(report, detail)
        instance.journal.append(
            InvocationEnded(
                now,
                self._call.request_id,
                instance.function,
                instance.id,
                status,
                report.duration_ms,
                report.memory_mb,
                self._function.memory_mb,
                report.cold,
                report.init_ms,
                report.queue_ms,
                error.value if error else "",
                detail,
                report.paused_ms,
                instance.start.value if report.cold else "",
                report.gpu_memory_mb,
                size_of(instance.gpu),
            )
        )
        if self._wire is not None:
            instance.keep_wire(self._wire)
        condemn = condemn or self._disk_full(usage)
        if condemn is not None:
            instance.condemned = condemn
        instance.give_back()
        return report
