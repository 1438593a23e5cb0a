"""Many clients, deaths, large bodies and clients that never finish, at a whole emulator (sandbox.md §6.4 R3, R6, R7,
R8).
"""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.command import COMMAND, PATIENCE_SECONDS, Running, Workshop, eventually

MB = 1024 * 1024
ECHO = "def handler(event, context):\n    return event\n"
DIES = """
import ctypes, os

def handler(event, context):
    number = int(event)
    if number == 0:
        return "alive"
    if number % 3 == 0:
        ctypes.string_at(0)
    if number % 3 == 1:
        os.kill(os.getpid(), 9)
    os._exit(number % 2)
"""
DEATHS = 100
CLIENTS = 1000
CALLS_OF_EACH = 5
# What a shell gives to a program unless it is asked for more: fewer than there are clients.
USUAL_DESCRIPTORS = 'ulimit -Sn 1024; exec "$@"'
BEGUN = b"POST /2023-03-30/functions/echo/invocations HTTP/1.1\r\nHost: localhost\r\n"
HALVES = {"a head": BEGUN + b"X-A: ", "a body": BEGUN + b"Content-Length: 99\r\n\r\nhalf"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    workshop = Workshop(tmp_path_factory.mktemp("crowds"), ("sh", "-c", USUAL_DESCRIPTORS, "sh", *COMMAND))
    patient = {"memorySize": 512, "timeout": 600}
    workshop.project(ECHO, echo=patient, dies={**patient, "handler": "dies.handler"})
    workshop.write({"code/dies.py": DIES})
    options = ("--max-instances", "8", "--queue-timeout", "600", "--header-timeout", "3", "--body-timeout", "3")
    with workshop.started(*options) as started:
        assert started.call("echo", "warm")[:2] == (200, "warm")
        yield started
        assert started.stop() == 0
        assert "Traceback" not in started.err
        assert not list(workshop.root.rglob("crash-*"))
        started.assert_nothing_left()


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """For the clients, which are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * CLIENTS
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this user may have {hard} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory_mb(running: Running, field: str = "VmRSS") -> float:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def descriptors(running: Running) -> int:
    return len(os.listdir(f"/proc/{running.process.pid}/fd"))


def exchange(running: Running, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", "/2023-03-30/functions/echo/invocations", body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_a_hundred_deaths_in_the_middle_of_a_request_are_all_told(running: Running) -> None:
    """R3. Nobody hangs, and the next request has a new instance."""
    before = descriptors(running)
    with ThreadPoolExecutor(4) as callers:
        answers = [*callers.map(lambda number: running.call("dies", str(number)), range(1, DEATHS + 1))]
    told = {(status, headers["x-fc-error-type"]) for status, _, headers in answers}
    assert told == {(200, "UnhandledInvocationError")}
    assert len({headers["x-fc-instance-id"] for _, _, headers in answers}) == DEATHS
    assert running.call("dies", "0")[:2] == (200, "alive")
    # What is alive has some of its own: instances, their template, a spare. What leaks does so with each death.
    most = before + DEATHS // 2
    eventually(lambda: descriptors(running) <= most, lambda: f"{before} descriptors, not {descriptors(running)}")


def test_32_mb_both_ways_eight_at_once_pass_through_little_memory(running: Running) -> None:
    """R6. The emulator's own memory at its highest stays below what the bodies are together."""
    bodies = [os.urandom(MB) * 32 for _ in range(8)]
    with ThreadPoolExecutor(8) as callers:
        answers = [*callers.map(lambda body: exchange(running, body), bodies)]
    assert [status for status, _ in answers] == [200] * 8
    assert all(answer == body for (_, answer), body in zip(answers, bodies, strict=True))
    assert memory_mb(running, "VmHWM") <= 300
    status, answer = exchange(running, bodies[0] + b"x")
    assert (status, b"EntityTooLarge" in answer) == (400, True)


async def call_again_and_again(port: int) -> list[int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    statuses = []
    try:
        for _ in range(CALLS_OF_EACH):
            writer.write(BEGUN + b"Content-Length: 4\r\n\r\nbody")
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length and await reader.readexactly(int(length[1])) == b"body"
            statuses.append(int(head.split()[1]))
    finally:
        writer.close()
    return statuses


def test_a_thousand_clients_are_all_served_and_leave_nothing(running: Running, many_descriptors: None) -> None:
    """R8. A first crowd makes what is kept for the next one; after the second nothing has grown."""

    async def crowd() -> set[int]:
        clients = (call_again_and_again(running.port) for _ in range(CLIENTS))
        return {status for statuses in await asyncio.gather(*clients) for status in statuses}

    def no_more_than_before() -> bool:
        return descriptors(running) <= before

    async def main() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await crowd() == {200}

    before = descriptors(running)
    asyncio.run(main())
    eventually(no_more_than_before, lambda: f"{before} descriptors, not {descriptors(running)}")
    grown = memory_mb(running)
    asyncio.run(main())
    eventually(no_more_than_before, lambda: f"{before} descriptors, not {descriptors(running)}")
    assert memory_mb(running) - grown <= 20


@pytest.mark.parametrize("half", HALVES)
def test_a_thousand_clients_that_never_finish_are_closed_and_others_served(
    running: Running, many_descriptors: None, half: str
) -> None:
    """R7. Slow readers have a deadline that is no option: tests/contract/server/test_server_deadlines.py."""

    async def never_finishes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def main() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            slow = []
            for _ in range(CLIENTS):
                reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
                writer.write(HALVES[half])
                slow.append(asyncio.create_task(never_finishes(reader, writer)))
            good = await call_again_and_again(running.port)
            assert good == [200] * CALLS_OF_EACH, "while the others are there"
            answers = {answer.split(b" ")[1] for answer in await asyncio.gather(*slow) if answer}
            assert answers <= {b"408"}

    asyncio.run(main())
    assert exchange(running, b"after")[0] == 200
