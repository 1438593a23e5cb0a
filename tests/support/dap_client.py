"""A scripted editor: speaks DAP over a socket, one request after the other, and keeps the events that come meanwhile.

Waiting is always for a message; `PATIENCE_SECONDS` only bounds what a defect can cost.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.support.command import PATIENCE_SECONDS

Message = dict[str, Any]


class Refused(AssertionError):
    """The other side answered `success: false`; the text is its message."""


class DapClient:
    """`with DapClient(port) as editor: editor.attach({path: [7]})`."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._numbers = itertools.count(1)
        self._answers: dict[int, Message] = {}
        self.events: list[Message] = []

    def __enter__(self) -> DapClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.crash()

    def crash(self) -> None:
        """Go without a word."""
        self._socket.close()

    # --- messages ---

    def send(self, command: str, arguments: Mapping[str, Any] | None = None) -> int:
        number = next(self._numbers)
        message = {"seq": number, "type": "request", "command": command, "arguments": arguments or {}}
        body = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return number

    def answer(self, number: int) -> Message:
        """The response to a request that was sent; raises `Refused`."""
        while number not in self._answers:
            self._sort(self._read())
        response = self._answers.pop(number)
        if not response["success"]:
            raise Refused(response.get("message"), (response.get("body") or {}).get("error"))
        return response.get("body") or {}

    def ask(self, command: str, **arguments: Any) -> Message:
        return self.answer(self.send(command, arguments))

    def event(self, name: str, wanted: Callable[[Message], bool] = lambda body: True) -> Message:
        """The body of the first such event that nobody has taken yet."""
        while True:
            for index, message in enumerate(self.events):
                if message["event"] == name and wanted(message.get("body") or {}):
                    return self.events.pop(index).get("body") or {}
            self._sort(self._read())

    def seen(self, name: str) -> list[Message]:
        """Such events that have come and that nobody has taken."""
        return [message.get("body") or {} for message in self.events if message["event"] == name]

    def at_end(self) -> bool:
        """True when the other side closes without another message."""
        with contextlib.suppress(ConnectionError):
            return self._socket.recv(1) == b""
        return True

    def _sort(self, message: Message) -> None:
        if message["type"] == "response":
            self._answers[message["request_seq"]] = message
        else:
            self.events.append(message)

    def _read(self) -> Message:
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        length = int(head.partition(b":")[2])
        while len(self._buffer) < length:
            self._fill()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return json.loads(body)

    def _fill(self) -> None:
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise AssertionError(f"no message came in time; not taken: {self.events}") from None
        if not data:
            raise ConnectionError("the other side has closed the connection")
        self._buffer += data

    # --- what editors do ---

    def initialize(self) -> Message:
        return self.ask(
            "initialize", clientID="test", adapterID="debugpy", linesStartAt1=True, columnsStartAt1=True,
            pathFormat="path", supportsVariableType=True,
        )  # fmt: skip

    def attach(
        self,
        breakpoints: Mapping[str, Sequence[int | Message]] | None = None,
        exceptions: Sequence[str] = ("uncaught",),
        **arguments: Any,
    ) -> dict[str, list[Message]]:
        """The whole beginning of a session, as VS Code does it; what was told of each file's breakpoints."""
        self.initialize()
        attaching = self.send("attach", {"justMyCode": True, **arguments})
        self.event("initialized")
        shown = {path: self.set_breakpoints(path, *lines) for path, lines in (breakpoints or {}).items()}
        self.ask("setFunctionBreakpoints", breakpoints=[])
        self.ask("setExceptionBreakpoints", filters=list(exceptions))
        self.ask("configurationDone")
        self.answer(attaching)
        return shown

    def set_breakpoints(self, path: str, *lines: int | Message) -> list[Message]:
        specs = [{"line": line} if isinstance(line, int) else line for line in lines]
        return self.ask("setBreakpoints", source={"path": path}, breakpoints=specs)["breakpoints"]

    def stopped(self) -> Stop:
        """Wait for the next stop."""
        body = self.event("stopped")
        return Stop(self, body)

    def threads(self) -> dict[int, str]:
        return {thread["id"]: thread["name"] for thread in self.ask("threads")["threads"]}

    def disconnect(self) -> None:
        self.ask("disconnect")
        self.event("terminated")


class Stop:
    """A thread that stands, and what an editor asks of it."""

    def __init__(self, editor: DapClient, body: Message) -> None:
        self.editor = editor
        self.body = body
        self.thread = body["threadId"]

    def __repr__(self) -> str:
        return f"<Stop {self.body}>"

    def frames(self) -> list[Message]:
        return self.editor.ask("stackTrace", threadId=self.thread)["stackFrames"]

    @property
    def line(self) -> int:
        return self.frames()[0]["line"]

    @property
    def path(self) -> str:
        return self.frames()[0]["source"]["path"]

    @property
    def name(self) -> str:
        """How the thread is shown."""
        return self.editor.threads()[self.thread]

    def variables(self) -> dict[str, str]:
        return {each["name"]: each["value"] for each in self.scope()}

    def scope(self) -> list[Message]:
        reference = self.editor.ask("scopes", frameId=self.frames()[0]["id"])["scopes"][0]["variablesReference"]
        return self.editor.ask("variables", variablesReference=reference)["variables"]

    def evaluate(self, expression: str, context: str = "watch") -> str:
        frame = self.frames()[0]["id"]
        return self.editor.ask("evaluate", expression=expression, frameId=frame, context=context)["result"]

    def go(self) -> None:
        self.editor.ask("continue", threadId=self.thread)
        self.editor.event("continued", lambda body: body["threadId"] == self.thread)

    def step(self, how: str = "next", **arguments: Any) -> Stop:
        self.editor.ask(how, threadId=self.thread, **arguments)
        return self.editor.stopped()


@contextlib.contextmanager
def attached(port: int, *args: Any, **kwargs: Any) -> Iterator[DapClient]:
    """An editor that has attached, and that says goodbye."""
    with DapClient(port) as editor:
        editor.attach(*args, **kwargs)
        yield editor
        with contextlib.suppress(ConnectionError, Refused):
            editor.disconnect()
