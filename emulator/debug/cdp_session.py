"""One editor's conversation with one Node.js process, and what we change in it on the way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from emulator.debug.cdp_link import Link, LinkClosed
from emulator.debug.cdp_urls import Message, UrlMap

# The file that the editor shows is not the code of an old revision's instance, which keeps the breakpoints it had.
_BREAKPOINTS = frozenset({"Debugger.setBreakpointByUrl", "Debugger.setBreakpoint", "Debugger.removeBreakpoint"})
_STEPS = frozenset({"Debugger.stepInto", "Debugger.stepOut", "Debugger.stepOver"})
# With the first an ended program waits for its debugger, and an instance would not stop; the others would show, and let
# stand still, the thread that carries all this.
_WITHHELD = ("NodeRuntime.", "NodeWorker.")
BLACKBOX = "Debugger.setBlackboxPatterns"


class Target:
    """A process that can be debugged. `name` is shown, `id` is its address; `home` is how URLs of our own files begin,
    as it knows them.

    `moved` is called when it has come to a stop, or runs again.
    """

    def __init__(
        self, link: Link, target_id: str, name: str, urls: UrlMap, home: str, moved: Callable[[Target], None]
    ) -> None:
        self.link = link
        self.id = target_id
        self.name = name
        self.urls = urls
        self.home = home
        self.retired = False
        self.stepping = False
        self._moved = moved
        self._paused: set[Session] = set()

    def __repr__(self) -> str:
        return f"<Target {self.name}{' paused' if self.paused else ''}>"

    @property
    def paused(self) -> bool:
        return bool(self._paused)

    def session_paused(self, session: Session, paused: bool) -> None:
        before = self.paused
        (self._paused.add if paused else self._paused.discard)(session)
        if self.paused != before:
            self._moved(self)


class Session:
    """`take` what the editor says; `deliver` is called with what it is to hear, `on_closed` when it has gone.

    `released` is done when the editor has said all that it wants to before the program begins.
    """

    def __init__(
        self, target: Target, deliver: Callable[[Message], None], on_closed: Callable[[Session], None] | None = None
    ) -> None:
        self.target = target
        self.released: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.debugs = False
        self._deliver = deliver
        self._on_closed = on_closed
        self._number = target.link.open(self._receive)
        self._swallowed = 0

    def close(self) -> None:
        """The program runs on, without this editor's breakpoints."""
        self.target.link.close_session(self._number)
        self.ended()
        if self._on_closed is not None:
            self._on_closed(self)

    def ended(self) -> None:
        """The process has gone."""
        self.target.session_paused(self, False)
        self.release()

    def release(self) -> None:
        """The program need not wait for this editor."""
        if not self.released.done():
            self.released.set_result(None)

    # --- from the editor ---

    def take(self, command: Message) -> None:
        method = command.get("method", "")
        if method.startswith(_WITHHELD) or (self.target.retired and method in _BREAKPOINTS):
            self._deliver({"id": command.get("id"), "result": self._nothing(method)})
            return
        if method == "Runtime.runIfWaitingForDebugger":
            self.release()
        elif method.startswith("Debugger."):
            self._note(method)
        command = self.target.urls.inward(command)
        if method == BLACKBOX:
            command = self._with_ours(command)
        self.target.link.send(self._number, command)
        if method == "Debugger.enable":
            self._hide_ours()

    async def sync(self) -> None:
        """Returns when the process has done all that it was told before. Raises `LinkClosed`."""
        await self.target.link.ask(self._number, "Runtime.getIsolateId")

    def pause(self) -> None:
        """Stop the program wherever it is, for the editor to see."""
        self._own("Debugger.pause")

    def _note(self, method: str) -> None:
        if method == "Debugger.enable":
            self.debugs = True
        elif method == "Debugger.disable":
            self.debugs = False
        elif method in _STEPS or method == "Debugger.resume":
            self.target.stepping = method in _STEPS

    def _nothing(self, method: str) -> Message:
        if method != "Debugger.setBreakpointByUrl":
            return {}
        self._swallowed += 1
        return {"breakpointId": f"fclocal:old-code:{self._swallowed}", "locations": []}

    def _with_ours(self, command: Message) -> Message:
        params = dict(command.get("params") or {})
        params["patterns"] = [*params.get("patterns", ()), *self._ours()]
        return {**command, "params": params}

    def _hide_ours(self) -> None:
        """Steps run through our bootstrap and end in user code."""
        self._own(BLACKBOX, patterns=self._ours())

    def _ours(self) -> list[str]:
        return [f"^{re.escape(self.target.home)}"]

    def _own(self, method: str, **params: Any) -> None:
        task = asyncio.ensure_future(self.target.link.ask(self._number, method, **params))
        task.add_done_callback(_heard)

    # --- from the process ---

    def _receive(self, message: Message) -> None:
        method = message.get("method")
        if method == "Debugger.paused":
            self.target.session_paused(self, True)
        elif method == "Debugger.resumed":
            self.target.session_paused(self, False)
        elif method == "Runtime.consoleAPICalled":
            self._begin_in_user_code(message)
        self._deliver(self.target.urls.outward(message))

    def _begin_in_user_code(self, message: Message) -> None:
        """A line of the console is said to come from where user code wrote it, not from our logger."""
        frames = (message["params"].get("stackTrace") or {}).get("callFrames") or []
        while frames and str(frames[0].get("url", "")).startswith(self.target.home):
            frames.pop(0)


def _heard(task: asyncio.Task[Message]) -> None:
    """Nobody waits for the answer; that the process has gone is told elsewhere."""
    if not task.cancelled() and isinstance(task.exception(), LinkClosed):
        return
