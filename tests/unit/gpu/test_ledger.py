"""Accounting of cards: never more than there is, and everything comes back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.gpu.ledger import Demand, Ledger, demand_of
from emulator.model.gpu import Card, Vendor
from emulator.model.gpu_types import GPU_TYPES

GB = 1024


def card(index: int = 0, memory_mb: int = 15360, name: str = "Tesla T4") -> Card:
    return Card(Vendor.NVIDIA, index, f"GPU-{index}", name, memory_mb)


def slice_of(mb: int, cards: int = 1) -> Demand:
    return Demand("fc.gpu.tesla.1", cards, mb)


def test_two_slices_of_8_gb_fit_on_a_t4_and_a_third_does_not():
    ledger = Ledger([card()])
    assert ledger.room(slice_of(8 * GB)) == 2
    first, second = ledger.claim(slice_of(8 * GB)), ledger.claim(slice_of(8 * GB))
    assert first is not None and second is not None
    assert ledger.room(slice_of(8 * GB)) == 0 and ledger.claim(slice_of(8 * GB)) is None
    ledger.give_back(first)
    ledger.give_back(first)
    assert ledger.room(slice_of(8 * GB)) == 1


@pytest.mark.parametrize(
    ("reported", "sold"), [(15360, 16), (23028, 24), (46068, 48), (24564, 24), (81559, 80), (97871, 96), (143771, 141)]
)
def test_a_card_counts_as_it_is_sold(reported, sold):
    assert card(memory_mb=reported).size_mb == sold * GB


def test_what_fits_no_size_that_is_sold_counts_as_the_driver_says():
    assert card(memory_mb=7000).size_mb == 7000


def test_every_card_of_fcs_counts_as_fc_counts_it():
    for kind in GPU_TYPES.values():
        assert card(memory_mb=kind.reported_mb).size_mb == kind.memory_mb, kind.id


def test_slices_share_a_card_so_that_whole_ones_stay():
    ledger = Ledger([card(0), card(1)])
    ledger.claim(slice_of(4 * GB))
    second = ledger.claim(slice_of(4 * GB))
    assert second is not None and second.cards[0].index == 0
    whole = ledger.claim(slice_of(16 * GB))
    assert whole is not None and whole.cards[0].index == 1 and whole.whole


def test_several_cards_are_different_ones():
    ledger = Ledger([card(0), card(1), card(2)])
    share = ledger.claim(slice_of(16 * GB, 2))
    assert share is not None and {it.index for it in share.cards} == {0, 1}
    assert ledger.claim(slice_of(16 * GB, 2)) is None


def test_a_slice_may_use_so_much_of_what_the_driver_has():
    share = Ledger([card()]).claim(slice_of(4 * GB))
    assert share is not None and (share.fraction, share.memory_mb, share.whole) == (0.25, 3840, False)


def test_a_whole_card_of_fcs_is_a_slice_of_a_larger_one():
    demand, lacks = demand_of("fc.gpu.tesla.1", 16 * GB, 16 * GB, [card(memory_mb=81559, name="NVIDIA H100")])
    assert (demand.size_mb, demand.cards, lacks) == (16 * GB, 1, "")
    assert Ledger([card(memory_mb=81559)]).room(demand) == 5


def test_a_smaller_card_is_given_as_a_whole_and_told():
    demand, lacks = demand_of("fc.gpu.ada.1", 48 * GB, 48 * GB, [card(memory_mb=8188, name="NVIDIA RTX 3070")])
    assert demand.size_mb == 8 * GB
    assert lacks == "no card here has 49152 MB: it gets all 8192 MB of NVIDIA RTX 3070"


def test_fewer_cards_than_asked_for_are_told():
    demand, lacks = demand_of("fc.gpu.tesla.1", 64 * GB, 16 * GB, [card(0), card(1)])
    assert (demand.cards, demand.size_mb) == (2, 16 * GB)
    assert "4 cards are asked for: it gets the 2 that are here" in lacks


@settings(max_examples=200)
@given(st.data())
def test_no_sequence_of_claims_and_ends_overcommits_a_card_or_loses_some(data):
    cards = [
        card(index, memory) for index, memory in enumerate(data.draw(st.lists(st.integers(0, 99_999), max_size=4)))
    ]
    ledger = Ledger(cards)
    held = []
    for _ in range(data.draw(st.integers(0, 40))):
        if held and data.draw(st.booleans()):
            ledger.give_back(held.pop(data.draw(st.integers(0, len(held) - 1))))
            continue
        demand = slice_of(data.draw(st.integers(0, 30)) * GB, data.draw(st.integers(0, 3)))
        room, share = ledger.room(demand), ledger.claim(demand)
        assert (share is not None) == (room > 0)
        if share is not None:
            assert len({it.uuid for it in share.cards}) == demand.cards
            held.append(share)
        for it in cards:
            used = sum(other.size_mb for other in held if it in other.cards)
            assert 0 <= used <= it.size_mb and ledger.free_mb(it) == it.size_mb - used
    for share in held:
        ledger.give_back(share)
    assert ledger.held == () and [ledger.free_mb(it) for it in cards] == [it.size_mb for it in cards]
