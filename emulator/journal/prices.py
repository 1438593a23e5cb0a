"""The price list: a dated file, ours or the user's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct

from emulator.journal.usage import Rounding
from emulator.model.errors import ConfigError
from emulator.model.function import Place

PRICES_FILE = Path(__file__).with_name("prices.toml")


class Factors(Struct, frozen=True, forbid_unknown_fields=True):
    """CU a second for one core, for one GB of memory or of disk beyond what is free; CU for one invocation."""

    vcpu: Decimal
    vcpu_idle: Decimal
    memory_gb: Decimal
    memory_gb_idle: Decimal
    memory_gb_idle_gpu: Decimal
    disk_gb: Decimal
    disk_free_gb: int
    invocation: Decimal


class GpuFactors(Struct, frozen=True, forbid_unknown_fields=True):
    """CU a second for one GB of GPU memory."""

    active: Decimal
    idle: Decimal


class Release(Struct, frozen=True, forbid_unknown_fields=True):
    delay_seconds: float = 0.0


class Tier(Struct, frozen=True, forbid_unknown_fields=True):
    """The price of a CU while a month's are not more than `up_to`; `promotion` as long as that lasts."""

    price: Decimal
    up_to: int | None = None
    promotion: Decimal | None = None


class Site(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the account is: its currency, its tiers from the lowest to one without an end."""

    currency: str
    tiers: tuple[Tier, ...]
    minimum_per_hour: Decimal = Decimal(0)
    promotion_until: date | None = None


class Prices(Struct, frozen=True, forbid_unknown_fields=True):
    """As the file has it; `prices.toml` explains every part."""

    date: date
    factors: Factors
    gpu: Mapping[str, GpuFactors]
    rounding: Rounding
    sites: Mapping[str, Site]
    release: Release = Release()
    source: str = ""


def read_prices(path: Path | None) -> Prices:
    """Those of a file, or ours. Raises `ConfigError`."""
    file = path or PRICES_FILE
    try:
        prices = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Prices)
    except OSError as error:
        raise _bad(file, f"the price list can not be read: {error.strerror}") from None
    except (ValueError, msgspec.ValidationError) as error:
        raise _bad(file, f"this is no price list: {error}") from None
    for name, site in prices.sites.items():
        limits = [tier.up_to for tier in site.tiers]
        bounds = [limit for limit in limits[:-1] if limit is not None]
        if not limits or limits[-1] is not None or len(bounds) != len(limits) - 1 or bounds != sorted(bounds):
            raise _bad(file, f"tiers of {name} must ascend by `up_to`, and the last must have none")
    return prices


def _bad(file: Path, message: str) -> ConfigError:
    return ConfigError(message, f"compare it with {PRICES_FILE}", Place(str(file)))
