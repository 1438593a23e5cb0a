"""Asynchronous invocations: accepted at once, run later, retried, and sent on (platform.md §5).

Kept in memory: they end with the emulator.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from emulator.dispatch.freshness import Freshness
from emulator.instance.platform_clock import LOOK_SECONDS, PlatformClock, Tasks
from emulator.journal.journal import Journal
from emulator.model.clock import Clock
from emulator.model.errors import AsyncTaskAlreadyExists, FCError
from emulator.model.events import TaskMoved
from emulator.model.function import LATEST, Account, FunctionName, Revision
from emulator.model.invocation import Invocation, Invoker, Outcome
from emulator.model.limits import (
    ASYNC_BACKOFF_MAX_SECONDS,
    ASYNC_BACKOFF_SECONDS,
    ASYNC_KEPT_TASKS,
    ASYNC_RETRY_SECONDS,
    ASYNC_THROTTLED_FOR_SECONDS,
)
from emulator.model.task import FINAL, TaskSignal, TaskState, move
from emulator.scheduler.clocks import FunctionClock, FunctionClocks

# A function and a qualifier.
Resolve = Callable[[FunctionName, str], Revision | None]


class Task(Struct):
    """One asynchronous invocation. `answer` is the handler's last result, for the destination; `accepted` is by the
    function's `clock`."""

    id: str
    call: Invocation
    clock: FunctionClock
    accepted: float
    state: TaskState = TaskState.ENQUEUED
    attempts: int = 0
    answer: bytes = b""
    error: str = ""
    condition: str = ""


