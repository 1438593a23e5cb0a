"""Cold starts in an emulator that runs already, beside whatever else it does: for its console, and for scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from emulator.coldstart import store
from emulator.coldstart.compare import ENOUGH_RUNS, causes, compare
from emulator.coldstart.conditions import conditions_of
from emulator.coldstart.experiment import Experiment, RunFailed, event_of
from emulator.coldstart.study import Study, study_of
from emulator.coldstart.wording import verdict_text, why
from emulator.config.settings import Settings
from emulator.dispatch.engine import Engine
from emulator.model.coldstart import ColdStart
from emulator.model.errors import FCError, UserError
from emulator.model.function import FunctionName

MOST_RUNS = 200
BESIDE = "measured in an emulator that may have had other work"

T = TypeVar("T")


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """What `coldstart` is asked: `event` is text, `save` the name that the study is kept by."""

    function: str
    event: str = ""
    runs: int = ENOUGH_RUNS
    warm_up: bool = True
    save: str = ""


class WantedComparison(Struct, frozen=True, forbid_unknown_fields=True):
    """What `coldstart_compare` is asked: the names of two studies."""

    base: str
    new: str = store.LAST
    seed: int = 0


class LabDesk:
    """What a running emulator is asked about cold starts; one measurement at a time, since two would disturb each
    other. Answers are what JSON can hold."""

    def __init__(self, engine: Engine, settings: Settings, state_dir: Path) -> None:
        self._engine = engine
        self._settings = settings
        self._state_dir = state_dir
        self._measuring = asyncio.Lock()

    async def measure(self, asked: Mapping[str, Any]) -> Any:
        """Force cold starts; the study, in which `error` is FC's error body where the function failed. The journal
        tells how far it is. Raises `UserError`."""
        wanted = _read(asked, Wanted)
        if not 0 < wanted.runs <= MOST_RUNS:
            raise UserError(f"{wanted.runs} runs are not possible", f"ask for 1 to {MOST_RUNS}")
        if wanted.save:
            store.study_file(self._state_dir, wanted.save)
        if self._measuring.locked():
            raise UserError("cold starts are being measured already", "wait for their end")
        async with self._measuring:
            study = await self._study(wanted)
        for name in (store.LAST, wanted.save):
            if name and study.runs and not (study.error and name == wanted.save):
                store.save(self._state_dir, name, study)
        return msgspec.to_builtins(study)

    async def _study(self, wanted: Wanted) -> Study:
        name, event = FunctionName.parse(wanted.function), wanted.event.encode()
        try:
            revision = self._engine.registry.resolve(name)
        except FCError as error:
            raise UserError(error.message) from None
        runs: list[ColdStart] = []
        failure = ""
        with Experiment(self._engine, name, event_of(event), traced=self._settings.trace) as experiment:
            try:
                if wanted.warm_up:
                    await experiment.run()
                while len(runs) < wanted.runs:
                    runs.append(await experiment.run())
            except RunFailed as failed:
                failure = failed.body
        conditions = await asyncio.to_thread(
            conditions_of, revision, self._settings, event, warm_up=wanted.warm_up, notes=(BESIDE,)
        )
        return study_of(conditions, tuple(runs), failure)

    async def studies(self, asked: Mapping[str, Any]) -> Any:
        """Those that are kept, by name: function, when, how many runs. With `name` that one, whole. Raises
        `UserError`."""
        if asked.get("name"):
            return msgspec.to_builtins(store.load(self._state_dir, str(asked["name"])))
        return {name: self._outline(name) for name in store.kept(self._state_dir)}

    def _outline(self, name: str) -> Mapping[str, Any]:
        try:
            study = store.load(self._state_dir, name)
        except UserError as error:
            return {"error": error.message}
        return {"function": study.function, "at": study.at, "runs": len(study.runs), "code": study.code}

    async def compare(self, asked: Mapping[str, Any]) -> Any:
        """Two studies that are kept: figures, the verdict in words, and what explains it. Raises `UserError`."""
        wanted = _read(asked, WantedComparison)
        base, new = (store.load(self._state_dir, name) for name in (wanted.base, wanted.new))
        if base.function != new.function:
            raise UserError(f"one is of {base.function}, the other of {new.function}", "choose two of one function")
        if not base.runs or not new.runs:
            raise UserError("a study without runs can not be compared", "measure again")
        names = (wanted.base, wanted.new)
        found = await asyncio.to_thread(compare, base.runs, new.runs, names, paired=False, seed=wanted.seed)
        because = [why(part) for part in causes(found)]
        return {
            "comparison": msgspec.to_builtins(found),
            "verdict": msgspec.to_builtins(verdict_text(found)),
            "because": because,
        }


def _read(asked: Mapping[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(asked, kind)
    except msgspec.ValidationError as error:
        raise UserError(f"this can not be asked: {error}", "docs/coldstart.md says what can") from None
