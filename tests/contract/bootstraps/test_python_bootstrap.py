"""What only the Python bootstrap does: stack dumps, other endpoints, requests side by side, hostile bytes."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bootstrap_harness import HERE, Bootstrap, Connection, Target
from bootstrap_vectors import Vector, places, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bootstraps import TARGETS

PYTHONS = [target for target in TARGETS if target.family.name == "python"]
NEWEST = PYTHONS[-1]
ECHO = Vector("echo", {"handler": "basic.echo"})

every_python = pytest.mark.parametrize("target", PYTHONS, ids=str)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A unix socket's path has at most 107 bytes, and pytest's own folders are long."""
    with tempfile.TemporaryDirectory(prefix="fcl") as folder:
        yield Path(folder)


def message(bootstrap: Bootstrap, handler: str, event: str = "", number: int = 1) -> bytes:
    return request(Vector("", {}), {"handler": handler, "event": event}, places(bootstrap, number))


@every_python
def test_sigterm_shows_where_a_request_stands(target: Target, short_folder: Path) -> None:
    with Bootstrap(target, short_folder) as bootstrap:
        bootstrap.connect().send(message(bootstrap, "slow.waits"))
        bootstrap.wait_for_line("^waiting$")
        bootstrap.process.send_signal(signal.SIGTERM)
        assert bootstrap.process.wait(30) == 143
        text = "\n".join(bootstrap.log())
    assert re.match(r"Dumping stack trace after function timeout\nThread ", text)
    assert text.count("(most recent call last)") == 2
    assert f'File "{target.family.handlers}/slow.py"' in text
    assert "in waits" in text
    assert "in background" in text
    assert "_fclocal_bootstrap" not in text


@every_python
def test_sigterm_without_a_request_ends_quietly(target: Target, short_folder: Path) -> None:
    with Bootstrap(target, short_folder) as bootstrap:
        connection = bootstrap.connect()
        connection.send(message(bootstrap, "basic.echo", "x"))
        assert connection.receive() is not None
        bootstrap.log()
        bootstrap.process.send_signal(signal.SIGTERM)
        assert bootstrap.process.wait(30) == 143
        assert bootstrap.log() == []


@every_python
def test_it_binds_a_unix_path(target: Target, short_folder: Path) -> None:
    path = short_folder / "own.sock"
    with Bootstrap(target, short_folder, {"FCLOCAL_ENDPOINT": f"unix:{path}"}) as bootstrap:
        bootstrap.wait_for_line("runtime inited")
        # The emulator may be another user than the one inside the walls.
        assert path.stat().st_mode & 0o777 == 0o777
        bootstrap.address = str(path)
        connection = bootstrap.connect()
        connection.send(message(bootstrap, "basic.echo", "x"))
        answer = connection.receive()
        assert answer is not None
        assert answer.body == b"x"


