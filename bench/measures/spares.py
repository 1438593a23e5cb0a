"""Cold starts of a Node.js function by a parked spare and by a spawned process, in turns; memory of a parked one."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.context import Bench
from bench.findings import Findings, Goal, Sense, Table, median, ratio
from bench.load import OK
from bench.servers.base import Launch, Running, ServerFailed, ask
from bench.servers.product import ENVIRONMENT, HEAD, invoke_path
from bench.tree import below, pss_mib

PATH = invoke_path("echo")
# Ends its instance where the event says so.
HANDLER = """\
exports.handler = (event, context, callback) => {
  if (String(event) === 'end') process.exit(0);
  callback(null, event);
};
"""
FUNCTION = """\
  echo:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: echo
      runtime: nodejs20
      handler: index.handler
      code: ./code
      cpu: 1
      memorySize: 1024
      timeout: 60
"""
MODES = {"spare": ("--cold", "auto", "--spares", "1"), "spawn": ("--cold", "faithful")}
# Of a spawned one's time.
LIMIT = 0.5
# Until a spare is parked again; on a machine that is busy it may take several.
REST_SECONDS, RESTS = 0.8, 20
PARKED = b"FCLOCAL_PARKED=1"


@dataclass(frozen=True, slots=True)
class Project:
    """An emulator over one Node.js function."""

    mode: str
    name: str = "fclocal"
    title: str = "fclocal"

    def prepare(self) -> str:
        return ""

    def launch(self, folder: Path, port: int) -> Launch:
        (folder / "code").mkdir()
        (folder / "code/index.js").write_text(HANDLER, encoding="utf-8")
        (folder / "s.yaml").write_text(HEAD + FUNCTION, encoding="utf-8")
        argv = (sys.executable, "-m", "emulator", "start", "--port", str(port), "--json", *MODES[self.mode])
        return Launch(argv, PATH, folder, ENVIRONMENT)


def measure(bench: Bench) -> Findings:
    """The two ways in turns with each other."""
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    with ExitStack() as stack:
        running = {mode: stack.enter_context(bench.running(Project(mode))) for mode in MODES}
        for number in range(bench.sizes.samples):
            bench.say(f"spares: {number + 1} of {bench.sizes.samples}")
            for mode, it in running.items():
                times[mode].append(_cold_ms(it, mode))
        memory = _parked_mib(running["spare"])
    part = median(ratio(spare, spawn) for spare, spawn in zip(times["spare"], times["spawn"], strict=True))
    rows = [[mode, f"{median(found):.1f}"] for mode, found in times.items()]
    rows.append(["memory of a parked spare, MiB of PSS", f"{memory:.1f}"])
    return Findings(
        [Table("Cold starts of Node.js", ["", "ms"], rows)],
        [Goal("spares.node", "cold start by a spare, of a spawned one", Sense.AT_MOST, LIMIT, part)],
        {"ms": times, "pss_mib": memory},
    )


def _cold_ms(it: Running, mode: str) -> float:
    """Of a start that came about in this way."""
    for _ in range(RESTS):
        ask(it.port, "POST", PATH, "end")
        time.sleep(REST_SECONDS)
        began = time.perf_counter()
        answer = ask(it.port, "POST", PATH, "{}")
        milliseconds = (time.perf_counter() - began) * 1000
        if answer.status != OK:
            raise ServerFailed(f"a cold start failed: {answer.status} {answer.text[:200]}")
        lines = it.process.log.read_text(encoding="utf-8").splitlines()
        starts = [json.loads(line)["start"] for line in lines if '"instance_started"' in line]
        if starts[-1] == mode:
            return milliseconds
    raise ServerFailed(f"no instance came to be by {mode}")


def _parked_mib(it: Running) -> float:
    """What the process takes that is parked now."""
    ask(it.port, "POST", PATH, "end")
    time.sleep(REST_SECONDS * 2)
    parked = [pid for pid in below(it.process.pid) if PARKED in _environ(pid)]
    return sum(map(pss_mib, parked)) / len(parked) if parked else 0.0


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
