"""One debugged process of an instance: the router is its adapter, and finishes every handshake itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

from emulator.debug.breakpoints import Breakpoints, FileBreakpoints
from emulator.debug.dap import Message
from emulator.debug.lines import OTHER_SUFFIXES
from emulator.debug.names import FROZEN
from emulator.debug.paths import as_mounted, is_seen, our_files, path_mappings
from emulator.debug.peer import Failed, Peer, PeerGone, body_of
from emulator.instance.instance import Instance
from emulator.model.lifecycle import State

ASLEEP = frozenset({State.FREEZING, State.FROZEN})
# For what a debugger answers at once, unless its process stands still.
ANSWER_SECONDS = 2.0
CONFIGURE_SECONDS = 10.0
# Of an editor's `attach`, what a debugger in an instance should know; the rest is about processes of the host.
HANDED_ON = (
    "justMyCode", "showReturnValue", "clientOS", "variablePresentation", "django", "jinja", "flask", "pyramid",
    "steppingResumesAllThreads", "stopOnEntry", "gevent", "redirectOutput",
)  # fmt: skip
NEVER = frozenset({"RedirectOutput", "redirectOutput", "stopOnEntry", "steppingResumesAllThreads"})


# Before 3.12, Python that was debugged once stays slow (debugging.md §7).
FIRST_UNTRACED = (3, 12)


class Observer(Protocol):
    def said(self, process: Process, event: str, body: dict[str, Any]) -> None: ...

    def verified(self, shown: dict[str, Any]) -> None:
        """A breakpoint, as an editor is to see it now."""
        ...

    def lost(self, process: Process) -> None: ...

    def declined(self, process: Process, path: str, why: str) -> None:
        """It can not stop there, though the file could."""
        ...


class Process:
    """`name` is how its threads are shown, such as `hello#2`."""

    def __init__(self, instance: Instance, name: str, pid: int, version: tuple[int, ...], observer: Observer) -> None:
        self.instance = instance
        self.name = name
        self.pid = pid
        self.version = version
        self._observer = observer
        self.peer = Peer(self._took, lambda: observer.lost(self))
        self.threads: dict[int, str] = {}
        # An editor's breakpoints are set in it.
        self.attached = False
        # Its threads stand together, and run together.
        self.whole = False
        # It runs old code: breakpoints of the new one would be in other lines.
        self.retired = False
        self._ids: dict[int, int] = {}
        self._outstanding: set[asyncio.Future[Message]] = set()

    def __repr__(self) -> str:
        return f"<Process {self.name} pid {self.pid}{' attached' if self.attached else ''}>"

    @property
    def asleep(self) -> bool:
        """Frozen: it can not answer, and is told what it missed when it is thawed."""
        return self.instance.state in ASLEEP

    @property
    def note(self) -> str:
        """What is behind the names of its threads."""
        return (" (old code)" if self.retired else "") + (f" {FROZEN}" if self.asleep else "")

    @property
    def stays_slow(self) -> bool:
        """Whether it is slower than others also when the editor has left."""
        return self.version < FIRST_UNTRACED

    def moves_with(self, thread: int) -> int | None:
        """Which thread runs when this one is told to; None for all."""
        return None if self.whole else thread

    def can(self, command: str) -> bool:
        """Whether it knows this request."""
        return True

    def on_host(self, path: str) -> str:
        """The host's file for one that it has named."""
        return path

    def our_id(self, breakpoint_id: object) -> int | None:
        return self._ids.get(breakpoint_id) if isinstance(breakpoint_id, int) else None

    def _took(self, message: Message) -> None:
        if message.get("type") == "event":
            body = message.get("body")
            self._observer.said(self, str(message.get("event")), body if isinstance(body, dict) else {})
        else:
            # What a function asks of an editor, such as to run something in its terminal, is not trusted.
            self.peer.refuse(message, "an instance may not ask for anything")

    # --- configuration ---

    async def configure(self, editor: Mapping[str, Any], breakpoints: Breakpoints) -> None:
        """Attach it on behalf of the editor, with everything that it wants to stop at. Raises `PeerGone`, `Failed`,
        `TimeoutError`.

        All is sent at once, for each waits for the one before: this is the time of a cold start.
        """
        asked = [] if self.attached else [self.ask("initialize", _INITIALIZE)]
        asked.append(self.ask("attach", self._attach_arguments(editor)))
        self.attached = True
        files = [self._ask_for(path, entry) for path, entry in breakpoints.files.items()]
        asked.append(self.ask("setFunctionBreakpoints", breakpoints.functions or {"breakpoints": []}))
        asked.append(self.ask("setExceptionBreakpoints", breakpoints.exceptions or {"filters": []}))
        asked.append(self.ask("configurationDone"))
        if self.asleep:
            return  # it answers when it is thawed, and `sync` waits for that
        async with asyncio.timeout(CONFIGURE_SECONDS):
            for answer in asked:
                body_of(await answer)
            for known in files:
                if known is not None:
                    await known

    def _attach_arguments(self, editor: Mapping[str, Any]) -> dict[str, Any]:
        rules = editor.get("rules")
        given = {name: editor[name] for name in HANDED_ON if name in editor and name not in NEVER}
        options = [word for word in editor.get("debugOptions") or () if isinstance(word, str) and word not in NEVER]
        launch = self.instance.sandbox.launch
        return {
            "justMyCode": True,
            **given,
            "debugOptions": options,
            "pathMappings": path_mappings(launch),
            "subProcess": editor.get("subProcess", True),
            "terminateChildProcesses": False,
            # Our bootstrap is never shown, nor stepped into.
            "rules": [*our_files(launch), *(rules if isinstance(rules, list) else ())],
            "stopAllThreadsOnSuspend": False,
            "steppingResumesAllThreads": False,
        }

    def _ask_for(self, path: str, entry: FileBreakpoints) -> asyncio.Future[Message] | None:
        """None for a file that the process can not have."""
        launch = self.instance.sandbox.launch
        spelled = path if entry.is_inside else as_mounted(path, launch)
        if path.endswith(OTHER_SUFFIXES) or not (entry.is_inside or is_seen(spelled, launch)):
            return None
        source = {**entry.source, "path": spelled}
        answer = self.ask("setBreakpoints", {"source": source, "breakpoints": entry.wanted()})
        answer.add_done_callback(lambda done: self._note(entry, done))
        return answer

    def tell(self, command: str, arguments: Any) -> None:
        """What is wanted of every debugger."""
        self.ask(command, arguments)

    async def set_breakpoints(self, path: str, entry: FileBreakpoints) -> None:
        """Those of one file. Returns when the process has answered; one that is asleep will do so when it is thawed."""
        answer = self._ask_for(path, entry)
        if answer is not None and not self.asleep:
            await asyncio.wait([answer], timeout=ANSWER_SECONDS)

    def _note(self, entry: FileBreakpoints, answer: asyncio.Future[Message]) -> None:
        if not answer.cancelled() and answer.exception() is None:
            answers = breakpoints_in(answer.result())
            self._ids.update(entry.note(answers))
            for said in answers:
                if isinstance(said, dict) and not said.get("verified") and said.get("message"):
                    self._observer.declined(self, str(entry.source.get("path")), str(said["message"]))

    def go(self, thread: int) -> asyncio.Future[Message]:
        """Let a thread go on."""
        return self.peer.ask("continue", {"threadId": thread, "singleThread": True})

    def step(self, command: str, arguments: Any) -> asyncio.Future[Message]:
        """`command` lets a thread go on to where it stops again."""
        return self.peer.ask(command, arguments)

    def stop(self, *, alone: bool) -> None:
        """Stop its threads, or only the main one where the function's code runs `alone`."""
        for thread, name in self.threads.items():
            if not alone or name == "MainThread":
                self.peer.ask("pause", {"threadId": thread})

    def ask(self, command: str, arguments: Any = None) -> asyncio.Future[Message]:
        """Ask something that `sync` waits for."""
        answer = self.peer.ask(command, arguments)
        self._outstanding.add(answer)
        answer.add_done_callback(self._outstanding.discard)
        return answer

    async def sync(self) -> None:
        """Returns when it has taken in what it was told until now."""
        if self._outstanding:
            await asyncio.wait(list(self._outstanding), timeout=ANSWER_SECONDS)

    async def detach(self) -> None:
        """No breakpoints any more, and every thread runs. The connection stays, for the next editor."""
        if not self.attached:
            return
        self.attached = False
        self._ids.clear()
        self.threads.clear()
        with contextlib.suppress(PeerGone, TimeoutError):
            answer = self.ask("disconnect", {"terminateDebuggee": False})
            if not self.asleep:
                await asyncio.wait_for(asyncio.shield(answer), ANSWER_SECONDS)

    async def list_threads(self) -> Mapping[int, str]:
        """Ids and names; what is known already where it can not say now."""
        if self.attached and not self.asleep:
            with contextlib.suppress(PeerGone, TimeoutError, Failed):
                body = body_of(await asyncio.wait_for(self.peer.ask("threads"), 1.0))
                self._take_threads(body)
        return self.threads

    def _take_threads(self, body: Mapping[str, Any]) -> None:
        listed = body.get("threads")
        found = [it for it in listed if isinstance(it, dict)] if isinstance(listed, list) else []
        self.threads = {it["id"]: str(it.get("name", "")) for it in found if isinstance(it.get("id"), int)}


_INITIALIZE = {
    "adapterID": "debugpy",
    "clientID": "fclocal",
    "linesStartAt1": True,
    "columnsStartAt1": True,
    "pathFormat": "path",
    "supportsVariableType": True,
}


def breakpoints_in(response: Message) -> list[Any]:
    body = response.get("body")
    found = body.get("breakpoints") if isinstance(body, dict) else None
    return found if isinstance(found, list) else []
