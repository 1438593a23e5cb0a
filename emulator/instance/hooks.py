"""Lifecycle hooks of an instance: Initializer, PreFreeze, PreStop (runtime-contract.md §1.3, §1.4)."""

from __future__ import annotations

import asyncio
import contextlib
import json

from msgspec import Struct

from emulator.instance import messages
from emulator.instance.instance import Instance
from emulator.instance.recorder import Failed
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


class Failure(Struct, frozen=True):
    """Why a hook failed: the suffix of FC's End line, FC's error object where there is one, and what it was."""

    detail: str
    body: bytes = b""
    cause: Cause = Cause.RAISED


async def initialize(instance: Instance, hook: Hook, cause: str) -> None:
    """Run the Initializer once. `cause` is the request that needs the instance. Raises `InitializerFailed`.

    Built-in runtimes log the hook under the id of the causing request, custom ones under an id of its own.
    """
    custom = instance.revision.function.is_custom
    request_id = ids.hook_request_id() if custom or not cause else cause
    began = _started(instance, "Initialize", request_id)
    failure: Failure | None = None
    try:
        if hook.command:
            await _command(instance, hook)
        else:
            response = await call(instance, hook.timeout, "POST", "/initialize", request_id)
            if not 200 <= response.status < 300:
                raise InitializerFailed(_failure_body(response), "Unhandled function error")
    except InitializerFailed as failed:
        failure = Failure(failed.detail, failed.body)
        raise
    except TimeoutError:
        detail = messages.initializer_timed_out(hook.timeout, instance.usage(0.0).peak_mb)
        failure = Failure(detail, messages.error_body(detail), Cause.TIMEOUT)
        raise InitializerFailed(failure.body, detail) from None
    except (WireError, OSError):
        await asyncio.wait([instance.sandbox.exited], timeout=1.0)
        memory = instance.usage(0.0).peak_mb
        detail = messages.process_exited((instance.clock.running() - began) * 1000, memory)
        failure = Failure(detail, messages.error_body(detail), Cause.EXITED)
        raise InitializerFailed(failure.body, detail) from None
    finally:
        _ended(instance, "Initialize", request_id, began, failure, told_as=cause)


async def pre_stop(instance: Instance, hook: Hook) -> None:
    """Ask the instance to clean up; whatever it answers, the stop goes ahead."""
    await _logged(instance, hook, "PreStop", "/pre-stop")


async def pre_freeze(instance: Instance, hook: Hook) -> None:
    """FC 2 only: before each freeze; a failure is logged and the freeze goes ahead."""
    await _logged(instance, hook, "PreFreeze", "/pre-freeze")


async def _logged(instance: Instance, hook: Hook, name: str, path: str) -> None:
    request_id = ids.hook_request_id()
    began = _started(instance, name, request_id)
    failure: Failure | None = None
    try:
        response = await call(instance, hook.timeout, "GET", path, request_id)
        if not 200 <= response.status < 300:
            failure = Failure("Unhandled function error", response.body)
    except TimeoutError:
        failure = Failure(f"{name} timed out after {hook.timeout:g} seconds", cause=Cause.TIMEOUT)
    except (WireError, OSError) as error:
        failure = Failure(f"{name} failed: {error}", cause=Cause.EXITED)
    finally:
        _ended(instance, name, request_id, began, failure)


async def call(
    instance: Instance, timeout: float, method: str, path: str, request_id: str, body: bytes = b""
) -> WireResponse:
    """One control request, its short answer read whole. Raises `TimeoutError`, `WireError`, `OSError`."""
    wire = instance.idle_wire() or await instance.open_wire()
    try:
        async with instance.clock.limit(timeout):
            response = await wire.request(instance.heads.control(method, path, request_id, len(body)), body)
            if not response.complete:
                response.body = b"".join([piece async for piece in response.stream()])
    except BaseException:
        wire.close()
        raise
    instance.keep_wire(wire)
    return response


async def _command(instance: Instance, hook: Hook) -> None:
    """`initializer.command`: run in the instance, success is exit 0, its output is not the function's log."""
    async with instance.clock.limit(hook.timeout):
        exit_ = await instance.sandbox.run(hook.command, None)
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
    """When it began, by the instance's own clock."""
    instance.log.begin(request_id, None)
    instance.journal.append(HookStarted(instance.journal.now(), request_id, instance.function, instance.id, hook))
    return instance.clock.running()


def _ended(
    instance: Instance, hook: str, request_id: str, began: float, failure: Failure | None, *, told_as: str = ""
) -> None:
    """`told_as` is the request that a failure is looked for by, where it is another one."""
    instance.sandbox.drain_logs()
    instance.log.end()
    if instance.debugged:
        instance.debugger.done(instance)
    duration_ms = (instance.clock.running() - began) * 1000
    now, detail = instance.journal.now(), failure.detail if failure is not None else ""
    instance.journal.append(HookEnded(now, request_id, instance.function, instance.id, hook, duration_ms, detail))
    if failure is not None:
        failed = Failed(hook, told_as or request_id, failure.cause, failure.body, detail, duration_ms=duration_ms)
        instance.recorder.failed(instance, failed)
