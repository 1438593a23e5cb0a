"""What other commands and our own pages ask of a running emulator: `POST /_fclocal/<action>`, JSON in, JSON out.

Each needs the token, whoever asks: the guard alone would let in every program of this machine that is no browser.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

from emulator.gateway import reply
from emulator.gateway.guard import shows_token
from emulator.model.errors import FCError, PathNotSupported, UserError

PREFIX = "/_fclocal/"
MOST_BYTES = 1024 * 1024

# Takes what was asked, an object of JSON, and returns the answer, which JSON can hold. Raises `UserError`.
Action = Callable[[Mapping[str, Any]], Awaitable[Any]]


class Admin:
    """`actions` by name. What a `UserError` says is the answer's `message` and `next_step`, with status 400."""

    def __init__(self, token: str, actions: Mapping[str, Action]) -> None:
        self._token = token.encode()
        self._actions = actions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        action = self._actions.get(scope["path"].removeprefix(PREFIX))
        if action is None or scope["method"] != "POST":
            raise PathNotSupported(scope["method"], scope["path"])
        if not shows_token(scope["headers"], self._token):
            raise FCError(401, "TokenRequired", "this needs the token of .fclocal/endpoint.json in x-fclocal-token")
        try:
            status, answer = 200, await action(await _asked(receive))
        except UserError as error:
            status, answer = 400, {"message": error.message, "next_step": error.next_step}
        await reply.send_bytes(send, status, [reply.JSON_TYPE], json.dumps(answer).encode())


async def _asked(receive: Receive) -> Mapping[str, Any]:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise FCError(400, "InvalidArgument", "this is too much for one request")
        if not message.get("more_body"):
            break
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise FCError(400, "InvalidArgument", "the body must be an object in JSON")
    return asked
