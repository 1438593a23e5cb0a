"""HTTP/1.1 on one socket: requests come out parsed, whatever is malformed raises BadRequest."""

import errno
import io
import sys

PY2 = sys.version_info[0] == 2
MAX_HEAD = 256 * 1024
PIECE = 256 * 1024
SMALL = 64 * 1024

REQUEST_ID = "x-fc-request-id"
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
DIGITS = frozenset("0123456789")
HEX = frozenset(b"0123456789abcdefABCDEF")


class BadRequest(Exception):
    """The peer does not speak HTTP/1.1: it gets a 400 and the connection closes."""


class Request(object):
    """One request. `headers` has lower-case names and native strings; repeated headers are joined with commas.

    `shape` is shared by requests whose heads differ only in request id and length; `shape.plan` is free for the caller.
    """

    __slots__ = ("method", "target", "headers", "id", "shape", "keep", "body")

    def __init__(self, shape, request_id):
        self.method = shape.method
        self.target = shape.target
        self.headers = shape.headers
        self.keep = shape.keep
        self.id = request_id
        self.shape = shape
        self.body = b""


class Shape(object):
    """A parsed head, and the constant bytes around its request id and Content-Length.

    The emulator's heads are 25 lines that stay the same from one request to the next. Comparing three slices takes
    a tenth of the time of parsing them.
    """

    __slots__ = ("method", "target", "headers", "keep", "chunked", "length", "plan", "parts", "id_first")

    def __init__(self, head):
        self.plan = None
        text = head if PY2 else head.decode("latin-1")
        lines = text.split("\r\n")
        self.method, self.target, version = _request_line(lines[0])
        self.headers = headers = _headers(lines[1:])
        connection = headers.get("connection", "").lower()
        self.keep = version == "HTTP/1.1" and "close" not in connection
        self.chunked, self.length = _framing(headers)
        self.parts = None
        self._find_parts(head)

    def _find_parts(self, head):
        lower = head.lower()
        spans = []
        for name in (b"\r\nx-fc-request-id:", b"\r\ncontent-length:"):
            start = lower.find(name)
            if start < 0 or lower.find(name, start + 1) >= 0:
                return
            start += len(name)
            end = head.find(b"\r\n", start)
            spans.append((start, len(head) if end < 0 else end))
        self.id_first = spans[0] < spans[1]
        (start, end), (second, last) = sorted(spans)
        self.parts = head[:start], head[end:second], head[last:]

    def match(self, head):
        """(request id, length) when the head differs from this shape's in nothing else, or None."""
        first, middle, last = self.parts
        start = len(first)
        end = head.find(b"\r\n", start)
        if end < 0 or not head.startswith(first) or not head.startswith(middle, end):
            return None
        second = end + len(middle)
        stop = head.find(b"\r\n", second)
        if stop < 0:
            stop = len(head)
        if head[stop:] != last:
            return None
        one, two = head[start:end].strip(), head[second:stop].strip()
        if not self.id_first:
            one, two = two, one
        if not two.isdigit() or len(two) > 15:
            return None
        return (one if PY2 else one.decode("latin-1")), int(two)


def _request_line(line):
    parts = line.split(" ")
    if len(parts) != 3 or not parts[0] or not TOKEN.issuperset(parts[0]):
        raise BadRequest("malformed request line")
    if not parts[1] or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest("not HTTP/1.1")
    return parts


def _headers(lines):
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or not TOKEN.issuperset(name):
            raise BadRequest("malformed header")
        if "\r" in value or "\n" in value or "\0" in value:
            raise BadRequest("malformed header value")
        name = name.lower()
        value = value.strip(" \t")
        if name in headers:
            if name == "content-length" and headers[name] == value:
                continue
            value = headers[name] + "," + value
        headers[name] = value
    return headers


def _framing(headers):
    """(chunked, length). A request that says two things about its length is refused, never guessed at."""
    encoding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if encoding is not None:
        if length is not None or encoding.lower() != "chunked":
            raise BadRequest("ambiguous body length")
        return True, 0
    if length is None:
        return False, 0
    if not DIGITS.issuperset(length) or not 0 < len(length) <= 15:
        raise BadRequest("malformed Content-Length")
    return False, int(length)


class Connection(object):
    """One accepted connection. `buffered` is true when the next request has already begun to arrive."""

    def __init__(self, sock):
        self._sock = sock
        self._buffer = b""
        self._shape = None
        self.fileno = sock.fileno()

    @property
    def buffered(self):
        return bool(self._buffer)

    def close(self):
        self._sock.close()

    def _receive(self, size=PIECE):
        while True:
            try:
                return self._sock.recv(size)
            except (IOError, OSError) as error:
                # Python 2.7 does not retry a call that a signal of user code has interrupted.
                if error.errno == errno.EINTR:
                    continue
                if error.errno in (errno.ECONNRESET, errno.EPIPE):
                    return b""
                raise

    def read(self):
        """The next request with its whole body, or None when the peer has closed."""
        buffer = self._buffer or self._receive()
        end = buffer.find(b"\r\n\r\n")
        while end < 0:
            if len(buffer) > MAX_HEAD:
                raise BadRequest("the head is too large")
            data = self._receive()
            if not data:
                if buffer:
                    raise BadRequest("the head ends early")
                return None
            seen = max(0, len(buffer) - 3)
            buffer += data
            end = buffer.find(b"\r\n\r\n", seen)
        head = buffer[:end]
        self._buffer = buffer[end + 4 :]
        shape, request_id, length = self._parse(head)
        request = Request(shape, request_id)
        if length or shape.chunked:
            if "expect" in shape.headers and not self._buffer:
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
            request.body = self._chunked() if shape.chunked else self._take(length)
        return request

    def _parse(self, head):
        shape = self._shape
        if shape is not None:
            matched = shape.match(head)
            if matched is not None:
                return shape, matched[0], matched[1]
        shape = Shape(head)
        self._shape = shape if shape.parts is not None else None
        return shape, shape.headers.get(REQUEST_ID, ""), shape.length

    def _take(self, size):
        buffer = self._buffer
        if len(buffer) >= size:
            self._buffer = buffer[size:]
            return buffer[:size]
        # BytesIO hands out its value without a copy: a 32 MB event must not count twice in a 64 MB instance.
        body = io.BytesIO()
        body.write(buffer)
        self._buffer = b""
        missing = size - len(buffer)
        while missing:
            data = self._receive(missing if missing < PIECE else PIECE)
            if not data:
                raise BadRequest("the body ends early")
            body.write(data)
            missing -= len(data)
        return body.getvalue()

    def _line(self):
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest("a line of the chunked body is too long")
            data = self._receive()
            if not data:
                raise BadRequest("the chunked body ends early")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _chunked(self):
        body = io.BytesIO()
        while True:
            size = self._line().partition(b";")[0].strip()
            if not size or len(size) > 12 or not HEX.issuperset(size):
                raise BadRequest("malformed chunk size")
            size = int(size, 16)
            if not size:
                break
            body.write(self._take(size))
            if self._take(2) != b"\r\n":
                raise BadRequest("a chunk is longer than it says")
        while self._line():  # trailers
            pass
        return body.getvalue()

    def send(self, head, body):
        """One write for a small answer; a large body is not copied behind its head. False if the peer is gone."""
        try:
            if len(body) <= SMALL:
                self._sock.sendall(head + body)
            else:
                self._sock.sendall(head)
                self._sock.sendall(body)
        except (IOError, OSError):
            return False
        return True
