"""Asking a running emulator for something: see `gateway/admin.py`."""

from __future__ import annotations

import json
from typing import Any

from emulator.cli.client import Request, send
from emulator.cli.endpoint import Endpoint
from emulator.model import headers as h
from emulator.model.errors import UserError


async def ask(endpoint: Endpoint, action: str, **asked: Any) -> Any:
    """The answer of an action. Raises `UserError` where the emulator says no, or has gone."""
    headers = [(h.TOKEN, endpoint.token), ("Content-Type", "application/json")]
    body = json.dumps(asked).encode()
    request = Request("POST", f"/_fclocal/{action}", f"127.0.0.1:{endpoint.port}", headers, body)
    try:
        async with send(endpoint.port, request) as answer:
            text = await answer.read()
    except OSError as error:
        raise UserError(f"the emulator at {endpoint.url} does not answer: {error}", "fclocal start") from None
    told = json.loads(text)
    if answer.status != 200:
        message = told.get("message") or told.get("Message") or text.decode(errors="replace")
        raise UserError(message, told.get("next_step", ""))
    return told
