# -*- coding: utf-8 -*-
"""FC 2's HTTP handlers: WSGI applications (runtime-contract.md §2.9). The whole answer is gathered, as in FC."""

import io
import os
import sys

TEXT = type(b"".decode("ascii"))
HEXDIGITS = frozenset("0123456789abcdefABCDEF")
# Written by us or by the gateway, which speaks for the function.
DROPPED = frozenset(["connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"])


class Response(object):
    """What the application said: a status line, headers and its `write()`s."""

    def __init__(self):
        self.status = None
        self.headers = []
        self.pieces = []

    def start(self, status, headers, exc_info=None):
        # Nothing is sent before the end, so an application may always start again with exc_info (PEP 3333).
        if self.status is not None and exc_info is None:
            raise AssertionError("start_response was called twice without exc_info")
        self.status, self.headers = status, list(headers)
        return self.write

    def write(self, data):
        self.pieces.append(data if isinstance(data, bytes) else data.encode("utf-8"))


def run(application, request, context):
    response = Response()
    result = application(environ(request, context), response.start)
    try:
        if isinstance(result, (bytes, TEXT)):
            result = [result]
        for piece in result:
            response.write(piece)
    finally:
        if hasattr(result, "close"):
            result.close()
    if response.status is None:
        raise AssertionError("the handler did not call start_response")
    return written(request.method, response)


def written(method, response):
    body = b"".join(response.pieces)
    code = response.status.split(" ", 1)[0]
    if not (code.isdigit() and len(code) == 3 and code >= "200"):
        raise ValueError("start_response got the status %r; it must be like '200 OK'" % (response.status,))
    lines = ["HTTP/1.1 " + _clean(response.status if " " in response.status else code + " ")]
    length = str(len(body))
    for name, value in response.headers:
        lower = name.lower()
        if lower == "content-length" and method == "HEAD" and not body:
            length = str(value)
        elif lower not in DROPPED and not lower.startswith("x-fc-"):
            lines.append(_clean("%s: %s" % (name, value)))
    if code in ("204", "304"):
        body = b""
    else:
        lines.append("Content-Length: " + _clean(length))
    if method == "HEAD":
        body = b""
    head = "\r\n".join(lines) + "\r\n\r\n"
    if not isinstance(head, bytes):
        # WSGI's strings are latin-1; a header with other characters goes out as UTF-8 rather than not at all.
        try:
            head = head.encode("latin-1")
        except UnicodeEncodeError:
            head = head.encode("utf-8")
    return head, body


def _clean(line):
    if "\r" in line or "\n" in line:
        raise ValueError("a line break in the status or a header: %r" % (line,))
    return line


def environ(request, context):
    headers = request.headers
    path, _, query = request.target.partition("?")
    values = dict(os.environ)
    values.update(
        {
            "wsgi.version": (1, 0),
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": unquote(path),
            "QUERY_STRING": query,
            "SCRIPT_NAME": "",
            "SERVER_NAME": "FCRUNTIME",
            "SERVER_PORT": "9000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_SOFTWARE": "FCRUNTIME/1.0",
            "HTTP": "on",
            "CONTENT_LENGTH": str(len(request.body)),
            "CONTENT_TYPE": headers.get("content-type", "application/octet-stream"),
            "REMOTE_ADDR": headers.get("x-fc-client-ip", ""),
            "HTTP_X_FC_FUNCTION_HANDLER": headers.get("x-fc-function-handler", ""),
            "fc.context": context,
            "fc.request_uri": headers.get("x-fclocal-request-uri", request.target),
        }
    )
    for name, value in headers.items():
        # FC's control headers carry credentials; what is in them is in fc.context.
        if name not in ("content-length", "content-type") and not name.startswith(("x-fc-", "x-fclocal-")):
            values["HTTP_" + name.upper().replace("-", "_")] = value
    return values


def unquote(path):
    """Percent decoding into WSGI's native strings, one character per byte."""
    parts = path.split("%")
    return parts[0] + "".join(
        chr(int(part[:2], 16)) + part[2:] if len(part) > 1 and HEXDIGITS.issuperset(part[:2]) else "%" + part
        for part in parts[1:]
    )
