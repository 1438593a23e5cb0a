"""How near these walls come to FC's limits: what is the same for both kinds, and what process walls know of themselves.

From what the ladder found out, and from what was seen inside.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from emulator.model.launch import Network
from emulator.model.limits import FILE_DESCRIPTORS, PROCESSES
from emulator.sandbox import advice
from emulator.sandbox.base import Finding
from emulator.sandbox.bwrap import BwrapRung
from emulator.sandbox.ground import Ground
from emulator.sandbox.inside import HOST_NAME, Inside
from emulator.sandbox.limits_table import Held, Table, absent, approximate, exact

NO_LIMITS = "--no-limits"
# A greedy program gets this much more of 128 MB until it is ended (sandbox.md §2.1).
POLLING = "looked at every 20 ms while busy: a greedy program gets some 40 MB more before it is ended"
_UNSEEN = absent("could not be looked at")
_FILE_RIGHTS = frozenset({"chown", "dac_override", "fowner"})
CUSTOM_DNS = "this machine's; customDNS is not applied"


class Found(Struct, frozen=True):
    """What the ladder found out. `controllers` are those of control groups, `limited_by` and `freezes` what these are;
    `user` is who runs the emulator, `gpu` is true where a card is here. `lift` would give stronger walls, `scope_lift`
    control groups, `network_lift` a private network where `private` is false."""

    rung: str
    limits: bool
    strict: bool
    mounts: bool
    overlays: bool
    own_networks: bool
    private: bool
    controllers: frozenset[str]
    limited_by: str
    freezes: str
    user: int
    release: str
    gpu: bool = False
    lift: str = ""
    scope_lift: str = ""
    network_lift: str = ""


def found_on(ground: Ground, findings: Sequence[Finding]) -> Found:
    """What is known of process walls; `findings` say what would lift them."""
    rung, groups, networks = ground.rung, ground.cgroups, ground.networks
    lifts = {finding.topic: finding.lift for finding in reversed(findings) if finding.lift and not finding.full}
    return Found(
        rung=rung.name,
        limits=ground.limits,
        strict=isinstance(rung, BwrapRung) and rung.strict,
        mounts=rung.mounts,
        overlays=rung.overlays,
        own_networks=networks.own,
        private=networks.private is not None,
        controllers=groups.controllers,
        limited_by=groups.limited_by,
        freezes=groups.freezes,
        user=os.geteuid(),
        release=platform.release(),
        gpu=gpu_here(),
        lift=lifts.get("walls", "--walls auto"),
        scope_lift=advice.scope_lift(),
        network_lift=lifts.get("private network", ""),
    )


def held_by_processes(found: Found, inside: Inside, network: Network | None = None) -> Table:
    """Every row of the limits table, for process walls; `network` is what all instances are to have."""
    return {
        "memory": _memory(found),
        "out of memory": _out_of_memory(found),
        "peak memory": peak(bool(found.limited_by)),
        "cpu": _cpu(found),
        "disk": disk(own_tmp=found.mounts, limits=found.limits),
        "processes": _processes(found),
        "descriptors": descriptors(inside, "raise this machine's limit: ulimit -Hn 100000, then start again"),
        "user": user(inside, found.lift),
        "root folder": _root(found, inside),
        "code folder": _code(found),
        "host name": host_name(inside, found.lift),
        "network": own_network(network) or _network(found),
        "name servers": approximate(CUSTOM_DNS),
        "freeze": _freeze(found),
        "time zone": _time_zone(found, inside),
        "system": approximate(f"this machine's: {inside.facts.get('system', 'unknown')}"),
        "GPU memory": gpu_memory(found.gpu),
        "sizes of requests": exact("refused by the gateway"),
    }


# --- what both kinds of walls have in common ---


def peak(grouped: bool) -> Held:
    """FC does not say how it measures."""
    bound = "and at most the control group's own peak" if grouped else "with what forks share counted by each"
    return approximate(f"the highest resident memory of each process, {bound}; page cache is left out")


def disk(*, own_tmp: bool, limits: bool) -> Held:
    if not limits:
        return absent(NO_LIMITS)
    if not own_tmp:
        return approximate("no single file outgrows it; /tmp is this machine's, and not measured")
    return approximate("no single file outgrows it; all together are measured every 2 s, and the instance is replaced")


def own_network(wanted: Network | None) -> Held | None:
    """Where every instance has one of its own, by the option; walls that can not give it have refused to start."""
    return exact(f"--network {wanted.value}") if wanted in (Network.PRIVATE, Network.NONE) else None


def gpu_here() -> bool:
    """By the nodes of NVIDIA's drivers (also those of WSL) and of AMD's; which cards are there is asked at need."""
    return any(Path(node).exists() for node in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))


def gpu_memory(here: bool) -> Held:
    """Which program is held by what: docs/gpu.md."""
    if not here:
        return absent("no card is here", "--gpu fake, for code that only looks for one")
    return approximate("programs are told their slice, and watched twice a second", "--gpu-limit enforce")


def descriptors(inside: Inside, lift: str) -> Held:
    allowed = inside.number("max open files")
    if allowed is None:
        return _UNSEEN
    if allowed == FILE_DESCRIPTORS:
        return exact(str(allowed))
    return approximate(f"{allowed} here", lift if allowed < FILE_DESCRIPTORS else "")


def user(inside: Inside, lift: str = "") -> Held:
    uid = inside.facts.get("uid")
    if uid is None:
        return _UNSEEN
    if uid != "0":
        return absent(f"the emulator's own user, {uid}", lift)
    if not {*inside.facts.get("capabilities", "").split()} >= _FILE_RIGHTS:
        return approximate("user 0 without capabilities: files can not be given to other users")
    return exact("user 0, with every right over its files")


def written_root(inside: Inside) -> Held:
    """By what can be written inside."""
    if not inside.facts:
        return _UNSEEN
    closed = inside.folders("read-only")
    if "/" in closed:
        return absent("read-only")
    return approximate(f"but for {', '.join(closed)}") if closed else exact()


def host_name(inside: Inside, lift: str = "") -> Held:
    if not inside.facts:
        return _UNSEEN
    name = inside.facts.get("host name", "")
    # It was asked for by the name of the sandbox in which we looked.
    return exact() if name == HOST_NAME else absent(f"this machine's: {name}", lift)


def utc(inside: Inside) -> Held:
    zone = inside.facts.get("time zone", "UTC")
    return exact() if zone == "UTC" and "own time zone" not in inside.facts else approximate(f"by TZ; else {zone}")


# --- processes ---


def _memory(found: Found) -> Held:
    if not found.limits:
        return absent(NO_LIMITS)
    return exact(found.limited_by) if found.limited_by else approximate(POLLING, found.scope_lift)


def _out_of_memory(found: Found) -> Held:
    if not found.limits:
        return absent(NO_LIMITS)
    if found.limited_by:
        return exact("by the kernel's count")
    return approximate(
        "where the emulator ended it; where this machine itself ran out, it looks like a crash", found.scope_lift
    )


def _cpu(found: Found) -> Held:
    if not found.limits:
        return absent(NO_LIMITS)
    if "cpu" in found.controllers:
        return exact("a share of every 100 ms")
    return absent("functions may use every core", found.scope_lift)


def _processes(found: Found) -> Held:
    if "pids" in found.controllers:
        return exact("by control group")
    release = tuple(int(part) for part in re.findall(r"\d+", found.release)[:2])
    # The kernel counts root's processes and never holds them (RLIMIT_NPROC of fork(2)).
    if found.mounts and found.user != 0 and release >= (5, 14):
        return approximate(f"{PROCESSES} by RLIMIT_NPROC, bubblewrap's own counted", found.scope_lift)
    return absent("a fork bomb is not stopped", found.scope_lift)


def _root(found: Found, inside: Inside) -> Held:
    if not found.mounts:
        return absent("this machine's own", found.lift)
    return absent("--strict") if found.strict else written_root(inside)


def _code(found: Found) -> Held:
    if not found.mounts:
        return approximate("the project's own folders at their own paths: what is written stays", found.lift)
    if found.strict:
        return absent("--strict")
    return exact() if found.overlays else approximate("read-only: overlays do not work here", "fclocal doctor")


def _network(found: Found) -> Held:
    if not found.own_networks:
        return absent("this machine's", found.lift)
    lift = "--network private" if found.private else found.network_lift
    return approximate("this machine's, for functions without a port that clashes", lift)


def _freeze(found: Found) -> Held:
    if found.freezes:
        return exact(found.freezes)
    return approximate("SIGSTOP: a handler of SIGCONT notices the thaw", found.scope_lift)


def _time_zone(found: Found, inside: Inside) -> Held:
    return utc(inside) if found.mounts else approximate("by TZ; /etc/localtime is this machine's", found.lift)
