"""Which stop an editor sees, and when: one instance at a time, and never a stop before the word that it had gone on."""

from __future__ import annotations

from emulator.debug.stops import Stops


def stops(*, one: bool = True) -> Stops[str]:
    return Stops(one=one)


def test_the_second_instance_is_shown_when_the_first_runs() -> None:
    made = stops()
    assert made.stopped("a", 1, {}) == [("a", 1)]
    assert made.stopped("b", 1, {}) == []
    assert made.stopped("c", 1, {}) == []
    made.goes("a")
    assert made.resumed("a", 1)
    assert made.told("a") == [("b", 1)]
    made.goes("b")
    made.resumed("b", 1)
    assert made.told("b") == [("c", 1)]


def test_what_stands_and_is_not_shown_is_known() -> None:
    made = stops()
    made.stopped("a", 1, {})
    made.stopped("b", 1, {})
    assert [made.is_held(it, 1) for it in ("a", "b", "c")] == [False, True, False]
    made.goes("a")
    made.resumed("a", 1)
    made.told("a")
    assert not made.is_held("b", 1)
    made.stopped("c", 1, {})
    made.resumed("c", 1)
    assert not made.is_held("c", 1), "it runs"


def test_other_threads_of_the_instance_in_sight_are_shown_at_once() -> None:
    made = stops()
    made.stopped("a", 1, {})
    assert made.stopped("a", 2, {}) == [("a", 2)]
    made.stopped("b", 1, {})
    made.goes("a")
    assert not made.resumed("a", 1), "another thread of it stands"
    assert made.told("a") == []
    made.goes("a")
    assert made.resumed("a", 2)
    assert made.told("a") == [("b", 1)]


def test_all_are_shown_on_request() -> None:
    made = stops(one=False)
    assert made.stopped("a", 1, {}) == [("a", 1)]
    assert made.stopped("b", 1, {}) == [("b", 1)]


def test_a_step_keeps_the_focus() -> None:
    made = stops()
    made.stopped("a", 1, {})
    made.steps("a")
    made.resumed("a", 1)
    assert made.is_stepping("a")
    assert made.stopped("b", 1, {}) == []
    assert made.stopped("a", 1, {}) == [("a", 1)]
    assert not made.is_stepping("a")


def test_a_step_that_ran_off_the_end_gives_the_focus_up() -> None:
    made = stops()
    made.stopped("a", 1, {})
    made.steps("a")
    made.resumed("a", 1)
    made.stopped("b", 1, {})
    assert made.release("a") == [("b", 1)]


def test_a_stop_that_comes_before_its_own_continue_was_answered_is_held() -> None:
    made = stops()
    made.stopped("a", 1, {})
    made.goes("a")
    made.resumed("a", 1)
    assert made.stopped("a", 1, {"again": True}) == []
    assert made.told("a") == [("a", 1)]
    assert made.of("a") == {1: {"again": True}}


def test_who_dies_makes_room() -> None:
    made = stops()
    made.stopped("a", 1, {})
    made.stopped("b", 1, {})
    made.stopped("c", 1, {})
    assert made.forget("b") == []
    assert made.forget("a") == [("c", 1)]


def test_a_stop_that_is_over_before_it_was_shown_is_not_shown() -> None:
    made = stops()
    made.stopped("a", 1, {})
    made.stopped("b", 1, {})
    made.resumed("b", None)
    assert made.forget("a") == []
    assert made.focus is None


def test_a_new_editor_sees_what_stands() -> None:
    made = stops()
    made.stopped("a", 1, {})
    made.stopped("b", 1, {})
    assert made.show_all_again() == [("a", 1)]
    assert made.forget("a") == [("b", 1)]
