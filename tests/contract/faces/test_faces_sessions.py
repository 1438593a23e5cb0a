"""Session affinity of every kind: the same session, the same instance (runtime-contract.md §1.6, platform.md §6.6)."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from tests.contract.faces.faces_client import Answer, ask, visit
from tests.contract.faces.faces_project import SERVER, custom
from tests.support.command import PATIENCE_SECONDS, Running

# An MCP server as far as sessions matter: it names its session in a header, or in the first event of a stream.
MCP = """
import http.server, json, os, queue, threading, uuid

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    streams = {}

    def log_message(self, *args):
        pass

    def answer(self, about, headers=()):
        body = json.dumps({"instance": os.environ["FC_INSTANCE_ID"], **about}).encode()
        self.send_response(200)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        if path == "/messages":
            stream = self.streams.get(query.partition("=")[2])
            if stream is not None:
                stream.put(body)
            return self.answer({"known": stream is not None})
        session = self.headers.get("Mcp-Session-Id")
        self.answer({"session": session}, [] if session else [("Mcp-Session-Id", uuid.uuid4().hex)])

    do_DELETE = do_POST

    def do_GET(self):
        session = uuid.uuid4().hex
        stream = self.streams[session] = queue.Queue()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("X-Instance", os.environ["FC_INSTANCE_ID"])
        self.end_headers()
        self.wfile.write(f"event: endpoint\\ndata: /messages?sessionId={session}\\n\\n".encode())
        self.wfile.flush()
        self.wfile.write(b"data: " + stream.get() + b"\\n\\n")
        self.close_connection = True

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Handler).serve_forever()
"""


def sticky(name: str, affinity: str, program: str = "server.py", **config: Any) -> dict[str, Any]:
    """One session per instance, so that two sessions are two instances."""
    own = {"sessionConcurrencyPerInstance": 1, **config}
    return custom(name, program, sessionAffinity=affinity, sessionAffinityConfig=json.dumps(own))


RESOURCES = {
    "cookie": sticky("cookie", "GENERATED_COOKIE", sessionTTLInSeconds=600),
    "header": sticky("header", "HEADER_FIELD", affinityHeaderFieldName="X-Session"),
    "shared": sticky("shared", "HEADER_FIELD", affinityHeaderFieldName="X-Session", sessionConcurrencyPerInstance=2),
    "brief": sticky(
        "brief", "HEADER_FIELD", affinityHeaderFieldName="X-Session", sessionIdleTimeoutInSeconds=1,
        disableSessionIdReuse=True,
    ),
    "mcp": sticky("mcp", "MCP_STREAMABLE", "mcp.py"),
    "sse": sticky("sse", "MCP_SSE", "mcp.py", sseEndpointPath="/events"),
}  # fmt: skip
FILES = {"code/server.py": SERVER, "code/mcp.py": MCP}


def instance(answer: Answer) -> str:
    assert answer.status == 200, answer
    return str(answer.json["instance"])


COOKIE = "x-fc-cookie-session-id"


def cookies(answer: Answer) -> list[str]:
    """Those that FC sets; the function sets its own beside them."""
    return [value for name, value in answer.pairs if name == "set-cookie" and value.startswith(COOKIE)]


def test_a_cookie_is_made_once_and_leads_to_its_instance(emulator: Running) -> None:
    first = visit(emulator, "cookie")
    [made] = cookies(first)
    session, _, attributes = made.partition(";")
    assert attributes.strip() == "Max-Age=600"
    other = visit(emulator, "cookie")
    assert instance(other) != instance(first), "no cookie, no session: a new one"
    for _ in range(3):
        again = visit(emulator, "cookie", headers={"Cookie": f"a=b; {session}"})
        assert instance(again) == instance(first) and not cookies(again)
    [another] = cookies(visit(emulator, "cookie", headers={"Cookie": f"{COOKIE}=nobody"}))
    assert not another.startswith(session)


def test_a_header_names_the_session(emulator: Running) -> None:
    made = visit(emulator, "header")
    session = made.headers["x-session"]
    one, two = (instance(visit(emulator, "header", headers={"X-Session": name})) for name in ("one", "two"))
    assert len({one, two, instance(made)}) == 3
    for _ in range(2):
        assert instance(visit(emulator, "header", headers={"X-Session": "one"})) == one
        assert instance(visit(emulator, "header", headers={"X-Session": "two"})) == two
        assert instance(visit(emulator, "header", headers={"X-Session": session})) == instance(made)
    for wrong in ("-a", "a b", "x" * 65):
        assert visit(emulator, "header", headers={"X-Session": wrong}).error[:2] == (400, "InvalidArgument")


def test_invocations_have_sessions_too(emulator: Running) -> None:
    path = "/2023-03-30/functions/header/invocations"
    found = [ask(emulator, "POST", path, b"x", {"X-Session": "api"}) for _ in range(2)]
    assert len({answer.headers["x-fc-instance-id"] for answer in found}) == 1


def test_sessions_share_an_instance_up_to_its_limit(emulator: Running) -> None:
    used = [instance(visit(emulator, "shared", headers={"X-Session": name})) for name in ("a", "b", "c")]
    assert used[0] == used[1] != used[2]


def test_a_session_that_ended_may_not_be_used_again_where_that_is_said(emulator: Running) -> None:
    assert visit(emulator, "brief", headers={"X-Session": "mine"}).status == 200

    # Each request renews it, so it has to be left alone for longer than it lives.
    time.sleep(1.2)
    assert visit(emulator, "brief", headers={"X-Session": "mine"}).status == 401


def test_an_mcp_server_names_its_session_in_a_header(emulator: Running) -> None:
    made = [visit(emulator, "mcp", "/mcp", method="POST", body=b"{}") for _ in range(2)]
    assert instance(made[0]) != instance(made[1])
    for first in made * 2:
        session = first.headers["mcp-session-id"]
        again = visit(emulator, "mcp", "/mcp", method="POST", body=b"{}", headers={"Mcp-Session-Id": session})
        assert (instance(again), again.json["session"]) == (instance(first), session)


def test_an_mcp_server_names_its_session_in_its_first_event(emulator: Running) -> None:
    streams = []
    for _ in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=PATIENCE_SECONDS)
        connection.request("GET", "/events", headers={"Host": f"sse.localhost:{emulator.port}"})
        response = connection.getresponse()
        # Until this event came, nobody knows that there is a session.
        assert response.readline() == b"event: endpoint\n"
        path = response.readline().decode().removeprefix("data: ").strip()
        assert response.readline() == b"\n"
        streams.append((connection, response, path))
    assert len({response.getheader("x-instance") for _, response, _ in streams}) == 2
    for connection, response, path in streams:
        posted = visit(emulator, "sse", path, method="POST", body=b"a message")
        assert (posted.json["known"], posted.json["instance"]) == (True, response.getheader("x-instance"))
        assert response.readline() == b"data: a message\n"
        connection.close()
