"""What Function Compute would ask for what was used (platform.md §9). Decimal throughout; pure.

Decided here, since the documentation leaves it open:
* Tiers are marginal: only what lies above a border has the lower price. They count from `before`, what the account used
  this month already; functions of one hour come in the order of their names.
* Each function's CU of an hour are rounded up to a whole one; its money is not rounded, but for the least there is.
* That least is for functions without a GPU (FC's notice of 2025-12-09). For dollars FC names none.
* An amount is shown in whole cents, half a cent up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from msgspec import Struct

from emulator.journal.prices import GpuFactors, Prices, Site
from emulator.journal.usage import HOUR, Size, Used

MB_PER_GB = 1024
ZERO = Decimal(0)
CENT = Decimal("0.01")
NO_GPU = GpuFactors(ZERO, ZERO)

Amounts = dict[str, Decimal]
"""By currency"""


class Line(Struct, frozen=True):
    """One function in one hour of Unix time. `cu` is exact, `billed_cu` rounded; `exact` is what those CU cost,
    `billed` what FC would ask."""

    function: str
    hour: int
    used: Used
    parts: Mapping[str, Decimal]
    cu: Decimal
    billed_cu: Decimal
    exact: Mapping[str, Decimal]
    billed: Mapping[str, Decimal]


def units(size: Size, used: Used, prices: Prices) -> dict[str, Decimal]:
    """CU of what was used, by what they are for."""
    factors = prices.factors
    active, idle = Decimal(used.active_ms) / 1000, Decimal(used.idle_ms) / 1000
    cpu, memory = Decimal(str(size.cpu)), Decimal(size.memory_mb) / MB_PER_GB
    disk = max(ZERO, Decimal(size.disk_mb) / MB_PER_GB - factors.disk_free_gb)
    gpu, gpu_memory = prices.gpu.get(size.gpu_type, NO_GPU), Decimal(size.gpu_memory_mb) / MB_PER_GB
    memory_idle = factors.memory_gb_idle_gpu if size.gpu_type else factors.memory_gb_idle
    return {
        "vcpu": cpu * (active * factors.vcpu + idle * factors.vcpu_idle),
        "memory": memory * active * factors.memory_gb,
        "memory_idle": memory * idle * memory_idle,
        "disk": disk * (active + idle) * factors.disk_gb,
        "gpu": gpu_memory * active * gpu.active,
        "gpu_idle": gpu_memory * idle * gpu.idle,
        "invocations": used.calls * factors.invocation,
    }


def price_of(cu: Decimal, before: Decimal, site: Site, day: date) -> Decimal:
    """What `cu` cost where `before` were used this month already."""
    promoted = site.promotion_until is not None and day <= site.promotion_until
    total, at = ZERO, before
    for tier in site.tiers:
        room = cu if tier.up_to is None else min(cu, max(ZERO, tier.up_to - at))
        price = tier.promotion if promoted and tier.promotion is not None else tier.price
        total += room * price
        at, cu = at + room, cu - room
    return total


def bill(hours: Mapping[tuple[int, str], Mapping[Size, Used]], prices: Prices, before: Decimal = ZERO) -> list[Line]:
    """Each function's hours, in order."""
    lines, exact_before, billed_before = [], before, before
    for (hour, function), sizes in sorted(hours.items()):
        line = _line(function, hour, sizes, prices, exact_before, billed_before)
        exact_before += line.cu
        billed_before += line.billed_cu
        lines.append(line)
    return lines


def _line(
    function: str,
    hour: int,
    sizes: Mapping[Size, Used],
    prices: Prices,
    exact_before: Decimal,
    billed_before: Decimal,
) -> Line:
    parts = added(units(size, used, prices) for size, used in sizes.items())
    cu = sum(parts.values(), ZERO)
    billed_cu = cu.to_integral_value(ROUND_CEILING)
    day, with_gpu = datetime.fromtimestamp(hour * HOUR, UTC).date(), any(size.gpu_type for size in sizes)
    exact: Amounts = {}
    billed: Amounts = {}
    for site in prices.sites.values():
        exact[site.currency] = price_of(cu, exact_before, site, day)
        least = site.minimum_per_hour if cu and not with_gpu else ZERO
        billed[site.currency] = max(least, price_of(billed_cu, billed_before, site, day))
    return Line(function, hour, together(sizes.values()), parts, cu, billed_cu, exact, billed)


def together(several: Iterable[Used]) -> Used:
    whole = Used()
    for used in several:
        whole.active_ms += used.active_ms
        whole.idle_ms += used.idle_ms
        whole.calls += used.calls
    return whole


def added(several: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    """The sum under each name."""
    whole: dict[str, Decimal] = {}
    for amounts in several:
        for name, amount in amounts.items():
            whole[name] = whole.get(name, ZERO) + amount
    return whole


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def of_functions(lines: Iterable[Line]) -> Iterator[tuple[str, list[Line]]]:
    """The lines of each function, by name."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.function, []).append(line)
    yield from sorted(found.items())
