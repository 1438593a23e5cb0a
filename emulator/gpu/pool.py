"""Who gets which part of which card: the one owner of the machine's cards."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from emulator.config.settings import Settings
from emulator.gpu.cards import Found, fake_cards, find_cards
from emulator.gpu.ledger import PLENTY, Demand, Ledger, demand_of
from emulator.gpu.use import GpuMeter
from emulator.model.errors import ResourceThrottled
from emulator.model.function import Gpu, Project
from emulator.model.gpu import GpuLimit, GpuMode, GpuShare, Vendor
from emulator.model.gpu_types import DRIVER_VERSION, GPU_TYPES, GpuType

# Where CUDA's multi-process service listens unless it is told otherwise (docs.nvidia.com/deploy/mps).
MPS_FOLDER = "/tmp/nvidia-mps"  # noqa: S108

# Called with a sentence for the user, once for each.
Tell = Callable[[str], object]


@contextlib.asynccontextmanager
async def open_gpus(
    settings: Settings, project: Project, state_dir: Path, tell: Tell, walled: bool
) -> AsyncIterator[GpuPool]:
    """The pool of an emulator. Cards are looked for at once where a function wants one. Raises `UserError` where a fake
    one can not be made."""
    mode, limit = GpuMode(settings.gpu), GpuLimit(settings.gpu_limit)
    pool = GpuPool(mode, limit, state_dir / "gpu", tell, walled=walled)
    wanted = [function.gpu for function in project.functions if function.gpu is not None]
    if wanted:
        await asyncio.to_thread(pool.look, wanted)
        pool.tell(wanted)
    try:
        yield pool
    finally:
        await pool.aclose()


class GpuPool:
    """Cards are looked for when the first GPU function is there, by `look` or whatever needs them first.

    `walled` says that instances behind process walls see only the device nodes that they are given.
    """

    def __init__(
        self,
        mode: GpuMode = GpuMode.NONE,
        limit: GpuLimit = GpuLimit.WARN,
        cache: Path = Path(),
        tell: Tell = lambda text: None,
        *,
        walled: bool = True,
        env: Mapping[str, str] = os.environ,
        find: Callable[[], Found] = find_cards,
    ) -> None:
        self._mode = mode
        self._limit = limit
        self._cache = cache
        self._tell = tell
        self._walled = walled
        self._env = env
        self._find = find
        self._found: Found | None = None
        # One for all cards that are here; fake ones are apart by their type.
        self._ledgers: dict[str, Ledger] = {}
        self._told: set[str] = set()
        self.meter = GpuMeter(lambda: self.found.nvml)

    def __repr__(self) -> str:
        return f"<GpuPool {self._mode.value} {len(self.held)} shares>"

    @property
    def limit(self) -> GpuLimit:
        return self._limit

    @property
    def found(self) -> Found:
        """What is here; nothing of it is asked for before it is needed."""
        if self._found is None:
            self._found = self._find() if self._mode is GpuMode.AUTO else Found()
        return self._found

    @property
    def held(self) -> Sequence[GpuShare]:
        return [share for ledger in self._ledgers.values() for share in ledger.held]

    def look(self, wanted: Sequence[Gpu]) -> None:
        """Find, or make, what these need; in a thread, since it may take a second. Raises `UserError` where a fake
        card can not be made."""
        if self.found.cards:
            return
        from emulator.gpu.kits import fake_kit  # few projects ask for a GPU

        for gpu in dict.fromkeys(wanted):
            kind = GPU_TYPES[gpu.type]
            if self._mode is GpuMode.FAKE and kind.nvidia:
                fake_kit(self._cache, kind, gpu.memory_mb, nodes=self._walled)

    def tell(self, wanted: Sequence[Gpu]) -> None:
        """What functions with these get here that is not FC's."""
        for gpu in dict.fromkeys(wanted):
            self._say(gpu, GPU_TYPES[gpu.type])
            self._asked(gpu)

    def room(self, gpu: Gpu) -> int:
        """How many more instances with this could be born now."""
        ledger, demand = self._asked(gpu)
        return ledger.room(demand) if demand is not None else PLENTY

    def full(self, gpu: Gpu) -> str:
        """Why there is no room, as a clause."""
        ledger, demand = self._asked(gpu)
        if demand is None:
            return ""
        free = ", ".join(f"{ledger.free_mb(card)} of {card.size_mb} MB of {card.name}" for card in ledger.cards)
        asked = f"{demand.size_mb} MB" if demand.cards == 1 else f"{demand.cards} × {demand.size_mb} MB"
        return f"GPU memory is in use: {gpu.type} asks for {asked}, and free are {free}"

    def claim(self, gpu: Gpu, *, contained: bool = False) -> GpuShare | None:
        """A share for one instance, its holder's until `give_back`; None where functions run without a card. A
        `contained` one sees only the device nodes that it is given, whatever process walls do.

        Raises `ResourceThrottled` where there is no room, and `UserError` where its libraries can not be made.
        """
        ledger, demand = self._asked(gpu)
        self._say(gpu, GPU_TYPES[gpu.type])
        if demand is None:
            return None
        share = ledger.claim(demand)
        if share is None:
            raise ResourceThrottled(self.full(gpu))
        try:
            return self._equipped(share, gpu, contained=contained)
        except BaseException:
            ledger.give_back(share)
            raise

    def give_back(self, share: GpuShare) -> None:
        """Its holder has ended. May be called twice."""
        self._ledger(GPU_TYPES[share.type]).give_back(share)

    def free_mb(self, share: GpuShare) -> int:
        """What is left for others of the cards of a share."""
        ledger = self._ledger(GPU_TYPES[share.type])
        return sum(ledger.free_mb(card) for card in share.cards)

    async def aclose(self) -> None:
        await self.meter.aclose()
        if self._found is not None and self._found.nvml is not None:
            self._found.nvml.close()

    # --- small ---

    def _asked(self, gpu: Gpu) -> tuple[Ledger, Demand | None]:
        kind = GPU_TYPES[gpu.type]
        ledger = self._ledger(kind)
        if not ledger.cards:
            return ledger, None
        demand, lacks = demand_of(gpu.type, gpu.memory_mb, kind.memory_mb, ledger.cards)
        if lacks:
            self._once(f"{gpu.type} with {gpu.memory_mb} MB: {lacks}")
        return ledger, demand

    def _ledger(self, kind: GpuType) -> Ledger:
        fake = self._mode is GpuMode.FAKE
        key = kind.id if fake else ""
        if key not in self._ledgers:
            cards = (fake_cards(kind) if kind.nvidia else ()) if fake else self.found.cards
            self._ledgers[key] = Ledger(cards)
        return self._ledgers[key]

    def _equipped(self, share: GpuShare, gpu: Gpu, *, contained: bool) -> GpuShare:
        from emulator.gpu.kits import fake_kit, interposer_kit  # as above

        if share.vendor is Vendor.FAKE:
            kit = fake_kit(self._cache, GPU_TYPES[gpu.type], gpu.memory_mb, nodes=contained or self._walled)
            return replace(share, folder=kit)
        if share.vendor is Vendor.NVIDIA and not share.whole:
            # The service and its clients share memory, which a container has for itself.
            folder = self._env.get("CUDA_MPS_PIPE_DIRECTORY", MPS_FOLDER)
            share = replace(share, mps=folder if not contained and Path(folder, "control").exists() else "")
            if self._limit is GpuLimit.INTERPOSE:
                share = replace(share, folder=interposer_kit(self._cache, share.memory_mb), interposer=True)
        return share

    def _say(self, gpu: Gpu, kind: GpuType) -> None:
        """What a function with this gets here that is not FC's. Never silently."""
        if self._mode is GpuMode.NONE:
            self._once("--gpu none: functions with gpuConfig run without a card")
        elif self._mode is GpuMode.FAKE and kind.nvidia:
            self._once(
                f"--gpu fake: {gpu.type} is a test double that says it is a {kind.card} with driver {DRIVER_VERSION}; "
                "programs that compute on it get CUDA's own `no CUDA-capable device is detected`"
            )
        elif self._mode is GpuMode.FAKE:
            self._once(f"--gpu fake has no double of {gpu.type}, which is not NVIDIA's: it runs without a card")
        elif self.found.problem is not None:
            self._once(f"functions with gpuConfig run without a card: {self.found.problem}")
        elif not self.found.cards:
            self._once(
                "no GPU is here, so functions with gpuConfig run without a card; "
                "`--gpu fake` starts them with a test double of the one that FC gives"
            )

    def _once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)
