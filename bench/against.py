"""`python -m bench.against GIT_REF`: what the working tree costs beside another state of it, in many short turns."""

from __future__ import annotations

import argparse
import io
import math
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.context import BODY_BYTES, Bench, Sizes
from bench.findings import median
from bench.generator import load_generator
from bench.machine import is_busy, load_average
from bench.measures.start import FUNCTIONS, is_ready
from bench.peers import PeerStore
from bench.processes import ROOT, processes
from bench.servers.base import Running, ServerFailed, ask, echo_body
from bench.servers.product import ENVIRONMENT, Product
from bench.tree import below, cpu_seconds, cpu_seconds_below, pss_mib

LIMIT = 1.03
# Answers small events late, so that many of them at once are as many instances.
HANDLER = """\
import time


def handler(event, context):
    if len(event) < 8:
        time.sleep(0.5)
    return event
"""
SMALL = "{}"
WARM_UP_CALLS = 50
QUIET_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
# Half-width of the interval of the median that holds in 95 of 100 cases, in ranks, over the root of their number.
RANKS = 0.98
# With fewer pairs there is no such interval.
FEWEST_PAIRS = 6


@dataclass(frozen=True, slots=True)
class Side:
    """One state of the tree, and the flags that it runs with."""

    name: str
    tree: Path
    flags: tuple[str, ...] = ()

    def product(self, functions: tuple[str, ...] = ("echo",)) -> Product:
        env = {**ENVIRONMENT, "PYTHONPATH": str(self.tree)}
        return Product(self.name, self.name, self.flags, HANDLER, functions, env=env)


