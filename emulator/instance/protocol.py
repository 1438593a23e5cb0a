"""FC's headers to and from an instance: pure translation, no I/O (runtime-contract.md §3.3-3.5)."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from emulator.model import headers as h
from emulator.model.function import Account, Api, Function, Revision
from emulator.model.invocation import FunctionError, Header, Headers, Invocation
from emulator.model.limits import LOG_TAIL_BYTES
from emulator.model.trace import Trace

INVOKE = (
    b"POST /invoke HTTP/1.1\r\nhost: 21.0.0.1\r\ncontent-type: application/octet-stream\r\n"
    b"x-fc-control-path: /invoke\r\n"
)
HTTP_INVOKE = b"x-fc-control-path: /http-invoke\r\n"


def _lines(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Our own values are UTF-8, such as a handler's name; a caller's headers are passed on as they came."""
    return b"".join(f"{name}: {value}\r\n".encode("utf-8", "replace") for name, value in pairs)


def _safe(value: str) -> str:
    """A header value must not break the head apart, whatever a project file says."""
    return value.replace("\r", " ").replace("\n", " ")


class Heads:
    """Request heads for one instance. What never changes is encoded once, at birth.

    `token` is whether the runtime gets the security token in a header (runtime-contract.md §3.4).
    """

    __slots__ = ("_constant", "_http_constant", "_invoke_prefix", "_plain", "_revision")

    def __init__(self, revision: Revision, account: Account, *, token: bool = True) -> None:
        self._revision = revision
        self._plain = _lines(_common(revision, account, token))
        self._constant = self._plain + _lines(_tracing())
        self._invoke_prefix = INVOKE + self._constant
        self._http_constant = HTTP_INVOKE + self._constant

    def invoke(self, call: Invocation) -> tuple[bytes, bool]:
        """Head of `POST /invoke`; second: whether the streamed body is sent chunked."""
        framing, chunked = _framing(call)
        prefix = self._invoke_prefix if call.trace is None else INVOKE + self._traced(call.trace, call.trace.headers)
        return b"%b%b%b\r\n" % (prefix, _varying(call), framing), chunked

    def _traced(self, trace: Trace, headers: Headers = ()) -> bytes:
        """What is constant else; the caller's own request has W3C's headers already."""
        return self._plain + _lines(_tracing(trace)) + b"".join(b"%b: %b\r\n" % pair for pair in headers)

    def http(self, call: Invocation) -> tuple[bytes, bool]:
        """Head of a caller's own request, passed through with FC's headers added."""
        own = b"".join(
            b"%b: %b\r\n" % pair for pair in call.headers if pair[0] not in (b"content-length", b"transfer-encoding")
        )
        framing, chunked = _framing(call)
        if call.length is None and call.body == b"" and not call.upgrade and call.method in (b"GET", b"HEAD"):
            framing = b""
        extra = b"x-fc-client-ip: %b\r\nx-fc-base-path: %b\r\n" % (
            call.client_ip.encode("latin-1", "replace"),
            call.base_path.encode("utf-8"),
        )
        if call.upgrade:
            extra += b"connection: Upgrade\r\n"
        head = b"%b %b HTTP/1.1\r\n%b%b%b%b%b\r\n" % (
            call.method,
            call.target,
            own,
            extra,
            self._http_constant if call.trace is None else HTTP_INVOKE + self._traced(call.trace),
            _varying(call),
            framing,
        )
        return head, chunked

    def control(self, method: str, path: str, request_id: str, length: int = 0) -> bytes:
        """Head of a request to the bootstrap: `/ready`, `/initialize`, `/pre-stop`, `/pre-freeze`, all without a body,
        or `/patch` with one."""
        function = self._revision.function
        return b"%b %b HTTP/1.1\r\nhost: 21.0.0.1\r\n%b%b\r\n" % (
            method.encode(),
            path.encode(),
            self._constant,
            _lines(
                [
                    (h.CONTROL_PATH, path),
                    *([] if function.api is Api.FC2 else _hook_headers(function)),
                    (h.REQUEST_ID, request_id),
                    ("content-length", str(length)),
                ]
            ),
        )

    def probe(self, url: str) -> bytes:
        """Head of a health check: a plain GET (runtime-contract.md §1.7)."""
        return b"GET %b HTTP/1.1\r\nhost: 21.0.0.1\r\n\r\n" % url.encode("latin-1", "replace")


def _framing(call: Invocation) -> tuple[bytes, bool]:
    if isinstance(call.body, bytes):
        return b"content-length: %d\r\n" % len(call.body), False
    if call.length is not None:
        return b"content-length: %d\r\n" % call.length, False
    return b"transfer-encoding: chunked\r\n", True


