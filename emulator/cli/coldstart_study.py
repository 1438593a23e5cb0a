"""One `fclocal coldstart`: measure, keep, compare, hold against the budget, advise, show."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from emulator.cli.coldstart import LEAST_RUNS, MOST_TIMES, Wanted
from emulator.cli.coldstart_files import THIS_CODE, check, write_chrome_trace, write_page, write_speedscope
from emulator.cli.coldstart_run import Bench, Laboratory, Side
from emulator.cli.coldstart_usage import used_in
from emulator.cli.coldstart_view import JsonView, Result, TextView, Tried
from emulator.cli.context import Workplace
from emulator.coldstart import store
from emulator.coldstart.advice import advise
from emulator.coldstart.budget import Rule, over, read_budget
from emulator.coldstart.compare import Comparison, compare, judge
from emulator.coldstart.evidence import Advice, Usage
from emulator.coldstart.experiment import Ask
from emulator.coldstart.provisioned import provisioned
from emulator.coldstart.rounds import Round, SideFailed, one_round, rounds
from emulator.coldstart.study import Study, study_of
from emulator.coldstart.summary import summarize
from emulator.coldstart.surroundings import circumstances
from emulator.journal.prices import Prices, read_prices
from emulator.model.errors import UserError
from emulator.model.function import Revision

FAILED = 1


class Sides(Struct, frozen=True):
    """What is run side by side: the code as it is, the code that it is compared with, and what is tried of it."""

    here: Side
    base: Side | None = None
    tries: tuple[Side, ...] = ()

    @property
    def all(self) -> tuple[Side, ...]:
        return (self.here, *((self.base,) if self.base is not None else ()), *self.tries)


class Measurement:
    """Everything from the sides to the exit code. Raises `UserError` for what can not be done, before anything is
    started."""

    def __init__(self, place: Workplace, sides: Sides, ask: Ask, wanted: Wanted) -> None:
        self._place = place
        self._sides = sides
        self._ask = ask
        self._wanted = wanted
        self._view = (JsonView if place.settings.json else TextView)(place.terminal)
        self._rounds: list[Round] = []
        self._rules: Sequence[Rule] = read_budget(wanted.budget) if wanted.budget else ()
        self._prices: Prices = read_prices(place.settings.prices)
        self._kept = self._load()
        self._revision: Revision
        self._usage: Usage | None = None
        for path in filter(None, (wanted.html, wanted.chrome_trace, wanted.speedscope)):
            check(path)
        if wanted.save:
            store.study_file(place.settings.state_dir, wanted.save)

    def _load(self) -> Study | None:
        """The study that was kept and is compared with."""
        wanted, name = self._wanted, str(self._sides.here.project.functions[0].name)
        if not wanted.compare or self._sides.base is not None:
            return None
        study = store.load(self._place.settings.state_dir, wanted.compare)
        if study.function != name:
            raise UserError(f"the study {wanted.compare!r} is of function {study.function}", f"keep one of {name}")
        return study

    async def run(self) -> int:
        """The exit code."""
        studies = await self._measured()
        study, *others = studies
        base = others.pop(0) if self._sides.base is not None else self._kept
        comparison = self._compared(base, study, paired=base is not self._kept) if base is not None else None
        self._keep(study)
        excesses = over(self._rules, study, comparison) if study.runs else []
        tried = [self._tried(study, other) for other in others if other.runs and study.runs]
        advice = await self._advice(study)
        result = Result(study, base, comparison, tuple(excesses), tuple(tried), self._usage, tuple(advice))
        self._view.end(result)
        self._write(result)
        return FAILED if excesses or any(it.error for it in studies) else 0

    # --- measuring ---

    async def _measured(self) -> list[Study]:
        """A study of each side. Where a run failed, they are of the runs until then."""
        wanted, sides = self._wanted, self._sides.all
        errors = [""] * len(sides)
        async with Laboratory(sides, self._ask, self._place.terminal.write_err) as laboratory:
            benches = laboratory.benches
            self._revision = benches[0].revision
            conditions = [bench.conditions(wanted.event, warm_up=wanted.warm_up) for bench in benches]
            try:
                await self._runs(benches)
            except SideFailed as failed:
                errors[failed.side] = failed.body
                self._view.failed(failed.body, benches[failed.side].said())
        runs = list(zip(*self._rounds, strict=True)) or [()] * len(sides)
        return [study_of(its, tuple(made), error) for its, made, error in zip(conditions, runs, errors, strict=True)]

    async def _runs(self, benches: Sequence[Bench]) -> None:
        wanted = self._wanted
        if wanted.warm_up:
            self._view.progress("warming up")
            await one_round(benches, range(len(benches)))
        least = wanted.runs or LEAST_RUNS
        most = wanted.runs or LEAST_RUNS * (MOST_TIMES if len(benches) > 1 else 1)
        async for made in rounds(benches, least=least, most=most, seed=wanted.seed, enough=self._is_certain):
            self._rounds.append(made)
            took = ", ".join(f"{run.total_ms:.0f} ms" for run in made)
            self._view.progress(f"{len(self._rounds)}/{least}: {took}")

    def _is_certain(self, done: Sequence[Round]) -> bool:
        """Of one side there is nothing to find out."""
        here, *others = zip(*done, strict=True)
        return all(judge(here, other, paired=True, seed=self._wanted.seed).is_narrow for other in others)

    # --- what comes of it ---

    def _compared(self, base: Study, new: Study, *, paired: bool) -> Comparison | None:
        if not base.runs or not new.runs:
            return None
        names = (self._wanted.compare, new.code or THIS_CODE)
        return compare(base.runs, new.runs, names, paired=paired, seed=self._wanted.seed)

    def _tried(self, study: Study, other: Study) -> Tried:
        found = compare(study.runs, other.runs, ("as it is", other.code), paired=True, seed=self._wanted.seed)
        is_ready = next(it.ready for it in self._sides.tries if it.label == other.code)
        return Tried(found, provisioned(self._revision.function, self._prices) if is_ready else None)

    async def _advice(self, study: Study) -> list[Advice]:
        """What could be made of it; nothing where no run went well."""
        summary = summarize(study.runs)
        if summary is None or study.error or not self._wanted.advice:
            return []
        self._view.progress("looking at what is used")
        self._usage = await used_in(self._sides.here, self._ask, self._place.terminal.write_err)
        about = circumstances(self._revision, summary.imports, self._usage)
        return advise(summary, about.with_provisioned(provisioned(self._revision.function, self._prices)))

    def _write(self, result: Result) -> None:
        """The files that are wanted; of nothing there is nothing to write."""
        wanted = self._wanted
        writers = (
            (wanted.html, write_page),
            (wanted.chrome_trace, write_chrome_trace),
            (wanted.speedscope, write_speedscope),
        )
        for path, write in writers:
            if path is not None and result.study.runs:
                write(path, result)

    def _keep(self, study: Study) -> None:
        """Also what was measured before a run failed, though never in the place of a whole one."""
        state, name = self._place.settings.state_dir, self._wanted.save
        if study.runs:
            store.save(state, store.LAST, study)
        if name and not study.error:
            self._view.kept(name, store.save(state, name, study))
