"""What an instance tells the debugger, and may wait for: the floor above has it, or nobody does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from emulator.model.function import Revision

if TYPE_CHECKING:
    from emulator.instance.instance import Instance


# Who holds an instance while a debugger just gets ready in it.
JOINING = "joining"


class Debugger(Protocol):
    """Who watches instances for an editor. All calls come on the event loop, in the order of an instance's life.

    What it lets an instance wait for is never an editor's doing, so that nothing hangs where there is none.
    """

    def expect(self, instance_id: str, revision: Revision) -> bool:
        """Whether the instance, which is about to be made, must be attached before it loads user code."""
        ...

    async def ready(self, instance: Instance) -> None:
        """Its processes run, and no time limit does yet: returns when it is attached, if it is to be."""
        ...

    async def settle(self, instance: Instance) -> None:
        """It is about to be frozen, and was attached: returns when it has told what it had to tell."""
        ...

    async def sync(self, instance: Instance) -> None:
        """It was thawed, and is about to be given a request: returns when it has taken in what it missed."""
        ...

    def done(self, instance: Instance) -> None:
        """It has answered what it was asked: a step that its user began is over."""
        ...

    def patched(self, instance: Instance) -> None:
        """It goes on with the code of another revision: lines may have moved."""
        ...

    def retire(self, instance: Instance) -> None:
        """It runs old code from now on, and ends when it has finished."""
        ...

    def gone(self, instance: Instance) -> None:
        """Its processes have ended."""
        ...

    def timed_out(self, instance: Instance) -> bool:
        """Its time is over. True where it is about to be paused instead, so that its user sees where it was."""
        ...


class NoDebugger:
    """Nobody watches."""

    def expect(self, instance_id: str, revision: Revision) -> bool:
        return False

    async def ready(self, instance: Instance) -> None: ...

    async def settle(self, instance: Instance) -> None: ...

    async def sync(self, instance: Instance) -> None: ...

    def done(self, instance: Instance) -> None: ...

    def patched(self, instance: Instance) -> None: ...

    def retire(self, instance: Instance) -> None: ...

    def gone(self, instance: Instance) -> None: ...

    def timed_out(self, instance: Instance) -> bool:
        return False
