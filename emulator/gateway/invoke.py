"""InvokeFunction of all three APIs: the emulator's hottest path (platform.md §1.5)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import cast

from starlette.types import Receive, Scope, Send

from emulator.dispatch.dispatcher import Call
from emulator.dispatch.engine import Engine
from emulator.gateway import reply, request
from emulator.gateway.auth import Auth
from emulator.gateway.cycle import ON_DISCONNECT, App, Cycle, raising
from emulator.model.errors import FCError, InvalidArgument
from emulator.model.function import Api, FunctionName, Revision
from emulator.model.invocation import Header, Invocation, Outcome
from emulator.model.limits import ASYNC_MAX_DELAY_SECONDS, ASYNC_PAYLOAD_BYTES

_TASK_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}\Z")
# An id that FC itself makes begins with a digit, and is a legal task id (runtime-contract.md §4.6).
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")

# Values of `X-Fc-Invocation-Type`
SYNC = (None, b"Sync")


class InvokeFace:
    """Answers `…/invocations`, whichever API it came through. `keeping` makes an application keep its faults."""

    def __init__(self, engine: Engine, auth: Auth, keeping: Callable[[App], App]) -> None:
        self._keeping = keeping
        self._engine = engine
        self._auth = auth
        self._constants: dict[tuple[Revision, str, bool], tuple[Header, ...]] = {}

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, name: FunctionName, qualifier: str, api: Api
    ) -> None:
        request_id = self._request_id(api)
        try:
            digest = self._auth.check_invocation(scope)
            await self._engine.freshness.refreshed(name)
            revision = self._engine.registry.resolve(name, qualifier)
            picked = request.pick(scope)
            if picked.get(b"x-fc-invocation-type") not in SYNC:
                await self._accept(receive, send, picked, revision, request_id, qualifier, api, digest)
                return
            payload = request.checked(await request.read(receive, request.declared_length(picked)), digest)
            call = self._call(scope, picked, payload, revision, request_id, qualifier)
            scope[ON_DISCONNECT] = call.cancel
            await self._send(send, call, api)
        except FCError as error:
            await reply.send_error(send, error, request_id)

    def instant(self, cycle: Cycle, body: bytes, name: FunctionName, qualifier: str, api: Api) -> bool:
        """The same without a task, for a synchronous invocation as far as it comes to a plain end. False, or an
        `FCError`, where nothing was done."""
        scope: Scope = cycle.scope  # type: ignore[assignment]
        digest = self._auth.check_invocation(scope)
        if not self._engine.freshness.fresh(name):
            return False
        revision = self._engine.registry.resolve(name, qualifier)
        picked = request.pick(scope)
        if picked.get(b"x-fc-invocation-type") not in SYNC:
            return False
        payload = request.checked(request.Payload(body, len(body)), digest)
        request_id = self._request_id(api)
        call = self._call(scope, picked, payload, revision, request_id, qualifier)

        def answer(outcome: Outcome) -> None:
            try:
                headers = self._headers(call.invocation, api, outcome)
                cycle.answer(200, headers, cast(bytes, outcome.body))
            except Exception as fault:
                cycle.start(self._keeping(raising(fault)))

        async def go_on(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await self._send(send, call, api)
            except FCError as error:
                await reply.send_error(send, error, request_id)

        scope[ON_DISCONNECT] = call.cancel
        return call.start(answer, lambda call: cycle.start(self._keeping(go_on)))

    def _request_id(self, api: Api) -> str:
        return self._engine.request_ids.new() if api is Api.FC3 else str(uuid.uuid4())

    def _call(
        self,
        scope: Scope,
        picked: dict[bytes, bytes],
        payload: request.Payload,
        revision: Revision,
        request_id: str,
        qualifier: str,
    ) -> Call:
        return self._engine.dispatcher.invoke(
            Invocation(
                revision,
                request_id,
                body=payload.body,
                length=payload.length,
                qualifier=qualifier,
                headers=scope["headers"] if revision.function.session is not None else (),
                want_tail=picked.get(b"x-fc-log-type") == b"Tail",
                trigger="api",
                trace=request.trace(picked, self._engine.traces),
            )
        )

    def _headers(self, call: Invocation, api: Api, outcome: Outcome) -> list[Header]:
        constants = self._constant_headers(call.revision, call.qualifier, api)
        return reply.invoke_headers(constants, call.request_id, outcome)

    async def _send(self, send: Send, call: Call, api: Api) -> None:
        async with call as outcome:
            await reply.send_outcome(send, 200, self._headers(call.invocation, api, outcome), outcome)

    def _constant_headers(self, revision: Revision, qualifier: str, api: Api) -> tuple[Header, ...]:
        key = (revision, qualifier, api is Api.FC3)
        found = self._constants.get(key)
        if found is None:
            if len(self._constants) > 1000:
                self._constants.clear()
            found = self._constants[key] = reply.invoke_constants(revision, qualifier, api)
        return found

    async def _accept(
        self,
        receive: Receive,
        send: Send,
        picked: dict[bytes, bytes],
        revision: Revision,
        request_id: str,
        qualifier: str,
        api: Api,
        digest: str,
    ) -> None:
        """An asynchronous invocation: 202 once it is queued."""
        kind = picked[b"x-fc-invocation-type"].decode("latin-1")
        if kind != "Async":
            raise InvalidArgument(f"invocation type '{kind}' is not supported. Allowed values are: Sync, Async")
        payload = await request.read(receive, request.declared_length(picked), ASYNC_PAYLOAD_BYTES)
        body = await request.gather(request.checked(payload, digest))
        call = Invocation(
            revision,
            request_id,
            body=body,
            length=len(body),
            qualifier=qualifier,
            trigger="async",
            trace=request.trace(picked, self._engine.traces),
        )
        task = self._engine.tasks.submit(call, task_id(picked), delay(picked))
        await reply.send_accepted(send, request_id, task.id, api)


def task_id(picked: dict[bytes, bytes]) -> str:
    """The caller's own task id, empty for none; FC 2 has another name for the header."""
    given = picked.get(b"x-fc-async-task-id") or picked.get(b"x-fc-stateful-async-invocation-id") or b""
    text = given.decode("latin-1")
    if text and not (_TASK_ID.match(text) or _REQUEST_ID.match(text)):
        raise InvalidArgument(f"invalid async task id '{text[:128]}'")
    return text


def delay(picked: dict[bytes, bytes]) -> float:
    """`X-Fc-Async-Delay`: 0 < seconds < 3600."""
    text = picked.get(b"x-fc-async-delay", b"").decode("latin-1")
    if not text:
        return 0.0
    if not text.isdigit() or not 0 < int(text) < ASYNC_MAX_DELAY_SECONDS:
        raise InvalidArgument(f"invalid x-fc-async-delay '{text[:32]}': 0 < seconds < {ASYNC_MAX_DELAY_SECONDS}")
    return float(text)
