"""Whether a name leads to a revision of what lies on the disk now: asked before each invocation."""

from __future__ import annotations

from typing import Protocol

from emulator.model.function import FunctionName


class Freshness(Protocol):
    """A change that is known, and not taken over or refused yet, makes a function stale; who calls it then waits."""

    def fresh(self, name: FunctionName) -> bool:
        """At once, for it is asked on the hot path."""
        ...

    async def refreshed(self, name: FunctionName) -> None:
        """Returns when `fresh` says so."""
        ...


class AlwaysFresh:
    """Nobody watches the disk."""

    def fresh(self, name: FunctionName) -> bool:
        return True

    async def refreshed(self, name: FunctionName) -> None:
        pass
