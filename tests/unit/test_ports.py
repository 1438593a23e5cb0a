"""Which port an instance of a custom runtime gets, and in which network."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from emulator.instance.ports import Assignment, PortBook
from emulator.model.function import Function, FunctionName, Revision
from emulator.model.launch import Network
from emulator.sandbox.base import Finding
from tests.support.fake_walls import FakeWalls

FIRST = Revision(Function(FunctionName("web"), "custom"), 1, "f", None)


class Networks(FakeWalls):
    """Walls that find out about private networks only when somebody waits for that."""

    def __init__(self, private: bool, lift: str) -> None:
        super().__init__()
        self._there = private
        self._lift = lift

    async def settled(self) -> None:
        await asyncio.sleep(0)
        self.private_network = self._there

    def findings(self) -> Sequence[Finding]:
        return [Finding("private network", "none", lift=self._lift, full=False)]


class Book(PortBook):
    """A book with the walls that all its instances are in."""

    def __init__(self, network: Network | None, walls: Networks) -> None:
        super().__init__(network)
        self.walls = walls


MakeBook = Callable[..., Book]


def assign(book: Book, instance_id: str, port: int, of: Revision = FIRST) -> Assignment:
    return asyncio.run(book.assign(instance_id, port, of, book.walls))


@pytest.fixture
def port_book() -> Iterator[MakeBook]:
    with contextlib.ExitStack() as closing:

        def make(network: Network, private: bool, lift: str = "") -> Book:
            book = Book(network, Networks(private, lift))
            closing.callback(book.close)
            return book

        yield make


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


def test_the_first_instance_has_its_port_on_the_host(port_book: MakeBook, port: int) -> None:
    assert assign(port_book(Network.HOST, True), "c-1", port) == Assignment(port, Network.HOST)


def test_others_run_side_by_side_in_private_networks(port_book: MakeBook, port: int) -> None:
    book = port_book(Network.HOST, True)
    assert [assign(book, f"c-{n}", port).network for n in range(3)] == [Network.HOST, Network.PRIVATE, Network.PRIVATE]


def test_a_port_that_somebody_else_has_is_left_to_him(port_book: MakeBook, taken: int) -> None:
    assert assign(port_book(Network.HOST, True), "c-1", taken) == Assignment(taken, Network.PRIVATE)
    other = assign(port_book(Network.HOST, False), "c-1", taken)
    assert (other.network, other.moved) == (Network.HOST, True)
    assert other.port != taken


def test_a_port_on_the_other_loopback_is_not_in_the_way(port_book: MakeBook, port: int) -> None:
    """::1 alone: both can listen, and we dial 127.0.0.1."""
    try:
        other = socket.create_server(("::1", port), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"::1 can not be used: {error}")
    with other:
        assert assign(port_book(Network.HOST, False), "c-1", port) == Assignment(port, Network.HOST)


def test_without_private_networks_others_get_another_port(port_book: MakeBook, port: int) -> None:
    book = port_book(Network.HOST, False, "sudo apt install passt")
    assign(book, "c-1", port)
    second = assign(book, "c-2", port)
    assert (second.network, second.moved) == (Network.HOST, True)
    assert second.port != port
    told = str(book.conflict(port, book.walls))
    assert f"port {port} is held by another instance (c-1)" in told
    assert told.endswith("To run such instances side by side: sudo apt install passt.")


def test_the_port_of_an_earlier_revision_is_waited_for(port_book: MakeBook, port: int) -> None:
    async def main() -> None:
        book = port_book(Network.HOST, False)
        await book.assign("c-1", port, FIRST, book.walls)
        second = Revision(FIRST.function, 2, "g", None)
        other = Revision(Function(FunctionName("other"), "custom"), 1, "f", None)
        assert (await book.assign("c-2", port, other, book.walls)).moved
        waiting = asyncio.create_task(book.assign("c-3", port, second, book.walls))
        await asyncio.sleep(0)
        assert not waiting.done()
        book.release("c-1")
        assert await waiting == Assignment(port, Network.HOST)

    asyncio.run(main())


def test_no_connection_and_no_other_emulator_takes_another_port_before_its_program_does(
    port_book: MakeBook, taken: int
) -> None:
    kernels = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not kernels.exists():
        pytest.skip("this system does not say which ports it gives to connections")
    one, two = port_book(Network.HOST, False), port_book(Network.HOST, False)
    given = [assign(book, f"c-{n}", taken).port for n in range(50) for book in (one, two)]
    assert len(set(given)) == len(given)
    assert max(given) < int(kernels.read_text().split()[0])


def test_a_released_port_is_given_again(port_book: MakeBook, port: int) -> None:
    book = port_book(Network.HOST, False)
    assign(book, "c-1", port)
    book.release("c-1")
    assert assign(book, "c-2", port) == Assignment(port, Network.HOST)


def test_whose_port_it_is_is_told(port_book: MakeBook, taken: int) -> None:
    told = str((book := port_book(Network.HOST, False)).conflict(taken, book.walls))
    assert "is held by pid" in told
    assert told.endswith("End that process.")


@pytest.mark.parametrize("network", [Network.NONE, Network.PRIVATE])
def test_networks_of_their_own_know_no_conflict(port_book: MakeBook, network: Network, taken: int) -> None:
    book = port_book(network, True)
    assert [assign(book, f"c-{n}", taken) for n in range(2)] == [Assignment(taken, network)] * 2


async def starts_after(book: PortBook, port: int, happens: Callable[[], None]) -> None:
    waiting = asyncio.ensure_future(book.opened_by_its_owner(port))
    await asyncio.sleep(0)
    assert not waiting.done()
    happens()
    await waiting


def test_a_moved_instance_waits_for_the_one_whose_port_it_may_take(port_book: MakeBook, port: int) -> None:
    for way in (PortBook.note_open, PortBook.release):
        book = port_book(Network.HOST, False)
        assign(book, "c-1", port)
        assert assign(book, "c-2", port).moved
        asyncio.run(starts_after(book, port, lambda book=book, way=way: way(book, "c-1")))
        book.close()


def test_nobody_waits_for_a_stranger(port_book: MakeBook, taken: int) -> None:
    book = port_book(Network.HOST, False)
    assert assign(book, "c-1", taken).moved
    asyncio.run(book.opened_by_its_owner(taken))
