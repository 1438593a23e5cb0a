"""A post-mortem as a page for the terminal."""

from __future__ import annotations

from pathlib import Path

from postmortem_sample import post_mortem

from emulator.cli.postmortem_view import curve, page
from emulator.cli.terminal import Paint
from emulator.debug.postmortem.bundle import Ending, Value
from emulator.debug.postmortem.lines import one_line


def shown(tmp_path: Path, **options: bool) -> str:
    return "\n".join(page(post_mortem(tmp_path), Paint(False), 100, **options))


def test_a_page_has_what_is_needed_to_understand_a_failure(tmp_path: Path) -> None:
    text = shown(tmp_path)
    assert text.startswith("KeyError: 'price'\nat index.py:2 in total\n")
    assert f"  {tmp_path}/index.py:2 in total\n    1  def total(order):\n  ❱ 2      return order['price']\n" in text
    assert "        order        = {'items': [1, … 2 more], 'token': <redacted>, 'owner': User(id=7)}" not in text
    assert "        order = {'items': [1, … 2 more], 'token': <redacted>, 'owner': User(id=7)}" in text
    assert "        global LIMIT = 5" in text
    assert text.index("index.Bad: first\nsecond\na note") < text.index("While the exception above was handled")
    assert text.index("While the exception above was handled") < text.index("KeyError: 'price'\n\nworker")
    for part in ("revision 3, code 0123456789ab", "working on it", '  "id": 1', "64.0 MB at its highest, of 128 MB"):
        assert part in text


def test_variables_of_libraries_and_other_threads_are_shown_on_request(tmp_path: Path) -> None:
    assert " n = 9" not in shown(tmp_path) and " s = 2" not in shown(tmp_path)
    assert " n = 9" in shown(tmp_path, full=True) and " s = 2" in shown(tmp_path, full=True)


def test_colours_only_mark_what_is_there(tmp_path: Path) -> None:
    coloured = "\n".join(page(post_mortem(tmp_path), Paint(True), 100))
    assert "\x1b[31m❱\x1b[0m" in coloured


def test_the_end_of_the_process_is_told(tmp_path: Path) -> None:
    bundle = post_mortem(tmp_path)
    for ending, text in (
        (Ending(7), "exited with code 7"),
        (Ending(signal=11), "killed by SIGSEGV"),
        (Ending(signal=9, oom=True), "out of memory"),
    ):
        bundle.ending = ending
        assert text in "\n".join(page(bundle, Paint(False), 100))


def test_values_are_cut_to_a_line() -> None:
    assert one_line(Value(type="str", text="'" + "x" * 500 + "'"), 20) == "'" + "x" * 18 + "…"
    numbers = [Value(str(i), f"[{i}]", "int", str(i)) for i in range(50)]
    assert (
        one_line(Value(type="list", form="list", count=1000, children=numbers), 20) == "[0, 1, 2, 3, 4, 5, … 994 more]"
    )
    assert one_line(Value(type="tuple", form="tuple", count=1, children=numbers[:1])) == "(0,)"
    assert one_line(Value(type="dict", form="dict", count=3)) == "{… 3}"
    assert (
        one_line(Value(type="numpy.ndarray", form="object", text="shape=(2, 3) dtype=int64"))
        == "ndarray shape=(2, 3) dtype=int64"
    )


def test_the_memory_curve_stands_below_the_limit() -> None:
    assert curve([0, 50, 100], 100) == " ▄█"
    assert len(curve([1.0] * 1000, 100)) <= 40
