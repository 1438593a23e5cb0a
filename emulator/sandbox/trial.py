"""Walls are tried by building them, with everything that a function may need."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Launch, Mount, Network, UnixEndpoint
from emulator.sandbox.ground import Ground
from emulator.sandbox.process import ProcessSandbox
from emulator.sandbox.rung import Rung

# For walls that hang: a busy machine must not cost the better ones.
_TRIAL_SECONDS = 60.0


class Trials:
    """The one owner of the sandboxes in which something is tried. They are cleared away while others go on."""

    def __init__(self) -> None:
        self._sandboxes: set[ProcessSandbox] = set()
        self._numbers = count(1)

    async def why_not(self, ground: Ground, network: Network) -> str | None:
        """Build these walls around `true`. None when that works, else why not."""
        below, above = (ground.folders.root / name for name in ("trial-below", "trial-above"))
        for folder in (below, above):
            folder.mkdir(exist_ok=True)
        launch = Launch(
            argv=("true",),
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
            endpoint=UnixEndpoint("/run/fclocal/w.sock"),
            mounts=_mounts(ground.rung, above, below),
            network=network,
            memory_mb=128,
            cpu=1.0,
        )
        said: list[bytes] = []
        name = f"trial-{next(self._numbers)}"
        sandbox = ProcessSandbox(ground, name, launch, said.append, self._sandboxes.discard)
        self._sandboxes.add(sandbox)
        try:
            await sandbox.start()
            ended = await asyncio.wait_for(asyncio.shield(sandbox.exited), _TRIAL_SECONDS)
        except SandboxError as error:
            return error.message
        except TimeoutError:
            return "a trial did not end"
        finally:
            sandbox.close_soon()
        return None if ended.code == 0 else b"; ".join(said).decode(errors="replace") or f"a trial ended with {ended}"

    async def aclose(self) -> None:
        """Returns when all are cleared away. May be called twice."""
        await asyncio.gather(*(sandbox.aclose() for sandbox in [*self._sandboxes]))


def _mounts(rung: Rung, above: Path, below: Path) -> tuple[Mount, ...]:
    if not rung.mounts:
        return (Mount((above,), str(above), Access.WRITE),)
    return (Mount((above, below) if rung.overlays else (above,), "/code", Access.OVERLAY),)
