"""Every scenario of the walls: run by pytest for this user, and as a program for an ordinary user.

python walls_scenarios.py RUNG SCENARIO FOLDER
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import scenarios_faults
import scenarios_files
import scenarios_life
import scenarios_limits
import scenarios_network
import scenarios_probe
from walls_box import PATIENCE, SCENARIOS, leftovers
from walls_kinds import containers_left, open_walls
from walls_scenario import as_program

__all__ = ["SCENARIOS", "play"]
MODULES = (
    scenarios_life, scenarios_limits, scenarios_files, scenarios_network, scenarios_probe, scenarios_faults,
)  # fmt: skip


async def play(rung: str, name: str, place: Path) -> None:
    walls = await open_walls(rung, place / "state")
    try:
        assert walls.rung == rung
        await walls.settled()  # scenarios count processes
        async with asyncio.timeout(2 * PATIENCE):  # else one that hangs would hold all others up
            await SCENARIOS[name](walls, place)
    finally:
        await walls.aclose()
    assert not leftovers(place)
    assert not containers_left(rung)


if __name__ == "__main__":
    os.umask(0o022)
    as_program(lambda: asyncio.run(play(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
