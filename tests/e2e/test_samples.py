"""The command line over the samples: real walls, real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.e2e


def invoke(sample: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emulator", "invoke", *args]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(Path.home())}
    return subprocess.run(
        command,
        cwd=ROOT / "samples" / sample,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(("sample", "function"), [("python-event", "hello"), ("node-event", "node-hello")])
def test_an_event_function_answers_and_its_failure_is_exit_1(sample, function):
    done = invoke(sample, function, "-e", '{"name": "FC"}')
    assert (done.returncode, json.loads(done.stdout or "null")) == (0, {"message": "Hello, FC!"}), done.stderr
    assert "FC Invoke Start RequestId: " in done.stderr and "Max Memory Used" in done.stderr
    failed = invoke(sample, function, "-e", '{"name": "nobody"}')
    assert failed.returncode == 1 and "nobody to greet" in failed.stdout + failed.stderr
