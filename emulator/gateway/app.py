"""The ASGI application: a matcher for what is hot, in front of Starlette for the rest."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from emulator.dispatch.engine import Engine
from emulator.gateway.invoke import InvokeFace
from emulator.model.function import LATEST, Api, FunctionName

FC3_FUNCTIONS = "/2023-03-30/functions/"
INVOCATIONS = "/invocations"


class Gateway:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._invoke = InvokeFace(engine)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(FC3_FUNCTIONS) and path.endswith(INVOCATIONS):
            name = path[len(FC3_FUNCTIONS) : -len(INVOCATIONS)]
            await self._invoke(scope, receive, send, FunctionName.parse(name), LATEST, Api.FC3)
            return
