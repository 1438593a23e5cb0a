"""The benchmark itself, with tiny sizes: what it writes, not how fast anything was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = ("--quick", "--rounds", "1", "--seconds", "0.3", "--samples", "1", "--burst", "4", "--clients", "1,2")
pytestmark = pytest.mark.e2e


def command(out: Path, *args: str) -> list[str]:
    return [sys.executable, "-m", "bench", *TINY, "--servers", "fclocal,uvicorn", "--out", str(out), *args]


def processes_with(mark: str) -> list[str]:
    """Command lines and environments of all processes that name the folder of the run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in text and int(folder.name) != os.getpid():
            found.append(text.replace(b"\0", b" ").decode("utf-8", "replace")[:200])
    return found


def test_it_measures_the_product_beside_the_yardstick_and_gives_every_goal_a_verdict(tmp_path):
    out = tmp_path / "results.json"
    done = subprocess.run(command(out), cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text())
    assert results["faults"] == {}
    assert [server["name"] for server in results["servers"]] == ["fclocal", "uvicorn"]
    assert all(server["versions"] for server in results["servers"])
    assert results["machine"]["cpus"] == os.cpu_count() and results["machine"]["walls"]["walls"]
    warm = results["measures"]["warm"]
    for clients in ("1", "2"):
        assert warm["fclocal"][clients]["calls_per_second"] > 0
        assert 0 < warm["fclocal"][clients]["p50_ms"] <= warm["fclocal"][clients]["p99_ms"]
        assert warm["uvicorn"][clients]["of_yardstick"] == 1
    assert " ".join(results["measures"]) == (
        "warm large freeze start cold coldstart burst zygote spares containers debug reload keep"
    )
    assert results["measures"]["freeze"]["thaws"]["frozen"] > 0
    assert results["measures"]["burst"]["warm"]["failed"] == 0
    reload = results["measures"]["reload"]
    assert reload["in a row"]["saves"] == 40 and all(lane["old_answers"] == 0 for lane in reload.values())
    assert results["measures"]["keep"]["bytearray"]["remade"] == 0
    goals = {goal["name"]: goal for goal in results["goals"]}
    assert {"warm.c1.yardstick", "warm.errors", "large.time", "freeze.thaw", "start.ready", "cold.start"} <= set(goals)
    for goal in goals.values():
        reached = {"at least": goal["value"] is not None and goal["value"] >= goal["limit"]}
        reached["at most"] = goal["value"] is not None and goal["value"] <= goal["limit"]
        reached["above"] = goal["value"] is not None and goal["value"] > goal["limit"]
        expected = "not measured" if goal["value"] is None else "pass" if reached[goal["must_be"]] else "miss"
        assert goal["verdict"] == expected and goal["name"] in done.stdout
    assert goals["warm.c1.peers"]["verdict"] == "not measured"
    assert goals["reload.torch"]["note"] == goals["keep.torch_tensor"]["note"] == "not in a quick run"


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_it_is_ended_in_the_middle(tmp_path, ending):
    env = {**os.environ, "TMPDIR": str(tmp_path), "BENCH_RUN": str(tmp_path)}
    argv = command(tmp_path / "results.json", "--only", "warm", "--seconds", "60")
    with subprocess.Popen(argv, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as bench:
        assert bench.stderr is not None
        for line in bench.stderr:
            if "round 1" in line:
                break
        assert len(processes_with(str(tmp_path))) >= 4
        bench.send_signal(ending)
        bench.wait(60)
        assert bench.returncode == (-signal.SIGKILL if ending is signal.SIGKILL else 130)
    deadline = time.monotonic() + 30
    while left := processes_with(str(tmp_path)):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    assert not (tmp_path / "results.json").exists()


def test_a_peer_that_can_not_be_had_is_reported_with_the_reason(tmp_path):
    out = tmp_path / "results.json"
    argv = command(out, "--only", "warm", "--clients", "1")
    argv[argv.index("fclocal,uvicorn")] = "uvicorn,miniflare"
    env = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    servers = {server["name"]: server for server in json.loads(out.read_text())["servers"]}
    assert servers["miniflare"]["absent"] == "node and npm are not on PATH"
    assert "absent: miniflare, JavaScript (e): node and npm are not on PATH" in done.stdout


def test_check_exits_with_1_where_a_goal_is_missed(tmp_path):
    argv = command(tmp_path / "results.json", "--only", "warm", "--clients", "1", "--check")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "NOT MEASURED" in done.stdout, done.stderr
