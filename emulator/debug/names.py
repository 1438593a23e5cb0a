"""How instances are called in an editor: by their function and a number that a person can remember."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.instance.instance import Instance

# Behind the names of threads: of an instance that can not answer, and of one that stands and is shown in its turn.
FROZEN = "(frozen)"
QUEUED = "(stopped, queued)"


class Names:
    """`hello#2` is the second instance of `hello` that anybody asked about."""

    def __init__(self) -> None:
        self._last: collections.Counter[str] = collections.Counter()
        self._names: dict[str, str] = {}

    def of(self, instance: Instance) -> str:
        name = self._names.get(instance.id)
        if name is None:
            self._last[instance.function] += 1
            name = self._names[instance.id] = f"{instance.function}#{self._last[instance.function]}"
        return name

    def forget(self, instance: Instance) -> None:
        self._names.pop(instance.id, None)
