"""Debug ports: the same for the same workspace, kept, and never a port that somebody else has."""

from __future__ import annotations

import socket
import threading
from itertools import islice
from pathlib import Path

import pytest

from emulator.config.debug_ports import (
    FIRST_PORT,
    LAST_PORT,
    PORTS_FILE,
    DebugPorts,
    debug_ports,
    derived_ports,
    other_debug_ports,
    read_ports,
)
from emulator.model.errors import UserError


def every_port(_port: int) -> bool:
    return True


def test_a_path_stands_for_one_pair_and_another_path_for_another(tmp_path: Path) -> None:
    first = next(derived_ports(tmp_path / "a"))
    assert first == next(derived_ports(tmp_path / "a")) != next(derived_ports(tmp_path / "b"))
    assert first.node == first.python + 1


def test_a_link_to_a_workspace_stands_for_the_same_pair(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    assert next(derived_ports(tmp_path / "link")) == next(derived_ports(tmp_path / "a"))


def test_the_pairs_are_all_there_are_each_once(tmp_path: Path) -> None:
    ports = [port for pair in derived_ports(tmp_path) for port in (pair.python, pair.node)]
    assert sorted(ports) == list(range(FIRST_PORT, LAST_PORT + 1))


def test_taken_ports_are_passed_over_and_the_choice_is_kept(tmp_path: Path) -> None:
    first, second, third = islice(derived_ports(tmp_path), 3)
    taken = {first.node, second.python}
    assert debug_ports(tmp_path, lambda port: port not in taken) == third
    assert debug_ports(tmp_path, every_port) == third == read_ports(tmp_path)


def test_a_port_that_somebody_listens_on_is_taken(tmp_path: Path) -> None:
    first = debug_ports(tmp_path)
    with socket.create_server(("127.0.0.1", first.python)):
        assert debug_ports(tmp_path) == first, "kept ports stay, whoever listens there: the emulator itself does"
        assert other_debug_ports(tmp_path).python not in (first.python, first.node)
        (tmp_path / PORTS_FILE).unlink()
        assert debug_ports(tmp_path) != first


def test_another_pair_replaces_the_kept_one(tmp_path: Path) -> None:
    first, second = islice(derived_ports(tmp_path), 2)
    assert debug_ports(tmp_path, every_port) == first
    assert other_debug_ports(tmp_path, every_port) == second == read_ports(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"python": "a", "node": 2}', '{"python": 0, "node": 2}', '{"python": 7, "node": 7}', "\xff\xfe"],
)
def test_a_file_that_holds_something_else_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / PORTS_FILE).write_text(text, encoding="latin-1")
    assert read_ports(tmp_path) is None
    assert debug_ports(tmp_path, every_port) == read_ports(tmp_path) == next(derived_ports(tmp_path))


def test_what_a_later_version_keeps_there_is_read_over(tmp_path: Path) -> None:
    (tmp_path / PORTS_FILE).write_text('{"python": 47100, "node": 47101, "java": 47102}')
    assert read_ports(tmp_path) == DebugPorts(47100, 47101)


def test_commands_that_choose_at_once_choose_the_same(tmp_path: Path) -> None:
    pairs = list(islice(derived_ports(tmp_path), 8))
    together = threading.Barrier(len(pairs))
    found = []

    def choose(pair: DebugPorts) -> None:
        together.wait()
        found.append(debug_ports(tmp_path, lambda port: port in (pair.python, pair.node)))

    threads = [threading.Thread(target=choose, args=(pair,)) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and read_ports(tmp_path) == found[0]


def test_no_pair_is_free(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--debug-port"):
        debug_ports(tmp_path, lambda port: port % 2 == 0)


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--state-dir"):
        debug_ports(tmp_path / "none", every_port)
