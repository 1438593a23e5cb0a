"""The editor's side of the router: what is answered here, and what goes to the debugger of an instance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from emulator.debug.capabilities import CAPABILITIES
from emulator.debug.console import run_command
from emulator.debug.dap import Message
from emulator.debug.forward import NotThere
from emulator.debug.names import QUEUED
from emulator.debug.peer import Peer, PeerGone
from emulator.debug.process import Process
from emulator.debug.router import Router, Screen

Json = dict[str, Any]
# Requests after which a thread runs. All but `continue` are steps: they keep the editor's eyes on the instance.
STEPS = frozenset({"next", "stepIn", "stepOut", "goto", "stepBack", "reverseContinue"})


class Seat:
    """Who is attached."""

    def __init__(self) -> None:
        self.holder: Editor | None = None


class Editor:
    """One connection; `peer` is what the transport talks to. Of all, one at a time may attach: the `seat` is its."""

    def __init__(self, router: Router, seat: Seat, left: Callable[[Editor], None]) -> None:
        self.peer = Peer(self._took, self._lost)
        self._router = router
        self._seat = seat
        self._left = left
        self._attach: Message | None = None

    def _took(self, message: Message) -> None:
        if message.get("type") == "request":
            self._router.own(self._serve(message))

    async def _serve(self, request: Message) -> None:
        given = request.get("arguments")
        arguments = given if isinstance(given, dict) else {}
        serve = self._SERVED.get(str(request.get("command")))
        try:
            if serve is not None:
                await serve(self, request, arguments)
            else:
                await self._forward(request, arguments)
        except PeerGone:
            self.peer.refuse(request, "the instance has ended")
        except NotThere as error:
            self.peer.refuse(request, str(error))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.peer.refuse(request, f"this request can not be understood: {error}")

    def _lost(self) -> None:
        """It has closed the connection, or crashed: as if it had said goodbye."""
        self._left(self)
        if self._seat.holder is self:
            self._router.own(self._leave())

    async def _leave(self) -> None:
        if self._seat.holder is self:
            self._seat.holder = None
            await self._router.leave()

    # --- beginning and end ---

    async def _initialize(self, request: Message, arguments: Json) -> None:
        if not self._turned_away(request):
            self.peer.answer(request, CAPABILITIES)

    def _turned_away(self, request: Message) -> bool:
        if self._seat.holder in (None, self):
            return False
        text = "another editor is attached to fclocal: disconnect it first, or wait until it has left"
        self.peer.refuse(request, text, show=True)
        self.peer.close()
        return True

    async def _attached(self, request: Message, arguments: Json) -> None:
        """Answered when the editor has told its breakpoints: then it is that everything runs."""
        if self._turned_away(request):
            return
        self._seat.holder = self
        await self._router.free()
        self._attach = request
        self._router.wanted = arguments
        self.peer.event("initialized")

    async def _configuration_done(self, request: Message, arguments: Json) -> None:
        await self._router.attach_all()
        self.peer.answer(request)
        if self._attach is not None:
            self.peer.answer(self._attach)
            self._attach = None
        self.peer.event("process", {"name": "fclocal", "startMethod": "attach", "isLocalProcess": True})
        self._router.look(_EditorScreen(self.peer))

    async def _disconnect(self, request: Message, arguments: Json) -> None:
        """Functions are not ended: the editor has only attached to them."""
        await self._leave()
        self.peer.answer(request)
        self.peer.event("terminated")
        self.peer.close()

    async def _restart(self, request: Message, arguments: Json) -> None:
        for process in list(self._router.processes):
            for thread in list(self._router.stops.of(process)):
                process.go(thread)
            self._router.resumed(process, None, told=True)
        self._router.options.restart()
        self.peer.answer(request)

    # --- breakpoints ---

    async def _set_breakpoints(self, request: Message, arguments: Json) -> None:
        source = arguments["source"]
        if not isinstance(source.get("path"), str):
            shown = [{"verified": False} for _ in arguments.get("breakpoints") or ()]
            self.peer.answer(request, {"breakpoints": shown})
            return
        store, path = self._router.breakpoints, source["path"]
        entry = store.set_file(path, arguments)
        await asyncio.gather(
            *(it.set_breakpoints(path, entry) for it in self._router.processes if it.attached and not it.retired)
        )
        self.peer.answer(request, {"breakpoints": entry.shown})

    async def _set_functions(self, request: Message, arguments: Json) -> None:
        shown = self._router.breakpoints.set_functions(arguments)
        self._tell("setFunctionBreakpoints", arguments)
        self.peer.answer(request, {"breakpoints": shown})

    async def _set_exceptions(self, request: Message, arguments: Json) -> None:
        self._router.breakpoints.exceptions = arguments
        self._tell("setExceptionBreakpoints", arguments)
        self.peer.answer(request)

    def _tell(self, command: str, arguments: Json) -> None:
        for process in self._router.processes:
            if process.attached:
                process.tell(command, arguments)

    # --- looking ---

    async def _threads(self, request: Message, arguments: Json) -> None:
        processes = list(self._router.processes)
        found = await asyncio.gather(*(process.list_threads() for process in processes))
        ids = self._router.exchange.threads
        threads = [
            {"id": ids.outer(process, thread), "name": f"{process.name} · {name}{self._note(process, thread)}"}
            for process, each in zip(processes, found, strict=True)
            for thread, name in each.items()
        ]
        self.peer.answer(request, {"threads": threads})

    def _note(self, process: Process, thread: int) -> str:
        return process.note + (f" {QUEUED}" if self._router.stops.is_held(process, thread) else "")

    async def _evaluate(self, request: Message, arguments: Json) -> None:
        command = str(arguments.get("expression", "")).strip()
        if not command.startswith("!"):
            await self._forward(request, arguments)
            return
        result = await run_command(self._router, command)
        self.peer.answer(request, {"result": result, "variablesReference": 0})

    # --- everything else ---

    async def _forward(self, request: Message, arguments: Json) -> None:
        owner, given = self._router.exchange.inward(arguments)
        process = owner or self._in_sight()
        command = str(request["command"])
        if process is None:
            self.peer.refuse(request, "no instance is there to ask: it begins with the next request to a function")
        elif process.asleep:
            self.peer.refuse(request, f"{process.name} is frozen: the next request to its function thaws it")
        elif not process.can(command):
            self.peer.refuse(request, f"the debugger of {process.name} can not do that ({command})")
        elif command == "pause" and process.whole and self._router.stops.of(process):
            self._show_standing(request, arguments)
        elif command == "continue":
            await self._continue(request, process, arguments, given)
        else:
            ask = self._step if command in STEPS else self._plainly
            response = await ask(process, command, given)
            body = response.get("body")
            told = self._router.exchange.outward(process, body) if isinstance(body, dict) else body
            self.peer.relay(request, response, told)

    async def _plainly(self, process: Process, command: str, given: Json) -> Message:
        return await process.peer.ask(command, given)

    async def _step(self, process: Process, command: str, given: Json) -> Message:
        """It runs from when it is told to; where it refuses, such as to jump to another function, it still stands."""
        stood = dict(self._router.stops.of(process))
        thread = process.moves_with(given["threadId"])
        self._router.resumed(process, thread, told=False, stepping=True)
        response = await process.step(command, given)
        if not response.get("success"):
            for each, stop in stood.items():
                if thread in (None, each):
                    self._router.stands_still(process, each, stop)
        return response

    async def _continue(self, request: Message, process: Process, arguments: Json, given: Json) -> None:
        """The order matters to VS Code: response, then that it runs, then the next that stands (debugging.md §4.3)."""
        answer = process.go(given["threadId"])
        self._router.goes(process, process.moves_with(given["threadId"]))
        try:
            await answer
            self.peer.answer(request, {"allThreadsContinued": self._router.is_alone(process)})
            self._show_running(process, arguments["threadId"])
        finally:
            self._router.told(process)

    def _show_running(self, process: Process, thread: int) -> None:
        together = self._router.is_alone(process)
        threads = {thread}
        if process.whole and not together:
            threads |= {self._router.exchange.threads.outer(process, each) for each in process.threads}
        for each in threads:
            self.peer.event("continued", {"threadId": each, "allThreadsContinued": together})

    def _show_standing(self, request: Message, arguments: Json) -> None:
        """It stands already, as all of them do, but was not shown: editors ask nothing of threads that run."""
        self.peer.answer(request)
        shown = {"reason": "pause", "threadId": arguments["threadId"], "allThreadsStopped": False}
        self.peer.event("stopped", shown)

    def _in_sight(self) -> Process | None:
        """Whom a request means that names nobody: the one that is shown, or else the newest that can answer."""
        router = self._router
        awake = [process for process in router.processes if process.attached and not process.asleep]
        if router.stops.focus in awake:
            return router.stops.focus
        return next((it for it in awake if router.stops.of(it)), awake[-1] if awake else None)

    _SERVED: ClassVar[dict[str, Callable[[Editor, Message, Json], Awaitable[None]]]] = {
        "initialize": _initialize,
        "attach": _attached,
        "launch": _attached,
        "configurationDone": _configuration_done,
        "disconnect": _disconnect,
        "terminate": _disconnect,
        "restart": _restart,
        "setBreakpoints": _set_breakpoints,
        "setFunctionBreakpoints": _set_functions,
        "setExceptionBreakpoints": _set_exceptions,
        "threads": _threads,
        "evaluate": _evaluate,
    }


class _EditorScreen(Screen):
    """An editor that is ready to be told."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def event(self, name: str, body: Json) -> None:
        self._peer.event(name, body)

    def output(self, category: str, text: str) -> None:
        self._peer.output(category, text)
