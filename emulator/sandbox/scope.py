"""A systemd scope of our own: the way to control groups that systemd lets us divide (sandbox.md §2.5).

A login shell's scope belongs to root, and only systemd can move a process out of it. We ask it to move us, as
`systemd-run --scope` does for itself, so nothing has to be started anew, and a refusal costs nothing.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from emulator.sandbox.spawn import spawn

_SYSTEMD_SECONDS = 5.0
_LOOK_AGAIN_SECONDS, _LOOKS = 0.005, 400
_MEMBERSHIPS = Path("/proc/self/cgroup")
_UNIFIED = Path("/sys/fs/cgroup/cgroup.controllers")
_BUS_VARIABLES = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


def scope_request(unit: str, pid: int, environ: Mapping[str, str]) -> list[str] | None:
    """The command that asks systemd to move `pid` into the new scope `unit`; None where there is no systemd to ask.

    An ordinary user asks the manager of the session, root that of the system.
    """
    busctl = shutil.which("busctl", path=environ.get("PATH", os.defpath))
    if sys.platform != "linux" or busctl is None or not _UNIFIED.exists():
        return None
    if os.geteuid() == 0:
        manager = "--system" if Path("/run/systemd/system").is_dir() else ""
    else:
        runtime = Path(environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"))
        manager = "--user" if (runtime / "systemd").is_dir() else ""
    if not manager:
        return None
    return [
        busctl, manager, "--quiet", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager", "StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail",
        "3", "PIDs", "au", "1", str(pid), "Delegate", "b", "true", "Description", "s", "fclocal", "0",
    ]  # fmt: skip


async def enter_scope(environ: Mapping[str, str]) -> bool:
    """Move this process into a scope that is delegated to us. False where that fails, and nothing has changed."""
    unit = f"fclocal-{os.getpid()}-{secrets.token_hex(3)}.scope"
    request = scope_request(unit, os.getpid(), environ)
    if request is None:
        return False
    env = {"PATH": os.defpath, **{name: environ[name] for name in _BUS_VARIABLES if name in environ}}
    try:
        async with asyncio.timeout(_SYSTEMD_SECONDS):
            return await _ask(request, env) and await _arrive(unit)
    except (OSError, TimeoutError):
        return False


async def _ask(request: list[str], env: Mapping[str, str]) -> bool:
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        child = spawn(asyncio.get_running_loop(), request, env, {1: null, 2: null}, leads=True)
    finally:
        os.close(null)
    try:
        return await asyncio.shield(child.exited) == 0
    finally:
        child.kill_group()


async def _arrive(unit: str) -> bool:
    """systemd answers when it has planned the move, which comes a moment later."""
    for _ in range(_LOOKS):
        if unit in _MEMBERSHIPS.read_text():
            return True
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return False
