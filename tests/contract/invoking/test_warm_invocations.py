"""What a client meets on one connection while instances are warm: order, pieces, ends, and failures in between."""

from __future__ import annotations

import base64
import json
import signal
import socket
import threading

import pytest

from tests.contract.invoking.invoking_project import CUSTOM, PYTHON, SERVER, write_project
from tests.support.command import PATIENCE_SECONDS, Workshop
from tests.support.mailbox import Mailbox

INDEX = """
import os, socket, sys, time

def handler(event, context):
    print("got", len(event))
    if event == b"fail":
        raise ValueError("told to")
    if event == b"sleep":
        time.sleep(60)
    if event == b"exit":
        os._exit(3)
    if event == b"meet":
        with socket.create_connection(("127.0.0.1", int(os.environ["MAILBOX"]))) as sock:
            sock.sendall(b"here")
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)
    return event
"""
# POST /invoke is answered in pieces, each when the one before was seen.
STREAMING = SERVER.replace(
    "    at_ = at_see\n",
    """    at_ = at_see

    def at_invoke(self, query):
        import socket
        self.body()
        self.send_response_only(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"one", b"two"):
            self.wfile.write(b"3\\r\\n" + piece + b"\\r\\n")
            with socket.create_connection(("127.0.0.1", int(os.environ["MAILBOX"]))) as sock:
                sock.shutdown(socket.SHUT_WR)
                sock.recv(1)
        self.wfile.write(b"0\\r\\n\\r\\n")
""",
)
EVENT, SHORT, FLOW = (f"/2023-03-30/functions/{name}/invocations" for name in ("event", "short", "flow"))


@pytest.fixture(scope="module")
def arguments():
    return ("--no-freeze", "--body-timeout", "1")


@pytest.fixture(scope="module")
def mailbox():
    box = Mailbox()
    yield box
    box.close()


@pytest.fixture(scope="module")
def project(workshop, mailbox):
    write_functions(workshop, mailbox)


def write_functions(workshop, mailbox):
    post = {"environmentVariables": {"MAILBOX": str(mailbox.port)}}
    functions = {
        "event": {**PYTHON, **post},
        "short": {**PYTHON, **post, "timeout": 1},
        "flow": {**CUSTOM, **post, "instanceConcurrency": 1},
    }
    write_project(workshop, functions, {"index.py": INDEX, "server.py": STREAMING})


class Client:
    """One connection that says bytes as they are given and reads whole answers."""

    def __init__(self, port: int, window: int = 0) -> None:
        self._sock = socket.socket()
        self._sock.settimeout(PATIENCE_SECONDS)
        if window:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._sock.connect(("127.0.0.1", port))
        self._file = self._sock.makefile("rb")

    def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._sock.sendall(piece)

    def head(self) -> tuple[int, dict[str, str]]:
        status = int(self._file.readline().split()[1])
        lines = iter(self._file.readline, b"\r\n")
        return status, dict(line.decode().rstrip().lower().split(": ", 1) for line in lines)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status, head = self.head()
        return status, head, self._file.read(int(head["content-length"]))

    def piece(self) -> bytes:
        """One chunk of a chunked answer."""
        size = int(self._file.readline(), 16)
        return self._file.read(size + 2)[:-2]

    def rest(self) -> bytes:
        return self._file.read()

    def close(self) -> None:
        self._file.close()
        self._sock.close()


@pytest.fixture
def client(emulator):
    made = Client(emulator.port)
    made.say(post(b"warm up"))
    assert made.answer()[0] == 200
    yield made
    made.close()


def post(body: bytes, path: str = EVENT, *lines: str, version: str = "1.1") -> bytes:
    heads = "".join(f"{line}\r\n" for line in (f"Content-Length: {len(body)}", *lines))
    return f"POST {path} HTTP/{version}\r\nHost: localhost\r\n{heads}\r\n".encode() + body


def ended(emulator, head):
    [event] = emulator.until(lambda e: e["kind"] == "invocation_ended" and e["request_id"] == head["x-fc-request-id"])
    return event


def test_requests_sent_together_are_answered_in_their_order(client):
    bodies = [b"%d" % number * (1 + number * 100) for number in range(20)]
    client.say(b"".join(post(body) for body in bodies))
    assert [client.answer()[2] for _ in bodies] == bodies


def test_others_between_them_keep_their_place(client):
    status = b"GET /_fclocal/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
    nobody = post(b"x", "/2023-03-30/functions/nobody/invocations")
    client.say(post(b"one") + status + nobody + post(b"fail") + post(b"two"))
    answers = [client.answer() for _ in range(5)]
    assert [status for status, _, _ in answers] == [200, 200, 404, 200, 200]
    assert (answers[0][2], answers[4][2]) == (b"one", b"two")
    assert json.loads(answers[1][2])["functions"] == ["event", "short", "flow"]
    assert json.loads(answers[3][2])["errorType"] == "ValueError"
    assert answers[3][1]["x-fc-error-type"] == "unhandledinvocationerror"


