"""Planted causes are found (`make proof-planted`): for each function of samples/coldstart-causes, advice about each of
its cold starts alone names the cause, with a time that is within a tenth of what was planted.

For a machine that does nothing else: what others take of its processors is in both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import yaml
from msgspec import Struct

from bench.pandas_standin import PANDAS_MS, pandas_standin
from emulator.coldstart.advice import advise
from emulator.coldstart.evidence import Circumstances, Usage
from emulator.coldstart.study import Study
from emulator.coldstart.summary import summarize
from emulator.model.coldstart import ColdStart

ROOT = Path(__file__).parents[1]
SAMPLE = "coldstart-causes"
RUNS = 20
TOLERANCE = 0.1
PIECE = 4 * 1024 * 1024


class Cause(Struct, frozen=True):
    """`kind` and the end of `subject` are those of the advice; `planted_ms` is what each run was made to lose, 0 where
    only the function can say."""

    function: str
    kind: str
    subject: str
    planted_ms: float = 0.0


CAUSES = (
    Cause("slow-import", "top_level", "greetings", 300.0),
    Cause("reads-twice", "read_again", "model.bin"),
    Cause("slow-initializer", "initializer", "initializer", 200.0),
    Cause("unused-pandas", "unused", "pandas", PANDAS_MS),
)
# The function that reads twice says by its own clock how long its reading took, where that outlives the instance. What
# is told of it is the mean of both times: the machine is not equally busy at each.
SERVER = "0123456789-abc12.cn-hangzhou.nas.aliyuncs.com"
NAS = {"userId": 0, "groupId": 0, "mountPoints": [{"serverAddr": f"{SERVER}:/said", "mountDir": "/mnt/said"}]}
VPC = {"vpcId": "vpc-1", "vSwitchIds": ["vsw-1"], "securityGroupId": "sg-1"}
TIMED = (
    ("size = 0\n", "size = 0\nimport time\nspent = 0.0\n"),
    ("def read_all():\n", "def read_all():\n    global spent\n"),
    (
        "            count = file.readinto(piece)\n",
        "            began = time.perf_counter()\n"
        "            count = file.readinto(piece)\n"
        "            spent += time.perf_counter() - began\n",
    ),
    (
        "    size = read_all()\n",
        "    size = read_all()\n"
        "    with open('/mnt/said/seconds', 'a') as said:\n"
        "        said.write('%r\\n' % spent)\n",
    ),
)


def main() -> int:
    """1 where a cause was missed in a run."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with tempfile.TemporaryDirectory(prefix="fclocal-proof-") as folder:
        project = Path(folder) / SAMPLE
        shutil.copytree(ROOT / "samples" / SAMPLE, project, ignore=shutil.ignore_patterns("python", "model.bin"))
        _prepare(project, Path(folder) / "wheels")
        print(f"{'function':18} {'found':>7} {'planted ms':>11} {'told ms':>16}")
        missed = sum([_proved(project, cause, runs) for cause in CAUSES])
    return 1 if missed else 0


def _prepare(project: Path, wheels: Path) -> None:
    """Build the sample, let its model be read as slowly as models are, and the function say how slowly."""
    code, declared = project / "reads-twice" / "index.py", project / "s.yaml"
    text = code.read_text()
    for line, timed in TIMED:
        if line not in text:
            raise SystemExit(f"{code} is not what it was")
        text = text.replace(line, timed)
    code.write_text(text)
    told = yaml.safe_load(declared.read_text())
    told["resources"]["reads-twice"]["props"].update(nasConfig=NAS, vpcConfig=VPC)
    declared.write_text(yaml.safe_dump(told))
    _fclocal(project, "build", **pandas_standin(wheels))
    piece, model = os.urandom(PIECE), project / "reads-twice" / "model.bin"
    with model.open("r+b") as file:
        for _ in range(model.stat().st_size // PIECE):
            file.write(piece)


def _proved(project: Path, cause: Cause, runs: int) -> int:
    """How many runs the cause was missed in; prints the row."""
    told = json.loads(_fclocal(project, "coldstart", cause.function, "-n", str(runs), "--no-warm-up", "--json"))
    study = msgspec.convert(told["study"], Study)
    usage = msgspec.convert(told["usage"], Usage | None)
    about = Circumstances(cause.function, usage=usage, code=("/code", str(project / cause.function)))
    savings = [next(_savings(run, cause, about), 0.0) for run in study.runs]
    planted = [cause.planted_ms] * len(savings) if cause.planted_ms else _said(project)[: len(savings)]
    found = [abs(saving - what) <= what * TOLERANCE for saving, what in zip(savings, planted, strict=True)]
    middle = f"{min(planted):.0f}" if max(planted) == min(planted) else f"{min(planted):.0f}..{max(planted):.0f}"
    print(
        f"{cause.function:18} {sum(found):>3}/{len(found)} {middle:>11} {min(savings):>8.1f}..{max(savings):.1f}",
        flush=True,
    )
    return len(found) - sum(found)


def _said(project: Path) -> list[float]:
    """What a second reading took, in ms, run by run."""
    [file] = (project / ".fclocal" / "nas").rglob("seconds")
    return [float(line) * 1000 / 2 for line in file.read_text().split()]


def _savings(run: ColdStart, cause: Cause, about: Circumstances) -> Iterator[float]:
    summary = summarize([run])
    for item in advise(summary, about) if summary is not None else ():
        if item.kind == cause.kind and item.subject.endswith(cause.subject):
            yield item.saving_ms


def _fclocal(project: Path, *args: str, **env: str) -> str:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    done = subprocess.run(
        [sys.executable, "-m", "emulator", *args], cwd=project, env=environ, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"fclocal {' '.join(args)} failed: {done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
