"""The debugger in a terminal: one prompt over a debug session, as pdb has it, while instances come and go."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from msgspec import Struct

from emulator.cli.debugger_calls import Calls
from emulator.cli.debugger_show import LINES_AROUND, Show, instance_of
from emulator.cli.debugger_sources import Sources, lines_of
from emulator.cli.prompt import Interrupted, LineSource
from emulator.cli.session import PROGRAM
from emulator.debug.client import DapError
from emulator.debug.client_session import DebugSession, Frame, Listener, Stop
from emulator.debug.names import FROZEN, QUEUED
from emulator.model.errors import UserError

# How long a person waits for the next stop before the prompt comes back: most steps take a moment.
MOMENT_SECONDS = 0.4
# A script waits for what it asked for: a breakpoint, or the end of an invocation, which comes by itself.
SCRIPT_SECONDS = 60.0
# Categories of DAP's `output` that are the program's own, which a log of ours shows already.
PROGRAM_OUTPUT = ("stdout", "stderr")

Do = Callable[[str], Awaitable[bool]]
"""Does one line; False where it was the last one."""


class Focus(Struct):
    """Where the person looks: a thread that stands still, one of its frames, and the line that `l` goes on from."""

    thread: int
    name: str
    frames: list[Frame]
    index: int = 0
    listed: int = 0

    @property
    def frame(self) -> Frame | None:
        return self.frames[self.index] if self.index < len(self.frames) else None


class Debugger:
    """`calls` is None where there is no emulator to invoke functions of; `failed` tells that a command did.

    With `own_log` the program's output is shown by a log of ours, and not as the adapter has it.
    """

    def __init__(self, show: Show, sources: Sources) -> None:
        self.session = DebugSession(Listener(self._stopped, self._output, self._ended))
        self.show = show
        self.sources = sources
        self.calls: Calls | None = None
        self.focus: Focus | None = None
        self.failed = False
        self.own_log = False
        self._begun = ""  # a line that the program has not ended yet
        self._lines: LineSource | None = None
        self._news = asyncio.Event()
        self._queue: asyncio.Queue[Stop | str] = asyncio.Queue()
        self._over = asyncio.Event()

    @property
    def lines(self) -> LineSource:
        assert self._lines is not None  # noqa: S101 - `printing` is entered first
        return self._lines

    # --- what it tells ---

    def tell(self, lines: Sequence[str] | str) -> None:
        """Print lines, if there are any, in their order and above the prompt."""
        text = lines if isinstance(lines, str) else "\n".join(lines)
        if text:
            self._queue.put_nowait(text if text.endswith("\n") else text + "\n")

    def changed(self) -> None:
        """Something happened that a command may wait for."""
        self._news.set()

    def _stopped(self, stop: Stop) -> None:
        self._queue.put_nowait(stop)
        self.changed()

    def _output(self, category: str, text: str) -> None:
        if self.own_log and category in PROGRAM_OUTPUT:
            return
        whole, line_break, self._begun = (self._begun + text).rpartition("\n")
        self.tell(whole + line_break)

    def _ended(self) -> None:
        self.tell(self._begun)
        self.tell("The debug session has ended.")
        self._over.set()
        self.changed()

    async def _print(self) -> None:
        """Prints what happens; what is there together is printed together."""
        while True:
            item = await self._queue.get()
            try:
                if isinstance(item, Stop):
                    item = await self._arrived(item)
                if item:
                    await self.lines.show(item)
            finally:
                self._queue.task_done()

    async def _arrived(self, stop: Stop) -> str:
        """A thread has stopped: look there, unless the person looks at another that still stands."""
        if self.session.stops.get(stop.thread) is not stop:
            return ""
        marks = self.session.hit(stop)
        try:
            focus = await self.look(stop.thread)
        except DapError:
            return ""  # it is gone already
        for mark in marks:
            if mark.temporary:
                self.session.breakpoints.remove(mark)
                with contextlib.suppress(DapError):
                    await self.session.send_breakpoints(mark.path)
        lines = self.show.stop(stop, focus.name, focus.frame, marks)
        if self.focus is None or self.focus.thread not in self.session.stops or self.focus.thread == stop.thread:
            self.focus = focus
            lines += await self.listing(LINES_AROUND // 2)
        self.changed()
        self.lines.redraw()
        return "\n".join(lines) + "\n"

    # --- where the person looks ---

    async def look(self, thread: int) -> Focus:
        """What there is to see of a thread that stands still. Raises `DapError`."""
        frames = await self.session.stack(thread)
        names = await self.session.threads()
        return Focus(thread, names.get(thread, f"thread {thread}"), frames)

    @property
    def here(self) -> Focus:
        """The focus. Raises `UserError` where nothing stands still."""
        if self.focus is None or self.focus.thread not in self.session.stops:
            raise UserError("nothing is stopped", "set a breakpoint by b FILE:LINE, and call a function by: invoke")
        return self.focus

    async def listing(self, around: int, whole: bool = False) -> list[str]:
        """Source around the current line of the focus."""
        focus = self.here
        if focus.frame is None:
            return []
        text = await self._text(focus.frame)
        first, last = (1, len(text)) if whole else (focus.frame.line - around, focus.frame.line + around)
        return self._listed(focus, text, first, last)

    async def listing_on(self, count: int) -> list[str]:
        """The next lines of the focus, or those around its line the first time."""
        focus = self.here
        if not focus.listed:
            return await self.listing(count // 2)
        return self._listed(focus, await self._text(focus.frame), focus.listed, focus.listed + count - 1)

    def _listed(self, focus: Focus, text: list[str], first: int, last: int) -> list[str]:
        frame = focus.frame
        focus.listed = last + 1 if last < len(text) else 0
        if frame is None or not text:
            return ["There is no source for this."]
        marks = {b.line: "●" if b.verified else "○" for b in self.session.breakpoints.in_file(frame.path)}
        return self.show.source(text, frame.line, first, last, marks)

    async def _text(self, frame: Frame | None) -> list[str]:
        if frame is None:
            return []
        if frame.path and (lines := lines_of(frame.path)):
            return lines
        source = {"path": frame.path, "sourceReference": frame.reference}
        try:
            answer = await self.session.ask("source", source=source, sourceReference=frame.reference)
        except DapError:
            return []
        return str(answer.get("content", "")).splitlines()

    def prompt(self) -> str:
        """Says which instance is looked at, if one stands still."""
        if self.focus is not None and self.focus.thread in self.session.stops:
            return f"({instance_of(self.focus.name)}) "
        return f"({PROGRAM}) "

    # --- the life of a session ---

    @contextlib.asynccontextmanager
    async def printing(self, lines: LineSource) -> AsyncIterator[None]:
        """Print what happens, from now on to the end."""
        self._lines = lines
        task = asyncio.create_task(self._print(), name="print what the debugger tells")
        try:
            yield
            await self._queue.join()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def run(self, do: Do) -> None:
        """Take lines until there are no more, the session ends, or `do` says that it is enough."""
        loop = asyncio.get_running_loop()
        pausing: set[asyncio.Task[None]] = set()

        def interrupted() -> None:
            task = asyncio.create_task(self.pause())
            pausing.add(task)
            task.add_done_callback(pausing.discard)

        loop.add_signal_handler(signal.SIGINT, interrupted)
        try:
            while not self.session.ended and await self._turn(do):
                pass
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    async def leave(self) -> None:
        """Detach, and leave the invocations that still run to themselves."""
        await self.session.leave()
        if self.calls is not None:
            await self.calls.aclose()

    async def _turn(self, do: Do) -> bool:
        """One line; False where it was the last."""
        await self._queue.join()
        reading = asyncio.ensure_future(self.lines.read())
        ended = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((reading, ended), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                return False
            line = await reading
        except Interrupted as interrupted:
            if not interrupted.typed:
                await self.pause()
            return True
        finally:
            ended.cancel()
            if not reading.done():
                reading.cancel()
                await asyncio.wait((reading,))
        if line is None:
            return False
        try:
            return await do(line.strip())
        except (UserError, DapError) as error:
            self.failed = True
            self.tell(f"*** {_last_words(str(error))}")
            return True

    async def pause(self) -> None:
        """Stop what runs, where it is. Nothing happens where something stands still already."""
        if self.session.stops:
            return
        try:
            threads = await self.session.threads()
            awake = [thread for thread, name in sorted(threads.items()) if not name.endswith((FROZEN, QUEUED))]
            if not awake:
                self.tell("No instance runs.")
                return
            last = self.focus.thread if self.focus else 0
            await self.session.ask("pause", threadId=last if last in awake else awake[0])
        except DapError as error:
            self.tell(f"*** {error}")

    async def settle(self, seconds: float | None = None) -> None:
        """Wait until something stands still, until the invocations that run have ended, or for a moment."""
        had_calls = self.calls is not None and self.calls.running > 0
        if seconds is None:
            expected = had_calls or len(self.session.breakpoints) > 0
            seconds = SCRIPT_SECONDS if self.lines.is_script and expected else MOMENT_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._settled(had_calls):
                    self._news.clear()
                    await self._news.wait()
        await self._queue.join()

    def _settled(self, had_calls: bool) -> bool:
        calls_over = had_calls and (self.calls is None or not self.calls.running)
        return bool(self.session.stops) or self.session.ended or calls_over


def _last_words(text: str) -> str:
    """Of a traceback that came from an evaluation only what went wrong, as pdb has it."""
    return text.strip().rpartition("\n")[2] if text.startswith("Traceback ") else text
