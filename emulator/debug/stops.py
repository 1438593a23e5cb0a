"""One stop at a time: which instance the editor sees stopped, and which of the others comes next (pure).

An instance that stops while the user looks at another one is paused as well, but not shown: VS Code would take the
focus away in the middle of a step, and nvim-dap would run on past the stop (debugging.md §1).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

Owner = TypeVar("Owner", bound=Hashable)


class Stops(Generic[Owner]):
    """Owners are debuggers, each with threads of its own. What a method returns is to be shown now, in this order."""

    def __init__(self, *, one: bool) -> None:
        self._one = one
        self._focus: Owner | None = None
        self._standing: dict[Owner, dict[int, dict[str, Any]]] = {}
        self._held: deque[tuple[Owner, int]] = deque()
        self._stepping: set[Owner] = set()
        # The editor has not yet been told that they run on.
        self._untold: set[Owner] = set()

    def of(self, owner: Owner) -> dict[int, dict[str, Any]]:
        """Its threads that stand, with what it said of each stop."""
        return self._standing.get(owner, {})

    def is_stepping(self, owner: Owner) -> bool:
        return owner in self._stepping

    def is_held(self, owner: Owner, thread: int) -> bool:
        """Whether it stands, and the editor has not been shown that yet."""
        return (owner, thread) in self._held and thread in self.of(owner)

    @property
    def focus(self) -> Owner | None:
        return self._focus

    def stopped(self, owner: Owner, thread: int, body: dict[str, Any]) -> list[tuple[Owner, int]]:
        self._stepping.discard(owner)
        self._standing.setdefault(owner, {})[thread] = body
        others = self._one and self._focus is not None and self._focus != owner
        if others or owner in self._untold:
            self._held.append((owner, thread))
            return []
        self._focus = owner
        return [(owner, thread)]

    def resumed(self, owner: Owner, thread: int | None) -> bool:
        """A thread runs, or all of them (None). Whether it stood, and the last of them to do so, runs now."""
        standing = self._standing.get(owner)
        if not standing:
            return False
        if thread is None:
            standing.clear()
        elif standing.pop(thread, None) is None:
            return False
        if not standing:
            del self._standing[owner]
        return not standing

    def steps(self, owner: Owner) -> None:
        """It keeps the focus while it takes a step: what stops meanwhile must wait."""
        self._stepping.add(owner)

    def goes(self, owner: Owner) -> None:
        """It was told to go on. If it stops again at once, an editor must not hear of that before it hears of this."""
        self._untold.add(owner)

    def told(self, owner: Owner) -> list[tuple[Owner, int]]:
        """The editor knows that it has gone on: the user is done with it, and the next may be shown."""
        self._untold.discard(owner)
        if self._focus == owner and not self._shown_of(owner):
            self._focus = None
        return self._next()

    def _shown_of(self, owner: Owner) -> bool:
        """Whether the editor sees a thread of it stand."""
        return any((owner, thread) not in self._held for thread in self._standing.get(owner, ()))

    def release(self, owner: Owner) -> list[tuple[Owner, int]]:
        """The user is done with it, unless a thread of it stands: the next may be shown."""
        self._stepping.discard(owner)
        if self._focus != owner or self._standing.get(owner):
            return []
        self._focus = None
        return self._next()

    def forget(self, owner: Owner) -> list[tuple[Owner, int]]:
        """It is gone."""
        self._untold.discard(owner)
        self._standing.pop(owner, None)
        return self.release(owner)

    def show_all_again(self) -> list[tuple[Owner, int]]:
        """A new editor looks: it has seen nothing yet."""
        self._focus = None
        self._stepping.clear()
        self._held = deque((owner, thread) for owner, threads in self._standing.items() for thread in threads)
        return self._next()

    def _next(self) -> list[tuple[Owner, int]]:
        shown = []
        while self._held:
            owner, thread = self._held[0]
            stands = thread in self._standing.get(owner, {})
            others = self._one and self._focus is not None and self._focus != owner
            if stands and (others or owner in self._untold):
                break
            self._held.popleft()
            if stands:
                self._focus = owner
                shown.append((owner, thread))
        return shown
