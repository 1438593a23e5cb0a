"""A debugger that listens inside of an instance: any server of the Debug Adapter Protocol, such as Delve for Go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from emulator.debug.breakpoints import Breakpoints, FileBreakpoints
from emulator.debug.dap import Message
from emulator.debug.lines import PYTHON_SUFFIXES
from emulator.debug.paths import as_on_host, spellings
from emulator.debug.peer import Failed, Peer, PeerGone, body_of
from emulator.debug.process import ANSWER_SECONDS, CONFIGURE_SECONDS, Observer, Process, breakpoints_in
from emulator.instance.instance import Instance

Json = dict[str, Any]

INITIALIZE = {
    "adapterID": "fclocal",
    "clientID": "fclocal",
    "linesStartAt1": True,
    "columnsStartAt1": True,
    "pathFormat": "path",
    "supportsVariableType": True,
}
LEAVE_SECONDS = 10.0
# How Delve calls a program that it has started already; others do not look at it.
ATTACH: Mapping[str, Any] = {"request": "attach", "mode": "remote"}
# Requests that may be sent only where the server says that it knows them.
NEEDED = {
    "completions": "supportsCompletionsRequest",
    "exceptionInfo": "supportsExceptionInfoRequest",
    "goto": "supportsGotoTargetsRequest",
    "gotoTargets": "supportsGotoTargetsRequest",
    "loadedSources": "supportsLoadedSourcesRequest",
    "modules": "supportsModulesRequest",
    "restartFrame": "supportsRestartFrame",
    "reverseContinue": "supportsStepBack",
    "setExpression": "supportsSetExpression",
    "setFunctionBreakpoints": "supportsFunctionBreakpoints",
    "setVariable": "supportsSetVariable",
    "stepBack": "supportsStepBack",
    "stepInTargets": "supportsStepInTargetsRequest",
    "terminateThreads": "supportsTerminateThreadsRequest",
}
# Of a breakpoint: where it is not known, the breakpoint would stop where it was not meant to.
CONDITIONS = {
    "condition": "supportsConditionalBreakpoints",
    "hitCondition": "supportsHitConditionalBreakpoints",
    "logMessage": "supportsLogPoints",
}


class Dialled(Process):
    """`attach` are the arguments with which it is attached to the program."""

    def __init__(self, instance: Instance, name: str, attach: Mapping[str, Any], observer: Observer) -> None:
        super().__init__(instance, name, 0, (), observer)
        self.peer = Peer(self._took, self._hung_up)
        self._attach = attach
        self._can: Json = {}
        self._initialized: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handshake = asyncio.Lock()
        self._files: set[str] = set()
        # While all of it stands, with the thread that it stopped for.
        self._stands = asyncio.Event()
        self._thread = 0

    @property
    def stays_slow(self) -> bool:
        return False

    def can(self, command: str) -> bool:
        needed = NEEDED.get(command)
        return needed is None or bool(self._can.get(needed))

    def on_host(self, path: str) -> str:
        return as_on_host(path, self.instance.sandbox.launch)

    # --- what it says ---

    def _hung_up(self) -> None:
        self._stands.set()  # whoever waits for it goes on, and finds that it is gone
        self._observer.lost(self)

    def _took(self, message: Message) -> None:
        body = message.get("body")
        if not isinstance(body, dict):
            body = {}
        event = message.get("event") if message.get("type") == "event" else None
        if event == "initialized":
            self._let_know(None)
        elif event == "capabilities" and isinstance(body.get("capabilities"), dict):
            self._can.update(body["capabilities"])
        elif event == "stopped":
            self._stopped(body)
            return
        elif event == "continued":
            self._stands.clear()
        super()._took(message)

    def _let_know(self, error: Exception | None) -> None:
        if self._initialized.done():
            return
        if error is None:
            self._initialized.set_result(None)
        else:
            self._initialized.set_exception(error)

    def _stopped(self, body: Json) -> None:
        self.whole = body.get("allThreadsStopped") is True
        if isinstance(body.get("threadId"), int):
            self._stopped_at(body["threadId"], body)
        else:  # such as Delve's answer to `pause`, while no goroutine of ours runs
            self.peer.ask("threads").add_done_callback(lambda answer: self._stopped_somewhere(body, answer))

    def _stopped_somewhere(self, body: Json, answer: asyncio.Future[Message]) -> None:
        if answer.cancelled() or answer.exception() is not None:
            return
        with contextlib.suppress(Failed):
            self._take_threads(body_of(answer.result()))
        # Delve marks the one that it looks at.
        marked = [thread for thread, name in self.threads.items() if name.startswith("*")]
        self._stopped_at(next(iter([*marked, *self.threads]), 0), body)

    def _stopped_at(self, thread: int, body: Json) -> None:
        self._thread = thread
        self._stands.set()
        if self.attached:  # else it was stopped so that it can be left
            self._observer.said(self, "stopped", {**body, "threadId": thread})

    # --- what it is told ---

    async def configure(self, editor: Mapping[str, Any], breakpoints: Breakpoints) -> None:
        """In the order of the protocol, each step when the one before was answered: servers need not be able to take
        more at once."""
        if self._initialized.done():
            await self._configure_again(breakpoints)
            return
        async with self._handshake, asyncio.timeout(CONFIGURE_SECONDS):
            self._can.update(body_of(await self.peer.ask("initialize", INITIALIZE)))
            attached = self.peer.ask("attach", dict(self._attach or ATTACH))
            attached.add_done_callback(self._attach_answered)
            await self._initialized
            self.attached = True
            await self._set_all(breakpoints)
            for asked in self._of_session(breakpoints):
                body_of(await asked)
            if self._can.get("supportsConfigurationDoneRequest"):
                body_of(await self.peer.ask("configurationDone"))
            body_of(await attached)

    async def _configure_again(self, breakpoints: Breakpoints) -> None:
        """It was frozen from one editor to the next, and has not heard of either."""
        self.attached = True
        for path in self._files:
            self.ask("setBreakpoints", {"source": {"path": path}, "breakpoints": []})
        await self._set_all(breakpoints)
        self._of_session(breakpoints)

    async def _set_all(self, breakpoints: Breakpoints) -> None:
        await asyncio.gather(*(self.set_breakpoints(path, entry) for path, entry in breakpoints.files.items()))

    def _attach_answered(self, answer: asyncio.Future[Message]) -> None:
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, Exception):
            self._let_know(error)
        elif not answer.cancelled() and not answer.result().get("success"):
            self._let_know(Failed(str(answer.result().get("message") or "it refuses to attach")))

    def _of_session(self, breakpoints: Breakpoints) -> list[asyncio.Future[Message]]:
        asked = []
        if self.can("setFunctionBreakpoints"):
            asked.append(self.ask("setFunctionBreakpoints", breakpoints.functions or {"breakpoints": []}))
        if self._filters():
            asked.append(self.ask("setExceptionBreakpoints", self._exceptions(breakpoints.exceptions or {})))
        return asked

    def _filters(self) -> list[str]:
        offered = self._can.get("exceptionBreakpointFilters")
        found = offered if isinstance(offered, list) else []
        return [str(each.get("filter")) for each in found if isinstance(each, dict)]

    def _exceptions(self, wanted: Mapping[str, Any]) -> Json:
        """Those of its own filters that the editor has chosen by their name."""
        return {"filters": [each for each in wanted.get("filters") or () if each in self._filters()]}

    def tell(self, command: str, arguments: Json) -> None:
        if command == "setExceptionBreakpoints":
            if self._filters():
                self.ask(command, self._exceptions(arguments))
        elif self.can(command):
            self.ask(command, arguments)

    async def set_breakpoints(self, path: str, entry: FileBreakpoints) -> None:
        """The program may have been built on the host or as it lies inside, so each name of a file is tried."""
        if path.endswith(PYTHON_SUFFIXES):
            return
        known = [self._can_stop_at(spec) for spec in entry.specs]
        specs = [spec for spec, can in zip(entry.specs, known, strict=True) if can]
        asked = []
        for spelled in spellings(path, self.instance.sandbox.launch):
            self._files.add(spelled)
            source = {**entry.source, "path": spelled}
            answer = self.ask("setBreakpoints", {"source": source, "breakpoints": specs})
            answer.add_done_callback(lambda done: self._note_known(entry, known, done))
            asked.append(answer)
        if not self.asleep:
            await asyncio.wait(asked, timeout=ANSWER_SECONDS)

    def _can_stop_at(self, spec: Json) -> bool:
        return all(self._can.get(needed) for key, needed in CONDITIONS.items() if spec.get(key))

    def _note_known(self, entry: FileBreakpoints, known: list[bool], answer: asyncio.Future[Message]) -> None:
        """Those that it was not told of keep their place. An editor hears of those that turn out to be there, which
        nobody could tell while nothing ran."""
        if answer.cancelled() or answer.exception() is not None:
            return
        told, before = iter(breakpoints_in(answer.result())), list(entry.shown)
        self._ids.update(entry.note([next(told, None) if can else None for can in known]))
        for old, new in zip(before, entry.shown, strict=True):
            if new is not old:
                self._observer.verified(new)

    def go(self, thread: int) -> asyncio.Future[Message]:
        self._stands.clear()
        return self.peer.ask("continue", {"threadId": thread})

    def step(self, command: str, arguments: Any) -> asyncio.Future[Message]:
        self._stands.clear()
        answer = self.peer.ask(command, arguments)
        answer.add_done_callback(self._step_answered)
        return answer

    def _step_answered(self, answer: asyncio.Future[Message]) -> None:
        if not answer.cancelled() and answer.exception() is None and not answer.result().get("success"):
            self._stands.set()

    def stop(self, *, alone: bool) -> None:
        self.peer.ask("pause", {"threadId": next(iter(self.threads), 1)})

    # --- the end of a session ---

    async def detach(self) -> None:
        """The program runs on without breakpoints, and its debugger listens for the next editor. One that is frozen
        gets to know at thaw, or is there for the next editor if that comes earlier."""
        async with self._handshake:  # Delve has stopped the program for it, and lets it go at its end
            said_hello, self.attached = self.attached, False
        if not said_hello:
            self._close()
        elif not self.asleep:
            await self._leave()

    async def sync(self) -> None:
        if self.attached:
            await super().sync()
        else:
            await self._leave()

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._let_run()
        except (PeerGone, TimeoutError):
            pass  # whatever it is about, it is not about us any more
        finally:
            self._close()

    async def _let_run(self) -> None:
        """Delve goes on by itself after each change of breakpoints, but not if `disconnect` comes just then: so it is
        stopped before, and let go in so many words."""
        if not self._stands.is_set():
            self.stop(alone=False)
            await self._stands.wait()
        asked = [self.peer.ask("setBreakpoints", {"source": {"path": path}, "breakpoints": []}) for path in self._files]
        if self.can("setFunctionBreakpoints"):
            asked.append(self.peer.ask("setFunctionBreakpoints", {"breakpoints": []}))
        for answer in [*asked, self.go(self._thread), self.peer.ask("threads")]:
            await answer
        await self.peer.ask("disconnect", self._farewell)

    @property
    def _farewell(self) -> Json:
        return {"terminateDebuggee": False} if self._can.get("supportTerminateDebuggee") else {}

    def _close(self) -> None:
        self.peer.close()
        self._observer.lost(self)
