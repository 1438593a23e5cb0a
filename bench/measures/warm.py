"""A warm 1 KB event through the whole product, beside the yardstick and the peers, at several numbers of clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.context import BODY_BYTES, Bench
from bench.findings import Findings, Goal, Sense, Table, median, ratio
from bench.load import Result
from bench.servers.base import Running, Server, ServerFailed, echo_body

PRODUCT, YARDSTICK, FLOOR = "fclocal", "uvicorn", "floor"
# Of these the process that the bench started is the server: the CPU time of others is in their descendants.
ONE_PROCESS = {PRODUCT, YARDSTICK, FLOOR}
# Of the yardstick's calls a second, per number of clients.
YARDSTICK_SHARES = {1: 0.50, 16: 0.70, 64: 0.50}
TAIL_CLIENTS = 16
TAIL_LIMIT = 4.0
CPU_US_LIMIT = 90.0
WARM_UP_CALLS = 10
# Serverless-offline starts an interpreter per client, which takes it 6 s for 64 on an idle machine.
WARM_UP_PATIENCE_SECONDS = 45.0
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One load on one server. `cpu_us` is what its first process spent on each answered call."""

    result: Result
    cpu_us: float


@dataclass(slots=True)
class Lane:
    """One server through the measure; it is started anew where it died. `down` says why it takes no more calls."""

    server: Server
    stack: ExitStack = field(default_factory=ExitStack)
    running: Running | None = None
    down: str = ""
    samples: dict[int, list[Sample]] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)

    def ready(self, bench: Bench) -> None:
        """Be up before a number of clients is measured."""
        if self.running is not None and not self.running.has_died and not self.down:
            return
        self.stack.close()
        self.running, self.down = None, ""
        try:
            self.running = self.stack.enter_context(bench.running(self.server))
        except ServerFailed as error:
            self.down = str(error)

    def warm_up(self, bench: Bench, clients: int) -> None:
        """Every connection gets its answers, so that all instances are there."""
        self._send(bench, clients, WARM_UP_PATIENCE_SECONDS, calls=WARM_UP_CALLS)

    def sample(self, bench: Bench, clients: int) -> None:
        """One round."""
        sample = self._send(bench, clients, PATIENCE_SECONDS, seconds=bench.sizes.seconds)
        if sample is not None:
            self.samples.setdefault(clients, []).append(sample)

    def _send(
        self, bench: Bench, clients: int, patience: float, *, calls: int = 0, seconds: float = 0
    ) -> Sample | None:
        if self.running is None or self.down:
            return None
        process = self.running.process
        try:
            before = process.cpu_seconds()
            load = self.running.load(
                echo_body(BODY_BYTES), clients, calls=calls, seconds=seconds, patience_seconds=patience
            )
            result = bench.generator.send(load)
        except (OSError, ServerFailed) as error:
            self.down = str(error)
        else:
            if result.unanswered and self.server.name not in ONE_PROCESS:
                self.down = f"it left {result.unanswered} of {clients} clients without an answer"
            elif not self.running.has_died:
                cpu_seconds = process.cpu_seconds() - before
                return Sample(result, cpu_seconds * 1e6 / max(1, result.answered))
        if self.running.has_died:
            self.down = f"its process ended with {process.exit_code} at {clients} clients"
        return None

    def per_second(self, clients: int) -> list[float]:
        """Calls a second of each round; none where it was down in one of them."""
        return [] if self.fault(clients) else [s.result.per_second for s in self.samples[clients]]

    def fault(self, clients: int) -> str:
        """Why there is no figure at a number of clients."""
        return "" if clients in self.samples else self.faults.get(clients, "not measured")


def measure(bench: Bench) -> Findings:
    """All servers run at once and take turns, A B C A B C, so that a ratio is of neighbours in time."""
    lanes = [Lane(entrant.server) for entrant in bench.entrants if not entrant.absent]
    with ExitStack() as stack:
        for lane in lanes:
            stack.callback(lane.stack.close)
        for clients in bench.sizes.clients:
            _measure_at(bench, lanes, clients)
    return _findings(bench.sizes.clients, lanes)


def _measure_at(bench: Bench, lanes: Sequence[Lane], clients: int) -> None:
    for lane in lanes:
        bench.say(f"warm: {lane.server.title}, {clients} clients, warming up")
        lane.ready(bench)
        lane.warm_up(bench, clients)
    for round_ in range(bench.sizes.rounds):
        bench.say(f"warm: {clients} clients, round {round_ + 1} of {bench.sizes.rounds}")
        for lane in lanes:
            lane.sample(bench, clients)
    for lane in lanes:
        if lane.down:
            lane.faults[clients] = lane.down
            lane.samples.pop(clients, None)


def _findings(clients: Sequence[int], lanes: Sequence[Lane]) -> Findings:
    by_name = {lane.server.name: lane for lane in lanes}
    tables = [_table(number, by_name) for number in clients]
    goals = [goal for number in clients for goal in _goals_at(number, by_name)]
    figures = {
        name: {str(number): _figures(lane, number, by_name) for number in clients} for name, lane in by_name.items()
    }
    return Findings(tables, [*goals, *_error_goal(by_name.get(PRODUCT))], figures)


