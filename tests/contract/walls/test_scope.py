"""An ordinary user's emulator moves into a systemd scope of its own, and goes on without where there is no systemd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from walls_users import SEARCH_PATH, reachable_python

from emulator.sandbox.scope import scope_request

SYSTEMD = "/lib/systemd/systemd"
USER = "daemon"  # the session's bus wants a user who has a name

# A user manager of systemd, in a mount namespace where control groups look as they do on a machine that has v2 only.
# Arguments: an empty folder, the user, systemd, then the program, which starts in a group that is not its own.
MACHINE = """
set -e
mount -t tmpfs none /run || exit 77
mkdir /run/systemd /run/systemd/system
umount -R /sys/fs/cgroup || true
mount -t cgroup2 none /sys/fs/cgroup || exit 77
top=/sys/fs/cgroup/fclocal-test-$$ runtime=$1/run user=$2 systemd=$3
shift 3
trap 'kill $manager; wait $manager; echo 0 > /sys/fs/cgroup/cgroup.procs
find $top -depth -type d -exec rmdir {} + || true' EXIT
mkdir $top $top/manager $top/session $runtime
chown -R $user $top/manager $runtime && chown $user $top $top/cgroup.procs && chmod 700 $runtime
echo 0 > $top/session/cgroup.procs
become="setpriv --reuid=$user --regid=$user --clear-groups"
export XDG_RUNTIME_DIR=$runtime HOME=$runtime
sh -c 'echo 0 > "$1"; shift; exec "$@"' sh $top/manager/cgroup.procs $become $systemd --user > $runtime.log 2>&1 &
manager=$!
for _ in $(seq 200); do [ -S $runtime/bus ] && [ -S $runtime/systemd/private ] && break; sleep 0.05; done
[ -S $runtime/bus ] || { cat $runtime.log >&2; exit 77; }
$become "$@"
"""

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from emulator.sandbox.ladder import choose_walls
async def main():
    before = Path("/proc/self/cgroup").read_text()
    walls = await choose_walls("plain", Path(sys.argv[1]), strict=False, limits=True)
    found = {finding.topic: finding.state for finding in walls.findings()}
    print(json.dumps([before, Path("/proc/self/cgroup").read_text(), found]))
    await walls.aclose()
asyncio.run(main())
"""


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fclocal-test-"))
    os.chmod(folder, 0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.isolation
def test_an_ordinary_user_gets_a_group_of_its_own_from_systemd(place: Path) -> None:
    result = in_a_session(place, [PROGRAM, str(place / "state")])
    before, after, found = json.loads(result)
    assert "/session" in before
    assert "/app.slice/fclocal-" in after
    assert found["freeze"] == "cgroup v2 freeze"


def in_a_session(place: Path, argv: list[str]) -> str:
    if os.geteuid() != 0:
        pytest.skip("only root can make a session to test in")
    for tool in ("busctl", "dbus-daemon", "setpriv", "unshare", SYSTEMD):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("mount namespaces are denied here")
    python = reachable_python(("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"))
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", MACHINE, "sh", str(place), USER, SYSTEMD, python, "-c", *argv],
        env={"PATH": f"{os.defpath}:/usr/sbin:/sbin", "PYTHONPATH": SEARCH_PATH, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=120, check=False, cwd="/",
    )  # fmt: skip
    if result.returncode == 77:
        pytest.skip(f"systemd does not run here: {result.stderr[-300:]}")
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_without_systemd_nobody_is_asked(tmp_path: Path) -> None:
    assert scope_request("x.scope", 1, {"PATH": str(tmp_path)}) is None
    if os.geteuid() != 0:
        assert scope_request("x.scope", 1, {"PATH": os.defpath, "XDG_RUNTIME_DIR": str(tmp_path)}) is None
