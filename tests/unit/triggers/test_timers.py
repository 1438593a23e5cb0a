"""Timer triggers by the platform's clock: when they invoke, with what, and what a change of the project changes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from emulator.dispatch.engine import Engine
from emulator.dispatch.freshness import AlwaysFresh
from emulator.dispatch.tasks import TaskQueue
from emulator.model.events import InvocationStarted, Notice, TaskMoved
from emulator.model.function import Account, Api, AsyncPolicy, Function, FunctionName, Project, Trigger, TriggerType
from emulator.model.ids import RequestIds
from emulator.model.platform_events import TimerFired
from emulator.model.schedules import Cron, Every, show_moment
from emulator.registry.registry import Registry
from emulator.triggers.timers import Timers
from tests.support.core import HELLO, Core, core
from tests.support.fake_walls import FakeReply, FakeRequest

MINUTE = 60.0
TICK = Trigger("tick", TriggerType.TIMER, {"payload": "hi"}, schedule=Every(5 * MINUTE))


@dataclass
class Shop:
    """Timers over an engine whose functions are one program; `bodies` are the events that it got."""

    core: Core
    engine: Engine
    timers: Timers
    bodies: list[dict[str, Any]]

    def know(self, *functions: Function) -> None:
        self.timers.know(Project(Path("/"), None, functions))

    async def advance(self, seconds: float) -> None:
        await self.core.scheduler.platform.advance(seconds)

    def fired(self) -> list[TimerFired]:
        self.core.seen.extend(self.core.reader.take())
        return [event for event in self.core.seen if isinstance(event, TimerFired)]

    def names(self) -> list[str]:
        return [event.trigger for event in self.fired()]


@contextlib.asynccontextmanager
async def shop(folder: Path, *functions: Function, fails: int = 0, deploy: bool = True) -> AsyncIterator[Shop]:
    bodies: list[dict[str, Any]] = []

    async def program(request: FakeRequest) -> FakeReply:
        bodies.append(json.loads(request.body))
        return FakeReply(b"{}", 200, {"x-fc-status": "404"}) if len(bodies) <= fails else FakeReply(b"done")

    async with core(program) as c:
        registry = Registry(folder, c.journal)
        scheduler, account = c.scheduler, Account()
        tasks = TaskQueue(
            c.dispatcher,
            registry.find,
            c.journal,
            c.clock,
            scheduler.clocks,
            scheduler.platform,
            account,
            AlwaysFresh(),
        )
        project = Project(folder, None, functions)
        engine = Engine(
            project, account, registry, scheduler, c.dispatcher, tasks, c.journal, RequestIds(), AlwaysFresh()
        )
        for function in functions if deploy else ():
            registry.deploy(function)
        timers = Timers(engine)
        timers.know(project)
        try:
            yield Shop(c, engine, timers, bodies)
        finally:
            timers.close()
            await tasks.aclose()
            registry.close()


def with_timers(*triggers: Trigger, **fields: Any) -> Function:
    return replace(HELLO, triggers=triggers, **fields)


def test_each_invokes_at_its_time_with_fcs_event(tmp_path: Path) -> None:
    async def main() -> None:
        began = time.time()
        async with shop(tmp_path, with_timers(TICK)) as s:
            await s.advance(14 * MINUTE)
            assert len(s.bodies) == 2
            await s.advance(2 * MINUTE)
            times = [body.pop("triggerTime") for body in s.bodies]
            assert s.bodies == [{"triggerName": "tick", "payload": "hi"}] * 3
            assert times == [event.trigger_time for event in s.fired()]
            expected = [[show_moment(began + n * 5 * MINUTE + late) for late in (0, 1)] for n in (1, 2, 3)]
            assert all(found in near for found, near in zip(times, expected, strict=True))
            started = [event for event in s.core.seen if isinstance(event, InvocationStarted)]
            assert [event.request_id for event in started] == [event.request_id for event in s.fired()]
            assert {event.trigger for event in started} == {"timer"}

    asyncio.run(main())


def test_they_go_off_in_the_order_of_their_times_and_each_is_done_before_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        slow = Trigger("slow", TriggerType.TIMER, schedule=Every(7 * MINUTE))
        async with shop(tmp_path, with_timers(TICK, slow)) as s:
            await s.advance(22 * MINUTE)
            assert s.names() == ["tick", "slow", "tick", "slow", "tick", "tick", "slow"]
            order = [
                (event.trigger, "") if isinstance(event, TimerFired) else ("", event.state)
                for event in s.core.seen
                if isinstance(event, TimerFired) or (isinstance(event, TaskMoved) and event.state == "Succeeded")
            ]
            assert order[1::2] == [("", "Succeeded")] * 7

    asyncio.run(main())


def test_a_failing_function_is_tried_again_before_what_is_due_later(tmp_path: Path) -> None:
    async def main() -> None:
        async with shop(tmp_path, with_timers(TICK, async_policy=AsyncPolicy(max_retries=2)), fails=2) as s:
            await s.advance(11 * MINUTE)
            assert len(s.fired()) == 2 and len(s.bodies) == 4
            states = [event.state for event in s.core.seen if isinstance(event, TaskMoved)]
            assert states.count("Retrying") == 2 and states.count("Succeeded") == 2
            assert s.bodies[0] == s.bodies[1] == s.bodies[2] != s.bodies[3]

    asyncio.run(main())


def test_a_change_of_the_project_changes_what_it_changes(tmp_path: Path) -> None:
    async def main() -> None:
        other = Trigger("other", TriggerType.TIMER, schedule=Every(4 * MINUTE))
        async with shop(tmp_path, with_timers(TICK, other)) as s:
            await s.advance(3 * MINUTE)
            # One stays, though its payload is another one; one is changed, and counts from now.
            s.know(with_timers(replace(TICK, config={"payload": "new"}), replace(other, schedule=Every(3.5 * MINUTE))))
            await s.advance(2.5 * MINUTE)
            assert [body["payload"] for body in s.bodies] == ["new"]
            await s.advance(1.5 * MINUTE)
            assert s.names() == ["tick", "other"]
            s.know(with_timers(replace(other, schedule=Every(3.5 * MINUTE))))
            await s.advance(4 * MINUTE)
            assert s.names() == ["tick", "other", "other"], "one was removed"
            s.know(replace(HELLO, triggers=()))
            await s.advance(60 * MINUTE)
            assert len(s.fired()) == 3
            s.know(with_timers(TICK))
            await s.advance(6 * MINUTE)
            assert s.names()[3:] == ["tick"]

    asyncio.run(main())


def test_what_is_disabled_or_has_no_time_left_never_comes(tmp_path: Path) -> None:
    async def main() -> None:
        off = Trigger("off", TriggerType.TIMER, {"cronExpression": "@every 1m", "enable": False})
        never = Trigger("never", TriggerType.TIMER, schedule=Cron("0 0 0 30 2 *"))
        async with shop(tmp_path, with_timers(off, never)) as s:
            await s.advance(600 * MINUTE)
            assert s.fired() == [] and s.bodies == []

    asyncio.run(main())


def test_who_can_not_be_invoked_is_told_once_and_comes_again(tmp_path: Path) -> None:
    async def main() -> None:
        lost = Trigger("lost", TriggerType.TIMER, qualifier="prod", schedule=Every(5 * MINUTE))
        async with shop(tmp_path, with_timers(lost)) as s:
            await s.advance(11 * MINUTE)
            assert s.fired() == []
            [told] = [event for event in s.core.seen if isinstance(event, Notice)]
            assert "timer `lost` of hello was due, but nothing was invoked" in told.message and "prod" in told.message
            version = await s.engine.registry.publish(HELLO.name)
            s.engine.registry.versions.point(HELLO.name, "prod", version.version_id, {})
            await s.advance(5 * MINUTE)
            assert [event.qualifier for event in s.fired()] == ["prod"] and len(s.bodies) == 1

    asyncio.run(main())


def test_a_function_that_is_not_deployed_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with shop(tmp_path, with_timers(TICK), deploy=False) as s:
            await s.advance(6 * MINUTE)
            assert s.fired() == []
            assert any(isinstance(event, Notice) and "tick" in event.message for event in s.core.seen)

    asyncio.run(main())


def test_requests_of_fc2_have_its_ids(tmp_path: Path) -> None:
    async def main() -> None:
        name = FunctionName("f", "svc")
        async with shop(tmp_path, with_timers(TICK, name=name, api=Api.FC2)) as s:
            await s.advance(6 * MINUTE)
            [fired] = s.fired()
            assert fired.function == "svc$f" and len(fired.request_id) == 36

    asyncio.run(main())


def test_after_the_end_nothing_is_invoked(tmp_path: Path) -> None:
    async def main() -> None:
        async with shop(tmp_path, with_timers(TICK)) as s:
            s.timers.close()
            await s.advance(60 * MINUTE)
            assert s.bodies == []

    asyncio.run(main())


def test_in_real_time_too(tmp_path: Path) -> None:
    async def main() -> None:
        each_second = Trigger("second", TriggerType.TIMER, schedule=Every(1.0))
        async with shop(tmp_path, with_timers(each_second)) as s:
            await s.core.until(lambda event: isinstance(event, TaskMoved) and event.state == "Succeeded")
            assert s.bodies[0]["triggerName"] == "second"

    asyncio.run(main())
