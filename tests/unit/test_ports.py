"""Which port an instance of a custom runtime gets, and in which network."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from emulator.instance.ports import Assignment, PortBook
from emulator.model.launch import Network


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::"])
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    if family is socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with socket.create_server((request.param, 0), family=family, dualstack_ipv6=family is socket.AF_INET6) as server:
        yield server.getsockname()[1]


def test_the_first_instance_has_its_port_on_the_host(port: int) -> None:
    assert PortBook(Network.HOST, True).assign("c-1", port) == Assignment(port, Network.HOST)


def test_others_run_side_by_side_in_private_networks(port: int) -> None:
    book = PortBook(Network.HOST, True)
    assert [book.assign(f"c-{n}", port).network for n in range(3)] == [Network.HOST, Network.PRIVATE, Network.PRIVATE]


def test_a_port_that_somebody_else_has_is_left_to_him(taken: int) -> None:
    assert PortBook(Network.HOST, True).assign("c-1", taken) == Assignment(taken, Network.PRIVATE)
    other = PortBook(Network.HOST, False).assign("c-1", taken)
    assert (other.network, other.moved) == (Network.HOST, True)
    assert other.port != taken


def test_a_port_on_the_other_loopback_is_not_in_the_way(port: int) -> None:
    """::1 alone: both can listen, and we dial 127.0.0.1."""
    try:
        other = socket.create_server(("::1", port), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"::1 can not be used: {error}")
    with other:
        assert PortBook(Network.HOST, False).assign("c-1", port) == Assignment(port, Network.HOST)


def test_without_private_networks_others_get_another_port(port: int) -> None:
    book = PortBook(Network.HOST, False, "sudo apt install passt")
    book.assign("c-1", port)
    second = book.assign("c-2", port)
    assert (second.network, second.moved) == (Network.HOST, True)
    assert second.port != port
    told = str(book.conflict(port))
    assert f"port {port} is held by another instance (c-1)" in told
    assert told.endswith("To run such instances side by side: sudo apt install passt.")


def test_a_released_port_is_given_again(port: int) -> None:
    book = PortBook(Network.HOST, False)
    book.assign("c-1", port)
    book.release("c-1")
    assert book.assign("c-2", port) == Assignment(port, Network.HOST)


def test_whose_port_it_is_is_told(taken: int) -> None:
    told = str(PortBook(Network.HOST, False).conflict(taken))
    assert "is held by pid" in told
    assert told.endswith("End that process.")


@pytest.mark.parametrize("network", [Network.NONE, Network.PRIVATE])
def test_networks_of_their_own_know_no_conflict(network: Network, taken: int) -> None:
    book = PortBook(network, True)
    assert [book.assign(f"c-{n}", taken) for n in range(2)] == [Assignment(taken, network)] * 2
