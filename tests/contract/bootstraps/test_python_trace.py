"""What a Python bootstrap tells of its start: imports with parents and times, phases; and nothing shows the hook."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bootstrap_harness import Bootstrap, Target
from test_python_control import PYTHONS, Board, board

from emulator.instance.traces import Told
from tests.support.command import PATIENCE_SECONDS

INDEX = """
import hashlib, sys, traceback
import shop.prices, shop

def shown(name):
    try:
        __import__(name)
    except Exception:
        return traceback.format_exc()

failures = [shown("nowhere"), shown("broken"), shown("raises")]
seen = [getattr(sys.modules.get("_frozen_importlib"), "_find_and_load", None), __import__]

def initialize(context):
    import colorsys

def handler(event, context):
    import sched
    first = __import__("json").dumps(failures)
    return first

def unhooked(event, context):
    now = [getattr(sys.modules.get("_frozen_importlib"), "_find_and_load", None), __import__]
    return "yes" if now != seen else "no %r" % now
"""
FILES = {
    "index.py": INDEX,
    "shop/__init__.py": "",
    "shop/prices.py": "import time\ntime.sleep(0.03)\nfrom . import taxes\n",
    "shop/taxes.py": "import time\ntime.sleep(0.02)\n",
    "broken.py": "def x(:\n",
    "raises.py": "1 / 0\n",
}
TRACE = {"FCLOCAL_TRACE": "1"}


def write(folder: Path, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def request(path: str, handler: str) -> bytes:
    header = "x-fc-function-initializer" if path == "/initialize" else "x-fc-function-handler"
    return (
        f"POST {path} HTTP/1.1\r\nx-fc-control-path: {path}\r\n{header}: {handler}\r\n"
        "x-fc-request-id: r-1\r\nContent-Length: 0\r\n\r\n"
    ).encode()


class Watched:
    """A board that keeps what it is told of starts."""

    def __init__(self, made: Board) -> None:
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        made.switchboard.listen("trace", lambda _callee, _control, said: self._told.put_nowait(said))

    async def told(self) -> Told:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return msgspec.convert(await self._told.get(), Told)


async def ask(bootstrap: Bootstrap, *requests: bytes) -> list[bytes]:
    """The bodies of answers, one after the other on one connection."""

    def talk() -> list[bytes]:
        connection = bootstrap.connect()
        bodies = []
        for one in requests:
            connection.send(one)
            answer = connection.receive()
            assert answer is not None
            bodies.append(answer.body)
        return bodies

    return await asyncio.to_thread(talk)


@pytest.mark.parametrize("target", PYTHONS, ids=str)
def test_a_start_is_told_after_the_first_answer(target: Target, short_folder: Path, tmp_path: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            watched = Watched(made)
            with Bootstrap(target, short_folder, made.env | TRACE, write(tmp_path)) as bootstrap:
                await ask(bootstrap, request("/initialize", "index.initialize"), request("/invoke", "index.handler"))
                told = await watched.told()
                check_phases(told)
                check_imports(told, target)
                (unhooked,) = await ask(bootstrap, request("/invoke", "index.unhooked"))
                assert unhooked == b"yes"

    asyncio.run(talk())


def check_phases(told: Told) -> None:
    times = {name: (begin, end) for name, begin, end in told.phases}
    assert [name for name, _, _ in told.phases].count("load") == 2
    first = next((begin, end) for name, begin, end in told.phases if name == "load")
    for begin, end in times.values():
        assert begin <= end
    assert times["bootstrap"][1] <= times["initializer"][0] <= first[0] <= first[1] <= times["initializer"][1]
    assert times["initializer"][1] <= times["invoke"][0] <= times["invoke"][1] <= told.now
    assert first[1] - first[0] >= 0.05
    assert 0 < told.record_seconds < 0.001


def check_imports(told: Told, target: Target) -> None:
    rows = {row[0]: row for row in told.imports}

    def parent(name: str) -> str:
        return told.imports[rows[name][1]][0] if rows[name][1] >= 0 else ""

    assert (parent("index"), parent("shop.prices"), parent("shop.taxes")) == ("", "index", "shop.prices")
    assert (parent("colorsys"), parent("sched")) == ("", "")
    assert rows["shop.taxes"][3] - rows["shop.taxes"][2] >= 0.02
    assert rows["shop.prices"][3] - rows["shop.prices"][2] >= 0.05
    assert rows["shop.prices"][5].endswith("shop/prices.py")
    assert rows["index"][6] == len(INDEX)
    assert not any(name.startswith("_fclocal") for name in rows)
    loaded = [row[0] for row in told.imports if not row[7]]
    assert len(set(loaded)) == len(loaded), "each is loaded once"
    assert told.more == 0
    if target.version >= (3,):
        assert {name for name, row in rows.items() if row[7]} >= {"nowhere", "broken", "raises"}
        assert rows["index"][4] > 0  # there was no bytecode


@pytest.mark.parametrize("target", [it for it in PYTHONS if it.start == "spawned"], ids=str)
def test_tracebacks_are_what_they_are_without_it(target: Target, short_folder: Path, tmp_path: Path) -> None:
    async def failures(env: dict[str, str], folder: Path) -> bytes:
        folder.mkdir(exist_ok=True)
        async with board(folder) as made:
            with Bootstrap(target, folder, made.env | env, write(tmp_path)) as bootstrap:
                (told,) = await ask(bootstrap, request("/invoke", "index.handler"))
                return told

    async def both() -> None:
        plain = await failures({}, short_folder / "a")
        hooked = await failures(TRACE, short_folder / "b")
        if target.version >= (3,):
            assert hooked == plain
        else:
            # What the interpreter itself raises in an import has passed through our function there.
            assert hooked.count(b"trace_two.py") == 2
            assert b"ZeroDivisionError" in hooked

    asyncio.run(both())


@pytest.mark.parametrize("target", [it for it in PYTHONS if it.start == "spawned"], ids=str)
def test_a_failed_load_is_told_as_well(target: Target, short_folder: Path, tmp_path: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            watched = Watched(made)
            with Bootstrap(target, short_folder, made.env | TRACE, write(tmp_path)) as bootstrap:
                (body,) = await ask(bootstrap, request("/invoke", "raises.handler"))
                assert b"division" in body
                assert b"trace" not in body.replace(b"stackTrace", b"")
                assert [name for name, _, _ in (await watched.told()).phases][-1] == "invoke"

    asyncio.run(talk())


USER = """
import colorsys, sched, calendar
import shop
from shop import prices

