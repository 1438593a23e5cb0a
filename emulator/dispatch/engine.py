"""What faces and companions receive: the one door to everything below."""

from __future__ import annotations

from msgspec import Struct

from emulator.dispatch.dispatcher import Dispatcher
from emulator.dispatch.freshness import Freshness
from emulator.dispatch.tasks import TaskQueue
from emulator.journal.journal import Journal
from emulator.model.function import Account, Project
from emulator.model.ids import RequestIds
from emulator.registry.registry import Registry
from emulator.scheduler.scheduler import Scheduler


class Engine(Struct):
    """`project` is replaced when the project file changes, and nothing else ever is. `traces`: invocations are spans
    that are exported."""

    project: Project
    account: Account
    registry: Registry
    scheduler: Scheduler
    dispatcher: Dispatcher
    tasks: TaskQueue
    journal: Journal
    request_ids: RequestIds
    freshness: Freshness
    traces: bool = False
