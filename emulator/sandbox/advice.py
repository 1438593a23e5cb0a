"""What is told about the walls: what a facility is here, and the one command that would lift it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from emulator.sandbox.base import Finding
from emulator.sandbox.bwrap import Features
from emulator.sandbox.cgroups import CgroupTree

_INSTALL = {"apt-get": "sudo apt install", "dnf": "sudo dnf install", "pacman": "sudo pacman -S", "apk": "apk add"}
_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_MAX_USERNS = Path("/proc/sys/user/max_user_namespaces")
_CLONE = Path("/proc/sys/kernel/unprivileged_userns_clone")
# Ubuntu 24.04 denies user namespaces to programs without a profile (bubblewrap#632); 25.04 ships this one.
_PROFILE = "bwrap-userns-restrict"
_APPARMOR_LIFT = (
    "sudo apt install apparmor-profiles && "
    f"sudo cp /usr/share/apparmor/extra-profiles/{_PROFILE} /etc/apparmor.d/ && "
    f"sudo apparmor_parser -r /etc/apparmor.d/{_PROFILE}"
)
_CONTAINER = Path("/.dockerenv")
_SCOPE = "systemd-run --user --scope -p Delegate=yes fclocal start"


def missing(rung: str) -> str:
    return {"bwrap": "bubblewrap is not installed", "landlock": "this system has no Landlock"}.get(rung, "unknown")


def lift(rung: str, reason: str) -> str:
    """The command that would make `rung` work, as far as the reason tells; empty where nothing is known."""
    if rung == "landlock":
        return "use Linux 5.13 or later with Landlock enabled (lsm=landlock,... on the kernel's command line)"
    if rung != "bwrap":
        return ""
    if reason == missing("bwrap"):
        return install("bubblewrap")
    if _read(_APPARMOR) == "1":
        return _APPARMOR_LIFT
    if _read(_CLONE) == "0":
        return "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    if _read(_MAX_USERNS) == "0":
        return "sudo sysctl -w user.max_user_namespaces=10000"
    if _CONTAINER.exists():
        return "start the container with --security-opt seccomp=unconfined"
    return ""


def walls(rung: str, *, asked: bool) -> Finding:
    detail = {
        "bwrap": "own users, processes, files and host name, and a system call filter",
        "landlock": "files and system calls are restricted; host paths are seen as they are",
        "plain": "programs run as you, with nothing between them and this machine",
    }
    return Finding("walls", rung, detail.get(rung, ""), full=rung == "bwrap" or asked)


def features(found: Features) -> Iterator[Finding]:
    if not found.overlay:
        yield Finding(
            "code folder",
            "read-only",
            "overlays do not work here, so functions can not write to /code",
            "use Linux 5.11 or later, or put the state folder on ext4, xfs or btrfs",
            full=False,
        )
    if not found.own_proc:
        yield Finding(
            "/proc",
            "of the host",
            "processes of this machine can be seen, because parts of /proc are masked",
            "run outside of a container, or with --security-opt systempaths=unconfined",
            full=False,
        )


def control_groups(groups: CgroupTree, *, limits: bool, mounts: bool) -> Iterator[Finding]:
    """How memory, cpu and processes are limited, and how instances are frozen."""
    if not limits:
        yield Finding("limits", "off", "memory, cpu and processes are not limited")
    else:
        yield from _limits(groups, mounts=mounts)
    if groups.freezes:
        yield Finding("freeze", groups.freezes)
    else:
        yield Finding(
            "freeze", "SIGSTOP", "a function can notice a thaw by a SIGCONT handler", scope_lift(), full=False
        )


def _limits(groups: CgroupTree, *, mounts: bool) -> Iterator[Finding]:
    if groups.limited_by:
        yield Finding("memory limit", groups.limited_by)
    else:
        yield Finding("memory limit", "polling", "looked at every 20 ms while busy", scope_lift(), full=False)
    if "cpu" not in groups.controllers:
        yield Finding("cpu limit", "none", "functions may use every core", scope_lift(), full=False)
    # RLIMIT_NPROC of the user namespace does for other users than root, whom the kernel never holds to it.
    if "pids" not in groups.controllers and (not mounts or os.geteuid() == 0):
        yield Finding("process limit", "none", "a fork bomb is not stopped", scope_lift(), full=False)


def cpu_is_free(groups: CgroupTree) -> str:
    """Why processes may use more than their cores; nothing where they may not."""
    return "" if "cpu" in groups.controllers else "no control group with the cpu controller is ours to divide here"


def cpu_lift() -> str:
    return scope_lift() or "use --walls container, whose engine can; or leave --cpu out"


def scope_lift() -> str:
    """What would let us divide a control group; a session's manager of systemd was asked already (see `scope`)."""
    if _CONTAINER.exists():
        return "start the container with --privileged"
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists() or not Path("/run/systemd/system").is_dir():
        return "" if os.geteuid() == 0 else "run as root, or on a system with cgroup v2 and systemd"
    if os.geteuid() != 0 and not Path(f"/run/user/{os.getuid()}/systemd").is_dir():
        return "sudo loginctl enable-linger $(id -un), then log in again"
    return _SCOPE if shutil.which("systemd-run") else install("systemd")


def install(package: str) -> str:
    """The command of this system's package manager."""
    for manager, command in _INSTALL.items():
        if shutil.which(manager):
            return f"{command} {package}"
    return f"install {package} with your system's package manager"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
