"""Studies on the disk, and rounds of several sides."""

from __future__ import annotations

import asyncio

import pytest

from emulator import __version__
from emulator.coldstart import store
from emulator.coldstart.experiment import RunFailed
from emulator.coldstart.rounds import SideFailed, rounds
from emulator.coldstart.scratch import remove_left, scratch_folder
from emulator.coldstart.study import Conditions, study_of
from emulator.model.coldstart import ColdStart
from emulator.model.errors import UserError
from tests.support.coldstarts import cold_start, several


def study():
    conditions = Conditions("detect", "python3.10", b"abc", settings={"walls": "plain"}, memory_size_mb=512, cpu=0.35)
    return study_of(conditions, tuple(several()))


def test_a_study_is_kept_whole(tmp_path):
    made = study()
    path = store.save(tmp_path, "base", made)
    assert path == tmp_path / "coldstart" / "base.json"
    assert store.load(tmp_path, "base") == made
    assert store.kept(tmp_path) == ["base"]
    assert made.version == __version__ and made.event_bytes == 3 and made.machine.cores >= 1
    assert made.event_digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("name", ["", "../base", "a/b", ".hidden", "x" * 101])
def test_a_name_that_is_none_of_a_file_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="can not be the name"):
        store.save(tmp_path, name, study())


def test_an_absent_study_is_told_with_those_that_are_there(tmp_path):
    with pytest.raises(UserError) as caught:
        store.load(tmp_path, "base")
    assert "--save base" in caught.value.next_step
    store.save(tmp_path, "main", study())
    with pytest.raises(UserError) as caught:
        store.load(tmp_path, "base")
    assert caught.value.next_step == "there are: main"


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"function": 1}', b"\xff"])
def test_a_file_that_is_no_study_is_told(tmp_path, content):
    path = store.save(tmp_path, "base", study())
    path.write_bytes(content)
    with pytest.raises(UserError, match="this is no study"):
        store.load(tmp_path, "base")


def test_a_study_of_another_form_is_told(tmp_path):
    path = store.save(tmp_path, "base", study())
    path.write_text(path.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(UserError, match="in another form"):
        store.load(tmp_path, "base")


def test_a_scratch_folder_goes_with_its_context_and_what_others_left_with_the_next_one(tmp_path):
    with scratch_folder(tmp_path) as folder:
        (folder / "file").write_text("x")
        assert remove_left(tmp_path) == []  # its owner lives
    assert list((tmp_path / "coldstart").iterdir()) == []
    left = tmp_path / "coldstart" / "tree-abc"
    left.mkdir()
    left.with_suffix(".lock").touch()
    with scratch_folder(tmp_path):
        assert not left.exists()
    assert list((tmp_path / "coldstart").iterdir()) == []


class Recorded:
    """A side that answers at once."""

    def __init__(self, name: str, order: list[str], fails_at: int = 0) -> None:
        self.name = name
        self.order = order
        self.runs = 0
        self.fails_at = fails_at

    async def run(self) -> ColdStart:
        self.order.append(self.name)
        self.runs += 1
        if self.runs == self.fails_at:
            raise RunFailed("{}")
        return cold_start(f"{self.name}-{self.runs}")


def made(sides, *, least=3, most=30, seed=1, enough=lambda _: True):
    done = []

    async def main():
        async for one in rounds(sides, least=least, most=most, seed=seed, enough=enough):
            done.append([run.instance_id for run in one])

    try:
        asyncio.run(main())
    except SideFailed as failed:
        return done, failed
    return done, None


def test_rounds_have_each_side_once_in_an_order_that_the_seed_draws():
    orders = []
    for seed in (1, 1, 2):
        order: list[str] = []
        done, _ = made([Recorded("a", order), Recorded("b", order)], least=20, seed=seed)
        assert done == [[f"a-{n}", f"b-{n}"] for n in range(1, 21)]
        orders.append(order)
    assert orders[0] == orders[1] != orders[2]
    firsts = orders[0][::2]
    assert 3 <= firsts.count("a") <= 17


def test_rounds_go_on_until_there_are_enough_or_too_many():
    done, _ = made([Recorded("a", [])], least=3, enough=lambda rounds: len(rounds) == 7)
    assert len(done) == 7
    done, _ = made([Recorded("a", [])], least=3, most=10, enough=lambda _: False)
    assert len(done) == 10


def test_a_run_that_fails_ends_the_rounds_and_keeps_those_before():
    done, failed = made([Recorded("a", []), Recorded("b", [], fails_at=3)], least=5)
    assert len(done) == 2 and failed.side == 1 and failed.body == "{}"
