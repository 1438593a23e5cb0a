"""Somebody who saves the code of an emulator's function, and calls it at once."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.context import Bench
from bench.dap_end import DapEnd
from bench.event_log import events
from bench.load import OK
from bench.servers.base import Running, ServerFailed
from bench.servers.product import Product

PATIENCE_SECONDS = 90.0
# Between a save and the next one to the same emulator: somebody looks at the answer.
REST_SECONDS = 0.35
# Later versions are as long as this one.
FIRST_VERSION = 1_000_000
OLD_ANSWERS_LIMIT = 1000
# Saves until instances start as they will from then on.
WARM_UP_SAVES = 12
AHEAD_OF_TIME = "spare"


class Editor:
    """Of one running emulator. `text` makes the code of a version, whose answers begin with its number."""

    def __init__(self, it: Running, text: Callable[[int], str]) -> None:
        self.code = it.process.log.parent / "code" / "index.py"
        self.saves = self.old_answers = 0
        self._it = it
        self._text = text
        self._version = FIRST_VERSION

    def ask(self) -> str:
        """One call. Raises `ServerFailed` where it fails."""
        with self._connected() as connection:
            return self._answer(connection)

    def save(self, *, replaces: bool = False) -> float:
        """Save a new version, in place or by a new file in its place; the ms from then to its first answer."""
        self._version += 1
        self.saves += 1
        text = self._text(self._version)
        with self._connected() as connection:
            began = time.perf_counter()
            if replaces:
                _replace(self.code, text)
            else:
                self.code.write_text(text, encoding="utf-8")
            for _ in range(OLD_ANSWERS_LIMIT):
                if self._answer(connection).startswith(str(self._version)):
                    return (time.perf_counter() - began) * 1000
                self.old_answers += 1
        raise ServerFailed(f"after a save, {OLD_ANSWERS_LIMIT} answers were those of the old code")

    @contextmanager
    def _connected(self) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection("127.0.0.1", self._it.port, timeout=PATIENCE_SECONDS)
        connection.connect()
        with contextlib.closing(connection):
            yield connection

    def _answer(self, connection: http.client.HTTPConnection) -> str:
        connection.request("POST", self._it.path, "{}")
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        if response.status != OK:
            raise ServerFailed(f"a call after a save failed: {response.status} {text[:200]}")
        return text

    def settle(self) -> None:
        """Save until instances are there ahead of time, where that can be."""
        for _ in range(WARM_UP_SAVES):
            self.save()
            time.sleep(REST_SECONDS)
            if self.starts()[-2:] == [AHEAD_OF_TIME] * 2:
                return

    def starts(self) -> list[str]:
        """How each instance was started until now; the emulator has to run with `--json`."""
        return [event["start"] for event in events(self._it.process.log) if event["kind"] == "instance_started"]


@contextmanager
def edited(bench: Bench, product: Product, text: Callable[[int], str], breakpoint_line: int = 0) -> Iterator[Editor]:
    """The product runs and has answered once; with a line, a debugger that has a breakpoint there is attached."""
    with bench.starting(product) as it:
        await_answer(it)
        editor = Editor(it, text)
        if not breakpoint_line:
            yield editor
            return
        with DapEnd(debug_port(it), PATIENCE_SECONDS) as end:
            end.attach(editor.code, breakpoint_line)
            end.hear()
            yield editor


def debug_port(it: Running) -> int:
    """Where an emulator with `--json` takes editors' debuggers."""
    return next(int(event["debug_port"]) for event in events(it.process.log) if event["kind"] == "ready")


def await_answer(it: Running) -> None:
    """Wait until the function answers, whatever it says. Raises `ServerFailed`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and not it.has_died:
        try:
            if it.call("{}").status == OK:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
    raise ServerFailed(f"{it.name} gave no right answer: {it.process.log_tail()}")


def _replace(code: Path, text: str) -> None:
    """As vim and PyCharm save."""
    draft = code.with_name(f"{code.name}.tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(code)
