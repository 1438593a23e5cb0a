"""HTTP triggers and custom domains: a caller's own request becomes an invocation (runtime-contract.md §2.8, §3)."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from emulator.dispatch.engine import Engine
from emulator.gateway import cors, limits, reply, request
from emulator.gateway.arrival import Arrival
from emulator.gateway.auth import Auth
from emulator.gateway.cycle import ON_DISCONNECT
from emulator.gateway.invoke import delay, task_id
from emulator.gateway.tunnel import UPGRADE, ClientTunnel, splice
from emulator.instance.protocol import without_fc
from emulator.model import headers as h
from emulator.model.errors import FCError, PathNotSupported, TriggerNotFound
from emulator.model.function import EMPTY, LATEST, Api, CustomDomain, FunctionName, Revision, Trigger
from emulator.model.headers import DROPPED_RESPONSE_HEADERS
from emulator.model.invocation import Header, Invocation, Kind, Outcome
from emulator.model.limits import ASYNC_PAYLOAD_BYTES, HTTP_FUNCTION_ERROR_BODY, SYNC_PAYLOAD_BYTES
from emulator.model.trace import W3C, Trace
from emulator.triggers.http import HttpRequest, from_result, passed_on, to_event

INVOCATION_TARGET = h.INVOCATION_TARGET.encode()


class Address(Struct, frozen=True):
    """Where a request for a function's URL leads. `target` is the raw path and query as the function sees it."""

    name: FunctionName
    target: str
    qualifier: str = LATEST
    base_path: str = ""
    host: str = ""
    methods: tuple[str, ...] = ()
    domain: CustomDomain | None = None


class WebFace:
    """Answers function URLs, whichever host or path they came through."""

    def __init__(self, engine: Engine, auth: Auth) -> None:
        self._engine = engine
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send, address: Address) -> None:
        request_id = self._engine.request_ids.new()
        try:
            await self._engine.freshness.refreshed(address.name)
            revision = self._revision(address)
            trigger = revision.function.http_trigger
            if trigger is None:
                raise TriggerNotFound(address.name.name, address.name.service)
            await self._serve(scope, receive, send, _Hit(address, revision, trigger, request_id))
        except FCError as error:
            await reply.send_error(send, error, request_id)

    def _revision(self, address: Address) -> Revision:
        """An alias that a project file names may not be there: the newest code answers then, told once."""
        registry = self._engine.registry
        if address.qualifier != LATEST and not address.base_path and not registry.find(address.name, address.qualifier):
            self._engine.journal.notice(
                f"qualifier '{address.qualifier}' is not emulated for URLs: LATEST answers", function=str(address.name)
            )
            return registry.resolve(address.name)
        return registry.resolve(address.name, address.qualifier)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, hit: _Hit) -> None:
        headers: list[Header] = scope["headers"]
        method: str = scope["method"]
        rules = cors.rules(hit.trigger)
        origin = next((value for name, value in headers if name == b"origin"), None)
        if method == "OPTIONS":
            answer = cors.preflight(hit.trigger, rules, headers)
            if answer is not None:
                await reply.send_bytes(send, answer.status, [*answer.headers, hit.id_header], b"")
                return
        limits.check_default_url(hit.trigger, hit.address.domain is not None)
        limits.check_method(hit.trigger, method, hit.address.methods)
        limits.check_request_head(hit.address.target.encode("latin-1", "replace"), headers)
        admitted, receive, hit = await self._admit(scope, receive, hit)
        picked = request.pick(admitted)
        if picked.get(b"x-fc-invocation-type") == b"Async":
            await self._accept(receive, admitted, send, picked, hit)
            return
        call = await self._invocation(admitted, await _body(receive, picked, SYNC_PAYLOAD_BYTES), hit)
        invoking = self._engine.dispatcher.invoke(call)
        scope[ON_DISCONNECT] = invoking.cancel
        async with invoking as outcome:
            if outcome.tunnel is not None:
                await _join(scope, outcome)
                return
            status, answered = _answer(hit.revision, call, outcome)
            answered = cors.apply(rules, origin, method == "OPTIONS", answered)
            await reply.send_outcome(send, status, [*answered, *outcome.session_headers, hit.id_header], outcome)

    async def _admit(self, scope: Scope, receive: Receive, hit: _Hit) -> tuple[Scope, Receive, _Hit]:
        """Let the request in, with what its authentication passes on to the function."""
        address = hit.address
        domain = address.domain
        check = self._auth.check_of(hit.revision, domain.name if domain else "", domain.auth if domain else EMPTY)
        if check is None:
            return scope, receive, hit
        path = unquote(address.target.partition("?")[0]) if address.base_path else scope["path"]
        arrival = await check(Arrival(scope, receive, path, address.target))
        return arrival.scope, arrival.receive, replace(hit, address=replace(address, target=arrival.target))

    async def _invocation(self, scope: Scope, payload: request.Payload, hit: _Hit) -> Invocation:
        trace = None
        if self._engine.traces:
            trace = request.trace(request.pick(scope), exported=True)
            scope = {**scope, "headers": _retraced(scope["headers"], trace)}
        if _is_event(hit.revision):
            return self._event(scope, await request.gather(payload), hit, trace)
        address = hit.address
        own = passed_on(scope["headers"])
        if not hit.revision.function.is_custom:
            own.append((h.REQUEST_URI.encode(), _client_uri(scope)))
        return Invocation(
            hit.revision,
            hit.request_id,
            kind=Kind.HTTP,
            body=payload.body,
            length=payload.length,
            qualifier=address.qualifier,
            method=scope["method"].encode(),
            target=_target(hit, scope).encode("latin-1", "replace"),
            headers=own,
            base_path=address.base_path or address.target.partition("?")[0],
            client_ip=request.client_ip(scope),
            upgrade=UPGRADE in scope.get("extensions", {}),
            trigger="http",
            trace=trace,
        )

    def _event(self, scope: Scope, body: bytes, hit: _Hit, trace: Trace | None) -> Invocation:
        """FC 3 hands HTTP requests to built-in runtimes as JSON events."""
        raw_path, _, query = hit.address.target.partition("?")
        event = to_event(
            HttpRequest(
                method=scope["method"],
                raw_path=raw_path,
                query=query,
                headers=scope["headers"],
                body=body,
                host=hit.address.host,
                client_ip=request.client_ip(scope),
                request_id=hit.request_id,
                account_id=self._engine.account.account_id,
                at=time.time(),
                protocol=f"HTTP/{scope.get('http_version', '1.1')}",
            )
        )
        session = scope["headers"] if hit.revision.function.session is not None else ()
        return Invocation(
            hit.revision,
            hit.request_id,
            body=event,
            length=len(event),
            qualifier=hit.address.qualifier,
            headers=session,
            trigger="http",
            trace=trace,
        )

    async def _accept(self, receive: Receive, scope: Scope, send: Send, picked: dict[bytes, bytes], hit: _Hit) -> None:
        body = await request.gather(await _body(receive, picked, ASYNC_PAYLOAD_BYTES))
        call = await self._invocation(scope, request.Payload(body, len(body)), hit)
        task = self._engine.tasks.submit(replace(call, upgrade=False), task_id(picked), delay(picked))
        await reply.send_accepted(send, hit.request_id, task.id, hit.revision.function.api)


