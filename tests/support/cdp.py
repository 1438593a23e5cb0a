"""A scripted client of the Chrome DevTools Protocol, as js-debug speaks it: one root, and processes as its workers."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.command import PATIENCE_SECONDS

Message = dict[str, Any]


def targets(port: int) -> list[Message]:
    """What chrome://inspect is told."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE_SECONDS) as answer:
        return list(json.load(answer))


class Process:
    """A process of an instance, as the editor sees it. `paused` are its stops, in order, that nobody took yet."""

    def __init__(self, editor: Editor, session: str, name: str) -> None:
        self.name = name
        self.scripts: dict[str, str] = {}
        self.events: list[Message] = []
        self.gone = False
        self._editor = editor
        self._session = session

    def send(self, method: str, **params: Any) -> int:
        return self._editor.send_to(self._session, method, params)

    def ask(self, method: str, **params: Any) -> Message:
        return self._editor.answer(self.send(method, **params))

    def begin(self, *breakpoints: tuple[Path, int], **exceptions: str) -> None:
        """What an editor says to a new thread: its breakpoints, then that it may begin."""
        self.ask("Runtime.enable")
        self.ask("Debugger.enable")
        for path, line in breakpoints:
            self.set_breakpoint(path, line)
        if exceptions:
            self.ask("Debugger.setPauseOnExceptions", **exceptions)
        self.ask("Runtime.runIfWaitingForDebugger")

    def set_breakpoint(self, path: Path, line: int, condition: str = "") -> Message:
        """`line` counts from 1, as people do. The pattern is how js-debug writes it."""
        pattern = "file://" + re.sub(r"([^\w])", r"\\\1", str(path))
        return self.ask("Debugger.setBreakpointByUrl", urlRegex=pattern, lineNumber=line - 1, condition=condition)

    def event(self, method: str) -> Message:
        """The next event of this name, come or yet to come."""

        def look() -> Message | None:
            return next((it for it in self.events if it["method"] == method), None)

        found = self._editor.until(look, f"{method} of {self.name}")
        self.events.remove(found)
        return dict(found["params"])

    def stopped(self) -> Stop:
        return Stop(self, self.event("Debugger.paused"))

    def resume(self) -> None:
        self.ask("Debugger.resume")
        self.event("Debugger.resumed")


class Stop:
    """Where a process stands: `line` counts from 1, `path` is on the host."""

    def __init__(self, process: Process, params: Message) -> None:
        frame = params["callFrames"][0]
        self.reason = str(params["reason"])
        self.data = params.get("data", {})
        self.hit = params.get("hitBreakpoints", [])
        self.function = str(frame["functionName"])
        self.line = int(frame["location"]["lineNumber"]) + 1
        self.path = process.scripts[frame["location"]["scriptId"]].removeprefix("file://")
        self._process = process
        self._frame = frame["callFrameId"]

    def evaluate(self, expression: str) -> Any:
        answer = self._process.ask(
            "Debugger.evaluateOnCallFrame", callFrameId=self._frame, expression=expression, returnByValue=True
        )
        return answer["result"].get("value")


class Editor:
    """Attached once, to the root. Everything is read when something is waited for."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._answers: dict[int, Message] = {}
        self._processes: dict[str, Process] = {}
        self._new: list[Process] = []

    def send(self, method: str, params: Message) -> int:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        return number

    def send_to(self, session: str, method: str, params: Message) -> int:
        number = next(self._numbers)
        text = json.dumps({"id": number, "method": method, "params": params})
        self.send("NodeWorker.sendMessageToWorker", {"sessionId": session, "message": text})
        return number

    def ask(self, method: str, **params: Any) -> Message:
        return self.answer(self.send(method, params))

    def answer(self, number: int) -> Message:
        message = self.until(lambda: self._answers.pop(number, None), f"the answer to {number}")
        assert "error" not in message, message
        return dict(message["result"])

    def process(self) -> Process:
        """The next one that comes."""
        return self.until(lambda: self._new.pop(0) if self._new else None, "a new process")

    def until(self, look: Any, what: str) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := look()):
            try:
                self._take(json.loads(self._connection.recv(timeout=max(0.0, deadline - time.monotonic()))))
            except TimeoutError:
                raise AssertionError(f"in vain: {what}") from None
        return found

    def close(self) -> None:
        self._connection.close()

    def crash(self) -> None:
        """The connection breaks off without a word."""
        self._connection.socket.shutdown(2)

    def _take(self, message: Message) -> None:
        params = message.get("params", {})
        if "id" in message:
            self._answers[message["id"]] = message
        elif message["method"] == "NodeWorker.attachedToWorker":
            process = Process(self, params["sessionId"], params["workerInfo"]["title"])
            self._processes[params["sessionId"]] = process
            self._new.append(process)
        elif message["method"] == "NodeWorker.detachedFromWorker":
            self._processes.pop(params["sessionId"]).gone = True
        elif message["method"] == "NodeWorker.receivedMessageFromWorker":
            self._heard(self._processes[params["sessionId"]], json.loads(params["message"]))

    def _heard(self, process: Process, message: Message) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
        elif message["method"] == "Debugger.scriptParsed":
            process.scripts[message["params"]["scriptId"]] = message["params"]["url"]
        else:
            process.events.append(message)


@contextlib.contextmanager
def editor(port: int, **headers: str) -> Iterator[Editor]:
    """Attached to every Node.js instance there is and will be."""
    address = targets(port)[0]["webSocketDebuggerUrl"]
    with connect(address, max_size=None, compression=None, additional_headers=headers) as connection:
        attached = Editor(connection)
        attached.ask("Runtime.enable")
        attached.ask("Debugger.enable")
        attached.ask("NodeWorker.enable", waitForDebuggerOnStart=True)
        with contextlib.suppress(ConnectionClosed):
            yield attached
