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
from walls_box import SCENARIOS, leftovers
from walls_scenario import as_program

from emulator.sandbox.ladder import choose_walls

__all__ = ["SCENARIOS", "play"]
MODULES = (
    scenarios_life, scenarios_limits, scenarios_files, scenarios_network, scenarios_probe, scenarios_faults,
)  # fmt: skip


async def play(rung: str, name: str, place: Path) -> None:
    walls = await choose_walls(rung, place / "state", strict=False, limits=True)
    try:
        assert walls.rung == rung
        await walls.settled()  # scenarios count processes
        await SCENARIOS[name](walls, place)
    finally:
        await walls.aclose()
    assert not leftovers(place)


if __name__ == "__main__":
    os.umask(0o022)
    as_program(lambda: asyncio.run(play(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