def handler(event, context):
    import textwrap
    return str(calendar.isleap(2024) + prices.price())
"""
USED_FILES = {
    "index.py": USER,
    "shop/__init__.py": "",
    "shop/prices.py": "import rates\ndef price():\n    return rates.RATE.value\n",
    "rates.py": "import idle\nclass Rate(object):\n    value = 2\nRATE = Rate()\n",
    "idle.py": "import rates\ndef never():\n    return rates\nnever()\n",
}


@pytest.mark.parametrize("target", [it for it in PYTHONS if it.start == "spawned"], ids=str)
def test_what_the_first_event_uses_is_told_where_it_is_asked_for(
    target: Target, short_folder: Path, tmp_path: Path
) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            watched = Watched(made)
            code = write(tmp_path, USED_FILES)
            with Bootstrap(target, short_folder, made.env | {"FCLOCAL_TRACE": "usage"}, code) as bootstrap:
                assert await ask(bootstrap, request("/invoke", "index.handler")) == [b"3"]
                told = await watched.told()
        # Code of the first three ran, or a global was named that is of them; the last ran while it was imported only.
        assert set(told.used) >= {"index", "calendar", "shop", "rates"}
        assert set(told.unused) >= {"colorsys", "sched", "idle", "textwrap"}

    asyncio.run(talk())