def test_a_body_may_come_in_pieces(client):
    whole = post(b"in pieces")
    for cut in (10, len(whole) - len(b"in pieces"), len(whole) - 3):
        client.say(whole[:cut], whole[cut:])
        assert client.answer()[2] == b"in pieces"


def test_half_a_body_and_no_more_is_408(client):
    client.say(post(b"half a body")[:-4])
    assert client.answer()[0] == 408
    assert client.rest() == b""


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(post(b"last", EVENT, "Connection: close"), id="close"),
        pytest.param(post(b"last", version="1.0"), id="http-1.0"),
    ],
)
def test_a_client_that_wants_no_more_gets_its_answer_and_the_end(client, request_):
    client.say(request_)
    status, head, body = client.answer()
    assert (status, body, head["connection"]) == (200, b"last", "close")
    assert client.rest() == b""


def test_the_log_tail_is_of_this_request_only(client):
    client.say(post(b"first") + post(b"second!", EVENT, "X-Fc-Log-Type: Tail") + post(b"third"))
    answers = [client.answer() for _ in range(3)]
    assert [("x-fc-log-result" in head) for _, head, _ in answers] == [False, True, False]


def test_the_log_tail_is_whole(emulator, web):
    for _ in range(2):
        answer = web.at("127.0.0.1", "POST", EVENT, b"second!", X_Fc_Log_Type="Tail")
        tail = base64.b64decode(answer.head["x-fc-log-result"]).decode().splitlines()
        request_id = answer.head["x-fc-request-id"]
        assert tail[:3] == [
            f"FC Invoke Start RequestId: {request_id}",
            "got 7",
            f"FC Invoke End RequestId: {request_id}",
        ]
        assert tail[4].startswith("Duration: ")


def test_an_instance_that_ends_on_the_way(client, emulator):
    client.say(post(b"exit") + post(b"after"))
    status, head, body = client.answer()
    assert (status, head["x-fc-error-type"]) == (200, "unhandledinvocationerror")
    assert json.loads(body)["errorMessage"].startswith("Process exited unexpectedly before completing request")
    assert ended(emulator, head)["detail"].startswith("Process exited unexpectedly")
    assert client.answer()[2] == b"after"


def test_a_function_that_takes_too_long(client, emulator):
    client.say(post(b"warm up", SHORT))
    assert client.answer()[2] == b"warm up"
    client.say(post(b"sleep", SHORT) + post(b"after", SHORT))
    _, head, body = client.answer()
    assert json.loads(body)["errorMessage"].startswith("Function timed out after 1 seconds")
    assert ended(emulator, head)["error"] == "UnhandledInvocationError"
    assert client.answer()[2] == b"after"


def test_a_client_that_goes_while_the_function_runs(client, emulator, mailbox):
    client.say(post(b"before"))
    instance = client.answer()[1]["x-fc-instance-id"]
    client.say(post(b"meet"))
    with mailbox.visitor():
        client.close()
        [gone] = emulator.until(lambda e: e["kind"] == "invocation_ended" and e["status"] == 499)
    assert gone["detail"].startswith("Invocation canceled by client (duration: ")
    assert gone["instance_id"] == instance
    emulator.until(lambda e: e["kind"] == "instance_moved" and e["reason"] == "canceled")
    other = Client(emulator.port)
    other.say(post(b"after"))
    status, head, body = other.answer()
    assert (status, body) == (200, b"after") and head["x-fc-instance-id"] != instance
    other.close()


def test_a_stream_arrives_piece_by_piece(client, mailbox):
    """The program writes the next piece only when the one before has been seen."""
    for _ in range(2):
        client.say(post(b"", FLOW))
        status, head = client.head()
        assert (status, head["transfer-encoding"]) == (200, "chunked")
        for piece in (b"one", b"two"):
            assert client.piece() == piece
            with mailbox.visitor() as visitor:
                visitor.let_go()
        assert client.piece() == b""


def test_answers_wait_for_a_client_that_does_not_read(emulator):
    bodies = [b"%03d" % number * 20_000 for number in range(100)]
    client = Client(emulator.port, window=4096)
    saying = threading.Thread(target=client.say, args=[post(body) for body in bodies])
    before = len([e for e in emulator.events() if e["kind"] == "invocation_ended"])
    saying.start()
    emulator.until(lambda e: e["kind"] == "invocation_ended", before + 20)
    for body in bodies:
        assert client.answer()[2] == body
    saying.join()
    client.close()


def test_what_runs_when_the_emulator_stops_is_still_answered(tmp_path, mailbox):
    workshop = Workshop(tmp_path)
    write_functions(workshop, mailbox)
    with workshop.started("--json", "--no-freeze") as running:
        client = Client(running.port)
        client.say(post(b"warm up"))
        assert client.answer()[2] == b"warm up"
        client.say(post(b"meet"))
        with mailbox.visitor() as visitor:
            running.signal(signal.SIGINT)
            running.until_said("Stopping: 1 invocation running")
            visitor.let_go()
            assert client.answer()[2] == b"meet"
            assert client.rest() == b""
        assert running.ended() == 0
        client.close()
