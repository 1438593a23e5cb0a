"""The ASGI application: a matcher for invocations and function URLs, judged by the guard first."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from urllib.parse import unquote

from starlette.types import Receive, Scope, Send

from emulator.dispatch.engine import Engine
from emulator.gateway import reply
from emulator.gateway.auth import Auth
from emulator.gateway.cycle import App, Cycle, Failed, raising
from emulator.gateway.domains import find_domain, find_route, function_of_host, proxy_target, url_labels
from emulator.gateway.guard import Face, Guard, host_name
from emulator.gateway.invoke import InvokeFace
from emulator.gateway.rewrites import rewrite
from emulator.gateway.web import Address, WebFace
from emulator.instance.exchange import StreamBroken
from emulator.journal.crashes import CrashFiles
from emulator.model.errors import FCError, InternalServerError, PathNotSupported
from emulator.model.function import LATEST, Api, FunctionName, Project

FC3_FUNCTIONS = "/2023-03-30/functions/"
INVOCATIONS = "/invocations"
STATUS = "/_fclocal/status"
_FC2 = re.compile(r"/(?:2021-04-06|2016-08-15)/services/([^/]+)/functions/([^/]+)/invocations\Z")


class Gateway:
    """Every request comes in here. `token` is what a browser page of ours must show to change things.

    `crashes` is where what must not happen is kept: nobody should have to read our tracebacks. `pages` are other
    applications by the first segment of their paths; each is made when it is first asked for.
    """

    def __init__(
        self, engine: Engine, token: str, auth: Auth, crashes: CrashFiles, pages: Mapping[str, Callable[[], App]]
    ) -> None:
        self._engine = engine
        self._pages = pages
        self._made: dict[str, App] = {}
        self._crashes = crashes
        self._invoke = InvokeFace(engine, auth, self._keeping)
        self._web = WebFace(engine, auth)
        self._labels: dict[str, FunctionName] = {}
        self._guard = Guard(self.classify, token)
        self.know(engine.project)

    def know(self, project: Project) -> None:
        """The project's functions and domains are these from now on."""
        self._labels = url_labels(function.name for function in project.functions)
        self._guard.allow([domain.name for domain in project.domains])

    def classify(self, path: str, host: str) -> Face:
        """What a path leads to: function URLs are open to every page, as in FC."""
        if path.startswith("/2016-08-15/proxy/") or self._has_url(host):
            return Face.FUNCTION_URL
        return Face.CONSOLE if _first(path) in self._pages else Face.API

    def _has_url(self, host: str) -> bool:
        return function_of_host(host, self._labels) is not None or (
            find_domain(self._engine.project.domains, host) is not None
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await self._keeping(self._answer)(scope, receive, send)

    def _keeping(self, app: App) -> App:
        """The same application, whose faults are kept."""

        async def keeping(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except StreamBroken:
                raise
            except Exception as fault:
                raise Failed(self._told(fault, scope)) from fault

        return keeping

    def _told(self, fault: Exception, scope: Scope) -> Callable[[Send], Awaitable[None]]:
        """An answer that says where the fault is kept; whoever watches the emulator is told the same."""
        engine = self._engine
        line = self._crashes.line(fault, f"request: {scope['method']} in HTTP/{scope['http_version']}")
        engine.journal.notice(line, level="error")

        async def answer(send: Send) -> None:
            await reply.send_error(send, InternalServerError(line), engine.request_ids.new())

        return answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._guard.check(scope)
        if refused is not None:
            await reply.send_error(send, refused, self._engine.request_ids.new())
            return
        try:
            invoked = self._invoked(scope)
            if invoked is not None:
                await self._invoke(scope, receive, send, *invoked)
            else:
                await self._other(scope, receive, send, scope["path"])
        except FCError as error:
            await reply.send_error(send, error, self._engine.request_ids.new())

    def instant(self, cycle: Cycle, body: bytes) -> bool:
        """Answer a request whose body is there without a task; false for what only `__call__` can do."""
        scope: Scope = cycle.scope  # type: ignore[assignment]
        try:
            if self._guard.check(scope) is not None:
                return False
            invoked = self._invoked(scope)
            return invoked is not None and self._invoke.instant(cycle, body, *invoked)
        except FCError:
            return False
        except Exception as fault:
            cycle.start(self._keeping(raising(fault)))
            return True

    def _invoked(self, scope: Scope) -> tuple[FunctionName, str, Api] | None:
        """Which function is invoked, through which API, where the request is an InvokeFunction."""
        if scope["method"] != "POST":
            return None
        path: str = scope["path"]
        name = _named(path)
        if name is not None:
            return name, _qualifier(scope), Api.FC3
        found = _FC2.match(path)
        if found is None or self._address(scope) is not None:
            return None
        service, _, qualifier = found[1].partition(".")
        return FunctionName(found[2], service), qualifier or _qualifier(scope), Api.FC2

    async def _other(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        address = self._address(scope)
        if address is not None:
            await self._web(scope, receive, send, address)
        elif path == STATUS:
            names = [str(revision.function.name) for revision in self._engine.registry.revisions()]
            body = json.dumps({"functions": names}).encode()
            await reply.send_bytes(send, 200, [reply.JSON_TYPE], body)
        else:
            await self._page(scope)(scope, receive, send)

    def _page(self, scope: Scope) -> App:
        name = _first(scope["path"])
        make = self._pages.get(name)
        if make is None:
            raise PathNotSupported(scope["method"], scope["path"])
        page = self._made.get(name)
        if page is None:
            page = self._made[name] = make()
        return page

    def _address(self, scope: Scope) -> Address | None:
        """Whose URL this is: by proxy path, by `<function>.localhost`, or by custom domain."""
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        query = scope.get("query_string", b"").decode("latin-1")
        behind = f"?{query}" if query else ""
        host = self._host(scope)
        proxy = proxy_target(raw_path)
        if proxy is not None:
            return Address(proxy.name, proxy.rest + behind, proxy.qualifier, proxy.base_path, host)
        name = function_of_host(host, self._labels)
        if name is not None:
            return Address(name, raw_path + behind, host=host)
        domain = find_domain(self._engine.project.domains, host)
        if domain is None:
            return None
        route = find_route(domain, unquote(raw_path))
        target = rewrite(route.rewrites, raw_path + behind)
        return Address(route.function, target, route.qualifier, host=host, methods=route.methods, domain=domain)

    def _host(self, scope: Scope) -> str:
        value = next((value for name, value in scope["headers"] if name == b"host"), b"")
        return host_name(value) or ""


def _first(path: str) -> str:
    """The first segment of a path."""
    return path.split("/", 2)[1] if path.startswith("/") else ""


@lru_cache(maxsize=1024)
def _named(path: str) -> FunctionName | None:
    """Which function a path of FC 3's InvokeFunction names."""
    if path.startswith(FC3_FUNCTIONS) and path.endswith(INVOCATIONS):
        return FunctionName.parse(path[len(FC3_FUNCTIONS) : -len(INVOCATIONS)])
    return None


def _qualifier(scope: Scope) -> str:
    query: bytes = scope.get("query_string", b"")
    if b"qualifier=" not in query:
        return LATEST
    for part in query.split(b"&"):
        key, _, value = part.partition(b"=")
        if key == b"qualifier":
            return unquote(value.decode("latin-1")) or LATEST
    return LATEST
