"""What could be made of a cold start: advice, each with its evidence, by what it would save (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from emulator.coldstart import advice_imports, advice_rest
from emulator.coldstart.evidence import Advice, Case, Circumstances
from emulator.coldstart.summary import Summary

# Less is not worth a change: in ms, and as a share of the whole.
LEAST_MS = 10.0
LEAST_SHARE = 0.01

Rule = Callable[[Case], Iterator[Advice]]
RULES: tuple[Rule, ...] = (
    advice_imports.unused,
    advice_imports.used_by_one_function,
    advice_imports.top_level,
    advice_imports.compiled,
    advice_rest.read_again,
    advice_rest.initializer,
    advice_rest.package_size,
    advice_rest.provisioned,
)


def advise(summary: Summary, about: Circumstances) -> list[Advice]:
    """All that is worth it, the largest saving first; what is certain before what depends, what costs money last."""
    case = Case(summary, about, max(LEAST_MS, summary.total.median * LEAST_SHARE))
    found = [item for rule in RULES for item in rule(case)]
    return sorted(found, key=_order)


def _order(item: Advice) -> tuple[bool, float, bool, str, str]:
    return item.kind == "provisioned", -item.saving_ms, item.at_most, item.kind, item.subject
