"""Stretches of time that are brought to nest, whatever was measured."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.coldstart.spans import covered, nest

moments = st.floats(0, 1000, allow_nan=False)
spans = st.lists(st.tuples(moments, st.floats(0, 500)).map(lambda pair: (pair[0], sum(pair))), max_size=40)


@settings(max_examples=60)
@given(spans, st.data())
def test_everything_is_there_once_and_nests_exactly(found, data):
    parents = [data.draw(st.integers(-1, len(found))) for _ in found]
    nested = nest(found, parents)
    assert sorted(at.index for at in nested) == list(range(len(found)))
    opened: dict[int, list] = {}
    for at in nested:
        assert at.begin <= at.end
        stack = opened.setdefault(at.lane, [])
        if at.depth < len(stack):
            assert stack[at.depth].end <= at.begin
        del stack[at.depth :]
        assert len(stack) == at.depth
        assert all(around.begin <= at.begin and at.end <= around.end for around in stack)
        stack.append(at)


def test_what_is_measured_to_overlap_by_rounding_stays_on_one_track_and_a_thread_does_not():
    assert [at.lane for at in nest([(0, 10), (9.98, 20), (15, 30)], [-1, -1, -1])] == [0, 0, 1]


def test_sisters_that_ran_beside_each_other_keep_their_times_with_all_that_is_in_them():
    nested = nest([(0, 10), (1, 8), (2, 6), (3, 5), (9, 10)], [-1, 0, 0, 2, 0])
    assert [(at.index, at.lane, at.depth, at.begin, at.end) for at in nested] == [
        (0, 0, 0, 0, 10),
        (1, 0, 1, 1, 8),
        (4, 0, 1, 9, 10),
        (2, 1, 0, 2, 6),
        (3, 1, 1, 3, 5),
    ]


def test_parents_in_a_circle_are_none():
    assert [at.depth for at in nest([(0, 9), (1, 8), (2, 7)], [1, 0, 1])] == [0, 0, 0]


def test_deep_ones_need_no_stack():
    depth = 3000
    nested = nest([(n / 10, 1000 - n / 10) for n in range(depth)], [n - 1 for n in range(depth)])
    assert nested[-1].depth == depth - 1


def test_what_is_covered_counts_once():
    assert covered([(5, 10), (0, 6), (20, 21), (7, 8)]) == 11
    assert covered([]) == 0
