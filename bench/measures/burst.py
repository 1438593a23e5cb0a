"""Many calls at once, one per instance: nobody fails."""

from __future__ import annotations

from bench.context import BODY_BYTES, Bench
from bench.findings import Findings, Goal, Sense, Table
from bench.load import Result
from bench.servers.base import echo_body
from bench.servers.product import Product

HANDLER = "import time\n\n\ndef handler(event, context):\n    time.sleep(0.01)\n    return event\n"
PATIENCE_SECONDS = 120.0


def measure(bench: Bench) -> Findings:
    """All connections are open before the first call. The first burst meets no instance, the second all of them."""
    calls = bench.sizes.burst
    results: dict[str, Result] = {}
    with bench.running(Product(handler=HANDLER)) as product:
        load = product.load(echo_body(BODY_BYTES), calls, calls=1, patience_seconds=PATIENCE_SECONDS)
        for kind in ("cold", "warm"):
            bench.say(f"burst: {calls} calls, {kind}")
            results[kind] = bench.generator.send(load)
    failed = {kind: result.failed for kind, result in results.items()}
    rows = [
        [kind, str(result.answered), f"{result.p50_ms:.0f}", f"{result.total_seconds * 1000:.0f}", str(result.failed)]
        for kind, result in results.items()
    ]
    errors = "; ".join(f"{kind}: {dict(result.errors)}" for kind, result in results.items() if result.failed)
    text = f"failed calls of {calls} at once, 10 ms each, one per instance"
    return Findings(
        [Table(f"{calls} calls at once", ["instances", "served", "p50 ms", "all served ms", "failed"], rows)],
        [Goal("burst.failed", text, Sense.AT_MOST, 0, float(sum(failed.values())), errors)],
        {
            kind: {"all_served_ms": r.total_seconds * 1000, "p50_ms": r.p50_ms, "failed": r.failed}
            for kind, r in results.items()
        },
    )