def _table(clients: int, lanes: dict[str, Lane]) -> Table:
    columns = ["server", "calls/s", "x (a)", "fclocal is x", "p50 ms", "p99 ms", "errors", "CPU us/call"]
    rows = [_row(lane, clients, lanes) for lane in lanes.values()]
    return Table(f"Warm, 1 KB event, {clients} clients", columns, rows)


def _row(lane: Lane, clients: int, lanes: dict[str, Lane]) -> list[str]:
    fault = lane.fault(clients)
    if fault:
        return [lane.server.title, f"no figure: {fault}"]
    found = _figures(lane, clients, lanes)
    formats = (
        ("calls_per_second", "{:.0f}"),
        ("of_yardstick", "{:.2f}"),
        ("product_is", "{:.2f}"),
        ("p50_ms", "{:.3f}"),
        ("p99_ms", "{:.2f}"),
        ("errors", "{:.0f}"),
        ("cpu_us", "{:.0f}"),
    )
    return [lane.server.title, *(form.format(found[key]) if key in found else "" for key, form in formats)]


def _figures(lane: Lane, clients: int, lanes: dict[str, Lane]) -> dict[str, object]:
    """Medians of the rounds; ratios are medians of the ratios within a round."""
    fault = lane.fault(clients)
    if fault:
        return {"fault": fault}
    results = [sample.result for sample in lane.samples[clients]]
    found: dict[str, object] = {
        "calls_per_second": median(result.per_second for result in results),
        "p50_ms": median(result.p50_ms for result in results),
        "p90_ms": median(result.p90_ms for result in results),
        "p99_ms": median(result.p99_ms for result in results),
        "p99_over_p50": median(ratio(result.p99_ms, result.p50_ms) for result in results),
        "errors": sum(result.failed for result in results),
        "error_kinds": dict(_error_kinds(lane, clients)),
    }
    if lane.server.name in ONE_PROCESS:
        found["cpu_us"] = median(sample.cpu_us for sample in lane.samples[clients])
    for key, above, below in (
        ("of_yardstick", lane, lanes.get(YARDSTICK)),
        ("product_is", lanes.get(PRODUCT), lane),
    ):
        value = _ratio(above, below, clients)
        if value is not None:
            found[key] = value
    return found


def _ratio(above: Lane | None, below: Lane | None, clients: int) -> float | None:
    if above is None or below is None or above.fault(clients) or below.fault(clients):
        return None
    pairs = zip(above.per_second(clients), below.per_second(clients), strict=True)
    return median(ratio(one, other) for one, other in pairs)


def _goals_at(clients: int, lanes: dict[str, Lane]) -> list[Goal]:
    product = lanes.get(PRODUCT)
    if product is None or clients not in YARDSTICK_SHARES:
        return []
    share = YARDSTICK_SHARES[clients]
    text = f"calls a second at {clients} clients, of the yardstick's"
    value = _ratio(product, lanes.get(YARDSTICK), clients)
    goals = [
        Goal(f"warm.c{clients}.yardstick", text, Sense.AT_LEAST, share, value, product.fault(clients)),
        _peer_goal(clients, product, lanes),
    ]
    if clients == TAIL_CLIENTS:
        goals += _gateway_goals(product, clients, lanes)
    return goals


def _peer_goal(clients: int, product: Lane, lanes: dict[str, Lane]) -> Goal:
    """Held against the fastest peer; a peer that is down at this number of clients is named."""
    peers = [lane for name, lane in lanes.items() if name not in ONE_PROCESS]
    ratios = {lane.server.name: _ratio(product, lane, clients) for lane in peers}
    found = {name: value for name, value in ratios.items() if value is not None}
    down = [lane.server.name for lane in peers if lane.fault(clients)]
    notes = [f"{name} gave no figure" for name in down]
    value = None
    if found:
        name, value = min(found.items(), key=lambda item: item[1])
        notes.insert(0, f"the fastest peer is {name}")
    text = f"calls a second at {clients} clients, of the fastest peer's"
    return Goal(f"warm.c{clients}.peers", text, Sense.ABOVE, 1.0, value, "; ".join(notes) or "no peer was measured")


def _gateway_goals(product: Lane, clients: int, lanes: dict[str, Lane]) -> list[Goal]:
    found = _figures(product, clients, lanes)
    tail, cpu = found.get("p99_over_p50"), found.get("cpu_us")
    return [
        Goal(f"warm.c{clients}.tail", "p99 over p50", Sense.AT_MOST, TAIL_LIMIT, _number(tail), ""),
        Goal(f"warm.c{clients}.cpu", "gateway CPU us an invocation", Sense.AT_MOST, CPU_US_LIMIT, _number(cpu), ""),
    ]


def _error_goal(product: Lane | None) -> list[Goal]:
    if product is None:
        return []
    errors = sum((_error_kinds(product, clients) for clients in product.samples), Counter[str]())
    value = float(errors.total()) if product.samples and not product.faults else None
    note = product.down or ", ".join(f"{kind}: {number}" for kind, number in errors.items())
    return [Goal("warm.errors", "failed calls at any number of clients", Sense.AT_MOST, 0, value, note)]


def _error_kinds(lane: Lane, clients: int) -> Counter[str]:
    return sum((Counter(sample.result.errors) for sample in lane.samples[clients]), Counter[str]())


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None
