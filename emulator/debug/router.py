"""The DAP router: one session for an editor, made of the debuggers of all instances (docs/debugging.md).

Instances come and go, and each has a debugger of its own that dials in; the editor has one connection that stays. What
it wants is kept here, and told to every debugger before the first line of user code. Several debuggers may stand at
once, each with its instance's clock; the editor is shown one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar, cast

from emulator.debug.attach import HOLDER, Attaching, Loading, numbers
from emulator.debug.breakpoints import Breakpoints
from emulator.debug.dialling import Dialling
from emulator.debug.forward import Exchange
from emulator.debug.log import show_log
from emulator.debug.names import Names
from emulator.debug.options import DebugOptions
from emulator.debug.peer import Failed, PeerGone
from emulator.debug.process import ANSWER_SECONDS, ASLEEP, Process
from emulator.debug.stops import Stops
from emulator.instance.control import Callee, Control, Switchboard
from emulator.instance.instance import Instance
from emulator.journal.journal import Journal
from emulator.model.lifecycle import StopReason

Json = dict[str, Any]


class Screen:
    """What the router tells the editor; nothing where there is none, or while it is not ready yet."""

    def event(self, name: str, body: Json) -> None: ...

    def output(self, category: str, text: str) -> None: ...


class Router:
    """See `instance.debugger.Debugger` for the calls that come from instances.

    `screen` is the editor that is ready for events, `wanted` the arguments of its `attach`, None while there is none.
    """

    def __init__(
        self,
        switchboard: Switchboard,
        journal: Journal,
        names: Names,
        options: DebugOptions,
        instances: Mapping[str, Instance],
    ) -> None:
        self.names = names
        self.options = options
        self.breakpoints = Breakpoints()
        self.exchange = Exchange()
        self.stops: Stops[Process] = Stops(one=options.stops == "one")
        self.processes: list[Process] = []
        self.wanted: Json | None = None
        self.screen = Screen()
        self._log: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self.instances = instances
        self._journal = journal
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timed_out: set[str] = set()
        self.loading = Loading()
        self.attaching = Attaching(journal, self.own)
        self.dialling = Dialling(journal, self)
        switchboard.carry("dap", self._dialled)
        switchboard.listen("hello", self._hello)

    @property
    def edited(self) -> bool:
        """Whether an editor is attached."""
        return self.wanted is not None

    def own(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        for process in list(self.processes):
            process.peer.close()

    # --- instances ---

    def _hello(self, callee: Callee, control: Control, said: Json) -> None:
        """A process has dialled. One that waits for us is answered in any case."""
        instance = cast(Instance, callee)
        self.attaching.dialled(instance)
        if said.get("waits"):
            self.own(self.attaching.load(instance, control))
        elif self.edited:
            self.own(self._attach_awake(instance))

    async def _attach_awake(self, instance: Instance) -> None:
        """One that is frozen is attached by `sync`."""
        if instance.state in ASLEEP or instance.ended:
            return
        if self.attaching.can_load(instance) or self.dialling.can_dial(instance):
            async with self.loading.held(instance):
                await self.attaching.attach(instance)
                await self.dialling.attach(instance)

    async def born(self, instance: Instance) -> None:
        """It may have a debugger of its own, which is dialled before the first request if an editor is attached."""
        if self.edited:
            await self.dialling.attach(instance)

    async def settle(self, instance: Instance) -> None:
        """It may have answered its request before its debugger has said that it goes on."""
        for process in self._of(instance):
            await process.peer.all_answered(ANSWER_SECONDS)

    async def sync(self, instance: Instance) -> None:
        """It was thawed: attach it if an editor has come meanwhile, and let it hear of the breakpoints."""
        if self.edited:
            await self.attaching.attach(instance)
            await self.dialling.attach(instance)
        for process in self._of(instance):
            await process.sync()

    def done(self, instance: Instance) -> None:
        if instance.in_flight == 0:
            for process in self._of(instance):
                if self.stops.is_stepping(process):
                    self._show(self.stops.release(process))

    def patched(self, instance: Instance) -> None:
        """Its lines may have moved: the editor's breakpoints are set anew."""
        for process in self._of(instance):
            for path, entry in self.breakpoints.files.items():
                self.own(process.set_breakpoints(path, entry))

    def retire(self, instance: Instance) -> None:
        for process in self._of(instance):
            process.retired = True

    def gone(self, instance: Instance) -> None:
        self._timed_out.discard(instance.id)
        self.attaching.forget()
        self.dialling.forget(instance)
        for process in self._of(instance):
            process.peer.close()
            self.lost(process)

    def timed_out(self, instance: Instance) -> bool:
        """Stop it where it is, if an editor can be shown that."""
        found = [process for process in self._of(instance) if process.attached]
        if not self.edited or not found or self.stops.of(found[0]):
            return False
        self._timed_out.add(instance.id)
        alone = instance.capacity == 1 and not instance.revision.function.is_custom
        found[0].stop(alone=alone)
        return True

    def _of(self, instance: Instance) -> list[Process]:
        return [process for process in self.processes if process.instance is instance]

    # --- debuggers ---

    def _dialled(self, callee: Callee, hello: Json, transport: asyncio.Transport, rest: bytes) -> None:
        """A process of an instance has loaded its debugger, and waits until it is configured."""
        instance = cast(Instance, callee)
        others = self._of(instance)
        name = self.names.of(instance)
        pid = hello["pid"] if isinstance(hello.get("pid"), int) else 0
        process = Process(instance, f"{name}/{pid}" if others else name, pid, numbers(hello.get("version")), self)
        process.peer.connection_made(transport)
        transport.set_protocol(process.peer)
        self.adopt(process)
        self.own(self._configure(process))
        if rest:
            process.peer.data_received(rest)

    def adopt(self, process: Process) -> None:
        """It is one of the session's now, until it is lost."""
        self.processes.append(process)
        process.instance.debugged = True

    async def _configure(self, process: Process) -> None:
        """Whatever comes of it, the process is not held up: with no editor there is simply nothing to stop at."""
        process.instance.clock.attach(self.edited)
        try:
            await process.configure(self.wanted or {}, self.breakpoints)
        except PeerGone:
            return
        except (Failed, TimeoutError) as error:
            self._journal.notice(f"{process.name} can not be debugged: {error or 'its debugger does not answer'}")
            process.peer.close()
            return
        await process.list_threads()

    async def _configure_again(self, process: Process) -> None:
        async with self.loading.held(process.instance):
            await self._configure(process)

    async def attach_all(self) -> None:
        """An editor has come: those that are connected already are configured for it, and the others are attached."""
        await asyncio.gather(*(self._configure_again(process) for process in self.processes))
        for instance in self.attaching.joined(self.instances.values()):
            self.own(self._attach_awake(instance))

    def look(self, screen: Screen) -> None:
        """The editor is ready: it sees what stands already, and from now on whatever happens."""
        self.screen = screen
        self._log = self.own(show_log(self._journal, self._name_of, screen.output, self._reloaded))
        self._show(self.stops.show_all_again())

    def _reloaded(self) -> None:
        for shown in self.breakpoints.verify_again():
            self.verified(shown)

    def _name_of(self, instance_id: str, function: str) -> str:
        instance = self.instances.get(instance_id)
        return self.names.of(instance) if instance is not None else function

    async def leave(self) -> None:
        """The editor has left. Returns when nothing of it is left either."""
        self._leaving = self.own(self._detach_all())
        await self.free()

    async def free(self) -> None:
        """Wait until the last editor has left altogether."""
        if self._leaving is not None:
            await asyncio.wait([self._leaving])

    async def _detach_all(self) -> None:
        """Everything runs on, and what was slowed down makes room for what is not."""
        self.wanted = None
        self.screen = Screen()
        if self._log is not None:
            self._log.cancel()
        self.breakpoints.clear()
        self.dialling.leave()
        leaving = list(self.processes)
        await asyncio.gather(*(self._detach(process) for process in leaving))
        for process in leaving:
            self.resumed(process, None, told=False)
            process.instance.clock.attach(False)
            if process.stays_slow:
                process.instance.condemn(StopReason.DEBUGGED)

    async def _detach(self, process: Process) -> None:
        async with self.loading.held(process.instance):
            await process.detach()

    def lost(self, process: Process) -> None:
        if process not in self.processes:
            return
        self.processes.remove(process)
        for thread in process.threads:
            outer = self.exchange.threads.outer(process, thread)
            self.screen.event("thread", {"reason": "exited", "threadId": outer})
        shown = self.stops.forget(process)
        self.exchange.forget(process)
        self._settle(process.instance)
        self._show(shown)

    def declined(self, process: Process, path: str, why: str) -> None:
        self._journal.notice(f"{process.name} has no breakpoint in {path}: {why}", function=process.instance.function)

    # --- what debuggers say ---

    def said(self, process: Process, event: str, body: Json) -> None:
        if (heard := self._HEARD.get(event)) is not None:
            heard(self, process, body)

    def _stopped(self, process: Process, body: Json) -> None:
        thread = body.get("threadId")
        if not isinstance(thread, int):
            return
        if not self.edited:
            # Nobody would ever let it go.
            process.go(thread)
            return
        process.threads.setdefault(thread, f"Thread-{thread}")
        shown = self.stops.stopped(process, thread, body)
        process.instance.pause(HOLDER)
        self._show(shown)

    def _continued(self, process: Process, body: Json) -> None:
        self.resumed(process, None if body.get("allThreadsContinued") else body.get("threadId"), told=True)

    def verified(self, shown: Json, reason: object = "changed") -> None:
        self.screen.event("breakpoint", {"reason": reason, "breakpoint": self.breakpoints.told(shown)})

    def _thread(self, process: Process, body: Json) -> None:
        thread = body.get("threadId")
        if not isinstance(thread, int):
            return
        outer = self.exchange.threads.outer(process, thread)
        if body.get("reason") == "exited":
            process.threads.pop(thread, None)
            self.resumed(process, thread, told=False)
            self.exchange.threads.forget(process, thread)
        else:
            process.threads.setdefault(thread, f"Thread-{thread}")
        self.screen.event("thread", {"reason": body.get("reason"), "threadId": outer})

    def _breakpoint(self, process: Process, body: Json) -> None:
        changed = body.get("breakpoint")
        if not isinstance(changed, dict):
            return
        ours = process.our_id(changed.get("id"))
        if ours is not None:
            self.verified({**changed, "id": ours}, body.get("reason"))

    def _output(self, process: Process, body: Json) -> None:
        if body.get("category") != "telemetry" and isinstance(body.get("output"), str):
            told = self.exchange.outward(process, body)
            self.screen.event("output", {**told, "output": f"{process.name} | {body['output']}"})

    _HEARD: ClassVar[dict[str, Callable[[Router, Process, Json], None]]] = {
        "stopped": _stopped,
        "continued": _continued,
        "thread": _thread,
        "breakpoint": _breakpoint,
        "output": _output,
    }

    # --- stops and resumes ---

    def _show(self, stops: list[tuple[Process, int]]) -> None:
        for process, thread in stops:
            body = self.stops.of(process).get(thread)
            if body is None:
                continue
            hit = [process.our_id(number) for number in body.get("hitBreakpointIds") or ()]
            late = process.instance.id in self._timed_out
            self._timed_out.discard(process.instance.id)
            told = {
                **body,
                **({"text": "it ran into its timeout"} if late else {}),
                "threadId": self.exchange.threads.outer(process, thread),
                "allThreadsStopped": self.is_alone(process),
                "description": f"{'Timed out' if late else 'Paused'} in {process.name}",
            }
            if hit:
                told["hitBreakpointIds"] = [number for number in hit if number is not None]
            self.screen.event("stopped", told)

    def resumed(self, process: Process, thread: int | None, *, told: bool, stepping: bool = False) -> None:
        """A thread of it runs, or all (None). `told`: the editor has to hear of it."""
        threads = list(self.stops.of(process)) if thread is None else [thread]
        if told:
            for each in threads:
                if each in self.stops.of(process):
                    outer = self.exchange.threads.outer(process, each)
                    self.screen.event("continued", {"threadId": outer, "allThreadsContinued": False})
        if stepping:
            self.stops.steps(process)
        if self._runs(process, thread, stepping=stepping) and not self.stops.is_stepping(process):
            self._show(self.stops.release(process))

    def is_alone(self, process: Process) -> bool:
        """Whether `all threads`, said to an editor, means those of this process, and they all do the same."""
        return process.whole and self.processes == [process]

    def stands_still(self, process: Process, thread: int, body: Json) -> None:
        """It did not take the step: the editor sees it where it is."""
        self.stops.stopped(process, thread, body)
        process.instance.pause(HOLDER)

    def goes(self, process: Process, thread: int | None) -> None:
        """The editor lets a thread go on. `told` follows when it knows that the thread does."""
        self.stops.goes(process)
        self._runs(process, thread)

    def told(self, process: Process) -> None:
        self._show(self.stops.told(process))

    def _runs(self, process: Process, thread: int | None, *, stepping: bool = False) -> bool:
        """Whether that was the last of its threads that stood."""
        last = self.stops.resumed(process, thread)
        if last:
            self.exchange.runs(process)
            self._settle(process.instance, stepping=stepping)
        return last

    def _settle(self, instance: Instance, *, stepping: bool = False) -> None:
        """Its clocks run when no thread of any of its processes stands."""
        if not any(self.stops.of(process) for process in self._of(instance)):
            instance.resume(HOLDER, stepping=stepping)

    # --- breakpoint() ---

    async def load_for(self, instance: Instance, control: Control, said: Json) -> None:
        """User code has called `breakpoint()` where no debugger is loaded yet: load it, then let it stop."""
        await self._attach_awake(instance)
        await self.attaching.load(instance, control)
        control.tell("answer", to=said.get("ask"))
