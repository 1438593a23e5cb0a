"""The load generator: closed-loop HTTP/1.1 over keep-alive connections, in a process of its own.

`python -m bench.load` reads one `Load` a line from stdin as JSON, and answers each with one `Result` a line. It shares
no interpreter lock with the bench or a server, and parses answers in C, so that it is not the bottleneck; the floor
server in the table shows how much it can take.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any, cast

import httptools
import uvloop

NO_ANSWER = "no answer"
RECONNECT_SECONDS = 0.01
# A server that takes no connection for so long is gone.
GONE_SECONDS = 1.0
OK = 200


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: either for `seconds`, or `calls` on each connection.

    `pause_ms` is how long a connection rests between an answer and its next call. `answer_bytes` is the length of a
    right answer. After `patience_seconds` without an end, calls that still wait are errors.
    """

    port: int
    path: str
    body: str
    connections: int
    seconds: float = 0.0
    calls: int = 0
    pause_ms: float = 0.0
    answer_bytes: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    patience_seconds: float = 30.0

    def request(self) -> bytes:
        """The bytes of one call."""
        body = self.body.encode()
        own = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json", "Content-Length": str(len(body))}
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**own, **self.headers}.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a load. `per_second` counts right answers within the time; latencies are in milliseconds."""

    answered: int
    per_second: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    total_seconds: float
    errors: Mapping[str, int]

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    @property
    def unanswered(self) -> int:
        """Clients that still waited when patience ended: the others had the server for themselves."""
        return self.errors.get(NO_ANSWER, 0)


class _Connection(asyncio.Protocol):
    """One client: sends its next call when the answer to the last one is complete."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._transport: asyncio.WriteTransport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._sent_at = 0.0
        self._received = 0
        self._waiting = False
        self._calls_left = run.load.calls or sys.maxsize

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._parser = httptools.HttpResponseParser(self)

    def send(self) -> None:
        """Send the next call, unless the load has ended or the connection is being made anew."""
        if self._transport is None or self._waiting:
            return
        if self._calls_left == 0 or not self._run.is_running:
            self._run.client_done(self)
            return
        self._calls_left -= 1
        self._received = 0
        self._waiting = True
        self._sent_at = perf_counter()
        self._transport.write(self._run.request)

    def close(self) -> None:
        """Close the connection; while the load runs, the client goes on over a new one."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            self._answered("not HTTP")

    def on_body(self, part: bytes) -> None:
        self._received += len(part)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        error = "" if self._run.is_right(self._received) else "wrong length"
        if not self._parser.should_keep_alive():
            self.close()
        self._answered(error if status == OK else f"status {status}")

    def _answered(self, error: str) -> None:
        if self._waiting:
            self._waiting = False
            self._run.note(perf_counter() - self._sent_at, error)
            self._next()

    def _next(self) -> None:
        pause = self._run.load.pause_ms
        if pause:
            self._run.loop.call_later(pause / 1000, self.send)
        else:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting:
            self._waiting = False
            self._run.note(None, "connection lost")
        self._run.reconnect(self, self._calls_left > 0)


class _Run:
    """One load from its first call to its last answer."""

    def __init__(self, load: Load, loop: asyncio.AbstractEventLoop) -> None:
        self.load = load
        self.loop = loop
        self.request = load.request()
        self.is_running = False
        self._latencies: list[float] = []
        self._errors: Counter[str] = Counter()
        self._in_time = 0
        self._active: set[_Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._all_done = loop.create_future()

    async def run(self) -> Result:
        self.loop.set_exception_handler(self._fault)
        clients = [_Connection(self) for _ in range(self.load.connections)]
        self._active = set(clients)
        await asyncio.gather(*(self._connect(client) for client in clients))
        began = perf_counter()
        self.is_running = True
        if self.load.seconds:
            self.loop.call_later(self.load.seconds, self._stop)
        for client in clients:
            client.send()
        try:
            async with asyncio.timeout(self.load.seconds + self.load.patience_seconds):
                await self._all_done
        except TimeoutError:
            self._errors[NO_ANSWER] += len(self._active)
        total = perf_counter() - began
        self.is_running = False
        for task in self._connecting:
            task.cancel()
        for client in clients:
            client.close()
        return self._result(total)

    def note(self, latency: float | None, error: str) -> None:
        """Keep the outcome of one call."""
        if error:
            self._errors[error] += 1
            return
        assert latency is not None
        self._latencies.append(latency)
        self._in_time += self.is_running

    def is_right(self, received: int) -> bool:
        return not self.load.answer_bytes or received == self.load.answer_bytes

    def client_done(self, client: _Connection) -> None:
        self._active.discard(client)
        if not self._active and not self._all_done.done():
            self._all_done.set_result(None)

    def reconnect(self, client: _Connection, has_calls: bool) -> None:
        """A server may close a connection; the client goes on over a new one."""
        if not self.is_running or not has_calls:
            self.client_done(client)
            return
        task = self.loop.create_task(self._reconnect(client))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _reconnect(self, client: _Connection) -> None:
        gone_at = perf_counter() + GONE_SECONDS
        while self.is_running and perf_counter() < gone_at:
            try:
                await self._connect(client)
                client.send()
                return
            except OSError:
                self._errors["connection refused"] += 1
                await asyncio.sleep(RECONNECT_SECONDS)
        self.client_done(client)

    async def _connect(self, client: _Connection) -> None:
        await self.loop.create_connection(lambda: client, "127.0.0.1", self.load.port)

    def _fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A fault of the generator's own ends it: a figure that it spoilt would look like any other."""
        if not self._all_done.done():
            self._all_done.set_exception(context.get("exception") or RuntimeError(context["message"]))

    def _stop(self) -> None:
        self.is_running = False

    def _result(self, total: float) -> Result:
        ordered = sorted(self._latencies)
        window = self.load.seconds or total
        p50, p90, p99, largest = (percentile(ordered, share) * 1000 for share in (0.5, 0.9, 0.99, 1.0))
        return Result(len(ordered), self._in_time / window, p50, p90, p99, largest, total, dict(self._errors))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie; 0 where there are none."""
    return ordered[round(share * (len(ordered) - 1))] if ordered else 0.0


async def run_load(load: Load) -> Result:
    """Send one load. Raises `OSError` where nobody listens at its start."""
    return await _Run(load, asyncio.get_running_loop()).run()


def main() -> None:
    """Answer loads until stdin ends, which it does with the bench."""
    gc.disable()
    for line in sys.stdin:
        try:
            answer = asdict(uvloop.run(run_load(Load(**json.loads(line)))))
        except OSError as error:
            answer = {"refused": str(error)}
        print(json.dumps(answer), flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
