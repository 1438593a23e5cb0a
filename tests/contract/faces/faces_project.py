"""Functions for the tests of the faces: resources of a project file, and the programs behind them."""

from __future__ import annotations

from typing import Any

ANYBODY = {"triggerName": "http", "triggerType": "http", "triggerConfig": {"authType": "anonymous"}}


def web_trigger(**config: Any) -> dict[str, Any]:
    """An HTTP trigger that asks for no authentication, unless `config` says otherwise."""
    return {**ANYBODY, "triggerConfig": {"authType": "anonymous", **config}}


def fc3(name: str, **props: Any) -> dict[str, Any]:
    """A function of FC 3: Python, unless `props` says otherwise."""
    own = {"region": "cn-hangzhou", "functionName": name, "runtime": "python3.10", "handler": "index.handler"}
    return {"component": "fc3", "props": {**own, "code": "./code", "memorySize": 256, "timeout": 30, **props}}


def custom(name: str, program: str = "server.py", **props: Any) -> dict[str, Any]:
    """A custom runtime of FC 3, which runs `SERVER` or another program of the same folder."""
    config = {"command": ["python3", f"/code/{program}"], "port": 9000, **props.pop("customRuntimeConfig", {})}
    return fc3(name, runtime="custom.debian10", customRuntimeConfig=config, triggers=[ANYBODY], **props)


def fc2(service: str, name: str, triggers: tuple[Any, ...] = (), **function: Any) -> dict[str, Any]:
    """A function of FC 2."""
    own = {"name": name, "runtime": "python3", "handler": "index.handler", "codeUri": "./code", "memorySize": 256}
    props = {"region": "cn-hangzhou", "service": {"name": service}, "function": {"timeout": 30, **own, **function}}
    return {"component": "fc", "props": {**props, "triggers": list(triggers)}}


# A web server for every Python from 3.6, which echoes what it is asked as JSON; some paths do something else.
SERVER = '''
import base64, hashlib, http.server, json, os, signal, socket, sys, time

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def read_body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while True:
            size = int(self.rfile.readline(), 16)
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
            if not size:
                return b"".join(pieces)

    def answer(self, body, status=200, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def respond(self):
        if self.headers.get("Upgrade"):
            return self.upgrade(self.headers["Upgrade"].lower())
        name = self.path.partition("?")[0].strip("/").partition("/")[0].replace("-", "_")
        body = self.read_body()
        getattr(self, "on_" + name, self.on_echo)(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = respond

    def on_echo(self, body):
        seen = {"method": self.command, "path": self.path, "headers": [list(h) for h in self.headers.items()],
                "body": body.decode("latin-1"), "instance": os.environ["FC_INSTANCE_ID"]}
        self.answer(json.dumps(seen).encode(), headers=[("Content-Type", "application/json"), ("X-Own", "mine"),
                    ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("x-fc-mine", "hidden"),
                    ("Content-Disposition", "inline")])

    def on_bytes(self, body):
        self.answer(body, headers=[("Content-Type", "application/octet-stream")])

    def on_head(self, body):
        self.answer(b"", headers=[("X-Large", "x" * int(self.path.rpartition("/")[2]))])

    def on_status(self, body):
        self.answer(b"as told", int(self.path.rpartition("/")[2]))

    def on_crash(self, body):
        os._exit(7)

    def on_sleep(self, body):
        time.sleep(600)

    def on_initialize(self, body):
        self.answer(b"no", int(os.environ.get("INITIALIZE", "200")))

    def on_health(self, body):
        self.answer(b"", int(os.environ.get("HEALTH", "200")))

    def on_invoke(self, body):
        if body == b"crash":
            os._exit(7)
        if body == b"failed":
            return self.answer(b"a failure", headers=[("x-fc-status", "404")])
        if body == b"teapot":
            return self.answer(b"short and stout", 418, [("X-Own", "mine")])
        self.answer(b"got " + body)

    def on_sse(self, body):
        """One event a letter of the path; before each but the first it waits to be let go."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        port, letters = self.path.rpartition("/")[2].split(":")
        for number, letter in enumerate(letters):
            if number:
                with socket.create_connection(("127.0.0.1", int(port))) as sock:
                    sock.sendall(letter.encode() + b"\\n")
                    sock.makefile().readline()
            event = f"data: {letter}\\n\\n".encode()
            self.wfile.write(b"%x\\r\\n%b\\r\\n" % (len(event), event))
            self.wfile.flush()
        self.wfile.write(b"0\\r\\n\\r\\n")

    def upgrade(self, protocol):
        self.close_connection = True
        head = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: " + protocol]
        if protocol == "websocket":
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            head.append("Sec-WebSocket-Accept: " + base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.wfile.write("\\r\\n".join([*head, "", ""]).encode())
        if protocol == "websocket":
            return self.frames()
        for piece in iter(self.rfile.readline, b""):
            self.wfile.write(piece.upper())

    def frames(self):
        """Sends back each frame as it is; a close frame is the last."""
        for head in iter(lambda: self.rfile.read(2), b""):
            size = head[1] & 127
            if size > 125:
                more = self.rfile.read(2 if size == 126 else 8)
                size = int.from_bytes(more, "big")
            mask, data = self.rfile.read(4), self.rfile.read(size)
            key = (mask * (size // 4 + 1))[:size]
            data = (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
            length = bytes([size]) if size < 126 else b"\\x7e" + size.to_bytes(2, "big") if size < 65536 else (
                b"\\x7f" + size.to_bytes(8, "big"))
            self.wfile.write(head[:1] + length + data)
            if head[0] & 15 == 8:
                return

if __name__ == "__main__":
    Server(("0.0.0.0", int(os.environ.get("LISTEN") or os.environ["FC_SERVER_PORT"])), Handler).serve_forever()
'''