@dataclass(slots=True)
class Series:
    """One figure of both sides, taken in turns: the other state's, and ours."""

    title: str
    pairs: list[tuple[float, float]] = field(default_factory=list)
    more_is_better: bool = False

    @property
    def ratios(self) -> list[float]:
        """Ours of theirs, sorted; above 1 ours costs more."""
        return sorted(other / one if self.more_is_better else one / other for other, one in self.pairs if other and one)

    @property
    def cost(self) -> float:
        return median(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the median of the ratios is in 95 of 100 cases."""
        ratios = self.ratios
        if len(ratios) < FEWEST_PAIRS:
            return 0.0, math.inf
        half = RANKS * math.sqrt(len(ratios))
        low, high = math.floor(len(ratios) / 2 - half), math.ceil(len(ratios) / 2 + half)
        return ratios[max(0, low)], ratios[min(len(ratios) - 1, high)]


class Comparison:
    """All figures of two sides."""

    def __init__(self, bench: Bench, sides: tuple[Side, Side], options: argparse.Namespace) -> None:
        self._bench = bench
        self._sides = sides
        self._options = options
        self.series: dict[str, Series] = {}

    def run(self) -> None:
        """Blocks of turns. Each block starts both anew, since processes of the same code differ by a few percent."""
        for block in range(self._options.blocks):
            self._bench.say(f"block {block + 1} of {self._options.blocks}")
            with ExitStack() as stack:
                both = [stack.enter_context(self._bench.running(side.product())) for side in self._sides]
                for clients in self._options.clients:
                    self._warm(both, clients)
            self._note("memory of an idle instance, MiB", "memory of the emulator, MiB", turns=self._memory)
            for _ in range(self._options.starts):
                self._note("start to ready, ms", "start to ready, CPU ms", turns=self._start)

    def _warm(self, both: Sequence[Running], clients: int) -> None:
        titles = ("calls/s", "p50 ms", "emulator CPU us/call", "instances CPU us/call")
        for it in both:
            self._bench.generator.send(it.load(echo_body(BODY_BYTES), clients, calls=WARM_UP_CALLS))
            # A template, for one, is made after the first answer.
            _await_quiet(it.process.pid)
        for number in range(self._options.rounds):
            # A B, B A: what the machine does meanwhile is on both sides.
            order = (0, 1) if number % 2 == 0 else (1, 0)
            found = {at: self._load(both[at], clients) for at in order}
            for title, other, one in zip(titles, found[0], found[1], strict=True):
                self._add(f"{clients} clients: {title}", other, one, more_is_better=title == titles[0])

    def _load(self, it: Running, clients: int) -> tuple[float, ...]:
        pid = it.process.pid
        before = cpu_seconds(pid), cpu_seconds_below(pid)
        result = self._bench.generator.send(it.load(echo_body(BODY_BYTES), clients, seconds=self._options.seconds))
        after = cpu_seconds(pid), cpu_seconds_below(pid)
        if result.failed:
            raise ServerFailed(f"{it.name}: {dict(result.errors)}")
        own, others = ((late - early) * 1e6 / result.answered for early, late in zip(before, after, strict=True))
        return result.per_second, result.p50_ms, own, others

    def _note(self, *titles: str, turns: Callable[[Side], tuple[float, ...]]) -> None:
        other, one = (turns(side) for side in self._sides)
        for title, *pair in zip(titles, other, one, strict=True):
            self._add(title, *pair)

    def _add(self, title: str, other: float, one: float, *, more_is_better: bool = False) -> None:
        self.series.setdefault(title, Series(title, more_is_better=more_is_better)).pairs.append((other, one))

    def _memory(self, side: Side) -> tuple[float, ...]:
        """Of all processes but the emulator, by the number of instances; and the emulator's."""
        with self._bench.running(side.product()) as it:
            calls = [threading.Thread(target=ask, args=(it.port, "POST", it.path, SMALL)) for _ in range(self._many)]
            for call in calls:
                call.start()
            for call in calls:
                call.join()
            _await_quiet(it.process.pid)
            pid = it.process.pid
            return sum(map(pss_mib, below(pid))) / self._many, pss_mib(pid)

    @property
    def _many(self) -> int:
        return int(self._options.instances)

    def _start(self, side: Side) -> tuple[float, ...]:
        began = time.perf_counter()
        with self._bench.starting(side.product(FUNCTIONS)) as it:
            while not is_ready(it):
                if it.has_died or time.perf_counter() > began + PATIENCE_SECONDS:
                    raise ServerFailed(f"{it.name} was not ready: {it.process.log_tail()}")
                time.sleep(0.002)
            return (time.perf_counter() - began) * 1000, cpu_seconds(it.process.pid) * 1000


def _await_quiet(pid: int) -> None:
    """Until nothing below a process has come, gone or worked for a while."""
    seen: object = None
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (now := (sorted(below(pid)), round(cpu_seconds_below(pid), 2))) != seen and time.monotonic() < deadline:
        seen = now
        time.sleep(QUIET_SECONDS)


# --- the other state ---


@contextmanager
def unpacked(ref: str) -> Iterator[Path]:
    """The tree of a commit, or a folder that has one. Raises `SystemExit` where there is none."""
    if (Path(ref) / "emulator").is_dir():
        yield Path(ref).absolute()
        return
    done = subprocess.run(["git", "archive", ref], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {done.stderr.decode('utf-8', 'replace').strip()}")
    with tempfile.TemporaryDirectory(prefix="fclocal-bench-") as name:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(name, filter="data")
        yield Path(name)


def check(side: Side) -> None:
    """That it is this tree that runs. Its byte code is made on the way."""
    code = "import emulator.cli.main; print(emulator.__path__[0])"
    env = {**side.product().env}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, cwd=side.tree, env=env, capture_output=True, text=True, check=False)
    if done.returncode or Path(done.stdout.strip()).parent != side.tree:
        raise SystemExit(f"bench: {side.name} does not run here: {done.stderr[-400:] or done.stdout}")


# --- what is told ---


def lines(series: Mapping[str, Series], names: tuple[str, str]) -> Iterator[str]:
    """A table; a figure whose whole interval is above the limit is marked."""
    width = max(map(len, series))
    yield f"{'':{width}}  {names[0]:>10}  {names[1]:>10}  cost  95 % within"
    for it in series.values():
        low, high = it.interval
        other, one = (median(values) for values in zip(*it.pairs, strict=True))
        mark = "  WORSE" if low > LIMIT else "  better" if high < 1 / LIMIT else ""
        yield f"{it.title:{width}}  {other:10.2f}  {one:10.2f}  {it.cost:.3f}  {low:.3f} to {high:.3f}{mark}"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.against", description=__doc__)
    parser.add_argument("ref", help="a commit, or a folder with another tree")
    parser.add_argument("--flags", default="", help="of `fclocal start` for the working tree only")
    parser.add_argument("--clients", type=_numbers, default=(1, 16), help="by commas")
    parser.add_argument("--blocks", type=int, default=6, help="how often both are started anew")
    parser.add_argument("--rounds", type=int, default=8, help="turns for each number of clients in a block")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one turn")
    parser.add_argument("--instances", type=int, default=20, help="whose memory is measured")
    parser.add_argument("--starts", type=int, default=4, help="in a block")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 where a cost is surely above {LIMIT}")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Run; returns the exit code."""
    options = parse(argv)
    with unpacked(options.ref) as tree, tempfile.TemporaryDirectory(prefix="fclocal-bench-") as name:
        sides = Side("before", tree), Side("now", ROOT, tuple(options.flags.split()))
        for side in sides:
            check(side)
        if is_busy():
            _say(
                f"the load of this machine is {load_average()}: take more blocks, and trust CPU times more than others"
            )
        folder = Path(name)
        with processes() as started, load_generator(started, folder) as generator:
            store = PeerStore(ROOT / "bench" / ".peers", _say)
            comparison = Comparison(Bench(Sizes(), [], started, generator, folder, _say, store), sides, options)
            comparison.run()
    print("\n".join(lines(comparison.series, (options.ref[:10], "now"))))
    is_worse = any(it.interval[0] > LIMIT for it in comparison.series.values())
    return 1 if options.check and is_worse else 0


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
