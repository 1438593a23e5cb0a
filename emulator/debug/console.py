"""Commands of the editor's debug console that are for the router and not for a function: `!instances`, `!restart`."""

from __future__ import annotations

from emulator.debug.names import QUEUED
from emulator.debug.router import Router


async def run_command(router: Router, command: str) -> str:
    match command.removeprefix("!").split():
        case ["instances"]:
            return "\n".join(instances(router)) or "no instance"
        case ["restart"]:
            router.options.restart()
            return "every function gets new instances with the next request"
        case _:
            return "!instances lists instances, !restart replaces them"


def instances(router: Router) -> list[str]:
    """One line each: how it is called, its id, and what it does."""
    lines = []
    for instance in router.instances.values():
        debugged = [process for process in router.processes if process.instance is instance]
        queued = any(router.stops.is_held(process, thread) for process in debugged for thread in process.threads)
        state = QUEUED.strip("()") if queued else "paused" if instance.paused else instance.state.value
        notes = "" if debugged else ", no debugger"
        lines.append(f"{router.names.of(instance)}  {instance.id}  {state}{notes}")
    return lines
