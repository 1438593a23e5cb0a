"""The commands of the terminal debugger: pdb's names, and those that only an emulator has."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from emulator.cli.debugger import Debugger
from emulator.cli.debugger_breakpoints import BreakpointCommands
from emulator.debug.client import DapError
from emulator.model.errors import UserError

LIST_LINES = 11


class Command(Struct, frozen=True):
    """One command; `words` are its names, the first is shown."""

    words: tuple[str, ...]
    usage: str
    help: str
    run: Callable[[str], Awaitable[None]]


class Commands:
    """Does lines, and completes them."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._session = debugger.session
        self.breakpoints = BreakpointCommands(debugger)
        self._again = ""
        self._left = False
        self._by_word = self._table()

    def _table(self) -> Mapping[str, Command]:
        marks = self.breakpoints
        commands = (
            Command(("c", "continue"), "", "go on until the next stop", self._resume("continue")),
            Command(("n", "next"), "", "to the next line of this function", self._resume("next")),
            Command(("s", "step"), "", "into the function that is called", self._resume("stepIn")),
            Command(("r", "return"), "", "until this function returns", self._resume("stepOut")),
            Command(("b", "break"), "[[FILE:]LINE|FUNCTION [if X]]", "set a breakpoint, or list them", marks.set),
            Command(("tb", "tbreak"), "[FILE:]LINE|FUNCTION", "the same, for one stop only", marks.set_once),
            Command(("log",), "[FILE:]LINE TEXT", "write TEXT there and go on; {names} are replaced", marks.log),
            Command(("cl", "clear"), "[NUMBER|FILE:LINE]", "remove a breakpoint, or all", marks.clear),
            Command(("w", "bt", "where"), "", "the stack, the current frame last", self._where),
            Command(("u", "up"), "[COUNT]", "to the frame that called this one", self._up),
            Command(("d", "down"), "[COUNT]", "back again", self._down),
            Command(("l", "list"), "", "source around the current line, then on from there", self._list),
            Command(("ll", "longlist"), "", "the whole file", self._long_list),
            Command(("p",), "EXPRESSION", "its value", self._print),
            Command(("pp",), "EXPRESSION", "its value, in lines", self._pretty),
            Command(("a", "args", "locals"), "", "the variables of this frame", self._locals),
            Command(("threads",), "", "all threads of all instances", self._threads),
            Command(("thread",), "NUMBER", "look at another one that stands still", self._thread),
            Command(("instances",), "", "all instances", self._instances),
            Command(("invoke",), "[FUNCTION] [EVENT|@FILE]", "call a function", self._invoke),
            Command(("pause",), "", "stop what runs, as Ctrl-C does", self._pause),
            Command(("wait",), "[SECONDS]", "until the next stop; for scripts", self._wait),
            Command(("exceptions",), "[FILTER …|none]", "which exceptions stop", marks.exceptions),
            Command(("reload", "restart"), "", "let new instances of all functions take over", self._reload),
            Command(("h", "help", "?"), "", "this", self._help),
            Command(("q", "quit", "exit"), "", "leave; what stands still goes on", self._quit),
        )
        return MappingProxyType({word: command for command in commands for word in command.words})

    async def do(self, line: str) -> bool:
        """One line; False where it asks to leave. Raises `UserError` and `DapError`."""
        line = line or self._again
        self._again = line if line.split(" ", 1)[0] in ("n", "s", "l", "next", "step", "list", "u", "d") else ""
        word, _, rest = line.partition(" ")
        command = self._by_word.get(word)
        if command is not None and (command.usage or not rest):  # `n = 1` is no step
            await command.run(rest.strip())
        elif line:
            await self._statement(line.removeprefix("!").strip())
        return not self._left

    async def complete(self, line: str, cursor: int) -> AsyncIterator[tuple[str, int]]:
        """Words that may stand at the cursor, each with where it begins."""
        begun = line[:cursor]
        word, blank, rest = begun.partition(" ")
        if not blank and word:
            for name in sorted(self._by_word):
                if name.startswith(word):
                    yield name, 0
        if word in ("b", "break", "tb", "tbreak", "log", "cl", "clear"):
            for name in self._debugger.sources.complete(rest) if ":" not in rest else ():
                yield name, cursor - len(rest)
        elif word == "invoke":
            for name in self._debugger.calls.names if self._debugger.calls else ():
                if name.startswith(rest):
                    yield name, cursor - len(rest)
        elif blank or word not in self._by_word:
            async for item in self._complete_names(line, cursor):
                yield item

    async def _complete_names(self, line: str, cursor: int) -> AsyncIterator[tuple[str, int]]:
        """Names in the frame, as the adapter knows them."""
        focus = self._debugger.focus
        if focus is None or focus.frame is None or not self._session.capabilities.get("supportsCompletionsRequest"):
            return
        try:
            answer = await self._session.ask("completions", frameId=focus.frame.id, text=line, column=cursor + 1)
        except DapError:
            return
        begun = re.search(r"\w*\Z", line[:cursor])
        length = len(begun.group()) if begun else 0
        for target in answer.get("targets") or []:
            yield target.get("text") or target.get("label", ""), cursor - length

    # --- going on ---

    def _resume(self, command: str) -> Callable[[str], Awaitable[None]]:
        async def run(_: str) -> None:
            debugger = self._debugger
            await self._session.resume(command, debugger.here.thread)
            await debugger.settle()

        return run

    async def _pause(self, _: str) -> None:
        await self._debugger.pause()
        await self._debugger.settle()

    async def _wait(self, text: str) -> None:
        await self._debugger.settle(float(_number(text)) if text else 3600.0)

    async def _reload(self, _: str) -> None:
        if not self._session.capabilities.get("supportsRestartRequest"):
            raise UserError(
                "this debug adapter can not restart", "save a file: fclocal takes the change over by itself"
            )
        await self._session.ask("restart")

    # --- looking ---

    async def _where(self, _: str) -> None:
        focus = self._debugger.here
        self._debugger.tell(self._debugger.show.stack(focus.frames, focus.index))

    async def _up(self, text: str) -> None:
        await self._move(_number(text or "1"))

    async def _down(self, text: str) -> None:
        await self._move(-_number(text or "1"))

    async def _move(self, by: int) -> None:
        focus = self._debugger.here
        index = min(max(focus.index + by, 0), len(focus.frames) - 1)
        if index == focus.index:
            raise UserError("this is the oldest frame" if by > 0 else "this is the newest frame")
        focus.index, focus.listed = index, 0
        frame = focus.frames[index]
        self._debugger.tell([f"{self._debugger.show.place(frame)} in {frame.name}", *await self._debugger.listing(2)])

    async def _list(self, text: str) -> None:
        self._debugger.tell(await self._debugger.listing_on(_number(text) if text else LIST_LINES))

    async def _long_list(self, _: str) -> None:
        self._debugger.tell(await self._debugger.listing(0, whole=True))

    async def _threads(self, _: str) -> None:
        focus = self._debugger.focus
        threads = await self._session.threads()
        self._debugger.tell(self._debugger.show.threads(threads, self._session.stops, focus.thread if focus else None))

    async def _thread(self, text: str) -> None:
        number = _number(text)
        if number not in self._session.stops:
            raise UserError(f"thread {text} does not stand still", "threads lists them")
        self._debugger.focus = focus = await self._debugger.look(number)
        self._debugger.tell([f"{focus.name}", *await self._debugger.listing(2)])

    async def _instances(self, _: str) -> None:
        self._debugger.tell(self._debugger.show.instances(await self._session.threads(), self._session.stops))

    # --- values ---

    def _frame(self) -> int | None:
        """The frame to evaluate in; without one the adapter chooses, or refuses."""
        focus = self._debugger.focus
        stands = focus is not None and focus.thread in self._session.stops
        return focus.frame.id if stands and focus is not None and focus.frame is not None else None

    async def _print(self, text: str) -> None:
        self._debugger.tell(await self._session.evaluate(_expression(text), self._frame()))

    async def _pretty(self, text: str) -> None:
        """As Python's `pprint` has it; any other language, and what can not be told so, as `p` has it."""
        width = min(shutil.get_terminal_size().columns, 120)
        wrapped = f"__import__('pprint').pformat(({_expression(text)}), width={width})"
        try:
            value = ast.literal_eval(await self._session.evaluate(wrapped, self._frame(), "clipboard"))
        except (DapError, SyntaxError, ValueError):
            await self._print(text)
            return
        self._debugger.tell(str(value))

    async def _statement(self, text: str) -> None:
        self._debugger.here  # noqa: B018 - says so where nothing is stopped
        self._debugger.tell(await self._session.evaluate(text, self._frame()))

    async def _locals(self, _: str) -> None:
        frame = self._debugger.here.frame
        self._debugger.tell(self._debugger.show.variables(await self._session.variables(frame.id) if frame else []))

    # --- the emulator ---

    async def _invoke(self, text: str) -> None:
        calls = self._debugger.calls
        if calls is None:
            raise UserError("there is no emulator that this debugger knows", "call the function from elsewhere")
        calls.start(text)
        await self._debugger.settle()

    async def _help(self, _: str) -> None:
        commands = list(dict.fromkeys(self._by_word.values()))
        rows = [(f"{', '.join(c.words)} {c.usage}".rstrip(), c.help) for c in commands]
        self._debugger.tell([f"{left:<46} {right}" for left, right in rows])
        self._debugger.tell("Anything else is evaluated in the current frame, as is what follows `!`.")

    async def _quit(self, _: str) -> None:
        self._left = True


def _expression(text: str) -> str:
    """What has a value to show. What Python takes for a statement has none, and would only be executed."""
    if not text:
        raise UserError("an expression is missing", "write: p EXPRESSION")
    if not _parses(text, "eval") and _parses(text, "exec"):
        raise UserError("this is a statement, which has no value to show", f"write: !{text}")
    return text


def _parses(text: str, mode: Literal["eval", "exec"]) -> bool:
    try:
        ast.parse(text, mode=mode)
    except (SyntaxError, ValueError):
        return False
    return True


def _number(text: str) -> int:
    if not text.isdigit():
        raise UserError(f"{json.dumps(text)} is no number", "write one")
    return int(text)
