"""The root target: what an editor attaches to once. Processes of instances come and go as its worker threads.

An editor opens one connection for a Node.js program and learns of its worker threads by the domain NodeWorker. The root
is such a program that does nothing itself, so that instances need no connection, and no port, that the editor knows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import msgspec

from emulator.debug.cdp_session import Session, Target
from emulator.debug.cdp_urls import Message

ROOT_CONTEXT = {
    "id": 1,
    "origin": "",
    "name": "fclocal",
    "uniqueId": "1.1",
    "auxData": {"isDefault": True},
}

NO_PROGRAM = {
    "result": {"type": "undefined"},
    "exceptionDetails": {
        "exceptionId": 1,
        "text": "No code runs here: choose an instance in the call stack.",
        "lineNumber": 0,
        "columnNumber": 0,
    },
}


class Root:
    """One editor. `write` sends it a message; `on_enabled` is called when it wants to know of processes, `on_closed`
    when it has gone."""

    def __init__(
        self, write: Callable[[Message], None], on_enabled: Callable[[], None], on_closed: Callable[[Root], None]
    ) -> None:
        self._write = write
        self._on_enabled = on_enabled
        self._on_closed = on_closed
        self._numbers = itertools.count(1)
        self._sessions: dict[str, Session] = {}
        self.enabled = False

    def __repr__(self) -> str:
        return f"<Root with {len(self._sessions)} processes>"

    @property
    def sessions(self) -> list[Session]:
        return list(self._sessions.values())

    def add(self, target: Target) -> Session | None:
        """Show a process, if it is not seen yet; None where the editor does not want to know of any."""
        if not self.enabled:
            return None
        known = next((it for it in self._sessions.values() if it.target is target), None)
        if known is not None:
            return known
        number = str(next(self._numbers))
        session = self._sessions[number] = Session(target, lambda message: self._relay(number, message))
        info = {"workerId": target.id, "type": "worker", "title": target.name, "url": f"file:///{target.name}"}
        self._tell("NodeWorker.attachedToWorker", sessionId=number, workerInfo=info, waitingForDebugger=True)
        return session

    def remove(self, target: Target) -> None:
        """The process has gone."""
        for number, session in list(self._sessions.items()):
            if session.target is target:
                del self._sessions[number]
                session.ended()
                self._tell("NodeWorker.detachedFromWorker", sessionId=number)

    def close(self) -> None:
        """The editor has gone: everything runs on."""
        self._forget()
        self._on_closed(self)

    def _forget(self) -> None:
        self.enabled = False
        while self._sessions:
            self._sessions.popitem()[1].close()

    # --- from the editor ---

    def take(self, command: Message) -> None:
        method, params = command.get("method"), command.get("params") or {}
        result: Message = {}
        if method == "NodeWorker.sendMessageToWorker":
            self._to_process(params)
        elif method == "NodeWorker.detach":
            session = self._sessions.pop(str(params.get("sessionId")), None)
            if session is not None:
                session.close()
        elif method == "Runtime.enable":
            self._tell("Runtime.executionContextCreated", context=ROOT_CONTEXT)
        elif method == "Debugger.enable":
            result = {"debuggerId": "fclocal.root"}
        elif method == "Debugger.setBreakpointByUrl":
            # It has no code: each process is told by itself.
            result = {"breakpointId": f"fclocal:root:{next(self._numbers)}", "locations": []}
        elif method == "Runtime.evaluate":
            result = NO_PROGRAM
        self._write({"id": command.get("id"), "result": result})
        if method == "NodeWorker.enable":
            self.enabled = True
            self._on_enabled()
        elif method == "NodeWorker.disable":
            self._forget()

    def _to_process(self, params: Message) -> None:
        session = self._sessions.get(str(params.get("sessionId")))
        if session is None:
            return  # it has just gone
        try:
            command = msgspec.json.decode(params.get("message", ""))
        except (msgspec.DecodeError, TypeError):
            return
        if isinstance(command, dict):
            session.take(command)

    # --- to the editor ---

    def _relay(self, number: str, message: Message) -> None:
        text = msgspec.json.encode(message).decode()
        self._tell("NodeWorker.receivedMessageFromWorker", sessionId=number, message=text)

    def _tell(self, method: str, **params: Any) -> None:
        self._write({"method": method, "params": params})
