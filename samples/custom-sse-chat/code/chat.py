"""A chat that answers word by word over server-sent events; put a model's stream in place of `answer`."""

import asyncio
import json
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import FileResponse, StreamingResponse
from starlette.routing import Route

PAGE = Path(__file__).with_name("index.html")


async def answer(message):
    for word in ("You said: %s" % message).split():
        yield word
        await asyncio.sleep(0.2)


async def events(message):
    async for word in answer(message):
        yield "data: %s\n\n" % json.dumps({"delta": word + " "})
    yield "data: [DONE]\n\n"


async def page(request):
    return FileResponse(PAGE)


async def chat(request):
    message = (await request.json())["message"]
    print("chat:", message, flush=True)
    return StreamingResponse(events(message), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


app = Starlette(routes=[Route("/", page), Route("/chat", chat, methods=["POST"])])
