"""Gives a running instance the code of another revision, with what it has loaded kept (docs/keep.md).

The bootstrap does it, on the thread that would load the function in a new instance: hence a request like those of the
hooks, and none of the control channel's commands, which run beside the function.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from emulator.instance import hooks
from emulator.instance.hooks import InitializerFailed
from emulator.instance.instance import Instance
from emulator.instance.wire import WireError
from emulator.model import ids
from emulator.model.events import InstancePatched, PatchRefused
from emulator.model.function import Revision

# Modules that have to be loaded again take what they take; a cold start has as long.
PATCH_SECONDS = 120.0
MAX_REASON = 400


class Edit(Struct, frozen=True):
    """What lies between two revisions, by paths relative to the code folder: the texts of Python files that changed
    (None where one is gone), and other files that changed."""

    files: Mapping[str, bytes | None]
    data: tuple[str, ...] = ()

    def message(self, keep: tuple[str, ...]) -> bytes:
        """As the bootstrap reads it. No names to keep: all that the edit does not touch."""
        texts = {name: None if text is None else base64.b64encode(text).decode() for name, text in self.files.items()}
        return msgspec.json.encode({"files": texts, "data": self.data, "keep": keep or None})


class Patched(Struct, frozen=True):
    """The bootstrap's answer: see `InstancePatched`. `initialize`: the Initializer has to run again."""

    kept: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    rebuilt: tuple[tuple[str, str], ...] = ()
    initialize: bool = False


class Fallback(Struct, frozen=True):
    """Only a cold start gives what the edit means, or the instance is not able to take it."""

    refused: str


async def patch(instance: Instance, revision: Revision, edit: Edit) -> bool:
    """Try it, tell the journal, and run the Initializer again where that is needed.

    The instance is awake and carries no invocation. False: it is fit for nothing any more.
    """
    began = instance.journal.now()
    result = await try_patch(instance, revision, edit)
    if isinstance(result, Patched) and result.initialize:
        result = await _initialize(instance, result)
    now = instance.journal.now()
    if isinstance(result, Fallback):
        reason = result.refused[:MAX_REASON]
        instance.journal.append(PatchRefused(now, instance.id, instance.function, revision.number, reason))
        return False
    instance.journal.append(
        InstancePatched(
            now,
            instance.id,
            instance.function,
            revision.number,
            result.kept,
            result.replaced,
            result.removed,
            result.rebuilt,
            (now - began) * 1000,
        )
    )
    return True


async def try_patch(instance: Instance, revision: Revision, edit: Edit) -> Patched | Fallback:
    """Ask the bootstrap. Never raises: whatever goes wrong is a reason for a cold start."""
    message = edit.message(revision.function.keep or ())
    try:
        response = await hooks.call(instance, PATCH_SECONDS, "POST", "/patch", ids.hook_request_id(), message)
    except TimeoutError:
        return Fallback(f"its modules took longer than {PATCH_SECONDS:g} s")
    except (WireError, OSError) as error:
        return Fallback(f"it ended while its modules were loaded ({error})")
    finally:
        instance.sandbox.drain_logs()
    if response.status != 200:
        return Fallback("its runtime can not take code while it runs (Python 3.8 to 3.13 can)")
    return _read(response.body)


def _read(body: bytes) -> Patched | Fallback:
    """What an instance says is not to be trusted, not even to be what we expect."""
    with contextlib.suppress(msgspec.MsgspecError):
        return msgspec.json.decode(body, type=Fallback)
    with contextlib.suppress(msgspec.MsgspecError):
        return msgspec.json.decode(body, type=Patched)
    return Fallback("its answer can not be read")


async def _initialize(instance: Instance, patched: Patched) -> Patched | Fallback:
    hook = instance.revision.function.initializer
    if hook is None:
        return patched
    try:
        await hooks.initialize(instance, hook, "")
    except InitializerFailed as failed:
        return Fallback(f"the Initializer failed: {failed.detail}")
    return patched
