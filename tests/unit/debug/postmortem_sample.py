"""A post-mortem as the recorder would make one."""

from __future__ import annotations

from pathlib import Path

from emulator.debug.postmortem.bundle import (
    Dump,
    Ending,
    Event,
    Failure,
    Frame,
    MemoryUse,
    PostMortem,
    Request,
    Thread,
    Value,
)

SOURCE = "def total(order):\n    return order['price']\n\n\ndef handler(event, context):\n    return total(event)\n"


def number(name: str, path: str, text: str) -> Value:
    return Value(name, path, "int", text)


def order() -> Value:
    items = Value("'items'", "['items']", "list", form="list", count=3, children=[number("0", "[0]", "1")])
    token = Value("'token'", "['token']", "str", "<redacted>", redacted=True)
    owner = Value("'owner'", "['owner']", "index.User", form="object", count=1, children=[number("id", ".id", "7")])
    return Value("order", "order", "dict", form="dict", count=3, children=[items, token, owner])


def post_mortem(code: Path, request_id: str = "1-abc-def") -> PostMortem:
    inner = Frame("/code/index.py", 2, "total", locals=[order()], globals=[number("LIMIT", "LIMIT", "5")])
    outer = Frame("/code/index.py", 6, "handler", locals=[number("event", "event", "1")])
    library = Frame("/usr/lib/python3/json.py", 12, "loads", library=True, locals=[number("s", "s", "2")])
    return PostMortem(
        id=request_id,
        at=1_700_000_000.0,
        kind="exception",
        function="hello",
        revision=3,
        fingerprint="0123456789abcdef",
        runtime="python3.10",
        handler="index.handler",
        instance_id="c-1",
        status=200,
        what="KeyError: 'price'",
        where="index.py:2 in total",
        duration_ms=12.3,
        timeout=3.0,
        code_dir=str(code),
        code_target="/code",
        event=Event('{\n  "id": 1\n}', 10),
        request=Request("POST", "/invoke", trigger="api"),
        log=["working on it"],
        memory=MemoryUse(128, 64, [(-1.0, 10), (0.0, 64)]),
        ending=Ending(),
        dump=Dump(
            python="3.10.13",
            exceptions=[
                Failure("KeyError", "'price'", frames=[inner, outer]),
                Failure("index.Bad", "first\nsecond", "context", frames=[library], notes=["a note"]),
            ],
            threads=[
                Thread("MainThread", True, request_id),
                Thread("worker", frames=[Frame("/code/index.py", 6, "handler", locals=[number("n", "n", "9")])]),
            ],
            sources={
                "/code/index.py": [(1, SOURCE)],
                "/usr/lib/python3/json.py": [(11, "def loads(s):\n    boom()\n")],
            },
        ),
    )
