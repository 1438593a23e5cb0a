"""A program with a debugger beside it that is not to be relied on: `MODE` says how it behaves. It tells over HTTP which
requests it has got, and what came of those that it has made itself."""

import json
import os
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ["MODE"]
seen: list = []
connections: list = []


class Debugger(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        connections.append(self)
        if MODE == "garbage":
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\nwhat is this?")
        while (message := self.read()) is not None:
            seen.append([message.get("command") or message["type"], message.get("arguments"), message.get("success")])
            if MODE != "silence" and message["type"] == "request":
                self.answer(message)

    def read(self):
        length = 0
        while (line := self.rfile.readline()).strip():
            length = int(line.partition(b":")[2])
        return json.loads(self.rfile.read(length)) if length else None

    def send(self, **message) -> None:
        body = json.dumps({"seq": 1, **message}).encode()
        self.wfile.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def event(self, name: str, **body) -> None:
        self.send(type="event", event=name, body=body)

    def answer(self, request) -> None:
        command, refused, body = request["command"], False, {}
        if command == "initialize":
            body = {"supportsConfigurationDoneRequest": MODE != "plain"}
        elif command == "attach":
            refused = MODE == "refusal"
            self.send(type="request", command="runInTerminal", arguments={"args": ["touch", "/tmp/owned"]})
        elif command == "setBreakpoints":
            body = {"breakpoints": [{"id": 7, "verified": True} for _ in request["arguments"]["breakpoints"]]}
        elif command == "threads":
            body = {"threads": [{"id": 5, "name": "main"}]}
        self.send(type="response", request_seq=request["seq"], command=command, success=not refused, body=body,
                  message="not today" if refused else "")  # fmt: skip
        if command == "attach" and not refused:
            self.event("initialized")
        if command == "pause":
            self.event("stopped", reason="pause", allThreadsStopped=True)


class Program(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        if self.rfile.read(int(self.headers.get("Content-Length") or 0)) == b"stop":
            stop = {"reason": "breakpoint", "threadId": 5, "hitBreakpointIds": [7], "allThreadsStopped": True}
            connections[-1].event("stopped", **stop)
        body = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


socketserver.TCPServer.allow_reuse_address = True
if MODE != "absence":
    debugger = socketserver.ThreadingTCPServer(("127.0.0.1", int(os.environ["FCLOCAL_DAP_PORT"])), Debugger)
    threading.Thread(target=debugger.serve_forever, daemon=True).start()
print(sys.version, flush=True)
ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Program).serve_forever()
