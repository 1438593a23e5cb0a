"""Ids of many debuggers as one range: each counts from where it likes, and an editor sees them all (pure)."""

from __future__ import annotations

import itertools
from typing import Generic, TypeVar

Owner = TypeVar("Owner")


class Ids(Generic[Owner]):
    """One kind of id, such as those of threads. None is ever used again, so that an old one can not mean another."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._outer: dict[Owner, dict[int, int]] = {}
        self._inner: dict[int, tuple[Owner, int]] = {}

    def outer(self, owner: Owner, inner: int) -> int:
        """The editor's id for the debugger's; a new one the first time."""
        known = self._outer.setdefault(owner, {})
        outer = known.get(inner)
        if outer is None:
            outer = known[inner] = next(self._numbers)
            self._inner[outer] = owner, inner
        return outer

    def inner(self, outer: object) -> tuple[Owner, int] | None:
        """Whose id it is, and what it is there; None where it is none, or its owner has gone."""
        return self._inner.get(outer) if isinstance(outer, int) else None

    def forget(self, owner: Owner, inner: int) -> None:
        """One of them is no more."""
        outer = self._outer.get(owner, {}).pop(inner, None)
        if outer is not None:
            del self._inner[outer]

    def drop(self, owner: Owner) -> None:
        """Forget all of one owner's."""
        for outer in self._outer.pop(owner, {}).values():
            del self._inner[outer]
