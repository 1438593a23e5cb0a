"""The same code is never called different, and a tenth more is found (`make proof-compare`): 20 comparisons of each, by
real cold starts side by side, with the rules of `fclocal coldstart --compare git:REV`.

A restless machine needs more rounds, up to five times as many, and may still be too restless; how wide the intervals
were is printed.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emulator.cli.coldstart import LEAST_RUNS, MOST_TIMES
from emulator.cli.coldstart_run import Laboratory, Side
from emulator.coldstart.compare import Judged, judge
from emulator.coldstart.experiment import event_of
from emulator.coldstart.measures import own_times
from emulator.coldstart.rounds import Round, one_round, rounds
from emulator.coldstart.statistics import Verdict, median, verdict
from emulator.config.project import adhoc_project
from emulator.config.settings import Settings

TRIALS, FOUND_AT_LEAST = 20, 18
PLANTED = 0.10
CODE = """
import time
import decimal, email.message, http.client, sqlite3, unittest

time.sleep({seconds})

def handler(event, context):
    return "hello"
"""


def main() -> int:
    """1 where a verdict was wrong more often than it may be."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS
    with tempfile.TemporaryDirectory(prefix="fclocal-proof-") as folder:
        same, found = asyncio.run(_proved(Path(folder), trials))
    print(f"no difference for the same code: {same} of {trials}; {PLANTED:.0%} more found: {found} of {trials}")
    return int(same < trials or found < trials * FOUND_AT_LEAST / TRIALS)


async def _proved(folder: Path, trials: int) -> tuple[int, int]:
    """How often each verdict was right."""
    plain = _side(folder, "plain", 0.0)
    more = PLANTED * await _usual_seconds(plain)
    sides = [plain, _side(folder, "same", 0.0), _side(folder, "more", more)]
    same = found = 0
    print(f"{'trial':>5} {'rounds':>6} {'same code':>22} {f'{more * 1000:.0f} ms more':>22}", flush=True)
    async with Laboratory(sides, event_of(b""), _tell) as laboratory:
        await one_round(laboratory.benches, range(len(sides)))
        for seed in range(trials):
            made: list[Round] = []
            async for one in rounds(
                laboratory.benches, least=LEAST_RUNS, most=LEAST_RUNS * MOST_TIMES, seed=seed, enough=_is_enough
            ):
                made.append(one)
            first, second = _judged(made)
            same += verdict(first.counts) is Verdict.SAME
            found += verdict(second.counts) is Verdict.SLOWER
            print(f"{seed:>5} {len(made):>6} {_row(first):>22} {_row(second):>22}", flush=True)
    return same, found


def _is_enough(made: Sequence[Round]) -> bool:
    return all(it.is_narrow for it in _judged(made))


def _judged(made: Sequence[Round]) -> tuple[Judged, Judged]:
    plain, same, more = zip(*made, strict=True)
    return judge(plain, same, paired=True, seed=0), judge(plain, more, paired=True, seed=0)


def _row(judged: Judged) -> str:
    counts = judged.counts
    mark = "" if counts is judged.grew else " *"
    return f"{verdict(counts).value} {counts.low * 100:+.1f}..{counts.high * 100:+.1f} %{mark}"


async def _usual_seconds(side: Side) -> float:
    async with Laboratory([side], event_of(b""), _tell) as laboratory:
        runs = [await laboratory.benches[0].run() for _ in range(6)]
    return median(own_times(runs[1:])) / 1000


def _tell(text: str) -> None:
    print(text, end="", file=sys.stderr)


def _side(folder: Path, name: str, seconds: float) -> Side:
    code = folder / name
    code.mkdir()
    (code / "index.py").write_text(CODE.format(seconds=seconds), encoding="utf-8")
    project = adhoc_project(code, "index.handler", "python3.10")
    return Side(name, Settings(state_dir=folder / f"state-{name}"), project)


if __name__ == "__main__":
    sys.exit(main())
