"""What a rung of the ladder has to say about starting an instance; everything else is the same for all rungs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field

from emulator.model.launch import Launch
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.overlay import Overlay

# Descriptors that a started program knows by number, see `scripts`.
ENDPOINT_FD, FILTER_FD, INFO_FD, GATE_FD, INFO_READ_FD, REPORT_FD, OPTIONS_FD = 3, 4, 5, 6, 7, 8, 9


class Plan(Struct, frozen=True):
    """How to start one instance on the host.

    `files` are contents to be had at a descriptor. `gated` is true where the program reports its inner process
    and waits at a gate until it is let go. `overlays` tell what was written, `disk` is where it was written.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    files: Mapping[int, bytes] = field(default_factory=dict)
    gated: bool = False
    overlays: Sequence[Overlay] = ()
    disk: Sequence[Path] = ()


class ForkPlan(Struct, frozen=True):
    """What a fork of a template is told to become an instance: `prepare` ahead of time, `finish` when it gets its code.

    `marks` are added to its environment.
    """

    prepare: Mapping[str, Any]
    finish: Mapping[str, Any]
    marks: Mapping[str, str] = field(default_factory=dict)
    overlays: Sequence[Overlay] = ()
    disk: Sequence[Path] = ()


class ParkPlan(Struct, frozen=True):
    """How to start a process that waits until it is assigned, and what is then to be done among its files: words for
    `mount` of `nsdoor`."""

    plan: Plan
    late: tuple[str, ...] = ()


class Bounds(Struct, frozen=True):
    """Resource limits that are set on the way in; a `file_kb` of 0 means any size."""

    open_files: int
    file_kb: int


class Inside(Struct, frozen=True):
    """Where a running instance is; `init` is the first process of its namespaces, 0 where it has none."""

    folders: InstanceFolders
    init: int


class Rung(Protocol):
    """One way to build walls."""

    @property
    def name(self) -> str: ...

    @property
    def mounts(self) -> bool: ...

    @property
    def overlays(self) -> bool: ...

    @property
    def own_networks(self) -> bool:
        """True where an instance can have a network namespace."""
        ...

    def plan(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> Plan:
        """Make what is needed in `folders`, and say what to start. Raises `OSError` or `SandboxError`."""
        ...

    def park(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> ParkPlan:
        """As `plan`, without what must be younger than the last save in the code: overlays, and what lies in them."""
        ...

    def command(
        self, launch: Launch, argv: Sequence[str], inside: Inside, groups: Sequence[str], bounds: Bounds
    ) -> Plan:
        """How to run one more command inside."""
        ...

    def template(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> Plan:
        """As `plan`, for a process from which instances with this launch are forked. Raises `SandboxError` where
        these walls can not be built around a fork."""
        ...

    def template_order(self, launch: Launch) -> Mapping[str, Any]:
        """What a template must know of these walls to fork instances."""
        ...

    def fork(self, launch: Launch, folders: InstanceFolders, bounds: Bounds) -> ForkPlan:
        """Make what is needed in `folders`, which the template sees, and say what its fork is to do."""
        ...
