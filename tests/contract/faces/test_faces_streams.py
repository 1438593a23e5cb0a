"""Streaming both ways, upgrades, and clients that do not keep to the rules (runtime-contract.md §3.10)."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from tests.contract.faces.faces_client import invoke, visit
from tests.contract.faces.faces_project import SERVER, custom, fc3
from tests.support.command import PATIENCE_SECONDS, Meeting, Running

RESOURCES = {
    "crowd": custom("crowd", instanceConcurrency=20),
    "alone": custom("alone"),
    "short": custom("short", timeout=1),
    "slow": fc3("slow"),
}
INDEX = '''
import socket

def handler(event, context):
    """Says that it runs, and waits until it is let go."""
    with socket.create_connection(("127.0.0.1", int(event))) as sock:
        sock.sendall(b"here\\n")
        return sock.makefile().readline()
'''
FILES = {"code/server.py": SERVER, "code/index.py": INDEX}
OPTIONS = ("--header-timeout", "1", "--body-timeout", "1")
MB = 1024 * 1024


def dial(emulator: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", emulator.port), timeout=PATIENCE_SECONDS)


def read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        piece = sock.recv(1)
        assert piece, f"closed after {data!r}"
        data += piece
    return data


def test_events_of_sse_arrive_one_by_one(emulator: Running, meeting: Meeting) -> None:
    """The server sends the next event only when the test has seen the one before."""
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=PATIENCE_SECONDS)
    connection.request("GET", f"/sse/{meeting.port}:abc", headers={"Host": f"crowd.localhost:{emulator.port}"})
    response = connection.getresponse()
    assert response.getheader("content-type") == "text/event-stream"
    assert response.getheader("content-length") is None
    assert response.read1() == b"data: a\n\n"
    for letter in ("b", "c"):
        assert meeting.arrived() == letter
        meeting.let_go()
        assert response.read1() == f"data: {letter}\n\n".encode()
    assert response.read() == b""
    connection.close()


def test_the_log_of_a_stream_ends_with_the_stream(emulator: Running, meeting: Meeting) -> None:
    sock = dial(emulator)
    head = f"GET /sse/{meeting.port}:ab HTTP/1.1\r\nHost: alone.localhost\r\n\r\n"
    sock.sendall(head.encode())
    answer = read_until(sock, b"data: a\n\n\r\n").decode()
    request_id = answer.lower().partition("x-fc-request-id: ")[2].partition("\r\n")[0]
    assert meeting.arrived() == "b"
    assert not [e for e in emulator.events() if e["kind"] == "invocation_ended" and e["request_id"] == request_id]
    meeting.let_go()
    read_until(sock, b"0\r\n\r\n")
    [ended] = emulator.until(lambda e: e["kind"] == "invocation_ended" and e["request_id"] == request_id)
    assert ended["status"] == 200
    sock.close()


def test_a_websocket(emulator: Running) -> None:
    large = "字" * 20_000
    with connect("ws://crowd.localhost/chat?room=1", sock=dial(emulator)) as chat:
        for message in ("hello", b"\x00\xff", large):
            chat.send(message)
            assert chat.recv(timeout=PATIENCE_SECONDS) == message
        chat.ping()
        chat.close(code=4001, reason="done")
    assert chat.close_code == 4001


def test_any_protocol_by_upgrade_and_what_was_sent_early(emulator: Running) -> None:
    sock = dial(emulator)
    head = b"GET /x HTTP/1.1\r\nHost: crowd.localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    sock.sendall(head + b"early\n")
    answer = read_until(sock, b"\r\n\r\n").lower()
    assert answer.startswith(b"http/1.1 101 ") and b"upgrade: echo\r\n" in answer
    assert read_until(sock, b"\n") == b"EARLY\n"
    sock.sendall(b"late\n")
    assert read_until(sock, b"\n") == b"LATE\n"
    sock.close()


def test_a_websocket_is_cut_when_the_functions_time_is_over(emulator: Running) -> None:
    with connect("ws://short.localhost/", sock=dial(emulator)) as chat:
        chat.send("hello")
        assert chat.recv(timeout=PATIENCE_SECONDS) == "hello"
        with pytest.raises(ConnectionClosedError):
            chat.recv(timeout=PATIENCE_SECONDS)
    assert chat.close_code == 1006


def test_an_upgrade_of_a_built_in_runtime_is_a_plain_request(emulator: Running) -> None:
    answer = visit(emulator, "slow", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert answer.error[:2] == (404, "TriggerNotFound")


def test_32_mb_through_a_custom_runtime_in_chunks(emulator: Running) -> None:
    body = os.urandom(MB) * 32
    answer = visit(emulator, "crowd", "/bytes", method="POST", body=(body[i : i + MB] for i in range(0, len(body), MB)))
    assert answer.status == 200
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()


def test_a_request_body_of_unknown_length_is_chunked_there_too(emulator: Running) -> None:
    answer = visit(emulator, "crowd", method="PUT", body=iter([b"one ", b"two"]))
    assert answer.json["body"] == "one two"


@pytest.mark.parametrize(
    "half",
    [
        b"GET / HTTP/1.1\r\nHost: crowd.loc",
        b"POST / HTTP/1.1\r\nHost: crowd.localhost\r\nContent-Length: 10\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nHost: crowd.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
    ],
)
def test_a_request_that_does_not_go_on_is_closed(emulator: Running, half: bytes) -> None:
    sock = dial(emulator)
    sock.sendall(half)
    assert b" 408 " in sock.makefile("rb").read(), "and the connection ends"
    sock.close()


@pytest.mark.parametrize(
    "broken",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: crowd.localhost\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: crowd.localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: crowd.localhost\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http_ends_in_an_answer_and_a_living_emulator(emulator: Running, broken: bytes) -> None:
    sock = dial(emulator)
    sock.sendall(broken)
    answer = sock.makefile("rb").read()
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 408", b"HTTP/1.1 431"), answer[:200]
    sock.close()
    assert visit(emulator, "crowd").status == 200


def test_a_client_that_goes_away_ends_its_invocation(emulator: Running, meeting: Meeting) -> None:
    """At concurrency 1 the instance is replaced, since the request may still be running there (§1.2)."""
    sock = dial(emulator)
    port = str(meeting.port)
    line = "POST /2023-03-30/functions/slow/invocations HTTP/1.1"
    sock.sendall(f"{line}\r\nHost: localhost\r\nContent-Length: {len(port)}\r\n\r\n{port}".encode())
    assert meeting.arrived() == "here"
    sock.close()
    [ended] = emulator.until(lambda e: e["kind"] == "invocation_ended" and e["function"] == "slow")
    assert ended["status"] == 499 and ended["detail"].startswith("Invocation canceled by client (duration: ")
    [moved, *_] = emulator.until(lambda e: e["kind"] == "instance_moved" and e["reason"] == "canceled")
    assert (moved["function"], moved["instance_id"]) == ("slow", ended["instance_id"])


def test_a_client_that_leaves_a_stream_leaves_the_others_their_instance(emulator: Running, meeting: Meeting) -> None:
    sock = dial(emulator)
    sock.sendall(f"GET /sse/{meeting.port}:ab HTTP/1.1\r\nHost: crowd.localhost\r\n\r\n".encode())
    answer = read_until(sock, b"data: a\n\n\r\n").decode()
    request_id = answer.lower().partition("x-fc-request-id: ")[2].partition("\r\n")[0]
    assert meeting.arrived() == "b"
    sock.close()
    [ended] = emulator.until(lambda e: e["kind"] == "invocation_ended" and e["request_id"] == request_id)
    assert ended["status"] == 499
    meeting.let_go()
    for _ in range(3):
        assert visit(emulator, "crowd").status == 200
    moves = [e for e in emulator.events() if e["kind"] == "instance_moved" and e["instance_id"] == ended["instance_id"]]
    assert moves and not any(e["reason"] for e in moves), "it was not replaced"


def test_a_client_that_waits_to_be_asked_for_its_body(emulator: Running) -> None:
    sock = dial(emulator)
    head = "POST /bytes HTTP/1.1\r\nHost: crowd.localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    sock.sendall(head.encode())
    assert read_until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    sock.sendall(b"body")
    assert read_until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert read_until(sock, b"body")
    sock.close()


def test_clients_of_http_1_0(emulator: Running, meeting: Meeting) -> None:
    sock = dial(emulator)
    sock.sendall(b"GET /status/200 HTTP/1.0\r\nHost: crowd.localhost\r\n\r\n")
    head, _, body = sock.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and body == b"as told"
    sock.close()
    assert invoke(emulator, "crowd", b"x").body == b"got x"