def _varying(call: Invocation) -> bytes:
    return b"x-fc-qualifier: %b\r\nx-fc-retry-count: %d\r\nx-fc-request-id: %b\r\n" % (
        call.qualifier.encode("latin-1", "replace"),
        call.retry_count,
        call.request_id.encode(),
    )


def _common(revision: Revision, account: Account, token: bool) -> list[tuple[str, str]]:
    """The headers of runtime-contract.md §3.4 that are the same for every request of an instance."""
    function = revision.function
    pairs = [
        (h.ACCOUNT_ID, account.account_id),
        (h.REGION, function.region),
        (h.FUNCTION_NAME, function.name.name),
        (h.FUNCTION_HANDLER, function.handler),
        (h.FUNCTION_MEMORY, str(function.memory_mb)),
        (h.FUNCTION_TIMEOUT, f"{function.timeout:g}"),
        (h.VERSION_ID, revision.version_id),
        (h.SERVICE_NAME, function.name.service),
        (h.SERVICE_LOG_PROJECT, function.log_project),
        (h.SERVICE_LOG_STORE, function.log_store),
        (h.API_SERVER_IP, ""),
    ]
    if function.inject_credentials_request:
        pairs += [
            (h.ACCESS_KEY_ID, account.access_key_id),
            (h.ACCESS_KEY_SECRET, account.access_key_secret),
        ]
        if token:
            pairs.append((h.SECURITY_TOKEN, account.security_token))
    if function.api is Api.FC2:
        pairs += _hook_headers(function)
    return [(name, _safe(value)) for name, value in pairs]


def _tracing(trace: Trace | None = None) -> list[tuple[str, str]]:
    """FC's own headers for a trace, which are there and empty where there is none. No Jaeger listens here."""
    return [
        ("x-fc-tracing-opentracing-span-context", trace.span_context if trace else ""),
        ("x-fc-tracing-opentracing-span-baggages", trace.baggages if trace else ""),
        ("x-fc-tracing-jaeger-endpoint", ""),
    ]


def _hook_headers(function: Function) -> list[tuple[str, str]]:
    """Which handlers the hooks are: FC 2 sends them with every request, our bootstraps need them with hooks."""
    pairs = []
    if function.initializer is not None:
        pairs += [
            (h.FUNCTION_INITIALIZER, function.initializer.handler),
            (h.INITIALIZATION_TIMEOUT, f"{function.initializer.timeout:g}"),
        ]
    if function.pre_stop is not None:
        pairs.append((h.PRE_STOP_HANDLER, function.pre_stop.handler))
    if function.pre_freeze is not None:
        pairs.append((h.PRE_FREEZE_HANDLER, function.pre_freeze.handler))
    return [(name, _safe(value)) for name, value in pairs]


def failure_of(headers: Headers) -> FunctionError | None:
    """Whether an answer reports the function's failure: `x-fc-status: 404` (runtime-contract.md §3.5).

    Our bootstraps name the kind in `x-fc-error-type`; for a user's own program the value is UNCONFIRMED and
    `UnhandledInvocationError` is the recommended one.
    """
    failed = False
    error = FunctionError.UNHANDLED
    for name, value in headers:
        if name == b"x-fc-status":
            failed = value.strip() == b"404"
        elif name == b"x-fc-error-type" and value == b"HandledInvocationError":
            error = FunctionError.HANDLED
    return error if failed else None


def without_fc(headers: Headers, dropped: frozenset[bytes]) -> list[Header]:
    """Headers of a function's HTTP answer that FC passes on: neither `x-fc-*` nor those it sets itself."""
    return [pair for pair in headers if pair[0] not in dropped and not pair[0].startswith(b"x-fc-")]


def header_bytes(headers: Headers) -> int:
    """The size of headers as they stand in a head: `name: value` and its line end."""
    return sum([len(name) + len(value) + 4 for name, value in headers])


class LogTail:
    """The log of one request, as `X-Fc-Log-Result` has it: its last 4 KB, then the summary (§6.3)."""

    __slots__ = ("_lines", "_size")

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size - len(self._lines[0]) - 1 >= LOG_TAIL_BYTES:
            self._size -= len(self._lines.pop(0)) + 1

    def result(self, summary: str) -> bytes:
        """Base64. Whether the summary counts into the 4 KB is UNCONFIRMED; here it does not."""
        text = b"".join(line + b"\n" for line in self._lines)[-LOG_TAIL_BYTES:]
        return base64.b64encode(text + b"\n" + summary.encode())
