"""One invocation over HTTP: the request that is sent, and what its answer means to a shell."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol
from urllib.parse import quote

from msgspec import Struct

from emulator.cli.client import Reply, Request, send
from emulator.cli.served import Served
from emulator.cli.terminal import Terminal
from emulator.model import headers as h
from emulator.model.errors import UserError
from emulator.model.function import Api, Place

FUNCTION_FAILED = 1
# FC's own answer where the function could not be started (runtime-contract.md §4.3): the function's fault.
START_FAILED = 412
URL_MARKS = "/?&=%:;,@!$'()*+~#[]-._"


class HttpCall(Struct, frozen=True):
    """The caller's own HTTP request to a function's HTTP trigger."""

    path: str = "/"
    method: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def http_call(path: str | None, method: str | None, lines: Iterable[str]) -> HttpCall | None:
    """What --path, --method and -H ask for; None where none of them is given. Raises `UserError`."""
    headers = tuple(map(_header, lines))
    return HttpCall(path or "/", method or "", headers) if path or method or headers else None


def _header(line: str) -> tuple[str, str]:
    name, found, value = line.partition(":")
    if not found or not name.strip() or not line.isprintable() or " " in name.strip():
        raise UserError(f"{line!r} is no header", "write 'Name: value'", Place("-H"))
    return name.strip(), value.strip()


class Call(Struct, frozen=True):
    """What to invoke with. `timeout` is the caller's patience in seconds; None waits as long as it takes.

    `token` is the emulator's own, which it takes in place of a signature. `tail`: ask for the log of the call.
    """

    event: bytes = b""
    qualifier: str = ""
    is_async: bool = False
    task_id: str = ""
    timeout: float | None = None
    http: HttpCall | None = None
    token: str = ""
    tail: bool = True

    def request(self, function: Served, port: int) -> Request:
        """The request for a function of the emulator on `port`."""
        if self.http is not None:
            return self._http_request(function, self.http, port)
        headers = [(h.INVOCATION_TYPE, "Async")] if self.is_async else []
        headers += [(h.LOG_TYPE, "Tail")] if self.tail and not self.is_async else []
        headers += self._pass()
        if self.task_id:
            name = h.ASYNC_TASK_ID if function.api == Api.FC3.value else h.STATEFUL_ASYNC_ID
            headers.append((name, self.task_id))
        return Request("POST", function.invoke_path(self.qualifier), f"127.0.0.1:{port}", headers, self.event)

    def _pass(self) -> list[tuple[str, str]]:
        return [(h.TOKEN, self.token)] if self.token else []

    def _http_request(self, function: Served, http: HttpCall, port: int) -> Request:
        if not function.host:
            raise UserError(
                f"function {function.name} has no HTTP trigger", "leave out path, method and headers, and give an event"
            )
        headers = [*http.headers, *([(h.INVOCATION_TYPE, "Async")] if self.is_async else []), *self._pass()]
        path = quote(http.path if http.path.startswith("/") else f"/{http.path}", safe=URL_MARKS)
        method = http.method.upper() or ("POST" if self.event else "GET")
        return Request(method, path, f"{function.host}:{port}", headers, self.event)


class LogSource(Protocol):
    """Where the log of a call comes from: the emulator's own journal, or the answer's tail."""

    def show(self, headers: Mapping[str, str]) -> None:
        """Print what belongs to the answered call, before its result is printed."""
        ...


class TailLog(Struct, frozen=True):
    """The log of a call to an emulator in another process: the last 4 KB, as `X-Fc-Log-Result` has it."""

    tell: Callable[[str], None]

    def show(self, headers: Mapping[str, str]) -> None:
        try:
            text = base64.b64decode(headers.get(h.LOG_RESULT, ""), validate=True)
        except binascii.Error:
            return
        if text:
            self.tell(text.decode("utf-8", "replace").replace("\r\n", "\n"))


async def call(port: int, function: Served, wanted: Call, log: LogSource, terminal: Terminal) -> tuple[int, Reply]:
    """Invoke and print: log to stderr, result to stdout. Returns the exit code and the answer's head.

    Raises `UserError` where the emulator refuses the call, does not answer, or not in time.
    """
    try:
        async with asyncio.timeout(wanted.timeout), send(port, wanted.request(function, port)) as reply:
            if wanted.http is not None and not wanted.is_async:
                return await _show_http(reply, log, terminal), reply
            return _show_result(await reply.read(), reply, wanted, log, terminal), reply
    except TimeoutError:
        raise UserError(f"no answer within {wanted.timeout:g} s", "give more time by --timeout") from None
    except ConnectionError as error:
        raise UserError(f"the emulator on port {port} did not answer: {error}", "look at its terminal") from None


def _show_result(body: bytes, reply: Reply, wanted: Call, log: LogSource, terminal: Terminal) -> int:
    log.show(reply.headers)
    if reply.status == 202 and wanted.is_async:
        task = reply.headers.get(h.ASYNC_TASK_ID) or reply.headers.get(h.STATEFUL_ASYNC_ID, "")
        terminal.tell(f"Accepted. RequestId: {reply.headers.get(h.REQUEST_ID, '')}  Task: {task}")
        return 0
    failed = h.ERROR_TYPE in reply.headers or reply.status == START_FAILED
    if reply.status >= 400 and not failed:
        raise UserError(f"{reply.status} {api_error(body)}")
    _write_result(body, terminal)
    return FUNCTION_FAILED if failed else 0


async def _show_http(reply: Reply, log: LogSource, terminal: Terminal) -> int:
    """An HTTP answer is passed on as it comes, so that streams can be watched."""
    last = b""
    if reply.status >= 400:
        terminal.tell(f"HTTP {reply.status}")
    async for part in reply.parts:
        terminal.write_bytes(part)
        last = part
    _end_line(last, terminal)
    log.show(reply.headers)
    return FUNCTION_FAILED if reply.status >= 400 else 0


def _write_result(body: bytes, terminal: Terminal) -> None:
    if body:
        terminal.write_bytes(body)
        _end_line(body, terminal)


def _end_line(last: bytes, terminal: Terminal) -> None:
    """A prompt must not follow a result on its line; a program gets the very bytes."""
    if last and terminal.is_interactive and not last.endswith(b"\n"):
        terminal.write("\n")


def api_error(body: bytes) -> str:
    """FC's error body as one line: FC 3 has `Code` and `Message`, FC 2 `ErrorCode` and `ErrorMessage`."""
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        return body.decode("utf-8", "replace")
    code = data.get("Code") or data.get("ErrorCode") or ""
    message = data.get("Message") or data.get("ErrorMessage") or ""
    return f"{code}: {message}" if code or message else json.dumps(data, ensure_ascii=False)