@every_python
def test_it_binds_a_tcp_port(target: Target, short_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Bootstrap(target, short_folder, {"FCLOCAL_ENDPOINT": f"tcp:{port}"}) as bootstrap:
        bootstrap.wait_for_line("runtime inited")
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(message(bootstrap, "basic.echo", "x"))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


@every_python
@pytest.mark.parametrize("endpoint", ["fd:900", "fd:x", "unix:/no/such/folder/w.sock", "carrier-pigeon"])
def test_a_bootstrap_that_can_not_listen_says_so(target: Target, endpoint: str, short_folder: Path) -> None:
    with Bootstrap(target, short_folder, {"FCLOCAL_ENDPOINT": endpoint}) as bootstrap:
        assert bootstrap.process.wait(30) == 129
        assert f"fclocal: cannot listen on {endpoint}" in bootstrap.log()[0]


@every_python
def test_requests_run_side_by_side_where_concurrency_allows(target: Target, short_folder: Path) -> None:
    with Bootstrap(target, short_folder, {"FCLOCAL_CONCURRENCY": "5"}) as bootstrap:
        first, second = bootstrap.connect(), bootstrap.connect()
        # Each waits until the other has arrived, then logs: one at a time, neither would be answered.
        first.send(message(bootstrap, "slow.meets", "a", number=1))
        second.send(message(bootstrap, "slow.meets", "b", number=2))
        answers = [connection.receive() for connection in (first, second)]
        assert [answer.body for answer in answers if answer] == [b"a", b"b"]
        lines = sorted(line for line in bootstrap.log() if "met" in line)
        assert [line.split(" ", 1)[1] for line in sorted(lines, key=lambda line: line[25:])] == [
            "1-00000000-00000000-000000000001 [INFO] a met",
            "1-00000000-00000000-000000000002 [INFO] b met",
        ]


@every_python
def test_a_peer_that_goes_away_does_not_matter(target: Target, short_folder: Path) -> None:
    with Bootstrap(target, short_folder) as bootstrap:
        for _ in range(3):
            gone = bootstrap.connect()
            gone.send(message(bootstrap, "basic.echo", "x" * 3_000_000))
            gone.close()
        connection = bootstrap.connect()
        connection.send(message(bootstrap, "basic.echo", "still here"))
        answer = connection.receive()
        assert answer is not None
        assert answer.body == b"still here"


@pytest.fixture(scope="module")
def running() -> Iterator[Bootstrap]:
    with tempfile.TemporaryDirectory(prefix="fcl") as folder, Bootstrap(NEWEST, Path(folder)) as bootstrap:
        yield bootstrap


def alive(bootstrap: Bootstrap) -> bool:
    connection = Connection(bootstrap.address)
    connection.send(message(bootstrap, "basic.echo", "alive?"))
    answer = connection.receive()
    connection.close()
    bootstrap.log()
    return answer is not None and answer.body == b"alive?"


HEADS = st.lists(
    st.sampled_from([b"POST /invoke HTTP/1.1\r\n", b"Content-Length: ", b"5", b"\r\n", b"\r\n\r\n", b":", b" ", b"\0"])
    | st.sampled_from([b"Transfer-Encoding: chunked\r\n", b"ffffffff\r\n", b"0\r\n\r\n", b"x-fc-request-id: 1\r\n"])
    | st.binary(max_size=8),
    max_size=12,
).map(b"".join)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=HEADS)
def test_no_bytes_end_it(running: Bootstrap, data: bytes) -> None:
    connection = Connection(running.address)
    connection.send(data)
    with contextlib.suppress(OSError):  # it may have been refused and closed by now
        connection.finish_sending()
    while connection.receive() is not None:
        pass
    connection.close()
    assert alive(running)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.tuples(st.binary(max_size=3000), st.lists(st.integers(1, 700), max_size=3)), max_size=5))
def test_any_body_comes_back(running: Bootstrap, bodies: list[tuple[bytes, list[int]]]) -> None:
    connection = Connection(running.address)
    for number, (body, sizes) in enumerate(bodies):
        step = {"event": {"hex": body.hex()}, **({"chunked": sizes} if sizes else {})}
        connection.send(request(ECHO, step, places(running, number)))
        answer = connection.receive()
        assert answer is not None
        assert answer.body == body
    connection.close()


def test_the_bootstrap_is_readable_by_the_oldest_python() -> None:
    """The newest interpreter alone would not notice a newer syntax; where no 2.7 is installed this is what is left."""
    home = HERE.parents[2] / "runtimes" / "python"
    for path in [home / "bootstrap.py", *(home / "_fclocal_bootstrap").glob("*.py")]:
        text = path.read_text("utf-8")
        assert not re.search(r"\bf\"|\basync |\bawait |:=|\bnonlocal\b|yield from", text), path
        assert text.isascii() or text.startswith("# -*- coding: utf-8 -*-"), path
        assert len(text.splitlines()) <= 300, path
