"""One connection that speaks DAP, to an editor or to a debugger in an instance: requests, answers, events."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any, cast

from emulator.debug.dap import Framing, Message, NotDap, frame

# An editor that does not read must not fill our memory: what it would print is left out meanwhile.
CLOGGED_BYTES = 16 * 1024 * 1024


class PeerGone(Exception):
    """The other side has closed the connection."""


class Failed(Exception):
    """The other side answered that it can not; the text is its own."""


class Peer(asyncio.Protocol):
    """`took` gets requests and events, `lost` is called once, at the end."""

    def __init__(self, took: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self._took = took
        self._lost = lost
        self._framing = Framing()
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._transport: asyncio.Transport | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._framing.feed(data)
        except NotDap:
            self.close()
            return
        for message in messages:
            self._take(message)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        asked, self._asked = self._asked, {}
        for answer in asked.values():
            if not answer.done():
                answer.set_exception(PeerGone())
                answer.exception()  # nobody may wait for it any more
        self._lost()

    def close(self) -> None:
        """What was sent is still delivered."""
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def _take(self, message: Message) -> None:
        if message.get("type") != "response":
            self._took(message)
            return
        answer = self._asked.pop(cast(int, message.get("request_seq")), None)
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _send(self, message: Message) -> int:
        number = message["seq"] = next(self._numbers)
        if not self.closed and self._transport is not None:
            self._transport.write(frame(message))
        return number

    # --- what we say ---

    def ask(self, command: str, arguments: Any = None) -> asyncio.Future[Message]:
        """Send a request now; its response comes later, or `PeerGone`. Requests arrive in the order of the calls."""
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        if self.closed:
            answer.set_exception(PeerGone())
            answer.exception()
            return answer
        request = {"type": "request", "command": command, "arguments": {} if arguments is None else arguments}
        self._asked[self._send(request)] = answer
        return answer

    async def all_answered(self, patience: float) -> None:
        """Returns when nothing that was asked waits for its answer any more, or after `patience` seconds."""
        if self._asked:
            await asyncio.wait(list(self._asked.values()), timeout=patience)

    def event(self, name: str, body: Any = None) -> None:
        self._send({"type": "event", "event": name, "body": {} if body is None else body})

    def output(self, category: str, text: str) -> None:
        if self._transport is None or self._transport.get_write_buffer_size() < CLOGGED_BYTES:
            self.event("output", {"category": category, "output": text})

    def answer(self, request: Message, body: Any = None) -> None:
        self._send(_answer(request, success=True, body={} if body is None else body))

    def refuse(self, request: Message, text: str, *, show: bool = False) -> None:
        """`show`: a user should see it, and not only who asked."""
        body = {"error": {"id": 1, "format": text.replace("{", "(").replace("}", ")"), "showUser": show}}
        self._send(_answer(request, success=False, body=body, message=text))

    def relay(self, request: Message, response: Message, body: Any) -> None:
        """Another's response as ours."""
        answer = _answer(request, success=bool(response.get("success")), body=body)
        if "message" in response:
            answer["message"] = response["message"]
        self._send(answer)


def _answer(request: Message, **fields: Any) -> Message:
    head = {"type": "response", "request_seq": request.get("seq"), "command": request.get("command")}
    return {**head, **fields}


def body_of(response: Message) -> dict[str, Any]:
    """The body of a response that succeeded, an object. Raises `Failed`."""
    if not response.get("success"):
        raise Failed(str(response.get("message") or "no reason was given"))
    body = response.get("body")
    return body if isinstance(body, dict) else {}
