"""`/_console`: the pages and what they fetch. What they change goes through FC's API and `/_fclocal/`, by token."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from emulator.console.births import Births
from emulator.console.door import HEADERS, NOT_KEPT, Asking
from emulator.console.host import Host
from emulator.console.stream import Streams
from emulator.console.view import Labels, state
from emulator.journal.observer import Observer
from emulator.model.function import FunctionName
from emulator.triggers.samples import SAMPLES, payload, sample_for

STATIC = Path(__file__).with_name("static")
PLACEHOLDER = "<!-- token -->"


class Console:
    """An ASGI application. `observer` keeps a history, `labels` gives functions their host names."""

    def __init__(self, host: Host, observer: Observer, labels: Labels) -> None:
        self._host = host
        self._observer = observer
        self._labels = labels
        self._streams = Streams(host.journal, observer)
        self._births = Births(observer.history(), host.journal.now, traced=host.settings.trace)
        self._app = Starlette(
            routes=[
                Route("/_console", self._page),
                Route("/_console/", self._page),
                Route("/_console/state", self._state),
                Route("/_console/samples", self._samples),
                Route("/_console/events", self._events),
                Route("/_console/coldstarts", self._coldstarts),
                Route("/_console/coldstarts/{instance_id}", self._coldstart),
                Mount("/_console/static", _Assets(directory=STATIC)),
            ]
        )

    def __repr__(self) -> str:
        return f"<Console {self._streams.open} streams>"

    def end_streams(self) -> None:
        """End the streams of all pages."""
        self._streams.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asking = Asking.read(scope["method"], scope["headers"])
        if not (asking.is_own or asking.is_visit):
            refused = Response("The console is for its own pages only.\n", 403, NOT_KEPT)
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _page(self, request: Request) -> Response:
        """The one page. Only a person who goes there gets it, since the token is in it."""
        if not Asking.read(request.method, request.headers.raw).is_visit:
            return Response("Open the console in a window of its own.\n", 403, NOT_KEPT)
        text = (STATIC / "index.html").read_text(encoding="utf-8")
        token = f'<meta name="fclocal-token" content="{escape(self._host.token)}">'
        return Response(text.replace(PLACEHOLDER, token), media_type="text/html", headers=NOT_KEPT)

    async def _state(self, request: Request) -> Response:
        return _json(state(self._host, self._labels))

    async def _samples(self, request: Request) -> Response:
        """Sample events, those of the function's own triggers first."""
        name = FunctionName.parse(request.query_params.get("function", ""))
        function = next((each for each in self._host.project.functions if each.name == name), None)
        own = [found.kind for trigger in (function.triggers if function else ()) if (found := sample_for(trigger))]
        kinds = dict.fromkeys([*own, *SAMPLES])
        return _json(
            [
                {"kind": kind, "title": SAMPLES[kind].title, "own": kind in own, "event": _text(kind, function)}
                for kind in kinds
            ]
        )

    async def _coldstarts(self, request: Request) -> Response:
        self._observer.history()
        return _json(self._births.all())

    async def _coldstart(self, request: Request) -> Response:
        found = self._births.one(request.path_params["instance_id"])
        return _json(found) if found is not None else Response("not kept\n", 404, NOT_KEPT)

    async def _events(self, request: Request) -> Response:
        return StreamingResponse(self._streams.messages(), media_type="text/event-stream", headers=NOT_KEPT)


class _Assets(StaticFiles):
    """Files of the pages. They are asked for again each time, and sent only if they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update({**HEADERS, "cache-control": "no-cache"})
        return response


def _text(kind: str, function: Any) -> str:
    event = payload(SAMPLES[kind], function)
    return event if isinstance(event, str) else msgspec.json.format(msgspec.json.encode(event)).decode()


def _json(data: object) -> Response:
    return Response(msgspec.json.encode(data), media_type="application/json", headers=NOT_KEPT)
