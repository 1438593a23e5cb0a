"""What functions cost: each computed by hand, and compared to the cent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from emulator.journal.billing import added, bill, cents, price_of, units
from emulator.journal.prices import PRICES_FILE, read_prices
from emulator.journal.usage import HOUR, Size, Used
from emulator.model.errors import ConfigError

PRICES = read_prices(None)
# Behind the end of the promotion, at the beginning of an hour
AFTER = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp()) // HOUR
DURING = int(datetime(2026, 8, 1, tzinfo=UTC).timestamp()) // HOUR
SMALL = Size(0.35, 512)


def billed(hours: Mapping[tuple[int, str], Mapping[Size, Used]], before: int = 0) -> tuple[Decimal, dict[str, str]]:
    """CU, and what FC would ask in cents."""
    lines = bill(hours, PRICES, Decimal(before))
    amounts = added(line.billed for line in lines)
    return sum(line.billed_cu for line in lines), {name: str(cents(amount)) for name, amount in amounts.items()}


def test_the_example_of_the_documentation():
    """0.35 vCPU and 0.5 GB, 10 h active, 40 h idle, a million calls, evenly over 50 hours.

    active vCPU  0.35 * 36,000 s * 1    = 12,600
    active memory 0.5 * 36,000 s * 0.15 =  2,700
    idle memory  0.5 * 144,000 s * 0.15 = 10,800
    calls        1,000,000 * 0.0075     =  7,500
    together 33,600 CU, 672 each hour; * 0.00011 CNY = 3.696, * 0.00002 USD = 0.672
    """
    each = Used(active_ms=720_000, idle_ms=2_880_000, calls=20_000)
    cu, amounts = billed({(AFTER + hour, "f"): {SMALL: each} for hour in range(50)})
    assert cu == 33_600
    assert amounts == {"CNY": "3.70", "USD": "0.67"}


def test_three_million_short_calls():
    """0.25 vCPU and 0.5 GB, 3 million calls of 200 ms, all in an hour.

    vCPU   0.25 * 600,000 s * 1    = 150,000
    memory 0.5  * 600,000 s * 0.15 =  45,000
    calls  3,000,000 * 0.0075      =  22,500
    together 217,500 CU; * 0.00011 CNY = 23.925, half a cent up; * 0.00002 USD = 4.35
    """
    used = Used(active_ms=600_000_000, calls=3_000_000)
    cu, amounts = billed({(AFTER, "f"): {Size(0.25, 512): used}})
    assert cu == 217_500
    assert amounts == {"CNY": "23.93", "USD": "4.35"}


def test_an_hour_of_a_provisioned_card():
    """A T4 of 16 GB with 4 vCPU and 16 GB, half of the hour idle, 1800 calls.

    active vCPU   4 * 1800 s * 1     =  7,200
    active memory 16 * 1800 s * 0.15 =  4,320
    idle memory   16 * 1800 s * 0.10 =  2,880
    active GPU    16 * 1800 s * 2.1  = 60,480
    idle GPU      16 * 1800 s * 0.5  = 14,400
    calls         1800 * 0.0075      =     13.5
    together 89,293.5, rounded up to 89,294 CU; * 0.00011 CNY = 9.82234, * 0.00002 USD = 1.78588
    """
    size = Size(4, 16_384, 512, "fc.gpu.tesla.1", 16_384)
    used = Used(active_ms=1_800_000, idle_ms=1_800_000, calls=1800)
    cu, amounts = billed({(AFTER, "f"): {size: used}})
    assert cu == 89_294
    assert amounts == {"CNY": "9.82", "USD": "1.79"}


def test_across_the_border_of_a_tier():
    """The first example in one hour, by an account that has used 199,990,000 CU this month.

    CNY: 10,000 CU are left of the first tier: 10,000 * 0.00011 + 23,600 * 0.00010 = 1.10 + 2.36 = 3.46
    USD: all are in the second one, which ends at 500 million: 33,600 * 0.000017 = 0.5712
    """
    used = Used(active_ms=36_000_000, idle_ms=144_000_000, calls=1_000_000)
    cu, amounts = billed({(AFTER, "f"): {SMALL: used}}, before=199_990_000)
    assert cu == 33_600
    assert amounts == {"CNY": "3.46", "USD": "0.57"}


def test_a_large_disk_and_the_least_of_an_hour():
    """Two functions in the hour 0 and one of them in the hour 1.

    f, 2 vCPU, 4 GB, 20 GB of disk, of which 10 are free; 600 s active, 3000 s idle, 100 calls:
      vCPU 2 * 600 = 1200; memory 4 * 600 * 0.15 = 360, idle 4 * 3000 * 0.15 = 1800;
      disk 10 * 3600 * 0.05 = 1800; calls 0.75; together 5160.75, rounded up to 5161 CU
      * 0.00011 CNY = 0.56771, * 0.00002 USD = 0.10322
    g, 0.35 vCPU, 0.5 GB, one call of 53 ms: 0.053 * (0.35 + 0.075) + 0.0075 = 0.030025, rounded up to 1 CU
      0.00011 CNY is less than 0.01, which is asked; 0.00002 USD is asked
    g an hour later, the same: 0.01 CNY, 0.00002 USD
    together 5163 CU, 0.58771 CNY, 0.10326 USD
    """
    large, once = Size(2, 4096, 20_480), Used(active_ms=53, calls=1)
    hours = {
        (AFTER, "f"): {large: Used(active_ms=600_000, idle_ms=3_000_000, calls=100)},
        (AFTER, "g"): {SMALL: once},
        (AFTER + 1, "g"): {SMALL: once},
    }
    cu, amounts = billed(hours)
    assert cu == 5163
    assert amounts == {"CNY": "0.59", "USD": "0.10"}


def test_a_promotion_lasts_to_its_last_day():
    """217,500 CU * 0.000088 CNY = 19.14, * 0.000016 USD = 3.48"""
    used = Used(active_ms=600_000_000, calls=3_000_000)
    assert billed({(DURING, "f"): {Size(0.25, 512): used}})[1] == {"CNY": "19.14", "USD": "3.48"}


def test_functions_with_a_card_have_no_least_price():
    size = Size(4, 16_384, 512, "fc.gpu.tesla.1", 16_384)
    assert billed({(AFTER, "f"): {size: Used(calls=1)}})[1]["CNY"] == "0.00"


@pytest.mark.parametrize(
    ("card", "active", "idle"),
    [("tesla.1", "2.1", "0.5"), ("ampere.1", "1.8", "0.3"), ("ada.1", "1.7", "0.2"), ("xpu.1", "1.2", "0.23")],
)
def test_each_card_has_its_factors(card, active, idle):
    parts = units(Size(1, 1024, 512, f"fc.gpu.{card}", 1024), Used(active_ms=1000, idle_ms=1000), PRICES)
    assert (parts["gpu"], parts["gpu_idle"]) == (Decimal(active), Decimal(idle))


def test_the_highest_tier_has_no_end():
    """1 billion CU: 200 million at the first price, 800 million at the second; one more at the third."""
    site, day = PRICES.sites["cn"], datetime(2026, 9, 1, tzinfo=UTC).date()
    assert price_of(Decimal(1_000_000_000), Decimal(0), site, day) == 22_000 + 80_000
    assert price_of(Decimal(1), Decimal(1_000_000_000), site, day) == Decimal("0.00009")


# --- price lists ---


def test_a_list_of_the_users_own_counts(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(PRICES_FILE.read_text().replace('invocation = "0.0075"', 'invocation = "1"'))
    assert units(SMALL, Used(calls=3), read_prices(own))["invocations"] == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('vcpu = "1"', 'vcpu = "much"', "decimal"),
        ("up_to = 200_000_000, ", "", "ascend"),
        ("[rounding]", "[roundings]", "roundings"),
        ("date = 2026-07-24\n", "date = \n", "no price list"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, old, new, said):
    own = tmp_path / "own.toml"
    text = PRICES_FILE.read_text()
    assert old in text
    own.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=said) as refused:
        read_prices(own)
    assert str(own) in str(refused.value)
