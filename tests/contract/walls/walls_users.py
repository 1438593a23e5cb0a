"""Running a file of scenarios as this user, and once more as an ordinary one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from walls_scenario import SYSTEM_PYTHON, UNUSABLE

ROOT = Path(__file__).parents[3]
# Behind the interpreter's own packages: what the walls need of ours, where it is of the same version.
SEARCH_PATH = f"{ROOT}:{Path(__file__).parent}:{Path(msgspec.__file__).parents[1]}"
USER = "12345"  # a number that no system gives away

# A machine may keep /dev/net/tun for root, where distributions leave it to everybody: a copy that only we see.
OPEN_TUN = (
    'mount -t tmpfs none "$0" && mknod -m 666 "$0/tun" c 10 200 && mount --bind "$0/tun" /dev/net/tun && exec "$@"'
)


def run_scenario(
    script: Path, arguments: Sequence[str], *, ordinary: bool, tun: Path | None = None, group: int | None = None
) -> None:
    """Run it as a program of its own. With `tun`, an empty folder, an ordinary user may use /dev/net/tun. He is in
    `group` beside his own."""
    become = _become(group) if ordinary else ()
    python = reachable_python(become)
    argv = (*become, python, "-X", "dev", "-W", "error", str(script), *arguments)
    if ordinary and tun is not None and os.access("/dev/net/tun", os.F_OK):
        trial = ("unshare", "--mount", "sh", "-c", OPEN_TUN, str(tun))
        if _run((*trial, "true")).returncode == 0:
            argv = (*trial, *argv)
    result = _run(argv)
    if result.returncode == UNUSABLE:
        pytest.skip(result.stderr.strip().splitlines()[-1])
    assert result.returncode == 0, result.stdout + result.stderr


def _become(group: int | None = None) -> tuple[str, ...]:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; this user's run is the same")
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is missing")
    groups = "--clear-groups" if group is None else f"--groups={group}"
    return (setpriv, f"--reuid={USER}", f"--regid={USER}", groups)


def reachable_python(become: Sequence[str]) -> str:
    # setpriv itself can still start what the user can not, hence the question about access.
    trial = "import os, sys, emulator.model.launch; assert os.access(sys.executable, os.X_OK)"
    for python in (sys.executable, SYSTEM_PYTHON):
        if _run((*become, python, "-c", trial)).returncode == 0:
            return python
    pytest.skip("this user can not reach a Python of 3.11 or later and this source tree")


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    env = {"PATH": f"{os.defpath}:/usr/sbin:/sbin", "PYTHONPATH": SEARCH_PATH, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
