"""What every bootstrap must do beside the vectors: its endpoints, requests side by side, hostile bytes."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bootstrap_harness import DEADLINE_S, Bootstrap, Connection, Target, Version
from bootstrap_vectors import Vector, message, places, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bootstraps import TARGETS

# Runtime ids that share an interpreter differ in what the vectors say, and in nothing here.
BY_INTERPRETER: dict[tuple[str, Version, str], Target] = {
    (target.family.name, target.version, target.start): target for target in reversed(TARGETS)
}
EVERY = list(reversed(BY_INTERPRETER.values()))
NEWEST = list({target.family.name: target for target in sorted(EVERY, key=lambda it: it.version)}.values())
ECHO = Vector("echo", {"handler": "basic.echo"})

every_bootstrap = pytest.mark.parametrize("target", EVERY, ids=str)


def alive(bootstrap: Bootstrap) -> bool:
    connection = Connection(bootstrap.address)
    connection.send(message(bootstrap, "basic.echo", "alive?"))
    answer = connection.receive()
    connection.close()
    bootstrap.log()
    return answer is not None and answer.body == b"alive?"


def listening(bootstrap: Bootstrap, family: socket.AddressFamily, address: Any) -> socket.socket:
    """A connection to where it listens by itself, which it may not do yet."""
    until = time.monotonic() + DEADLINE_S
    while True:
        connection = socket.socket(family)
        connection.settimeout(DEADLINE_S)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            assert bootstrap.process.poll() is None, bootstrap.log()
            assert time.monotonic() < until, "it does not listen"
            time.sleep(0.01)
        else:
            return connection


@every_bootstrap
def test_it_binds_a_unix_path(target: Target, short_folder: Path) -> None:
    path = short_folder / "own.sock"
    with Bootstrap(target, short_folder, {"FCLOCAL_ENDPOINT": f"unix:{path}"}) as bootstrap:
        listening(bootstrap, socket.AF_UNIX, str(path)).close()
        # The emulator may be another user than the one inside the walls.
        assert path.stat().st_mode & 0o777 == 0o777
        bootstrap.address = str(path)
        assert alive(bootstrap)


@every_bootstrap
def test_it_binds_a_tcp_port(target: Target, short_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        Bootstrap(target, short_folder, {"FCLOCAL_ENDPOINT": f"tcp:{port}"}) as bootstrap,
        listening(bootstrap, socket.AF_INET, ("127.0.0.1", port)) as connection,
    ):
        connection.sendall(message(bootstrap, "basic.echo", "x"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


@every_bootstrap
@pytest.mark.parametrize("endpoint", ["fd:900", "fd:x", "unix:/no/such/folder/w.sock", "carrier-pigeon"])
def test_a_bootstrap_that_can_not_listen_says_so(target: Target, endpoint: str, short_folder: Path) -> None:
    with Bootstrap(target, short_folder, {"FCLOCAL_ENDPOINT": endpoint}) as bootstrap:
        assert bootstrap.process.wait(30) == 129
        assert f"fclocal: cannot listen on {endpoint}" in bootstrap.log()[0]


@every_bootstrap
def test_requests_run_side_by_side_where_concurrency_allows(target: Target, short_folder: Path) -> None:
    with Bootstrap(target, short_folder, {"FCLOCAL_CONCURRENCY": "5"}) as bootstrap:
        first, second = bootstrap.connect(), bootstrap.connect()
        # Each waits until the other has arrived, then logs: one at a time, neither would be answered.
        first.send(message(bootstrap, "slow.meets", "a", number=1))
        second.send(message(bootstrap, "slow.meets", "b", number=2))
        answers = [connection.receive() for connection in (first, second)]
        assert [answer.body for answer in answers if answer] == [b"a", b"b"]
        found = (re.search(r"(\d) \[(?:INFO|info)\] (.) met$", line) for line in bootstrap.log())
        assert sorted(line.groups() for line in found if line) == [("1", "a"), ("2", "b")]


@every_bootstrap
def test_a_peer_that_goes_away_does_not_matter(target: Target, short_folder: Path) -> None:
    with Bootstrap(target, short_folder) as bootstrap:
        for _ in range(3):
            gone = bootstrap.connect()
            gone.send(message(bootstrap, "basic.echo", "x" * 3_000_000))
            gone.close()
        assert alive(bootstrap)


@pytest.fixture(scope="module", params=NEWEST, ids=str)
def running(request: pytest.FixtureRequest) -> Iterator[Bootstrap]:
    with tempfile.TemporaryDirectory(prefix="fcl") as folder, Bootstrap(request.param, Path(folder)) as bootstrap:
        yield bootstrap


@every_bootstrap
def test_sigterm_without_a_request_ends_quietly(target: Target, short_folder: Path) -> None:
    with Bootstrap(target, short_folder) as bootstrap:
        assert alive(bootstrap)
        bootstrap.process.send_signal(signal.SIGTERM)
        # By its own hand, or by the signal: 143 in a shell either way.
        assert bootstrap.process.wait(30) in (143, -signal.SIGTERM)
        assert bootstrap.log() == []


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


@pytest.mark.parametrize("target", [it for it in EVERY if it.family.name != "python"], ids=str)
def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(target: Target, short_folder: Path) -> None:
    """Only a stream can break after its head was sent; WSGI answers are gathered, as in FC."""
    with Bootstrap(target, short_folder) as bootstrap:
        connection = bootstrap.connect()
        connection.send(message(bootstrap, "http.brokenStream", control="/http-invoke", target="/"))
        with pytest.raises(AssertionError, match="ended early"):
            connection.receive()
        assert alive(bootstrap)
