"""How near containers come to FC's limits: by what the engine says of itself, and what was seen inside (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from emulator.model.launch import Network
from emulator.sandbox.held import (
    CUSTOM_DNS,
    NO_LIMITS,
    POLLING,
    descriptors,
    disk,
    gpu_memory,
    host_name,
    own_network,
    peak,
    user,
    utc,
    written_root,
)
from emulator.sandbox.inside import Inside
from emulator.sandbox.limits_table import Held, Level, Table, absent, approximate, exact

_DESCRIPTORS = "let the engine give more: dockerd --default-ulimit nofile=100000:100000"
_NO_MEMORY = "boot with cgroup_enable=memory swapaccount=1 on the kernel's command line"
_NO_DISK = "what an engine on another kernel keeps of /tmp has no size"
_STRICT_TMP = "FC's size, in memory"
_ROOTLESS = "an engine that may divide control groups: cgroup v2 with systemd, or one of root's"


class Chosen(Struct, frozen=True):
    """What the user wants of containers; `gpu` is true where a card is here."""

    limits: bool = True
    strict: bool = False
    network: Network | None = None
    gpu: bool = False


def held_by_containers(info: Mapping[str, Any], inside: Inside, chosen: Chosen) -> Table:
    """Every row of the limits table. `info` is the engine's answer to `GET /info`."""
    limits, strict = chosen.limits, chosen.strict
    grouped = info.get("CgroupDriver") != "none"
    groups = f"cgroup v{info.get('CgroupVersion') or 1}"
    return {
        "memory": _memory(info, groups, grouped=grouped, limits=limits),
        "out of memory": _out_of_memory(info, grouped=grouped, limits=limits),
        "peak memory": peak(grouped),
        "cpu": _cpu(info, limits=limits),
        "disk": disk(own_tmp=True, limits=limits),
        "processes": exact("by control group") if info.get("PidsLimit") else absent("the engine can not", _ROOTLESS),
        "descriptors": descriptors(inside, _DESCRIPTORS),
        "user": user(inside),
        "root folder": absent("--strict") if strict else _root(inside),
        "code folder": absent("--strict") if strict else exact(),
        "host name": host_name(inside),
        "network": own_network(chosen.network)
        or approximate("a bridge for programs with a port; this machine's for other functions", "--network bridge"),
        "name servers": approximate(CUSTOM_DNS),
        "freeze": exact(groups) if grouped else absent("the engine can not", _ROOTLESS),
        "time zone": utc(inside),
        "system": approximate(
            "of an image its own: a custom one, FC's own or one made by `fclocal images`; else this machine's"
        ),
        "GPU memory": gpu_memory(chosen.gpu),
        "sizes of requests": exact("refused by the gateway"),
    }


def held_apart(info: Mapping[str, Any], inside: Inside, chosen: Chosen) -> Table:
    """The same for an engine on another kernel, where only that engine can look inside."""
    return {
        **held_by_containers(info, inside, chosen),
        "peak memory": approximate("the engine is asked twice a second while something goes on"),
        "disk": absent(_NO_DISK) if not chosen.strict else approximate(_STRICT_TMP),
        "descriptors": approximate("what the engine gives"),
        "network": approximate("a bridge, for all functions"),
        "freeze": approximate("the engine's pause, which takes some milliseconds"),
        "system": exact("of an image: a custom one, FC's own or one made by `fclocal images`"),
    }


def _memory(info: Mapping[str, Any], groups: str, *, grouped: bool, limits: bool) -> Held:
    if not limits:
        return absent(NO_LIMITS)
    if not grouped:
        return approximate(POLLING, _ROOTLESS)
    if not info.get("MemoryLimit"):
        return absent("the engine can not limit it", _NO_MEMORY)
    if not info.get("SwapLimit"):
        return approximate("swap is not counted", _NO_MEMORY)
    return exact(groups)


def _out_of_memory(info: Mapping[str, Any], *, grouped: bool, limits: bool) -> Held:
    memory = _memory(info, "", grouped=grouped, limits=limits)
    return exact("by the kernel's count") if memory.level is Level.EXACT else memory


def _cpu(info: Mapping[str, Any], *, limits: bool) -> Held:
    if not limits:
        return absent(NO_LIMITS)
    return exact("a share of every 100 ms") if info.get("CpuCfsQuota") else absent("the engine can not", _ROOTLESS)


def _root(inside: Inside) -> Held:
    """What was looked at is the image that shows this machine's /usr."""
    held = written_root(inside)
    if held.level is not Level.APPROXIMATE:
        return held
    return approximate(f"{held.why}, which is this machine's; all of a custom image")
