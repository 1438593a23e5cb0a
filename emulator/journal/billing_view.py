"""A bill as JSON: per function, hour, session and request, in every currency of the price list. Amounts are texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from emulator.journal.billing import ZERO, Line, added, bill, cents, of_functions, price_of, together, units
from emulator.journal.counters import Counters
from emulator.journal.metrics_view import number
from emulator.journal.prices import Prices
from emulator.journal.requests import Request, Session
from emulator.journal.usage import HOUR

MILLION = 1_000_000
# How many requests an answer has: the dearest and the newest are what is looked for.
REQUESTS_SHOWN = 100


def cost_answer(counters: Counters, asked: Mapping[str, Any], now: float) -> dict[str, Any]:
    """What was used until `now` (the journal's), and what it costs; `before` is asked for: CU of this month so far.

    Raises `UserError` where that is no number."""
    before = Decimal(str(number(asked, "before", 0)))
    meter, requests, prices = counters.meter, counters.requests, counters.prices
    meter.settle(now)
    lines = bill(meter.hours, prices, before)
    return {
        "prices": {"date": prices.date.isoformat(), "source": prices.source},
        "before": _text(before),
        "functions": {name: _sum(its) | {"hours": [_hour(it) for it in its]} for name, its in of_functions(lines)},
        "total": _sum(lines),
        "sessions": {name: _session(it, prices, before) for name, it in requests.sessions.items()},
        "requests": [_request(it, prices, before) for it in requests.last(REQUESTS_SHOWN)],
    }


def cost_line(counters: Counters, now: float) -> str:
    """The same in a sentence."""
    meter, prices = counters.meter, counters.prices
    meter.settle(now)
    lines = bill(meter.hours, prices)
    cu, used = sum((line.cu for line in lines), ZERO), together(line.used for line in lines)
    billed = (
        " or ".join(f"{cents(it)} {name}" for name, it in added(line.billed for line in lines).items()) or "nothing"
    )
    times = "invocation" if used.calls == 1 else "invocations"
    return f"in FC this would have cost {billed}: {cu:.3f} CU, {used.calls} {times} (prices of {prices.date})"


def _sum(lines: list[Line]) -> dict[str, Any]:
    """`exact` is what the CU cost, `billed` has FC's rounding and its least for an hour; `million` is what as many
    invocations like these cost."""
    used, exact = together(line.used for line in lines), added(line.exact for line in lines)
    return {
        "calls": used.calls,
        "activeSeconds": used.active_ms / 1000,
        "idleSeconds": used.idle_ms / 1000,
        "parts": {name: _text(part) for name, part in added(line.parts for line in lines).items()},
        "cu": _text(sum((line.cu for line in lines), ZERO)),
        "billedCu": _text(sum((line.billed_cu for line in lines), ZERO)),
        "exact": _texts(exact),
        "billed": {name: str(cents(amount)) for name, amount in added(line.billed for line in lines).items()},
        "million": {name: str(cents(amount * MILLION / used.calls)) for name, amount in exact.items()}
        if used.calls
        else {},
    }


def _hour(line: Line) -> dict[str, Any]:
    return {
        "at": datetime.fromtimestamp(line.hour * HOUR, UTC).isoformat(),
        "calls": line.used.calls,
        "cu": _text(line.cu),
        "billedCu": _text(line.billed_cu),
        "exact": _texts(line.exact),
        "billed": _texts(line.billed),
    }


def _session(session: Session, prices: Prices, before: Decimal) -> dict[str, Any]:
    parts = [units(size, used, prices) for size, used in session.used.items()]
    used = together(session.used.values())
    cost = _cost(parts, prices, before, datetime.now(UTC).date())
    return {"function": session.function, "calls": used.calls, "activeSeconds": used.active_ms / 1000, **cost}


def _request(request: Request, prices: Prices, before: Decimal) -> dict[str, Any]:
    parts = [units(request.size, request.used, prices)]
    at = datetime.fromtimestamp(request.at, UTC)
    known = {"requestId": request.request_id, "function": request.function, "at": request.at}
    return {
        **known,
        "sessionId": request.session_id,
        "activeMs": request.used.active_ms,
        **_cost(parts, prices, before, at.date()),
    }


def _cost(parts: Iterable[Mapping[str, Decimal]], prices: Prices, before: Decimal, day: date) -> dict[str, Any]:
    cu = sum(added(parts).values(), ZERO)
    exact = {site.currency: price_of(cu, before, site, day) for site in prices.sites.values()}
    return {"cu": _text(cu), "exact": _texts(exact)}


def _texts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: _text(amount) for name, amount in amounts.items()}


def _text(amount: Decimal) -> str:
    """All digits, without an exponent or zeros behind."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
