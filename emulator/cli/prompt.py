"""Lines from a person or a script, and text above the line that is being typed."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.application.current import set_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.shortcuts import CompleteStyle

from emulator.cli.terminal import Terminal

Complete = Callable[[str, int], AsyncIterator[tuple[str, int]]]
"""Of a line and the cursor in it: texts, each with where in the line it begins."""


class Interrupted(Exception):
    """Ctrl-C at the prompt; `typed` tells whether a line was being typed, which it has cleared."""

    def __init__(self, typed: bool) -> None:
        super().__init__()
        self.typed = typed


class LineSource(Protocol):
    """Where commands come from."""

    @property
    def is_script(self) -> bool: ...

    async def read(self) -> str | None:
        """The next line, None at the end. Raises `Interrupted`."""
        ...

    async def show(self, text: str) -> None:
        """Print whole lines, above the one that is being typed."""
        ...

    def redraw(self) -> None:
        """The prompt says something else now."""
        ...


class TypedLines:
    """A person at a terminal."""

    is_script = False

    def __init__(self, terminal: Terminal, prompt: Callable[[], str], complete: Complete, history: Path | None) -> None:
        self._terminal = terminal
        # No cursor position requests: over a slow line their answers end up in the text.
        output = Vt100_Output.from_pty(sys.stdout, term=os.environ.get("TERM"), enable_bell=False)
        output.enable_cpr = False
        self._session: PromptSession[str] = PromptSession(
            lambda: ANSI(prompt()),
            completer=_Completer(complete),
            complete_while_typing=False,
            complete_style=CompleteStyle.COLUMN,
            history=_history(history),
            enable_history_search=True,
            output=output,
        )

    async def read(self) -> str | None:
        try:
            return await self._session.prompt_async(handle_sigint=False)
        except KeyboardInterrupt:
            raise Interrupted(bool(self._session.default_buffer.text)) from None
        except EOFError:
            return None

    async def show(self, text: str) -> None:
        app = self._session.app
        if app.is_running:
            with set_app(app):
                await run_in_terminal(lambda: self._terminal.write(text))
        else:
            self._terminal.write(text)

    def redraw(self) -> None:
        self._session.app.invalidate()


class ScriptLines:
    """Lines of a pipe or a file, shown as they are taken, so that what is printed reads as a session."""

    is_script = True

    def __init__(self, terminal: Terminal, prompt: Callable[[], str]) -> None:
        self._terminal = terminal
        self._prompt = prompt
        self._reader: asyncio.StreamReader | None = None

    async def read(self) -> str | None:
        line = await self._line()
        if not line:
            return None
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        self._terminal.say(self._prompt() + text)
        return text

    async def _line(self) -> bytes:
        mode = os.fstat(0).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(0)):
            return sys.stdin.buffer.readline()  # a file never lets anybody wait
        if self._reader is None:
            self._reader = asyncio.StreamReader()
            loop = asyncio.get_running_loop()
            protocol = asyncio.StreamReaderProtocol(self._reader)
            await loop.connect_read_pipe(lambda: protocol, sys.stdin)
        return await self._reader.readline()

    async def show(self, text: str) -> None:
        self._terminal.write(text)

    def redraw(self) -> None: ...


class _Completer(Completer):
    def __init__(self, complete: Complete) -> None:
        self._complete = complete

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> list[Completion]:
        return []

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        async for text, start in self._complete(document.text, document.cursor_position):
            yield Completion(text, start_position=start - document.cursor_position)


def _history(path: Path | None) -> History:
    """Kept for its owner only: values that were typed may be secret."""
    if path is None:
        return InMemoryHistory()
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)
