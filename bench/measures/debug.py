"""A round trip of the debugger at a breakpoint, beside the adapter that comes with debugpy."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.context import READY_SECONDS, Bench
from bench.dap_end import DapEnd
from bench.findings import Findings, Goal, Sense, Table, median, ratio
from bench.servers.base import Launch, Running, ServerFailed, ask, echo_body, free_port
from bench.servers.product import Product

LIMIT_MS = 3.0
ROUND_TRIPS = 40
PATIENCE_SECONDS = 60.0
STOP_LINE = 2
STOCK_TITLE = "debugpy's own adapter"
HANDLER = "def handler(event, context):\n    return event\n"
# The stock adapter has no gateway: its program calls the handler itself.
PROGRAM = f"{HANDLER}\n\nwhile True:\n    handler(b'{{}}', None)\n"
# Each once at a stop, in the order in which an editor asks.
ASKED = ("threads", "stackTrace", "scopes", "variables", "evaluate")


@dataclass(frozen=True, slots=True)
class StockAdapter:
    """A program under `python -m debugpy`, which waits for its editor."""

    debug_port: int
    name: str = "debugpy"
    title: str = STOCK_TITLE

    def prepare(self) -> str:
        return ""

    def launch(self, folder: Path, port: int) -> Launch:
        (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
        listen = ("--listen", f"127.0.0.1:{self.debug_port}", "--wait-for-client")
        return Launch((sys.executable, "-m", "debugpy", *listen, "program.py"), "/", folder)


def measure(bench: Bench) -> Findings:
    """Both stand at a breakpoint and are asked in turns."""
    ours: list[float] = []
    theirs: list[float] = []
    with _stopped_in_product(bench) as product, _stopped_in_stock(bench) as stock:
        for number in range(ROUND_TRIPS):
            if number % 10 == 0:
                bench.say(f"debug: round trip {number} of {ROUND_TRIPS}")
            ours += product.round_trips_ms()
            theirs += stock.round_trips_ms()
    slower = ratio(median(theirs), median(ours))
    rows = [
        ["fclocal", f"{median(ours):.2f}", f"{max(ours):.2f}", ""],
        [STOCK_TITLE, f"{median(theirs):.2f}", f"{max(theirs):.2f}", f"{slower:.1f}"],
    ]
    return Findings(
        [Table("Debugger, one request at a breakpoint", ["", "p50 ms", "max ms", "x fclocal"], rows)],
        [Goal("debug.round_trip", "ms of one request, median", Sense.AT_MOST, LIMIT_MS, median(ours))],
        {"product_ms": median(ours), "stock_ms": median(theirs), "ratio": slower},
    )


class Stopped:
    """A session that stands at a breakpoint."""

    def __init__(self, end: DapEnd, thread: int) -> None:
        self._end = end
        self._thread = thread

    def round_trips_ms(self) -> list[float]:
        """Every request that an editor makes at a stop, each timed."""
        end, frame = self._end, self._frame()
        scope = end.ask("scopes", {"frameId": frame})["scopes"][0]["variablesReference"]
        arguments = {
            "threads": {},
            "stackTrace": {"threadId": self._thread},
            "scopes": {"frameId": frame},
            "variables": {"variablesReference": scope},
            "evaluate": {"expression": "len(event)", "frameId": frame},
        }
        return [end.round_trip_ms(command, arguments[command]) for command in ASKED]

    def _frame(self) -> int:
        return int(self._end.ask("stackTrace", {"threadId": self._thread})["stackFrames"][0]["id"])


@contextmanager
def _stopped_in_product(bench: Bench) -> Iterator[Stopped]:
    port = free_port()
    with bench.running(Product(flags=("--debug-port", str(port)), handler=HANDLER)) as it:
        code = it.process.log.parent / "code" / "index.py"
        with DapEnd(port, PATIENCE_SECONDS) as end:
            end.attach(code, STOP_LINE)
            call = threading.Thread(target=_call, args=(it,), daemon=True)
            call.start()
            yield Stopped(end, end.event("stopped")["threadId"])
        call.join(PATIENCE_SECONDS)


def _call(it: Running) -> None:
    ask(it.port, "POST", it.path, echo_body(64), PATIENCE_SECONDS)


@contextmanager
def _stopped_in_stock(bench: Bench) -> Iterator[Stopped]:
    adapter = StockAdapter(free_port())
    with bench.starting(adapter) as it, _dialled(it, adapter.debug_port) as end:
        end.attach(it.process.log.parent / "program.py", STOP_LINE)
        yield Stopped(end, end.event("stopped")["threadId"])


@contextmanager
def _dialled(it: Running, port: int) -> Iterator[DapEnd]:
    """Connected as soon as the adapter listens."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            end = DapEnd(port, PATIENCE_SECONDS)
        except ConnectionRefusedError:
            if it.has_died or time.monotonic() > deadline:
                raise ServerFailed(f"{it.name} does not listen: {it.process.log_tail()}") from None
            time.sleep(0.02)
        else:
            break
    with end:
        yield end
