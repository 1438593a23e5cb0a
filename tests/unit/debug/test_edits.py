"""Breakpoints that go along with code when its file is edited."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.debug.breakpoints import Breakpoints
from emulator.debug.edits import moved

BEFORE = "import os\n\ndef handler(event):\n    one = 1\n    return one\n"
lines = st.lists(st.sampled_from(["a", "b", "c", "", "    x = 1"]), max_size=12)


@pytest.mark.parametrize(
    ("after", "line", "now"),
    [
        (BEFORE, 4, 4),
        ("# new\n# more\n" + BEFORE, 4, 6),
        (BEFORE.replace("import os\n\n", ""), 4, 2),
        (BEFORE.replace("    one = 1\n", "    two = 2\n    one = 1\n"), 4, 5),
        (BEFORE.replace("    one = 1\n", "    one = 2\n"), 4, 4),
        (BEFORE.replace("    one = 1\n", ""), 4, 4),
        (BEFORE.replace("    return one\n", "    return one\n\ndef more():\n    pass\n"), 4, 4),
        ("", 4, 1),
        (BEFORE + "more = 1\n", 99, 100),
    ],
)
def test_a_line_goes_where_its_code_went(after: str, line: int, now: int) -> None:
    assert moved(BEFORE, after, [line]) == [now]


@given(before=lines, above=lines, below=lines, data=st.data())
def test_what_is_written_around_code_moves_it_as_a_whole(
    before: list[str], above: list[str], below: list[str], data: st.DataObject
) -> None:
    unique = [f"{text} # {number}" for number, text in enumerate(before)] or ["only"]
    line = data.draw(st.integers(1, len(unique)))
    after = "\n".join([*above, *unique, *below]) + "\n"
    assert moved("\n".join(unique) + "\n", after, [line]) == [line + len(above)]


@given(before=lines, after=lines, line=st.integers(1, 12))
def test_a_line_of_a_file_stays_one(before: list[str], after: list[str], line: int) -> None:
    (now,) = moved("\n".join(before), "\n".join(after), [line])
    count = len("\n".join(after).splitlines())
    assert now >= 1 and (line > len("\n".join(before).splitlines()) or now <= max(1, count))


def test_an_editor_hears_of_states_and_not_of_lines(tmp_path: Path) -> None:
    file = tmp_path / "index.py"
    file.write_text(BEFORE)
    store = Breakpoints()
    entry = store.set_file(str(file), {"source": {"path": str(file)}, "breakpoints": [{"line": 4, "condition": "x"}]})
    assert store.verify_again() == [] and store.told(entry.shown[0])["line"] == 4
    file.write_text("# new\n" + BEFORE)
    assert store.verify_again() == []
    assert store.files[str(file)].wanted() == [{"line": 5, "condition": "x"}]
    assert store.told({"id": entry.ids[0], "verified": True, "line": 5}) == {"id": entry.ids[0], "verified": True}
    file.write_text("def handler(:\n")
    assert [shown["verified"] for shown in store.verify_again()] == [False]
    file.write_text(BEFORE)
    assert [shown["verified"] for shown in store.verify_again()] == [True]
    assert store.verify_again() == []
    again = store.set_file(str(file), {"source": {"path": str(file)}, "breakpoints": [{"line": 5}]})
    assert store.told(again.shown[0])["line"] == 5
