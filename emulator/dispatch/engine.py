"""What faces and companions receive: the one door to everything below."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.dispatch.dispatcher import Dispatcher
from emulator.dispatch.tasks import TaskQueue
from emulator.journal.journal import Journal
from emulator.model.function import Account, Project
from emulator.model.ids import RequestIds
from emulator.registry.registry import Registry
from emulator.scheduler.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Engine:
    project: Project
    account: Account
    registry: Registry
    scheduler: Scheduler
    dispatcher: Dispatcher
    tasks: TaskQueue
    journal: Journal
    request_ids: RequestIds
