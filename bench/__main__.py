"""`python -m bench`: start everything, measure side by side, print the table, write results.json."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from bench.context import Bench, Entrant, Sizes
from bench.findings import Findings
from bench.generator import load_generator
from bench.machine import is_busy, load_average, machine, walls
from bench.measures import MEASURES
from bench.peers import Absent, PeerStore
from bench.processes import ROOT, processes
from bench.report import Report
from bench.servers.base import Server, ServerFailed
from bench.servers.functions_framework import FunctionsFramework
from bench.servers.miniflare import Miniflare
from bench.servers.product import Product
from bench.servers.runtime_interface import RuntimeInterfaceEmulator
from bench.servers.serverless_offline import ServerlessOffline
from bench.servers.yardstick import Floor, UvicornEcho

FOLDER = ROOT / "bench"
INTERRUPTED = 130
Say = Callable[[str], None]


def servers(store: PeerStore) -> tuple[Server, ...]:
    """The product, what it is measured against, and its peers."""
    peers = (RuntimeInterfaceEmulator(store), FunctionsFramework(store), ServerlessOffline(store), Miniflare(store))
    return (Product(), UvicornEcho(), *peers, Floor())


def parse(argv: Sequence[str], names: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a verdict")
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="one measure; may be repeated")
    parser.add_argument("--servers", type=_words, help=f"of the warm measure, by commas: {','.join(names)}")
    parser.add_argument("--clients", type=_numbers, help="of the warm measure, by commas")
    parser.add_argument("--rounds", type=int, help="turns that servers take")
    parser.add_argument("--seconds", type=float, help="length of one turn")
    parser.add_argument("--samples", type=int, help="starts, cold starts, blocks of thaws")
    parser.add_argument("--burst", type=int, help="calls at once")
    parser.add_argument("--out", type=Path, default=FOLDER / "results.json", help="where the results go")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed or not measured")
    options = parser.parse_args(argv)
    unknown = set(options.servers or ()) - set(names)
    if unknown:
        parser.error(f"no such server: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return options


def main(argv: Sequence[str]) -> int:
    """Run; returns the exit code."""
    signal.signal(signal.SIGTERM, _leave)
    store = PeerStore(FOLDER / ".peers", _say)
    known = servers(store)
    options = parse(argv, [server.name for server in known])
    wanted = [server for server in known if options.servers is None or server.name in options.servers]
    try:
        report = run(options, wanted, store)
    except KeyboardInterrupt:
        _say("interrupted: every process has ended, and no results were written")
        return INTERRUPTED
    report.write(options.out)
    print("\n".join(report.lines()))
    print(f"\nWritten to {options.out}")
    return 1 if options.check and not report.is_passed else 0


def run(options: argparse.Namespace, wanted: Sequence[Server], store: PeerStore) -> Report:
    """Install, measure, and put together."""
    measures = options.only or list(MEASURES)
    entrants = [_prepare(server) for server in wanted] if "warm" in measures else []
    sizes = _sizes(options)
    began, clock = datetime.now(UTC), time.monotonic()
    facts = {**machine(), "load_before": load_average(), "is_busy": is_busy()}
    found: dict[str, Findings] = {}
    faults: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="fclocal-bench-") as name, processes() as started:
        folder = Path(name)
        facts["walls"] = walls(folder / "doctor")
        with load_generator(started, folder) as generator:
            bench = Bench(sizes, entrants, started, generator, folder, _say, store)
            for measure in measures:
                try:
                    found[measure] = MEASURES[measure](bench)
                except (ServerFailed, ConnectionError) as error:
                    faults[measure] = str(error)
    facts["load_after"] = load_average()
    took = time.monotonic() - clock
    return Report(began.isoformat(timespec="seconds"), took, asdict(sizes), facts, entrants, found, faults)


def _prepare(server: Server) -> Entrant:
    try:
        return Entrant(server, server.prepare())
    except Absent as reason:
        _say(f"{server.name} is absent: {reason}")
        return Entrant(server, absent=str(reason))


def _sizes(options: argparse.Namespace) -> Sizes:
    base = Sizes.quick() if options.quick else Sizes()
    names = ("clients", "rounds", "seconds", "samples", "burst")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return replace(base, **given)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _leave(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
