"""The request of each run of `fclocal coldstart`: a call of InvokeFunction, or one to the HTTP trigger."""

from __future__ import annotations

import time
from urllib.parse import quote

from msgspec.structs import replace

from emulator.cli.call import URL_MARKS, HttpCall
from emulator.cli.coldstart import Wanted
from emulator.cli.context import Workplace
from emulator.coldstart.experiment import Ask, event_of
from emulator.model.errors import UserError
from emulator.model.function import Account, Api, Function, Revision
from emulator.model.invocation import Invocation, Kind
from emulator.triggers.http import HttpRequest, passed_on, to_event

_LOCALHOST = "127.0.0.1"


def ask_of(place: Workplace, function: Function, wanted: Wanted) -> Ask:
    """Raises `UserError` for a request that the function does not take."""
    if wanted.http is None:
        return event_of(wanted.event)
    if function.http_trigger is None:
        step = "leave out --path, --method and -H, and give an event"
        raise UserError(f"function {function.name} has no HTTP trigger", step)
    request = _request(wanted.http, wanted.event, place.settings.account(function.region))
    if function.api is Api.FC3 and not function.is_custom:
        return lambda revision, request_id: _event(revision, request_id, request)
    return lambda revision, request_id: _http(revision, request_id, request)


def _request(http: HttpCall, body: bytes, account: Account) -> HttpRequest:
    path, _, query = (http.path if http.path.startswith("/") else f"/{http.path}").partition("?")
    given = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in http.headers]
    names = {name for name, _ in given}
    own = [(b"host", b"localhost"), (b"content-length", str(len(body)).encode())]
    return HttpRequest(
        method=http.method.upper() or ("POST" if body else "GET"),
        raw_path=quote(path, safe=URL_MARKS),
        query=quote(query, safe=URL_MARKS),
        headers=[*(pair for pair in own if pair[0] not in names), *given],
        body=body,
        host="localhost",
        client_ip=_LOCALHOST,
        request_id="",
        account_id=account.account_id,
        at=time.time(),
    )


def _event(revision: Revision, request_id: str, request: HttpRequest) -> Invocation:
    """FC 3 hands HTTP requests to built-in runtimes as JSON events."""
    event = to_event(replace(request, request_id=request_id, at=time.time()))
    return Invocation(revision, request_id, body=event, length=len(event), trigger="http")


def _http(revision: Revision, request_id: str, request: HttpRequest) -> Invocation:
    target = f"{request.raw_path}?{request.query}" if request.query else request.raw_path
    return Invocation(
        revision,
        request_id,
        kind=Kind.HTTP,
        body=request.body,
        length=len(request.body),
        method=request.method.encode(),
        target=target.encode("latin-1", "replace"),
        headers=passed_on(request.headers),
        base_path=request.raw_path,
        client_ip=request.client_ip,
        trigger="http",
    )
