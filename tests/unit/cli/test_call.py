"""One call of a running emulator, against servers that answer well, badly, or not at all."""

from __future__ import annotations

import asyncio
import base64
import io

import pytest

from emulator.cli.call import Call, HttpCall, TailLog, api_error, call
from emulator.cli.served import Served
from emulator.cli.terminal import Terminal
from emulator.model.errors import UserError

EVENT = Served("hello", "fc3")
WEB = Served("web", "fc3", "web.localhost")
PLAIN = Call()


class Streams:
    """A terminal that is none: what went to stdout as bytes, and to stderr as text."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._err = io.StringIO()
        self.terminal = Terminal(io.TextIOWrapper(self._bytes, write_through=True), self._err, {})

    @property
    def out(self) -> bytes:
        return self._bytes.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()


def invoke(answer: bytes | None, wanted: Call = PLAIN, function: Served = EVENT) -> tuple[int, Streams, bytes]:
    """The exit code, what was printed, and the request that was sent. An `answer` of None never comes."""
    streams, ended = Streams(), asyncio.Event()
    sent = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        sent = await reader.readuntil(b"\r\n\r\n")
        length = next((line for line in sent.split(b"\r\n") if line.lower().startswith(b"content-length")), b":0")
        sent += await reader.readexactly(int(length.partition(b":")[2]))
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()
        await writer.wait_closed()
        ended.set()

    async def main() -> int:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            try:
                code, _ = await call(port, function, wanted, TailLog(streams.terminal.tell), streams.terminal)
            finally:
                await ended.wait()
        return code

    return asyncio.run(main()), streams, sent


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


def test_the_result_is_stdout_to_the_byte_and_the_tail_is_stderr():
    tail = base64.b64encode(b"FC Invoke Start\r\nsaid\n").decode()
    code, streams, sent = invoke(answer("200 OK", b"\x00\xff{}", f"X-Fc-Log-Result: {tail}"), Call(event=b"\xfe"))
    assert (code, streams.out, streams.err) == (0, b"\x00\xff{}", "FC Invoke Start\nsaid\n\n")
    head, _, body = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /2023-03-30/functions/hello/invocations HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"x-fc-log-type: Tail" in head and body == b"\xfe"


@pytest.mark.parametrize(
    "failed",
    [
        answer("200 OK", b'{"errorMessage":"no"}', "X-Fc-Error-Type: UnhandledInvocationError"),
        answer("412 Precondition Failed", b'{"Code":"CAExited"}'),
    ],
    ids=["error type", "not started"],
)
def test_the_functions_own_failure_is_1_with_its_body(failed):
    code, streams, _ = invoke(failed)
    assert code == 1 and streams.out == failed.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (answer("429 Too Many", b'{"Code":"ResourceExhausted","Message":"full"}'), "429 ResourceExhausted: full"),
        (answer("404 Not Found", b'{"ErrorCode":"X","ErrorMessage":"y"}'), "404 X: y"),
        (answer("500 Oops", b"plain"), "500 plain"),
        (b"", "the connection was closed before the answer was complete"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "closed before the answer was complete"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "closed before the answer was complete"),
        (b"SSH-2.0-OpenSSH\r\n", "the answer is not HTTP"),
    ],
    ids=["FC 3", "FC 2", "text", "nothing", "cut off", "cut off chunk", "no HTTP"],
)
def test_whatever_else_goes_wrong_is_told_and_nothing_is_on_stdout(bad, says):
    with pytest.raises(UserError, match=says.replace(".", r"\.")):
        invoke(bad)


def test_patience_can_be_given():
    with pytest.raises(UserError, match=r"no answer within 0\.1 s"):
        invoke(None, Call(timeout=0.1))


def test_an_http_call_streams_and_its_status_decides():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    wanted = Call(event=b"x", http=HttpCall("/a b", "", (("X-A", "1"), ("Host", "other.example"))))
    code, streams, sent = invoke(chunked, wanted, WEB)
    assert (code, streams.out) == (0, b"onetwo")
    assert sent.startswith(b"POST /a%20b HTTP/1.1\r\n") and b"Host: other.example\r\n" in sent
    code, streams, sent = invoke(answer("503 No", b"sorry"), Call(http=HttpCall()), WEB)
    assert (code, streams.out, streams.err) == (1, b"sorry", "HTTP 503\n") and sent.startswith(b"GET / HTTP/1.1\r\n")


def test_an_answer_without_a_length_ends_with_its_connection():
    code, streams, _ = invoke(b"HTTP/1.0 200 OK\r\n\r\nuntil the end", Call(http=HttpCall()), WEB)
    assert (code, streams.out) == (0, b"until the end")


def test_an_asynchronous_call_asks_for_no_log_and_names_its_task():
    accepted = answer("202 Accepted", b"", "X-Fc-Request-Id: r", "X-Fc-Async-Task-Id: mine")
    code, streams, sent = invoke(accepted, Call(is_async=True, task_id="mine"))
    assert code == 0 and streams.err == "Accepted. RequestId: r  Task: mine\n"
    assert b"x-fc-invocation-type: Async" in sent and b"x-fc-async-task-id: mine" in sent
    assert b"x-fc-log-type" not in sent


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'{"Code":"A","Message":"b"}', "A: b"),
        (b'{"ErrorCode":"A","ErrorMessage":"b"}', "A: b"),
        (b'{"other":1}', '{"other": 1}'),
        (b"[1]", "[1]"),
        (b"\xff", "\ufffd"),
    ],
)
def test_an_error_body_becomes_one_line(body, line):
    assert api_error(body) == line
