"""A post-mortem as a debug session: DAP requests in, answers and events out; no I/O but a look at source files.

The failed thread stands where it failed. What it came from are further threads, since an editor shows one stack for
each; nothing can be run, and to continue ends the session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from emulator.debug.dap import Message
from emulator.debug.postmortem.bundle import Frame, PostMortem, Value
from emulator.debug.postmortem.lines import host_path, is_unchanged, one_line
from emulator.debug.postmortem.lookup import NotRecorded, find
from emulator.debug.postmortem.redact import HIDDEN
from emulator.debug.postmortem.view import Stack, invocation_values, stacks

CAPABILITIES = {
    "supportsConfigurationDoneRequest": True,
    "supportsExceptionInfoRequest": True,
    "supportsEvaluateForHovers": True,
    "supportsDelayedStackTraceLoading": True,
    "supportsClipboardContext": True,
    "supportsTerminateRequest": True,
}
OVER = "the process is gone: nothing can be run, and continue ends the session"
TEXT_WIDTH = 1200
T = TypeVar("T")


class Refused(Exception):
    """A request that is answered by `success: false`."""


class _Shown(Struct, frozen=True):
    """A frame with its number, and the stack it is in."""

    frame: Frame
    stack: Stack


class Session:
    """One client's view. `over` is set when the client may be left."""

    def __init__(self, bundle: PostMortem) -> None:
        self._bundle = bundle
        self._stacks = stacks(bundle)
        self._frames = [_Shown(frame, stack) for stack in self._stacks for frame in stack.frames]
        self._numbers = {id(shown.frame): number for number, shown in enumerate(self._frames, 1)}
        # What a reference stands for: values, and the expression that they are reached by.
        self._references: list[tuple[Sequence[Value], str | None]] = []
        self._sources: list[str] = []
        self._events: list[Message] = []
        self._sent = 0
        self.over = False
        self._commands: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "initialize": lambda _: CAPABILITIES,
            "attach": self._attach,
            "launch": self._attach,
            "configurationDone": self._stop,
            "setBreakpoints": self._breakpoints,
            "setFunctionBreakpoints": self._breakpoints,
            "setExceptionBreakpoints": lambda _: None,
            "threads": self._threads,
            "stackTrace": self._stack_trace,
            "scopes": self._scopes,
            "variables": self._variables,
            "source": self._source,
            "evaluate": self._evaluate,
            "exceptionInfo": self._exception_info,
            "pause": lambda _: None,
            "continue": self._end,
            "disconnect": self._end,
            "terminate": self._end,
        }

    def answer(self, request: Message) -> list[Message]:
        """What is sent back: the answer, then events that come of it."""
        if request.get("type") != "request":
            return []
        command = str(request.get("command", ""))
        args = request.get("arguments")
        answer: Message = {"type": "response", "request_seq": request.get("seq", 0), "command": command}
        try:
            done = self._commands.get(command, self._refuse)(args if isinstance(args, dict) else {})
            answer |= {"success": True, **({"body": done} if done is not None else {})}
        except (Refused, NotRecorded) as refused:
            answer |= {"success": False, "message": str(refused)}
        messages = [answer, *self._events]
        self._events = []
        for message in messages:
            self._sent += 1
            message["seq"] = self._sent
        return messages

    def _event(self, name: str, **body: Any) -> None:
        self._events.append({"type": "event", "event": name, "body": body})

    def _refuse(self, _: dict[str, Any]) -> None:
        raise Refused(OVER)

    # --- begin and end ---

    def _attach(self, _: dict[str, Any]) -> None:
        self._event("initialized")

    def _stop(self, _: dict[str, Any]) -> None:
        bundle = self._bundle
        self._event(
            "stopped",
            reason="exception" if bundle.dump.exceptions else "pause",
            description=bundle.kind,
            text=bundle.what,
            threadId=1,
            allThreadsStopped=True,
        )

    def _end(self, _: dict[str, Any]) -> dict[str, Any]:
        self._event("terminated")
        self.over = True
        return {"allThreadsContinued": True}

    def _breakpoints(self, args: dict[str, Any]) -> dict[str, Any]:
        asked = args.get("breakpoints")
        count = len(asked) if isinstance(asked, list) else 0
        return {"breakpoints": [{"verified": False, "message": OVER}] * count}

    # --- stacks ---

    def _threads(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"threads": [{"id": number, "name": stack.name} for number, stack in enumerate(self._stacks, 1)]}

    def _stack_trace(self, args: dict[str, Any]) -> dict[str, Any]:
        frames = _of(self._stacks, args.get("threadId"), "thread").frames
        first = _number(args.get("startFrame"))
        last = first + (_number(args.get("levels")) or len(frames))
        return {"stackFrames": [self._frame(frame) for frame in frames[first:last]], "totalFrames": len(frames)}

    def _frame(self, frame: Frame) -> dict[str, Any]:
        more = f" ({frame.omitted} frames left out above)" if frame.omitted else ""
        shown = {
            "id": self._numbers[id(frame)],
            "name": frame.function + more,
            "line": frame.line,
            "column": 1 if frame.line else 0,
        }
        if not frame.file:
            return {**shown, "presentationHint": "label"}
        return {**shown, "source": self._source_of(frame), "presentationHint": "subtle" if frame.library else "normal"}

    def _source_of(self, frame: Frame) -> dict[str, Any]:
        """The user's own file as long as it is what ran, else what was kept of it."""
        kept, path = self._bundle.dump.sources.get(frame.file), host_path(self._bundle, frame.file)
        source: dict[str, Any] = {"name": path.name, "path": str(path)}
        if kept and not is_unchanged(kept, path, HIDDEN):
            if frame.file not in self._sources:
                self._sources.append(frame.file)
            source["sourceReference"] = self._sources.index(frame.file) + 1
            source["origin"] = "as it was when the invocation failed"
        return source

    def _source(self, args: dict[str, Any]) -> dict[str, Any]:
        given = args.get("source")
        reference = args.get("sourceReference") or (given.get("sourceReference") if isinstance(given, dict) else 0)
        file = _of(self._sources, reference, "source")
        lines: list[str] = []
        for first, text in self._bundle.dump.sources[file]:
            lines += [""] * (first - 1 - len(lines))  # so that line numbers are right
            lines += text.splitlines()
        return {"content": "\n".join([*lines, ""])}

    # --- variables ---

    def _scopes(self, args: dict[str, Any]) -> dict[str, Any]:
        frame = _of(self._frames, args.get("frameId"), "frame").frame
        scopes = []
        if frame.has_locals and frame.file:
            scopes.append(
                {"name": "Locals", "presentationHint": "locals", "expensive": False, **self._refer(frame.locals)}
            )
        if frame.globals:
            scopes.append({"name": "Globals", "expensive": False, **self._refer(frame.globals)})
        scopes.append({"name": "Invocation", "expensive": False, **self._refer(invocation_values(self._bundle))})
        return {"scopes": scopes}

    def _refer(self, values: Sequence[Value], path: str | None = "") -> dict[str, Any]:
        self._references.append((values, path))
        return {"variablesReference": len(self._references), "namedVariables": len(values)}

    def _variables(self, args: dict[str, Any]) -> dict[str, Any]:
        values, path = _of(self._references, args.get("variablesReference"), "reference")
        first = _number(args.get("start"))
        last = first + (_number(args.get("count")) or len(values))
        return {"variables": [self._variable(value, path) for value in values[first:last]]}

    def _variable(self, value: Value, parent: str | None) -> dict[str, Any]:
        path = parent + value.path if parent is not None and value.path else None
        shown = {"name": value.name, **self._content("value", value, path)}
        return {**shown, "evaluateName": path} if path is not None else shown

    def _content(self, key: str, value: Value, path: str | None) -> dict[str, Any]:
        shown: dict[str, Any] = {key: one_line(value, TEXT_WIDTH), "type": value.type, "variablesReference": 0}
        if value.children:
            shown |= self._refer(value.children, path)
        if value.form in ("list", "tuple", "set"):
            shown["indexedVariables"] = len(value.children)
            shown.pop("namedVariables", None)
        return shown

    def _evaluate(self, args: dict[str, Any]) -> dict[str, Any]:
        number = args.get("frameId") or 1
        frame = _of(self._frames, number, "frame").frame
        expression = str(args.get("expression", ""))
        roots = (*frame.locals, *frame.globals, *invocation_values(self._bundle))
        return self._content("result", find(expression, roots), expression)

    # --- the exception ---

    def _exception_info(self, args: dict[str, Any]) -> dict[str, Any]:
        failure = _of(self._stacks, args.get("threadId"), "thread").failure
        bundle = self._bundle
        if failure is None:
            return {"exceptionId": bundle.kind, "description": bundle.what, "breakMode": "unhandled"}
        return {
            "exceptionId": failure.type,
            "description": "\n".join([failure.message, *failure.notes]),
            "breakMode": "unhandled",
            "details": {
                "message": failure.message,
                "typeName": failure.type.rpartition(".")[2],
                "fullTypeName": failure.type,
                "stackTrace": "\n".join(
                    f'File "{frame.file}", line {frame.line}, in {frame.function}' for frame in failure.frames
                ),
                "innerException": [
                    {"message": inner.message, "typeName": inner.type}
                    for inner in (*bundle.dump.exceptions[1:], *failure.group)
                ],
            },
        }


def _of(items: Sequence[T], number: Any, what: str) -> T:
    """Items are numbered from 1, by whatever a client sends."""
    if isinstance(number, int) and 0 < number <= len(items):
        return items[number - 1]
    raise Refused(f"there is no such {what}")


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
