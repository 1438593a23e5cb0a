"""The console as a part of the command: it can be left out, and nothing that it starts outlives the emulator."""

from __future__ import annotations

import contextlib
import signal
import threading

from tests.support.command import Running, Workshop, eventually

HELLO = "def handler(event, context):\n    return 'hello'\n"


def doctors(running: Running) -> list[str]:
    return [line for line in running.processes().values() if " doctor " in line]


def test_without_a_console_there_is_no_page_and_no_word_of_it(workshop: Workshop) -> None:
    workshop.project(HELLO, hello={})
    with workshop.started("--no-console") as running:
        status, body, _ = running.http("GET", "/_console")
        assert status == 400 and "PathNotSupported" in body
        assert running.call("hello")[:2] == (200, "hello")
        assert "console" not in running.out.lower()


def test_a_doctor_goes_with_a_killed_emulator(workshop: Workshop) -> None:
    workshop.project(HELLO, hello={})
    with workshop.started() as running:
        headers = {"x-fclocal-token": running.endpoint["token"]}

        def ask() -> None:
            with contextlib.suppress(OSError):
                running.http("POST", "/_fclocal/doctor", b"{}", headers)

        asking = threading.Thread(target=ask)
        asking.start()
        eventually(lambda: doctors(running), "the doctor runs")
        running.signal(signal.SIGKILL)
        running.ended()
        asking.join()
        eventually(lambda: not doctors(running), "it has gone, too")
