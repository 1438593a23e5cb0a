"""A look into an instance of a function: what its walls show to a program."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from emulator.dispatch.engine import Engine
from emulator.model.errors import SandboxError
from emulator.model.events import LogLine
from emulator.model.function import FunctionName
from emulator.sandbox.inside import INTERPRETERS, Inside, answers, questions

_SECONDS = 60.0
# An environment has at most 4 KB (runtime-contract.md §7.3), and each line of it may be an event.
_EVENTS = 100_000


async def look_inside(engine: Engine, name: FunctionName, shell: Sequence[str]) -> tuple[Inside, str]:
    """What is seen inside an instance that is awake, and its id. `shell` is that of its walls.

    Raises `FCError` and `InitializerFailed` where there can be none, `SandboxError` where it does not answer.
    """
    instance = await engine.scheduler.lease(engine.registry.resolve(name), engine.request_ids.new())
    reader, mark = engine.journal.subscribe(_EVENTS), f"fclocal-{secrets.token_hex(8)}:"
    try:
        done = await instance.sandbox.run(questions(shell, mark, INTERPRETERS), _SECONDS)
        said = (event for event in reader.take() if isinstance(event, LogLine))
        lines = [line.text for line in said if line.instance_id == instance.id]
    except TimeoutError:
        raise SandboxError(f"an instance of {name} did not answer within {_SECONDS:g} s") from None
    finally:
        reader.close()
        instance.give_back()
    seen = answers(lines, mark)
    if not seen.facts:
        raise SandboxError(f"nothing can be seen in an instance of {name}: a shell ended with {done.shell_code}")
    return seen, instance.id
