"""Walls by the name of their rung, and by how their instances come to run."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from walls_apart import WallsApart
from walls_forked import ForkedWalls
from walls_parked import HeldWalls, ParkedWalls

from emulator.sandbox.container import labels
from emulator.sandbox.container.engine import engine_urls
from emulator.sandbox.container.walls import open_containers
from emulator.sandbox.ladder import choose_walls

RUNGS = ("bwrap", "landlock", "plain")
CONTAINER = "container"
# An engine on another kernel, as one counts that DOCKER_HOST names by tcp://.
CONTAINER_APART = f"{CONTAINER}-apart"
CONTAINERS_AHEAD = (f"{CONTAINER}-parked", f"{CONTAINER}-held")
BRIDGED = "a bridge hides what listens on 127.0.0.1 of the host: what_listens_on_the_host_is_reached_from_a_bridge"
AS_OTHERS = "only how it starts is another, and it takes long"
LONG = (
    "a_fork_bomb_stays_inside", "cpu_is_a_quota", "many_short_lives_leave_nothing", "neighbours_of_a_fork_bomb_answer",
    "tmp_has_a_size", "what_outlives_a_killed_reaper_goes_with_the_next_start",
)  # fmt: skip
# What is decided when a program is let go: where it is, what it sees, how it is ended.
OF_A_START = (
    "a_mount_below_an_overlay_is_seen", "a_start_that_is_given_up_ends_nobody_else", "answers_on_its_endpoint",
    "code_is_writable_and_the_host_untouched", "descriptors_are_only_the_promised_ones", "environment_is_exact",
    "exits_are_told_apart", "freezes_everything_and_goes_on", "instances_with_their_own_network_use_one_port",
    "logs_keep_their_order", "memory_over_the_limit_is_told_from_a_crash", "mounts_and_links_are_seen",
    "nothing_outlives_a_killed_owner", "runs_one_more_command", "stop_asks_first",
    "what_can_be_done_inside_is_as_written_down", "what_can_not_start_is_told",
)  # fmt: skip
# What makes no sense in some walls, and why.
EXCLUDED = {
    **{(walls, "a_private_network_has_a_way_out"): BRIDGED for walls in (CONTAINER, *CONTAINERS_AHEAD)},
    **{(walls, name): AS_OTHERS for walls in CONTAINERS_AHEAD for name in LONG},
}
KINDS = ("", "forked", "parked")
NAMES = [f"{rung}-{kind}" if kind else rung for kind in KINDS for rung in RUNGS]
# How an instance starts and who starts it meet in namespaces alone.
NAMES_FOR_OTHERS = [name for name in NAMES if name in RUNGS or name.startswith("bwrap")]


def rung_of(name: str) -> str:
    return name.partition("-")[0]


async def open_walls(name: str, state_dir: Path) -> Any:
    walls: Any
    if rung_of(name) == CONTAINER:
        walls = await open_containers(state_dir, strict=False, limits=True, environ=os.environ)
    else:
        walls = await choose_walls(rung_of(name), state_dir, strict=False, limits=True)
    match name.partition("-")[2]:
        case "forked":
            return ForkedWalls(walls, state_dir.parent)
        case "parked":
            return ParkedWalls(walls, state_dir.parent)
        case "apart":
            from tests.support.images import bare_python  # of an ordinary user's Python there may be less

            return WallsApart(walls, await asyncio.to_thread(bare_python))
        case "held":
            return HeldWalls(walls)
        case _:
            return walls


def containers_left(name: str) -> list[str]:
    """Containers of this process, after its walls were closed."""
    if rung_of(name) != CONTAINER:
        return []
    import docker

    api = docker.APIClient(base_url=engine_urls(os.environ)[0], version="auto")
    try:
        found = api.containers(all=True, filters={"label": f"{labels.PID}={os.getpid()}"})
    finally:
        api.close()
    return [str(one["Names"]) for one in found]
