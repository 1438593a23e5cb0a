"""What an instance is made of."""

from __future__ import annotations

from msgspec import Struct, field

from emulator.gpu.use import GpuUse
from emulator.instance.clock import Timing
from emulator.instance.deadlines import Deadlines
from emulator.instance.debugger import Debugger, NoDebugger
from emulator.instance.log import InstanceLog
from emulator.instance.protocol import Heads
from emulator.instance.recorder import NoRecorder, Recorder
from emulator.model.function import Revision
from emulator.model.launch import Start
from emulator.sandbox.base import Sandbox


class Birth(Struct, frozen=True):
    """`packages` are those that were loaded before it, see `InstanceStarted`; `began` is when it was begun to be made,
    0 where that was just now."""

    instance_id: str
    revision: Revision
    sandbox: Sandbox
    heads: Heads
    log: InstanceLog
    capacity: int
    provisioned: bool
    deadlines: Deadlines
    timing: Timing = Timing()
    debugger: Debugger = field(default_factory=NoDebugger)
    recorder: Recorder = field(default_factory=NoRecorder)
    start: Start = Start.SPAWN
    packages: tuple[str, ...] = ()
    gpu: GpuUse | None = None
    began: float = 0.0
