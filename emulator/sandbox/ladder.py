"""Which walls can be had here: found by building them, the strongest first, and each step down is told."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from emulator.model.errors import SandboxError
from emulator.model.launch import Network, WallsKind
from emulator.sandbox import advice, seccomp
from emulator.sandbox.base import Finding, Walls
from emulator.sandbox.bwrap import BwrapRung, Features, Tools
from emulator.sandbox.census import Census
from emulator.sandbox.cgroups import CgroupTree, hierarchies_here
from emulator.sandbox.folders import make_run_folders, remove_leftovers
from emulator.sandbox.ground import Ground
from emulator.sandbox.network import NamespaceHelper
from emulator.sandbox.networks import NO_NAMESPACES, Networks
from emulator.sandbox.plain import PlainRung
from emulator.sandbox.private import probe_private, recall, remember
from emulator.sandbox.reaper import Reaper
from emulator.sandbox.rung import Rung
from emulator.sandbox.scope import enter_scope
from emulator.sandbox.spawn import keep_inherited_descriptors
from emulator.sandbox.trial import Trials
from emulator.sandbox.walls import ProcessWalls

_RUNGS = ("bwrap", "landlock", "plain")

# The best first; each later one gives up something that a container or an older version refuses.
_FEATURES = (
    Features(overlay="native"),
    Features(overlay="mount"),
    Features(overlay=""),
    Features(overlay="mount", disable_userns=False),
    Features(overlay="mount", own_proc=False),
    Features(overlay="", own_proc=False),
    Features(overlay="", own_proc=False, disable_userns=False),
)


class _Refused(Struct, frozen=True):
    """Why a rung can not be had, in the words of whoever refused."""

    rung: str
    reason: str


async def choose_walls(
    wanted: str, state_dir: Path, *, strict: bool, limits: bool, network: Network = Network.HOST
) -> Walls:
    """The process walls named `wanted`, or with any other setting the strongest that work here.

    Also removes what a killed emulator left.

    `network` is what every instance is to have; whether one of their own can be had is looked for by itself and known
    when the walls have `settled`. Raises `SandboxError` where what is wanted does not work, with the command that
    would help.
    """
    if wanted in (kind.value for kind in WallsKind):
        wanted = "auto"
    if wanted not in ("auto", *_RUNGS):
        raise SandboxError(f"There are no walls named {wanted!r}", f"choose one of auto, {', '.join(_RUNGS)}")
    keep_inherited_descriptors()
    await remove_leftovers(state_dir)
    folders = make_run_folders(state_dir, os.environ)
    tree = await _cgroups(folders.run, limits=limits)
    folders.remember_groups(tree.bases)
    reaper = Reaper(asyncio.get_running_loop(), folders.run, tree.bases, (folders.sockets, folders.root))
    networks, census = Networks(NamespaceHelper()), Census(folders.mark)
    seed = Ground(PlainRung(_sh()), folders, tree, reaper, networks, census, limits)
    site = _Site(state_dir, strict, Trials())
    try:
        ground, refused = await _first_that_works(wanted, seed, site)
        looking = asyncio.ensure_future(_with_networks(ground, site))
        walls = ProcessWalls(ground, _findings(wanted, ground, refused), looking, site.trials)
    except BaseException:
        await site.trials.aclose()
        await seed.aclose()
        raise
    if network is not Network.HOST:
        await _require(network, walls, looking)
    return walls


async def _require(network: Network, walls: ProcessWalls, looking: asyncio.Future[Ground]) -> None:
    try:
        await walls.settled()
        looking.result().networks.require(network)
    except BaseException:
        await walls.aclose()
        raise


async def _cgroups(run: str, *, limits: bool) -> CgroupTree:
    """What this process may divide; where that is not all, once more in a scope of its own."""
    tree = CgroupTree(run, hierarchies_here(), limits=limits)
    if not tree.complete and await enter_scope(os.environ):
        tree.close()
        tree = CgroupTree(run, hierarchies_here(), limits=limits)
    return tree


class _Site(Struct, frozen=True):
    """What the rungs must know of the project, and where they are tried."""

    state_dir: Path
    strict: bool
    trials: Trials


async def _first_that_works(wanted: str, seed: Ground, site: _Site) -> tuple[Ground, list[_Refused]]:
    refused: list[_Refused] = []
    for name in _RUNGS if wanted == "auto" else (wanted,):
        try:
            candidates = [*_candidates(name, site)]
        except SandboxError as error:  # a processor that no filter is known for
            refused.append(_Refused(name, error.message))
            continue
        reason = ""
        for rung in candidates:
            ground = replace(seed, rung=rung, networks=replace(seed.networks, own=rung.own_networks))
            failure = await site.trials.why_not(ground, Network.HOST)
            if failure is None:
                return ground, refused
            reason = reason or failure
        refused.append(_Refused(name, reason or advice.missing(name)))
    worst = refused[0]
    raise SandboxError(
        f"The walls {worst.rung} do not work here: {worst.reason}", advice.lift(worst.rung, worst.reason)
    )


async def _with_networks(ground: Ground, site: _Site) -> Ground:
    """`ground`, which knows what networks of their own instances can have, found by giving one such a network."""
    await site.trials.aclose()
    if not isinstance(ground.rung, BwrapRung):
        return replace(ground, networks=replace(ground.networks, findings=(NO_NAMESPACES,)))
    memory = site.state_dir / "private-network.json"
    probe = recall(ground.networks.helper, ground.folders.sockets, memory)
    if probe is None:
        failure = await site.trials.why_not(ground, Network.NONE)
        if failure is not None:
            refusal = Finding("private network", "none", failure, advice.lift("bwrap", failure), full=False)
            return replace(ground, networks=replace(ground.networks, own=False, findings=(refusal,)))
        probe = await probe_private(ground.networks.helper, ground.folders.sockets)
        remember(probe, memory)
    networks = replace(ground.networks, private=probe.network, findings=probe.findings)
    resolv_conf = probe.network.resolv_conf if probe.network else None
    return replace(ground, rung=replace(ground.rung, resolv_conf=resolv_conf), networks=networks)


def _candidates(name: str, site: _Site) -> Iterator[Rung]:
    match name:
        case "bwrap":
            yield from _bwrap_candidates(site)
        case "landlock":
            yield from _landlock_candidates()
        case "plain":
            yield PlainRung(_sh())


def _landlock_candidates() -> Iterator[Rung]:
    # A step down that most machines never take, and it brings ctypes along.
    from emulator.sandbox import landlock
    from emulator.sandbox.restricted import LandlockRung

    if landlock.abi():
        yield LandlockRung(_sh(), seccomp.program())


def _bwrap_candidates(site: _Site) -> Iterator[Rung]:
    bwrap, unshare = shutil.which("bwrap"), shutil.which("unshare")
    if bwrap is None:
        return
    tools = Tools(sh=_sh(), bwrap=bwrap, unshare=unshare or "", sleep=_system_program("sleep"))
    possible = {"": True, "mount": bool(unshare), "native": _has_overlays(bwrap)}
    for features in _FEATURES:
        if possible[features.overlay]:
            yield BwrapRung(tools, features, seccomp.program(), (site.state_dir.resolve(),), site.strict)


def _has_overlays(bwrap: str) -> bool:
    """A look into the program spares a trial that it would have to refuse. A script around it counts as an old one."""
    try:
        return b"--overlay-src" in Path(bwrap).read_bytes()
    except OSError:
        return False


def _findings(wanted: str, ground: Ground, refused: list[_Refused]) -> list[Finding]:
    found = [
        Finding("walls", refusal.rung, refusal.reason, advice.lift(refusal.rung, refusal.reason), full=False)
        for refusal in refused
    ]
    found.append(advice.walls(ground.rung.name, asked=wanted != "auto"))
    if isinstance(ground.rung, BwrapRung):
        found.extend(advice.features(ground.rung.features))
    found.extend(advice.control_groups(ground.cgroups, limits=ground.limits, mounts=ground.rung.mounts))
    return found


def _sh() -> str:
    return _system_program("sh")


def _system_program(name: str) -> str:
    return shutil.which(name, path="/bin:/usr/bin") or f"/bin/{name}"
