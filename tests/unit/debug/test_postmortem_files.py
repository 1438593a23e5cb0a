"""Post-mortems as files: for their owner only, found by what a user types, never more than wanted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from postmortem_sample import post_mortem

from emulator.debug.postmortem.bundle import Frame, Value
from emulator.debug.postmortem.files import MOST_BYTES, PostMortems
from emulator.model.errors import UserError


@pytest.fixture
def kept(tmp_path: Path) -> PostMortems:
    return PostMortems(tmp_path)


def keep(kept: PostMortems, request_id: str, age: int = 0, most: int = 50) -> Path:
    path = kept.keep(post_mortem(Path("/x"), request_id), most)
    stamp = path.stat().st_mtime_ns - age * 10**9
    if path.exists():
        os.utime(path, ns=(stamp, stamp))
    return path


def test_what_is_kept_comes_back(kept: PostMortems) -> None:
    path = keep(kept, "1-a")
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert kept.get("1-a") == post_mortem(Path("/x"), "1-a")
    assert [b.id for b in kept.all()] == ["1-a"]


def test_it_is_found_by_id_by_its_beginning_or_as_the_last(kept: PostMortems) -> None:
    for age, name in enumerate(["1-abc-1", "1-abc-2", "1-b", "1-abc-"]):
        keep(kept, name, age)
    assert kept.get("1-b").id == kept.get("1-b").id == "1-b"
    assert kept.get("1-abc-").id == "1-abc-"
    assert kept.get("last").id == "1-abc-1"
    for wanted, why in (("1-a", "several"), ("2", "no post-mortem")):
        with pytest.raises(UserError, match=why):
            kept.get(wanted)


def test_without_any_it_says_how_one_comes(kept: PostMortems) -> None:
    assert kept.all() == []
    with pytest.raises(UserError, match="no invocation has failed"):
        kept.get("last")


def test_the_oldest_make_room(kept: PostMortems) -> None:
    for age, name in ((30, "a"), (20, "b"), (10, "c")):
        keep(kept, name, age, most=3)
    keep(kept, "d", most=2)
    assert [b.id for b in kept.all()] == ["d", "c"]


def test_a_request_id_never_leads_out_of_the_folder(kept: PostMortems) -> None:
    for name in ("../../x", "/etc/x", "..", "", "a\0b", "é" * 500):
        assert keep(kept, name).parent == kept.folder
    assert kept.get("../../x").id == "../../x"


def test_a_broken_file_is_told_and_does_not_hide_others(kept: PostMortems) -> None:
    keep(kept, "a")
    (kept.folder / "b.json").write_text("{")
    (kept.folder / "c.json").write_bytes(b"[" * 100_000)
    assert [b.id for b in kept.all()] == ["a"]
    with pytest.raises(UserError, match="no post-mortem"):
        kept.get("b")


def test_what_is_too_large_loses_the_least_first(kept: PostMortems) -> None:
    bundle = post_mortem(Path("/x"))
    bundle.dump.sources["/code/large.py"] = [(1, "x" * MOST_BYTES)]
    assert kept.keep(bundle, 5).stat().st_size < MOST_BYTES
    found = kept.get("last")
    assert found.dump.sources == {} and found.dump.exceptions[0].frames[0].locals and len(found.remarks) == 1
    bundle.dump.exceptions[0].frames[0].locals.append(Value("x", "x", "str", "x" * MOST_BYTES))
    kept.keep(bundle, 5)
    found = kept.get("last")
    assert found.dump.exceptions[0].frames[0] == Frame("/code/index.py", 2, "total", has_locals=False)
    bundle.dump.exceptions[0].frames *= MOST_BYTES // 50
    kept.keep(bundle, 5)
    assert kept.get("last").dump.exceptions == []
