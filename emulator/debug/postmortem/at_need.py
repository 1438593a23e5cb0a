"""The recorder of failures, loaded when something has failed: a start has no time for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.instance.control import Callee, Control, Switchboard
from emulator.instance.instance import Instance
from emulator.instance.recorder import Failed
from emulator.journal.journal import Journal
from emulator.model.function import Account

if TYPE_CHECKING:
    from emulator.debug.postmortem.recorder import PostMortemRecorder


class RecorderAtNeed:
    """See `instance.recorder.Recorder`. `most` bundles are kept in `state_dir`."""

    def __init__(
        self, state_dir: Path, most: int, journal: Journal, switchboard: Switchboard, account: Account
    ) -> None:
        self._state_dir = state_dir
        self._most = most
        self._journal = journal
        self._account = account
        self._recorder: PostMortemRecorder | None = None
        self._ended = False
        switchboard.listen("exception", self._heard_exception)
        switchboard.listen("last_words", self._heard_words)

    def end(self) -> None:
        """The emulator kills its instances: what fails from now on fails by that, and nobody asks why."""
        self._ended = True

    def failed(self, instance: Instance, failed: Failed) -> None:
        if not self._ended:
            self._needed().failed(instance, failed)

    async def last_look(self, instance: Instance) -> None:
        if self._recorder is not None:
            await self._recorder.last_look(instance)

    async def aclose(self) -> None:
        """What is being recorded is kept."""
        if self._recorder is not None:
            await self._recorder.aclose()

    def _heard_exception(self, callee: Callee, _: Control, said: dict[str, Any]) -> None:
        if isinstance(callee, Instance):
            self._needed().heard_exception(callee, said)

    def _heard_words(self, callee: Callee, _: Control, said: dict[str, Any]) -> None:
        if isinstance(callee, Instance):
            self._needed().heard_words(callee, said)

    def _needed(self) -> PostMortemRecorder:
        if self._recorder is None:
            from emulator.debug.postmortem.files import PostMortems
            from emulator.debug.postmortem.recorder import PostMortemRecorder

            kept = PostMortems(self._state_dir)
            self._recorder = PostMortemRecorder(kept, self._most, self._journal, self._account)
        return self._recorder
