from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

app = FastAPI()
items = {}


class Item(BaseModel):
    name: str
    price: float


@app.get("/health")
async def health():
    return {"status": "ok"}


@app.get("/items/{name}")
async def read(name: str) -> Item:
    if name not in items:
        raise HTTPException(404, "no such item")
    return items[name]


@app.post("/items", status_code=201)
async def create(item: Item) -> Item:
    items[item.name] = item
    print("stored", item.name, flush=True)
    return item


@app.post("/invoke")
async def invoke(request: Request):
    """What InvokeFunction, timers and other triggers call."""
    event = await request.body()
    return {"items": len(items), "event": event.decode()}
