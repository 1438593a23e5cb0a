"""Ports: taken ones name who holds them, on both loopback addresses; 0 finds a free one (sandbox.md §6.4, R10)."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

import pytest
from gateway_serving import echo, serving

from emulator.gateway.server import make_server
from emulator.model.errors import UserError


def _listener(family: socket.AddressFamily, host: str, port: int = 0) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _needs_ipv6() -> None:
    try:
        _listener(socket.AF_INET6, "::1").close()
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")


async def _refused(port: int, host: str = "127.0.0.1", **options: Any) -> UserError:
    server = make_server(echo, host, port, **options)
    try:
        with pytest.raises(UserError) as caught:
            await server.start()
    finally:
        await server.stop(0)
    return caught.value


def test_a_taken_port_names_its_holder(run: Any) -> None:
    async def main() -> None:
        with _listener(socket.AF_INET, "127.0.0.1") as other:
            port = other.getsockname()[1]
            error = await _refused(port)
            assert f"port {port} is taken by pid {os.getpid()} (" in error.message
            assert "--port 0" in error.next_step

    run(main())


def test_a_port_taken_by_another_emulator(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            assert "is taken" in (await _refused(running.server.port)).message

    run(main())


def test_a_server_on_the_other_loopback_address_would_shadow_us(run: Any) -> None:
    _needs_ipv6()

    async def main() -> None:
        with _listener(socket.AF_INET6, "::1") as other:
            port = other.getsockname()[1]
            error = await _refused(port)
            assert f"port {port} of [::1] is taken by pid {os.getpid()}" in error.message
            assert f"http://localhost:{port}" in error.message
            # And the address that was free is free again.
            _listener(socket.AF_INET, "127.0.0.1", port).close()

    run(main())


def test_nobody_can_shadow_a_running_server(run: Any) -> None:
    _needs_ipv6()

    async def main() -> None:
        async with serving(echo) as running:
            with pytest.raises(OSError):
                _listener(socket.AF_INET6, "::1", running.server.port)

    run(main())


def test_a_holder_that_can_not_be_named(run: Any) -> None:
    async def main() -> None:
        with _listener(socket.AF_INET, "127.0.0.1") as other:
            port = other.getsockname()[1]
            assert (await _refused(port, holder_of=lambda port, host: None)).message == f"port {port} is taken"

    run(main())


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist(run: Any, port: int) -> None:
    async def main() -> None:
        assert f"port {port} does not exist" in str(await _refused(port))

    run(main())


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "\udcff"])
def test_a_host_that_is_not_ours(run: Any, host: str) -> None:
    async def main() -> None:
        assert "use --host 127.0.0.1" in (await _refused(0, host)).next_step

    run(main())


def test_port_0_picks_a_free_one_each_time(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as one, serving(echo) as two:
            assert len({one.server.port, two.server.port, 0}) == 3
            assert (await one.get(b"/1")).body == b"GET /1 "
            assert (await two.get(b"/2")).body == b"GET /2 "

    run(main())


def test_the_port_is_free_after_stop(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            port = running.server.port
        async with serving(echo, port=port) as again:
            assert again.server.port == port

    run(main())


def test_signals_and_logging_stay_as_they_were(run: Any) -> None:
    async def main() -> None:
        before = signal.getsignal(signal.SIGTERM)
        async with serving(echo) as running:
            assert signal.getsignal(signal.SIGTERM) is before
            assert (await running.get()).status == 200

    run(main())
