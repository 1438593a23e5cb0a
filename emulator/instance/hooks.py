"""Lifecycle hooks of an instance: Initializer, PreFreeze, PreStop (runtime-contract.md §1.3, §1.4)."""

from __future__ import annotations

import asyncio
import contextlib
import json

from emulator.instance import messages
from emulator.instance.instance import Instance
from emulator.instance.wire import WireError, WireResponse
from emulator.model import ids
from emulator.model.errors import FclocalError
from emulator.model.events import HookEnded, HookStarted
from emulator.model.function import Hook
from emulator.model.invocation import Cause

# How much of what a custom runtime answered is repeated in an error.
SAID_BYTES = 1024


class InitializerFailed(FclocalError):
    """The Initializer threw, answered a failure, or ran out of time. `body` is FC's error object."""

    def __init__(self, body: bytes, detail: str, cause: Cause = Cause.INITIALIZER) -> None:
        super().__init__(detail)
        self.body = body
        self.detail = detail
        self.cause = cause


async def initialize(instance: Instance, hook: Hook, cause: str) -> None:
    """Run the Initializer once. `cause` is the request that needs the instance. Raises `InitializerFailed`.

    Built-in runtimes log the hook under the id of the causing request, custom ones under an id of its own.
    """
    custom = instance.revision.function.is_custom
    request_id = ids.hook_request_id() if custom or not cause else cause
    began = _started(instance, "Initialize", request_id)
    detail = ""
    try:
        if hook.command:
            await _command(instance, hook)
        else:
            response = await _call(instance, hook, "POST", "/initialize", request_id)
            if not 200 <= response.status < 300:
                raise InitializerFailed(_failure_body(response), "Unhandled function error")
    except InitializerFailed as failed:
        detail = failed.detail
        raise
    except TimeoutError:
        detail = messages.initializer_timed_out(hook.timeout, instance.usage(0.0).peak_mb)
        raise InitializerFailed(messages.error_body(detail), detail) from None
    except (WireError, OSError):
        await asyncio.wait([instance.sandbox.exited], timeout=1.0)
        memory = instance.usage(0.0).peak_mb
        detail = messages.process_exited((instance.journal.now() - began) * 1000, memory)
        raise InitializerFailed(messages.error_body(detail), detail) from None
    finally:
        _ended(instance, "Initialize", request_id, began, detail)


async def pre_stop(instance: Instance, hook: Hook) -> None:
    """Ask the instance to clean up; whatever it answers, the stop goes ahead."""
    await _logged(instance, hook, "PreStop", "/pre-stop")


async def pre_freeze(instance: Instance, hook: Hook) -> None:
    """FC 2 only: before each freeze; a failure is logged and the freeze goes ahead."""
    await _logged(instance, hook, "PreFreeze", "/pre-freeze")


async def _logged(instance: Instance, hook: Hook, name: str, path: str) -> None:
    request_id = ids.hook_request_id()
    began = _started(instance, name, request_id)
    detail = ""
    try:
        response = await _call(instance, hook, "GET", path, request_id)
        if not 200 <= response.status < 300:
            detail = "Unhandled function error"
    except TimeoutError:
        detail = f"{name} timed out after {hook.timeout:g} seconds"
    except (WireError, OSError) as error:
        detail = f"{name} failed: {error}"
    finally:
        _ended(instance, name, request_id, began, detail)


async def _call(instance: Instance, hook: Hook, method: str, path: str, request_id: str) -> WireResponse:
    """One control request, its short answer read whole. Raises `TimeoutError`, `WireError`, `OSError`."""
    wire = instance.idle_wire() or await instance.open_wire()
    try:
        async with asyncio.timeout(hook.timeout):
            response = await wire.request(instance.heads.control(method, path, request_id), b"")
            if not response.complete:
                response.body = b"".join([piece async for piece in response.stream()])
    except BaseException:
        wire.close()
        raise
    instance.keep_wire(wire)
    return response


async def _command(instance: Instance, hook: Hook) -> None:
    """`initializer.command`: run in the instance, success is exit 0, its output is not the function's log."""
    exit_ = await instance.sandbox.run(hook.command, hook.timeout)
    if exit_.shell_code != 0:
        text = f"initializer command exited with code {exit_.shell_code}"
        raise InitializerFailed(messages.error_body(text), text)


def _failure_body(response: WireResponse) -> bytes:
    """The bootstrap's own error object, or one about what a custom runtime answered (runtime-contract.md §1.4)."""
    with contextlib.suppress(ValueError, RecursionError):
        given = json.loads(response.body)
        if isinstance(given, dict) and "errorMessage" in given:
            return response.body
    said = response.body[:SAID_BYTES].decode("utf-8", "replace").strip()
    return messages.error_body(f"initializer answered with status code {response.status}{f': {said}' if said else ''}")


def _started(instance: Instance, hook: str, request_id: str) -> float:
    now = instance.journal.now()
    instance.log.begin(request_id, None)
    instance.journal.append(HookStarted(now, request_id, instance.function, instance.id, hook))
    return now


def _ended(instance: Instance, hook: str, request_id: str, began: float, detail: str) -> None:
    instance.sandbox.drain_logs()
    instance.log.end()
    now = instance.journal.now()
    instance.journal.append(
        HookEnded(now, request_id, instance.function, instance.id, hook, (now - began) * 1000, detail)
    )
