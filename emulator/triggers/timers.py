"""Timer triggers: each invokes its function asynchronously, at its times by the platform's clock (platform.md §4.3)."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator

from msgspec import Struct

from emulator.dispatch.engine import Engine
from emulator.instance.platform_clock import PlatformTimer
from emulator.model import ids
from emulator.model.errors import FCError
from emulator.model.function import Api, FunctionName, Project, Trigger
from emulator.model.invocation import Invocation
from emulator.model.platform_events import TimerFired
from emulator.model.schedules import Cron, Every, show_moment
from emulator.model.trace import continued
from emulator.triggers.samples import timer_payload

Key = tuple[FunctionName, str]


class _Armed(Struct):
    """A trigger that waits for its next time; `began` is when its schedule did."""

    trigger: Trigger
    schedule: Every | Cron
    began: float
    timer: PlatformTimer | None = None

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


class Timers:
    """All of a project, from `know` to `close`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._platform = engine.scheduler.platform
        self._armed: dict[Key, _Armed] = {}

    def know(self, project: Project) -> None:
        """These are the triggers from now on. Where a schedule is what it was, its next time is too."""
        now = self._platform.time()
        wanted = {(name, trigger.name): trigger for name, trigger in _enabled(project)}
        for key in [key for key in self._armed if key not in wanted]:
            self._armed.pop(key).cancel()
        for key, trigger in wanted.items():
            armed = self._armed.get(key)
            if armed is not None and armed.schedule == trigger.schedule:
                armed.trigger = trigger
                continue
            if armed is not None:
                armed.cancel()
            if trigger.schedule is not None:
                self._armed[key] = _Armed(trigger, trigger.schedule, now)
                self._arm(key, now)

    def close(self) -> None:
        """None of them invokes anything any more."""
        for armed in self._armed.values():
            armed.cancel()
        self._armed.clear()

    def _arm(self, key: Key, moment: float) -> None:
        """For the first time after this moment; one that is over already is left out."""
        armed = self._armed[key]
        due = armed.schedule.after(moment, armed.began)
        if due is not None and due < (now := self._platform.time()):
            due = armed.schedule.after(now, armed.began)
        armed.timer = None if due is None else self._platform.call_at(due, functools.partial(self._fire, key, due))

    def _fire(self, key: Key, due: float) -> None:
        (name, _), trigger = key, self._armed[key].trigger
        self._arm(key, due)
        try:
            call = self._call(name, trigger, show_moment(due))
        except FCError as error:
            text = f"timer `{trigger.name}` of {name} was due, but nothing was invoked: {error}"
            self._engine.journal.notice(text, function=str(name))
            return
        journal, time = self._engine.journal, show_moment(due)
        fired = TimerFired(journal.now(), str(name), trigger.name, call.request_id, time, trigger.qualifier)
        journal.append(fired)
        self._engine.tasks.submit(call, due=True)

    def _call(self, name: FunctionName, trigger: Trigger, time: str) -> Invocation:
        engine = self._engine
        revision = engine.registry.resolve(name, trigger.qualifier)
        is_fc3 = revision.function.api is Api.FC3
        body = timer_event(trigger, time)
        return Invocation(
            revision,
            engine.request_ids.new() if is_fc3 else ids.hook_request_id(),
            body=body,
            length=len(body),
            qualifier=trigger.qualifier,
            trigger="timer",
            trace=continued({}) if engine.traces else None,
        )


def timer_event(trigger: Trigger, time: str) -> bytes:
    """What FC gives to the function (platform.md §4.3)."""
    event = {"triggerTime": time, "triggerName": trigger.name, "payload": timer_payload(trigger)}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _enabled(project: Project) -> Iterator[tuple[FunctionName, Trigger]]:
    for function in project.functions:
        for trigger in function.triggers:
            if trigger.schedule is not None:
                yield function.name, trigger
