"""Outcomes and errors as ASGI messages, with FC's headers (runtime-contract.md §5.2, platform.md §1.5, §2.1)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from starlette.types import Send

from emulator.gateway.cycle import WHOLE
from emulator.model import headers as h
from emulator.model.errors import FCError
from emulator.model.function import Api, Revision
from emulator.model.invocation import Header, Outcome, Stream

JSON_TYPE = (b"content-type", b"application/json")
OCTETS = (b"content-type", b"application/octet-stream")


def invoke_constants(revision: Revision, qualifier: str, api: Api) -> tuple[Header, ...]:
    """Headers of an InvokeFunction answer that are the same for every call of a revision."""
    version = (revision.version_id or "LATEST").encode()
    expose = h.EXPOSE_INVOKE_FC3 if api is Api.FC3 else h.EXPOSE_INVOKE
    return (
        (h.CODE_CHECKSUM.encode(), revision.checksum.encode()),
        # FC 2 and the FC 3 tool read the first, FC 3's documentation names the second (platform.md §1.5).
        (h.SERVICE_VERSION.encode(), version),
        (h.FUNCTION_VERSION.encode(), version),
        (b"access-control-expose-headers", expose.encode()),
    )


def invoke_headers(constants: Sequence[Header], request_id: str, outcome: Outcome) -> list[Header]:
    """The head of an InvokeFunction answer: its status is 200 also when the function failed (§4.1)."""
    headers = [
        JSON_TYPE if outcome.error else OCTETS,
        (b"x-fc-request-id", request_id.encode()),
        (b"x-fc-instance-id", outcome.instance_id.encode()),
        *constants,
    ]
    report = outcome.report
    if report is not None:
        headers.append((b"x-fc-invocation-duration", b"%d" % report.duration_ms))
        headers.append((b"x-fc-max-memory-usage", b"%.2f" % report.memory_mb))
        if report.cold:
            headers.append((h.COLD_START.encode(), b"%.0f" % report.init_ms))
    if outcome.error is not None:
        headers.append((b"x-fc-error-type", outcome.error.value.encode()))
    if outcome.tail is not None:
        headers.append((b"x-fc-log-result", outcome.tail))
    headers.extend(outcome.session_headers)
    return headers


async def send_outcome(send: Send, status: int, headers: list[Header], outcome: Outcome) -> None:
    """The whole answer, its body streamed where the instance streams it."""
    body = outcome.body
    if isinstance(body, bytes):
        await send_bytes(send, status, headers, body)
        return
    if outcome.length is not None:
        headers.append((b"content-length", b"%d" % outcome.length))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send_stream(send, body)


async def send_bytes(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers, WHOLE: True})
    await send({"type": "http.response.body", "body": body})


async def send_stream(send: Send, body: Stream) -> None:
    async for piece in body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def error_body(error: FCError, request_id: str) -> bytes:
    """The superset that every official client understands (platform.md §2.1)."""
    return json.dumps(
        {
            "Code": error.code,
            "Message": error.message,
            "RequestId": request_id,
            "ErrorCode": error.code,
            "ErrorMessage": error.message,
            "errorCode": error.code,
            "errorMessage": error.message,
        },
        ensure_ascii=False,
    ).encode()


async def send_error(send: Send, error: FCError, request_id: str, extra: Sequence[Header] = ()) -> None:
    headers = [JSON_TYPE, (b"x-fc-request-id", request_id.encode()), *extra]
    await send_bytes(send, error.status, headers, error_body(error, request_id))


async def send_accepted(send: Send, request_id: str, task_id: str, api: Api) -> None:
    """202 with an empty body: no content type, since a client parses an empty body by it (platform.md §1.1)."""
    name = h.ASYNC_TASK_ID if api is Api.FC3 else h.STATEFUL_ASYNC_ID
    headers = [(b"x-fc-request-id", request_id.encode()), (name.encode(), task_id.encode())]
    await send_bytes(send, 202, headers, b"")
