"""How instances that are not forked are made ready ahead of time, the best way first (docs/zygote.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from emulator.instance import spares
from emulator.instance.keys import common
from emulator.model.launch import Launch, Network, TcpEndpoint
from emulator.runtime.spec import RuntimeSpec
from emulator.sandbox.base import Origin, Walls


class Way(Struct, frozen=True):
    """`hindrance` is a sentence on why a launch can not have it, `key` what all that come from one origin have in
    common, `watched` files of the host that are seen as they were."""

    hindrance: Callable[[Launch], str]
    key: Callable[[Launch], object]
    watched: Callable[[Launch], tuple[str, ...]]
    origin: Callable[[Walls, Launch], Origin]


def ways(spec: RuntimeSpec, walls: Walls) -> Sequence[Way]:
    found = []
    if spec.parks and walls.parks:
        found.append(Way(spares.hindrance, spares.key, spares.watched, _parked))
    if walls.builds_ahead:
        found.append(Way(_hindrance, _key, _nothing, _held))
    return found


def _parked(walls: Walls, launch: Launch) -> Origin:
    return walls.spares(spares.parked(launch))


def _held(walls: Walls, launch: Launch) -> Origin:
    return walls.built_ahead(spares.named(launch))


def _hindrance(launch: Launch) -> str:
    if launch.network is Network.HOST and isinstance(launch.endpoint, TcpEndpoint):
        return "no containers are started ahead of time: on the host's network each instance has another port"
    if launch.debug_port is not None:
        return "no containers are started ahead of time: the program's own debugger has another port each time"
    return ""


def _key(launch: Launch) -> object:
    return common(launch, spares.OWN.__contains__)


def _nothing(launch: Launch) -> tuple[str, ...]:
    return ()
