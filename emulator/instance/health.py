"""Health checks of custom runtimes and containers (runtime-contract.md §1.7)."""

from __future__ import annotations

import asyncio

from emulator.instance.instance import Instance
from emulator.instance.wire import WireError
from emulator.model.lifecycle import State
from emulator.model.program import HealthCheck


async def check(instance: Instance, config: HealthCheck) -> tuple[bool, int | None]:
    """One check: whether it passed, and the status if there was an answer in time.

    Each check has a connection of its own, so that it never waits behind an invocation's.
    """
    try:
        async with instance.clock.limit(config.timeout, shown=False):
            wire = await instance.open_wire()
            try:
                response = await wire.request(instance.heads.probe(config.url), b"")
            finally:
                wire.close()
    except (TimeoutError, WireError, OSError):
        return False, None
    return 200 <= response.status < 400, response.status


async def watch(instance: Instance, config: HealthCheck) -> None:
    """Check again and again while the instance lives; `instance.healthy` follows the thresholds.

    A frozen instance can't answer and an idle one is about to freeze, so only a busy or an unhealthy one is asked. One
    that is paused in the debugger need not answer.
    """
    in_a_row = 0
    while not instance.ended:
        await asyncio.sleep(config.period)
        if instance.paused:
            continue
        if instance.state is not State.BUSY and (instance.healthy or instance.state is not State.IDLE):
            continue
        before = instance.pauses
        passed, _ = await check(instance, config)
        if instance.pauses != before:
            continue
        in_a_row = in_a_row + 1 if passed != instance.healthy else 0
        threshold = config.failure_threshold if instance.healthy else config.success_threshold
        if in_a_row >= threshold:
            in_a_row = 0
            instance.set_healthy(passed)