class TaskQueue:
    """Runs asynchronous invocations through an Invoker. Owns one asyncio task for each that is not final."""

    def __init__(
        self,
        invoker: Invoker,
        resolve: Resolve,
        journal: Journal,
        clock: Clock,
        clocks: FunctionClocks,
        platform: PlatformClock,
        account: Account,
        freshness: Freshness,
    ) -> None:
        self._invoker = invoker
        self._resolve = resolve
        self._freshness = freshness
        self._journal = journal
        self._clock = clock
        self._clocks = clocks
        self._platform = platform
        # Those whose pause the platform's clock ended by being moved ahead, until they pause again.
        self._woken: dict[asyncio.Task[None], Task] = {}
        self._pausing: set[asyncio.Task[None]] = set()
        platform.waits_for(self._due)
        self._account = account
        self._tasks: dict[str, Task] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def submit(self, call: Invocation, task_id: str = "", delay: float = 0.0, *, due: bool = False) -> Task:
        """Accept; the answer to the caller is 202. `due`: the platform's clock made it, which is only moved further
        when it is done. Raises `AsyncTaskAlreadyExists` (409) for a known id."""
        clock = self._clocks.of(call.revision.function.name)
        task = Task(task_id or call.request_id, replace(call, is_async=True), clock, clock.monotonic())
        if task.id in self._tasks:
            raise AsyncTaskAlreadyExists(task.id)
        self._forget_old()
        self._tasks[task.id] = task
        self._tell(task)
        runner = self._start(task, delay)
        if due and self._platform.is_moving:
            self._woken[runner] = task
        return task

    def get(self, task_id: str) -> Task | None:
        return self._tasks.get(task_id)

    def _start(self, task: Task, delay: float) -> asyncio.Task[None]:
        runner = asyncio.get_running_loop().create_task(self._run(task, delay))
        self._running[task.id] = runner
        runner.add_done_callback(functools.partial(self._ended, task))
        return runner

    def _ended(self, task: Task, runner: asyncio.Task[None]) -> None:
        self._running.pop(task.id, None)
        self._woken.pop(runner, None)

    async def aclose(self) -> None:
        """Stop what waits and what runs."""
        runners = list(self._running.values())
        for runner in runners:
            runner.cancel()
        await asyncio.gather(*runners, return_exceptions=True)

    def _forget_old(self) -> None:
        for task_id in [it.id for it in self._tasks.values() if it.state in FINAL][:-ASYNC_KEPT_TASKS]:
            del self._tasks[task_id]

    def _move(self, task: Task, signal: TaskSignal) -> None:
        task.state = move(task.state, signal)
        self._tell(task)

    def _tell(self, task: Task) -> None:
        function = str(task.call.revision.function.name)
        self._journal.append(TaskMoved(self._journal.now(), task.id, function, task.state.value, task.attempts))

    # --- on the platform's clock ---

    async def _pause(self, task: Task, seconds: float) -> None:
        runner = self._running[task.id]
        self._woken.pop(runner, None)
        self._pausing.add(runner)
        try:
            await self._platform.sleep(seconds)
        finally:
            self._pausing.discard(runner)
        if self._platform.is_moving:
            self._woken[runner] = task

    async def at_rest(self) -> None:
        """Returns when every invocation that was accepted has ended, or waits for its next run."""
        while running := [runner for runner in self._running.values() if runner not in self._pausing]:
            await asyncio.wait(running, timeout=LOOK_SECONDS)

    def _due(self) -> Tasks:
        return [runner for runner, task in self._woken.items() if not task.clock.stands]

    async def _run(self, task: Task, delay: float) -> None:
        if delay:
            await self._pause(task, delay)
        policy = task.call.revision.function.async_policy
        throttled_since: float | None = None
        backoff, pause = ASYNC_BACKOFF_SECONDS, ASYNC_RETRY_SECONDS
        while task.state not in FINAL:
            if task.clock.monotonic() - task.accepted - delay > policy.max_age:
                self._move(task, TaskSignal.TOO_OLD)
                break
            name = task.call.revision.function.name
            await self._freshness.refreshed(name)
            revision = self._resolve(name, task.call.qualifier)
            if revision is None:
                self._move(task, TaskSignal.FUNCTION_GONE)
                break
            self._move(task, TaskSignal.CLAIMED)
            error = await self._attempt(task, revision)
            if error is None:
                if task.error == "":
                    self._move(task, TaskSignal.DONE)
                elif task.attempts > policy.max_retries:
                    self._move(task, TaskSignal.GAVE_UP)
                else:
                    self._move(task, TaskSignal.ERROR)
                    await self._pause(task, pause)
                    pause = min(pause * 2, ASYNC_BACKOFF_MAX_SECONDS)
                continue
            throttled_since = throttled_since or task.clock.monotonic()
            throttled = task.clock.monotonic() - throttled_since
            if not _passing(error) or throttled > ASYNC_THROTTLED_FOR_SECONDS:
                task.condition = "FunctionResourceExhausted" if error.status == 429 else error.code
                self._move(task, TaskSignal.GAVE_UP)
            else:
                self._move(task, TaskSignal.ERROR)
                await self._pause(task, backoff)
                backoff = min(backoff * 2, ASYNC_BACKOFF_MAX_SECONDS)
        await self._send_on(task)

    async def _attempt(self, task: Task, revision: Revision) -> FCError | None:
        """One run; a system error is returned, a function error stands in the task."""
        trace = task.call.trace
        again = trace.again() if trace is not None and task.attempts else trace
        call = replace(task.call, revision=revision, retry_count=task.attempts, trace=again)
        try:
            async with self._invoker.invoke(call) as outcome:
                task.answer = await gathered(outcome)
        except FCError as error:
            return error
        task.attempts += 1
        task.error = "InvocationError" if outcome.error else ""
        task.condition = task.error
        return None

    async def _send_on(self, task: Task) -> None:
        """Give the result to the destination, when that is a function of this project."""
        policy = task.call.revision.function.async_policy
        arn = policy.on_success if task.state is TaskState.SUCCEEDED else policy.on_failure
        if not arn:
            return
        name = arn.partition("functions/")[2].partition("/")[0]
        revision = self._resolve(FunctionName.parse(name), LATEST) if name else None
        if revision is None:
            self._journal.notice(
                f"destination '{arn}' is not a function of this project: the result was not sent there",
                function=str(task.call.revision.function.name),
            )
            return
        with contextlib.suppress(FCError):
            call = Invocation(revision, task.call.request_id, body=self._payload(task), trigger="destination")
            async with self._invoker.invoke(replace(call, is_async=True)) as outcome:
                await gathered(outcome)

    def _payload(self, task: Task) -> bytes:
        """What FC sends to a destination (platform.md §5)."""
        function = task.call.revision.function
        body = task.call.body if isinstance(task.call.body, bytes) else b""
        arn = f"acs:fc:{function.region}:{self._account.account_id}:functions/{function.name}"
        payload = {
            "timestamp": int(self._clock.time() * 1000),
            "requestContext": {
                "requestId": task.call.request_id,
                "functionArn": arn,
                "condition": task.condition,
                "approximateInvokeCount": max(1, task.attempts),
            },
            "requestPayload": body.decode("utf-8", "replace"),
            "responseContext": {"statusCode": 200, "functionError": task.error},
            "responsePayload": task.answer.decode("utf-8", "replace"),
        }
        return json.dumps(payload, ensure_ascii=False).encode()


def _passing(error: FCError) -> bool:
    """Errors that may go away by themselves: throttling and the system's own."""
    return error.status == 429 or error.status >= 500


async def gathered(outcome: Outcome) -> bytes:
    """The whole body of an outcome."""
    if isinstance(outcome.body, bytes):
        return outcome.body
    return b"".join([piece async for piece in outcome.body])
