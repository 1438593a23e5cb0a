"""What one provisioned instance costs, by the price list (platform.md §9)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_CEILING

from emulator.coldstart.evidence import Provisioned
from emulator.journal.billing import ZERO, price_of, units
from emulator.journal.prices import Prices
from emulator.journal.usage import Size, Used
from emulator.model.function import Function

HOURS_PER_MONTH = 730
_HOUR_MS = 3_600_000


def provisioned(function: Function, prices: Prices) -> Provisioned:
    """A month of one that idles, in the currency of the first site of the list, at the price of the first units of a
    month."""
    gpu = function.gpu
    size = Size(
        function.cpu,
        function.memory_mb,
        function.disk_mb,
        gpu.type if gpu is not None else "",
        gpu.memory_mb if gpu is not None else 0,
    )
    an_hour = sum(units(size, Used(idle_ms=_HOUR_MS), prices).values(), ZERO).to_integral_value(ROUND_CEILING)
    site = next(iter(prices.sites.values()))
    least = ZERO if gpu is not None else site.minimum_per_hour * HOURS_PER_MONTH
    cost = price_of(an_hour * HOURS_PER_MONTH, ZERO, site, datetime.now(UTC).date())
    return Provisioned(float(max(cost, least)), site.currency)
