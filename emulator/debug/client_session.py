"""A debug session from the client's side: attached once, it knows what is stopped, where, and what is set."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from emulator.debug.client import DapClient, DapError
from emulator.debug.client_breakpoints import Breakpoint, Breakpoints
from emulator.debug.dap import Message

# A thread that runs does not answer; what is asked of it must not hang the person.
ANSWER_SECONDS = 10.0
ATTACH_SECONDS = 30.0
FRAMES = 200
# debugpy's own adapter gives what the program prints only to whom asks for it.
ATTACH = {"justMyCode": True, "showReturnValue": True, "redirectOutput": True}


class Stop(Struct, frozen=True):
    """Why a thread stands still. `breakpoints` are ids of the adapter."""

    thread: int
    reason: str
    text: str = ""
    breakpoints: tuple[int, ...] = ()


class Frame(Struct, frozen=True):
    """One frame of a stack; `path` is empty where the adapter has only `reference` for its source."""

    id: int
    name: str
    path: str
    line: int
    reference: int = 0
    subtle: bool = False


class Listener(Struct, frozen=True):
    """Who is told of what happens, in order. None of it may wait."""

    stopped: Callable[[Stop], None]
    output: Callable[[str, str], None]
    ended: Callable[[], None]


class DebugSession:
    """`stops` are the threads that stand still, the latest last; `stopped` is set while there are any."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._client: DapClient | None = None
        self._initialized = asyncio.Event()
        self.capabilities: Message = {}
        self.breakpoints = Breakpoints()
        self.filters: list[str] = []
        self.stops: dict[int, Stop] = {}
        self.changed = asyncio.Event()
        self.ended = False

    async def attach(self, host: str, port: int) -> None:
        """Connect and attach. Raises `OSError` where nobody listens, `DapError` where the adapter refuses."""
        self._client = await DapClient.connect(host, port, self._event)
        try:
            async with asyncio.timeout(ATTACH_SECONDS):
                await self._handshake()
        except TimeoutError:
            raise DapError("the debug adapter does not answer") from None

    async def _handshake(self) -> None:
        self.capabilities = await self.ask(
            "initialize",
            clientID="fclocal",
            clientName="fclocal debug",
            adapterID="fclocal",
            linesStartAt1=True,
            columnsStartAt1=True,
            pathFormat="path",
            supportsVariableType=True,
        )
        filters = self.capabilities.get("exceptionBreakpointFilters") or []
        self.filters = [f["filter"] for f in filters if f.get("default")]
        attached = self.client.send("attach", ATTACH)
        begun = asyncio.ensure_future(self._initialized.wait())
        try:
            await asyncio.wait((attached, begun), return_when=asyncio.FIRST_COMPLETED)
        finally:
            begun.cancel()
        if attached.done():
            await attached  # refused, or answered before it asked for breakpoints
        await self._initialized.wait()
        await self._send_all()
        await attached

    async def _send_all(self) -> None:
        for path in self.breakpoints.files():
            await self.send_breakpoints(path)
        if self.breakpoints.in_file(""):
            await self.send_breakpoints("")
        await self.set_filters(self.filters)
        if self.capabilities.get("supportsConfigurationDoneRequest"):
            await self.ask("configurationDone")

    @property
    def client(self) -> DapClient:
        if self._client is None:
            raise DapError("there is no connection")
        return self._client

    async def ask(self, command: str, **arguments: Any) -> Message:
        """A request with an end to the waiting. Raises `DapError`."""
        try:
            return await asyncio.wait_for(self.client.send(command, arguments), ANSWER_SECONDS)
        except TimeoutError:
            raise DapError(f"`{command}` was not answered within {ANSWER_SECONDS:g} s") from None

    async def leave(self) -> None:
        """Detach; what stands still goes on."""
        if self._client is None:
            return
        if not self.ended:
            self.ended = True  # by us, which is no news to anybody
            with contextlib.suppress(DapError):
                await self.ask("disconnect", terminateDebuggee=False)
        await self._client.aclose()

    # --- what is asked of it ---

    async def send_breakpoints(self, path: str) -> None:
        """Tell the adapter of all breakpoints of a file, or of functions where `path` is empty."""
        sent = self.breakpoints.in_file(path)
        wire = [b.wire() for b in sent]
        if path:
            answer = await self.ask("setBreakpoints", source={"path": path}, breakpoints=wire)
        else:
            answer = await self.ask("setFunctionBreakpoints", breakpoints=wire)
        self.breakpoints.answered(sent, answer.get("breakpoints") or [])

    async def set_filters(self, filters: list[str]) -> None:
        """Which exceptions stop."""
        await self.ask("setExceptionBreakpoints", filters=filters)
        self.filters = filters

    async def threads(self) -> dict[int, str]:
        """Names of all threads by id."""
        return {thread["id"]: thread["name"] for thread in (await self.ask("threads")).get("threads") or []}

    async def stack(self, thread: int) -> list[Frame]:
        """The frames of a thread that stands still, the innermost first."""
        answer = await self.ask("stackTrace", threadId=thread, startFrame=0, levels=FRAMES)
        return [_frame(frame) for frame in answer.get("stackFrames") or []]

    async def variables(self, frame: int) -> list[Message]:
        """The local variables of a frame."""
        scopes = (await self.ask("scopes", frameId=frame)).get("scopes") or []
        if not scopes:
            return []
        reference = scopes[0]["variablesReference"]
        return (await self.ask("variables", variablesReference=reference)).get("variables") or []

    async def evaluate(self, expression: str, frame: int | None, context: str = "repl") -> str:
        """The value as text."""
        where = {} if frame is None else {"frameId": frame}
        answer = await self.ask("evaluate", expression=expression, context=context, **where)
        return str(answer.get("result", ""))

    async def resume(self, command: str, thread: int) -> None:
        """`continue`, `next`, `stepIn` or `stepOut`."""
        stop = self.stops.get(thread)
        answer = await self.ask(command, threadId=thread)
        if self.stops.get(thread) is not stop:
            return  # it has stopped again before the answer came
        if command == "continue" and answer.get("allThreadsContinued", True):
            self.stops.clear()
        self.stops.pop(thread, None)

    # --- what it says ---

    def _event(self, event: str, body: Message) -> None:
        match event:
            case "initialized":
                self._initialized.set()
            case "stopped":
                self._stopped(body)
            case "continued":
                self._continued(body)
            case "thread" if body.get("reason") == "exited":
                self.stops.pop(body.get("threadId", 0), None)
            case "breakpoint":
                self.breakpoints.changed(body.get("breakpoint") or {})
            case "output" if body.get("category") != "telemetry":
                self._listener.output(body.get("category") or "console", str(body.get("output") or ""))
            case "terminated" if not self.ended:
                self.ended = True
                self.stops.clear()
                self._listener.ended()
        self.changed.set()

    def _stopped(self, body: Message) -> None:
        thread = body.get("threadId", 0)
        reason = str(body.get("reason") or "pause")
        # Elsewhere the description only says where it stopped.
        text = body.get("text") or (body.get("description") if reason == "exception" else "")
        stop = Stop(thread, reason, str(text or ""), tuple(body.get("hitBreakpointIds") or ()))
        self.stops.pop(thread, None)
        self.stops[thread] = stop
        self._listener.stopped(stop)

    def _continued(self, body: Message) -> None:
        if body.get("allThreadsContinued"):
            self.stops.clear()
        self.stops.pop(body.get("threadId", 0), None)

    def hit(self, stop: Stop) -> list[Breakpoint]:
        """Our breakpoints that this stop is for."""
        return self.breakpoints.hit(list(stop.breakpoints))


def _frame(frame: Message) -> Frame:
    source = frame.get("source") or {}
    reference = source.get("sourceReference") or 0
    return Frame(
        id=frame["id"],
        name=str(frame.get("name") or "?"),
        path="" if reference else str(source.get("path") or ""),
        line=frame.get("line") or 0,
        reference=reference,
        subtle=frame.get("presentationHint") == "subtle" or source.get("presentationHint") == "deemphasize",
    )
