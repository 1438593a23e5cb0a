"""Control groups: where this process may make them (v2 by delegation, v1 as root), and one for each instance."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from emulator.sandbox.groups import Group, Place, write

_WANTED = frozenset({"memory", "cpu", "pids"})


class Hierarchy(Struct, frozen=True):
    """One cgroup tree as this process sees it: `own` is the folder of the group that we are in."""

    own: Path
    controllers: frozenset[str]
    v2: bool


def hierarchies(mounts: str, memberships: str) -> list[Hierarchy]:
    """The trees of /proc/self/mounts that hold us, from there and /proc/self/cgroup."""
    paths: dict[frozenset[str], str] = {}
    for line in memberships.splitlines():
        _, names, path = line.split(":", 2)
        paths[frozenset(names.split(",")) - {""}] = path
    found: list[Hierarchy] = []
    for mounted in mounts.splitlines():
        _, folder, kind, options, *_ = mounted.split()
        if kind == "cgroup2":
            own = Path(folder) / paths.get(frozenset(), "/").lstrip("/")
            found.append(Hierarchy(own, _words(own / "cgroup.controllers"), v2=True))
        elif kind == "cgroup":
            offered = frozenset(options.split(","))
            found.extend(
                Hierarchy(Path(folder) / path.lstrip("/"), held, v2=False)
                for held, path in paths.items()
                if held and held <= offered
            )
    return found


def hierarchies_here() -> list[Hierarchy]:
    """Empty where the machine has no control groups (macOS)."""
    try:
        mounts = Path("/proc/self/mounts").read_text()
        memberships = Path("/proc/self/cgroup").read_text()
    except OSError:
        return []
    return hierarchies(mounts, memberships)


class CgroupTree:
    """The groups of one run of the emulator: a base folder in each tree that lets us, a group per instance below.

    Trees that refuse are left out: `controllers` says what can be limited, `freezes` whether processes can be
    frozen, and an empty tree (no control groups at all) makes groups that do nothing.
    """

    def __init__(self, run: str, trees: Iterable[Hierarchy], *, limits: bool = True) -> None:
        self._places: list[Place] = []
        self._name = f"fclocal-{run}"
        self._wanted = _WANTED if limits else frozenset()
        for tree in sorted(trees, key=lambda tree: not tree.v2):
            self._add(tree)

    @property
    def controllers(self) -> frozenset[str]:
        return frozenset().union(*(place.controllers for place in self._places))

    @property
    def freezes(self) -> str:
        """How processes are frozen: `cgroup v2 freeze`, `cgroup v1 freezer`, or nothing."""
        if any(place.v2 for place in self._places):
            return "cgroup v2 freeze"
        return "cgroup v1 freezer" if "freezer" in self.controllers else ""

    @property
    def limited_by(self) -> str:
        """`cgroup v2`, `cgroup v1`, or nothing where memory can not be limited here."""
        for place in self._places:
            if "memory" in place.controllers:
                return "cgroup v2" if place.v2 else "cgroup v1"
        return ""

    @property
    def complete(self) -> bool:
        """Whether everything that is wanted of control groups can be had."""
        return bool(self.freezes) and self._wanted <= self.controllers

    @property
    def bases(self) -> list[Path]:
        """What must be emptied and removed when we are gone."""
        return [place.folder for place in self._places]

    def group(self, name: str, *, memory_mb: int | None, cpu: float | None, processes: int) -> Group:
        """A new group in every tree, with its limits set. Raises `OSError`."""
        group = Group([Place(place.folder / name, place.controllers, place.v2) for place in self._places])
        try:
            group.create(memory_mb=memory_mb, cpu=cpu, processes=processes)
        except OSError:
            group.remove()
            raise
        return group

    def close(self) -> None:
        """Remove the base folders. Groups below must be gone; what is still busy is left to the reaper."""
        for place in self._places:
            with contextlib.suppress(OSError):
                place.folder.rmdir()
        self._places.clear()

    def _add(self, tree: Hierarchy) -> None:
        """Use what this tree offers and no better tree gave already."""
        wanted = (tree.controllers & self._wanted) - self.controllers
        freezes = not self.freezes and (tree.v2 or "freezer" in tree.controllers)
        if not wanted and not freezes:
            return
        place = _claim(tree, self._name, wanted)
        if place is not None:
            self._places.append(place)


def _claim(tree: Hierarchy, name: str, wanted: frozenset[str]) -> Place | None:
    """Make the base folder and prove that a group below it works as we mean to use it; None where it does not."""
    base = tree.own / name
    probe = base / "probe"
    try:
        got = _delegate(tree, base, wanted) if tree.v2 else wanted | (tree.controllers & {"freezer"})
        base.mkdir(exist_ok=True)
        if tree.v2 and got:
            write(base / "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(got)))
        place = Place(base, got, tree.v2)
        trial = Group([Place(probe, got, tree.v2)])
        try:
            trial.create(memory_mb=128, cpu=1.0, processes=16)
            if not os.access(probe / "cgroup.procs", os.W_OK) or not os.access(tree.own / "cgroup.procs", os.W_OK):
                raise PermissionError
        finally:
            trial.remove()
    except OSError:
        with contextlib.suppress(OSError):
            base.rmdir()
        return None
    return place


def _delegate(tree: Hierarchy, base: Path, wanted: frozenset[str]) -> frozenset[str]:
    """Hand v2 controllers down from our own group; returns those that were.

    A group that has controllers below it may hold no process itself, so we move into a leaf first. That is done
    only in a group that is ours alone, or that systemd delegated to us: nobody else's processes are moved.
    """
    if not wanted or not os.access(tree.own, os.W_OK):
        return frozenset()
    active = _words(tree.own / "cgroup.subtree_control")
    if not wanted <= active:
        inside = {int(pid) for pid in _words(tree.own / "cgroup.procs")}
        if not _delegated(tree.own) and inside != {os.getpid()}:
            return wanted & active
        leaf = tree.own / f"{base.name}-emulator"
        leaf.mkdir(exist_ok=True)
        for pid in inside:
            write(leaf / "cgroup.procs", str(pid))
        write(tree.own / "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(wanted)))
    return wanted


def _delegated(group: Path) -> bool:
    """systemd marks a delegated group by an extended attribute (systemd.resource-control, Delegate=)."""
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(group, name) == b"1":
                return True
    return False


def _words(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text().split())
    except OSError:
        return frozenset()
