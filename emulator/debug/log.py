"""What functions write, and changes that were refused, in the editor's debug console: from the journal, in order."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable

from emulator.journal.journal import Journal
from emulator.model.events import Event, LogLine, RevisionDeployed, RevisionRefused


def _shown(event: Event, name_of: Callable[[str, str], str]) -> tuple[str, str] | None:
    """Category and text, of what an editor's user is to see."""
    if isinstance(event, LogLine):
        return "stdout", f"{name_of(event.instance_id, event.function)} | {event.text}\n"
    if isinstance(event, RevisionRefused):
        what, where = event.function or "the project", f"{event.place}: " if event.place else ""
        return "important", f"{what} was not reloaded: {where}{event.message}\n"
    return None


async def show_log(
    journal: Journal,
    name_of: Callable[[str, str], str],
    show: Callable[[str, str], None],
    reloaded: Callable[[], None],
) -> None:
    """Show each line until cancelled. `name_of` gets an instance's id and its function, `reloaded` is called when a
    function has another revision."""
    reader = journal.subscribe()
    try:
        async for events in reader:
            found = [shown for event in events if (shown := _shown(event, name_of)) is not None]
            if any(isinstance(event, RevisionDeployed) for event in events):
                reloaded()
            for category, texts in itertools.groupby(found, key=operator.itemgetter(0)):
                show(category, "".join(text for _, text in texts))
    finally:
        reader.close()
