"""From spawned to ready: it answered, raced against it died (runtime-contract.md §3.2, §4.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from emulator.instance import hooks, messages
from emulator.instance.health import check
from emulator.instance.instance import Instance
from emulator.instance.wire import WireError, WireGarbage
from emulator.model.function import Function
from emulator.model.launch import TcpEndpoint, UnixEndpoint
from emulator.sandbox.base import Listener

# A program's port can't be awaited, so it is tried: soon at first, since most servers start fast.
FIRST_PAUSE_SECONDS = 0.002
LONGEST_PAUSE_SECONDS = 0.1
# A program that has another port open for this long has very likely the wrong one configured.
WRONG_PORT_SECONDS = 2.0
# A bootstrap that closed its connection has ended; on a busy machine its walls take a moment longer.
DEATH_SECONDS = 10.0


async def give_birth(instance: Instance, cause: str, start_timeout: float) -> None:
    """Start the sandbox and bring the instance to IDLE.

    `cause` is the request that needs it. Raises `StartFailed` (412), `InitializerFailed` or `SandboxError`.
    """
    function = instance.revision.function
    began = instance.clock.running()
    with instance.span("sandbox"):
        await instance.sandbox.start()
    instance.started()
    await instance.debugger.ready(instance)
    with instance.span("runtime"):
        await _race(instance, _answered(instance, start_timeout))
    await _require_alive(instance)
    instance.answered()
    if function.initializer is not None:
        with instance.span("initializer"):
            await hooks.initialize(instance, function.initializer, cause)
    health_check = function.program.health_check
    if health_check is not None:
        with instance.span("health_check"):
            await instance.clock.sleep(health_check.initial_delay)
            # A program that serves one connection after the other would wait for the one that we keep.
            instance.close_wires()
            passed, status = await check(instance, health_check)
            if not passed:
                raise messages.unhealthy(status)
    # A debugger may hold it still: one that hears of the end of a stop only after what came of it, or that a process
    # which was just forked is loading. Whoever it is born for would be given another one.
    while instance.paused:
        await _race(instance, instance.unpaused())
    await _require_alive(instance)
    instance.initialized((instance.clock.running() - began) * 1000)


async def _require_alive(instance: Instance) -> None:
    """It may have been retired while it started, and answer before it ends."""
    if instance.ended:
        raise messages.exited_at_start(await instance.sandbox.exited, instance.sandbox.launch.display, "")


async def _race(instance: Instance, answered: Coroutine[Any, Any, None]) -> None:
    """Whichever comes first: the answer, or the exit, which brings the program's last lines along."""
    exited = instance.sandbox.exited
    task = asyncio.ensure_future(answered)
    try:
        either: set[asyncio.Future[Any]] = {task, exited}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if exited.done():
            raise messages.exited_at_start(exited.result(), instance.sandbox.launch.display, instance.log.birth_text())
        await task
    finally:
        task.cancel()


async def _answered(instance: Instance, start_timeout: float) -> None:
    endpoint = instance.sandbox.launch.endpoint
    if isinstance(endpoint, UnixEndpoint) or not instance.revision.function.is_custom:
        await _bootstrap_answers(instance, start_timeout)
    else:
        await _port_opens(instance, endpoint, start_timeout)


async def _bootstrap_answers(instance: Instance, start_timeout: float) -> None:
    """Walls dial our bootstraps when they listen, so one request is the whole wait."""
    try:
        async with instance.clock.limit(start_timeout):
            wire = await instance.open_wire()
            try:
                await wire.request(instance.heads.control("GET", "/ready", "ready"), b"")
            except BaseException:
                wire.close()  # also where the birth is given up
                raise
    except TimeoutError:
        raise messages.not_listening(0, start_timeout, "", instance.log.birth_text()) from None
    except WireGarbage as error:
        raise messages.not_http(str(error), instance.log.birth_text()) from None
    except (WireError, OSError):
        # It died, or will within a moment: the race tells which, and with what exit code.
        await asyncio.wait([instance.sandbox.exited], timeout=min(DEATH_SECONDS, start_timeout))
        raise messages.not_listening(0, start_timeout, "", instance.log.birth_text()) from None
    instance.keep_wire(wire)


async def _port_opens(instance: Instance, endpoint: TcpEndpoint, start_timeout: float) -> None:
    """FC's layer-4 check: a connect to the port, on an address that is not loopback only."""
    try:
        async with instance.clock.limit(start_timeout):
            await _connected(instance, endpoint)
    except TimeoutError:
        hint = _port_hint(endpoint.port, _of_program(instance), instance.revision.function)
        logs = instance.log.birth_text()
        raise messages.not_listening(endpoint.port, start_timeout, hint, logs) from None


async def _connected(instance: Instance, endpoint: TcpEndpoint) -> None:
    with instance.span("process") as span:
        await _listens(instance, endpoint)
        # Only then something is to come of it (`journal/waterfall.py`).
        span.detail = "python" if instance.telling.is_asked else ""
    with instance.span("port"):
        while True:
            try:
                instance.keep_wire(await instance.open_wire())
            except OSError:
                await asyncio.sleep(FIRST_PAUSE_SECONDS)
                await _listens(instance, endpoint)
            else:
                return


async def _listens(instance: Instance, endpoint: TcpEndpoint) -> None:
    """Returns when the port is open, and not for the instance alone."""
    began = instance.clock.running()
    pause = FIRST_PAUSE_SECONDS
    told = False
    while True:
        ours = _of_program(instance)
        if any(it.port == endpoint.port and not it.loopback for it in ours):
            return
        if ours and not told and instance.clock.running() - began > WRONG_PORT_SECONDS:
            told = True
            instance.journal.notice(
                _port_hint(endpoint.port, ours, instance.revision.function), function=instance.function
            )
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


def _of_program(instance: Instance) -> Sequence[Listener]:
    """What listens in it, but for its debugger."""
    debugger = instance.sandbox.launch.debug_port
    return [it for it in instance.sandbox.listeners() if it.port != debugger]


def _port_hint(port: int, ours: Sequence[Listener], function: Function) -> str:
    """Which port the program did open, and what to change."""
    key = "customRuntimeConfig.port" if function.custom_container is None else "customContainerConfig.port"
    if any(it.port == port and it.loopback for it in ours):
        return f"(It listens on 127.0.0.1:{port} only: FC needs 0.0.0.0:{port}.)"
    others = sorted({it.port for it in ours})
    if not others:
        return ""
    ports = ", ".join(map(str, others))
    return f"(It listens on port {ports}, not on {port}: set {key}, or make it listen on {port}.)"