class _Hit(Struct, frozen=True):
    """A request that found its function and its trigger."""

    address: Address
    revision: Revision
    trigger: Trigger
    request_id: str

    @property
    def id_header(self) -> Header:
        return b"x-fc-request-id", self.request_id.encode()


async def _body(receive: Receive, picked: dict[bytes, bytes], limit: int) -> request.Payload:
    return await request.read(receive, request.declared_length(picked), limit, limits.body_too_large)


def _retraced(headers: list[Header], trace: Trace | None) -> list[Header]:
    """A caller's headers with the trace as the function is told it."""
    return [*(pair for pair in headers if pair[0] not in W3C), *(trace.headers if trace is not None else ())]


def _is_event(revision: Revision) -> bool:
    return revision.function.api is Api.FC3 and not revision.function.is_custom


def _answer(revision: Revision, call: Invocation, outcome: Outcome) -> tuple[int, list[Header]]:
    """Status and headers for the client; a built-in's failure, and one that FC itself reports, is 502 (§3.6)."""
    if outcome.error is not None and (
        not revision.function.is_custom or outcome.report is None or outcome.status == 502
    ):
        outcome.body = HTTP_FUNCTION_ERROR_BODY
        return 502, [reply.JSON_TYPE]
    if call.kind is Kind.HTTP:
        return outcome.status, without_fc(outcome.headers, DROPPED_RESPONSE_HEADERS)
    output = outcome.body if isinstance(outcome.body, bytes) else b""
    answer = from_result(output)
    limits.check_response_headers(answer.headers)
    outcome.body = answer.body
    if answer.failed:
        outcome.body = HTTP_FUNCTION_ERROR_BODY
        return 502, [reply.JSON_TYPE]
    return answer.status, list(answer.headers)


def _target(hit: _Hit, scope: Scope) -> str:
    """Path and query for the function. A custom runtime of FC 2 sees FC's own prefix before them, unless the client
    names it in `x-fc-invocation-target` (runtime-contract.md §3.3)."""
    address, function = hit.address, hit.revision.function
    with_prefix = address.base_path and function.is_custom and function.api is Api.FC2
    if with_prefix and not any(name == INVOCATION_TARGET for name, _ in scope["headers"]):
        return address.base_path + address.target
    return address.target


def _client_uri(scope: Scope) -> bytes:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return raw + b"?" + query if query else raw


async def _join(scope: Scope, outcome: Outcome) -> None:
    """Hand the 101 on and let the bytes flow until one side closes."""
    client: Any = scope["extensions"].get(UPGRADE)
    if not isinstance(client, ClientTunnel) or outcome.tunnel is None:
        raise PathNotSupported(scope["method"], scope["path"])
    server, to_client = outcome.tunnel.detach()
    lines = [b"HTTP/1.1 101 Switching Protocols"]
    lines += [b"%b: %b" % pair for pair in outcome.headers if not pair[0].startswith(b"x-fc-")]
    transport, to_server = client.take(b"\r\n".join(lines) + b"\r\n\r\n")
    await splice(transport, server, to_server, to_client)
