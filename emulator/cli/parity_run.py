"""One function in process walls and in containers, called with the same events."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from emulator.cli.client import send
from emulator.cli.engine import RunningEmulator, open_emulator
from emulator.cli.follow import Follower
from emulator.cli.parity_compare import Answer, Compared, Difference, Look, compare, compare_inside
from emulator.cli.parity_events import Sample
from emulator.cli.served import served
from emulator.config.function_settings import FunctionSettings
from emulator.config.settings import Settings
from emulator.debug.postmortem.redact import Redaction, redaction
from emulator.dispatch.looking import look_inside
from emulator.instance.hooks import InitializerFailed
from emulator.journal.journal import Reader
from emulator.model import headers as h
from emulator.model.errors import FCError, SandboxError, UserError
from emulator.model.events import Event, InvocationStarted, LogLine, Notice
from emulator.model.function import Function, Project
from emulator.model.launch import WallsKind
from emulator.runtime.container import ENGINE
from emulator.sandbox.inside import NOTHING_SEEN

# A log of this many lines is compared; FC keeps 4 KB of it with the answer.
_EVENTS = 200_000


class Side:
    """A function in an emulator of its own, in one kind of walls."""

    def __init__(self, kind: WallsKind, emulator: RunningEmulator, function: Function) -> None:
        self.kind = kind
        self.emulator = emulator
        self.function = function
        self._reader: Reader = emulator.journal.subscribe(_EVENTS)
        self.notices: dict[str, None] = {}

    @property
    def title(self) -> str:
        rung = self.emulator.walls.rung(self.kind)
        return self.kind.value if rung == self.kind.value else f"{self.kind.value} ({rung})"

    async def ask(self, sample: Sample) -> Answer:
        """Raises `UserError` where the emulator does not answer."""
        self._events()
        request = replace(sample.call, token=self.emulator.token).request(served(self.function), self.emulator.port)
        try:
            async with send(self.emulator.port, request) as reply:
                body = await reply.read()
        except ConnectionError as error:
            raise UserError(f"{sample.name}: no answer in {self.kind.value} walls: {error}") from None
        events = self._events()
        request_id = reply.headers.get(h.REQUEST_ID, "")
        instance_id = _instance(events, request_id)
        log = [event.text for event in events if isinstance(event, LogLine) and event.function == self._name]
        return Answer(reply.status, reply.headers, body, log, self._known(instance_id, request_id))

    async def look(self) -> Look:
        """What is seen in an instance."""
        walls = await self.emulator.walls.of(self.kind)
        try:
            inside, instance_id = await look_inside(self.emulator.engine, self.function.name, walls.shell)
        except (FCError, InitializerFailed, SandboxError) as error:
            return Look(NOTHING_SEEN, failure=str(error))
        finally:
            self._events()
        return Look(inside, self._known(instance_id, ""))

    @property
    def _name(self) -> str:
        return str(self.function.name)

    def _known(self, instance_id: str, request_id: str) -> Mapping[str, str]:
        known = {request_id: "request id", instance_id: "instance id", f"localhost:{self.emulator.port}": "port"}
        return {value: name for value, name in known.items() if value}

    def _events(self) -> list[Event]:
        """What has come since; what the emulator says of this function is kept."""
        events = self._reader.take()
        for event in events:
            if isinstance(event, Notice) and event.function in ("", self._name):
                self.notices[event.message] = None
        return events


class Result(Struct, frozen=True):
    """Of one event, or of the look inside where `event` is empty. `answered` says what came in process walls."""

    event: str
    compared: Compared
    answered: str = ""


class Parity:
    """Both sides, as an async context: when it is left, nothing of them is left.

    `tell` gets what the emulators have to say, as it comes: a build may take long.
    """

    def __init__(self, settings: Settings, project: Project, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._tell = tell
        self._project = project
        self._stack = contextlib.AsyncExitStack()
        self.sides: Sequence[Side] = ()

    async def __aenter__(self) -> Parity:
        try:
            # Whoever has no engine is told before anything else is done.
            container = await self._side(WallsKind.CONTAINER)
            self.sides = (await self._side(WallsKind.PROCESS), container)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, asyncio.CancelledError):
            await asyncio.gather(*(side.emulator.kill() for side in self.sides))
        await self._stack.aclose()

    async def _side(self, kind: WallsKind) -> Side:
        settings = _settings_for(self._settings, kind)
        emulator = open_emulator(settings, self._project, whole=False)
        side = Side(kind, emulator, self._project.functions[0])
        follower = Follower(emulator.journal.subscribe(), lambda batch: _said(kind, batch), self._tell)
        follower.start()
        self._stack.push_async_callback(follower.stop)
        try:
            await self._stack.enter_async_context(emulator)
        except SandboxError as error:
            raise _not_here(kind, error) from error
        if why := emulator.refused.get(str(side.function.name)):
            raise UserError(f"{side.function.name} can not be run in {kind.value} walls: {why}")
        return side

    async def results(self, samples: Sequence[Sample], *, inside: bool) -> AsyncIterator[Result]:
        """One event after the other, each in process walls first. Raises `UserError`."""
        function = self._project.functions[0]
        hide = _redaction(self._settings, function)
        for sample in samples:
            process, container = [await side.ask(sample) for side in self.sides]
            yield Result(sample.name, compare(process, container, hide), _told(process))
        if inside and function.is_one_shot:
            self._tell("What is inside is not compared: with webServerMode: false no instance is there to look into.\n")
        elif inside:
            yield Result("", await self._inside(hide))

    async def _inside(self, hide: Redaction) -> Compared:
        process, container = [await side.look() for side in self.sides]
        if process.failure and container.failure:
            raise UserError(f"no instance could be looked into: {process.failure}", "see what fclocal invoke logs")
        if process.failure or container.failure:
            failures = (it.failure or "answers" for it in (process, container))
            return Compared([Difference("an instance", *failures)], ())
        return compare_inside(process, container, hide)


def _said(kind: WallsKind, batch: Iterable[Event]) -> str:
    notices = (event for event in batch if isinstance(event, Notice) and event.level != "debug")
    return "".join(f"{kind.value}: {notice.message}\n" for notice in notices)


def _told(answer: Answer) -> str:
    lines = len(answer.log)
    return f"{answer.status}, {len(answer.body)} bytes, {lines} line{'' if lines == 1 else 's'} of log"


def _instance(events: Iterable[Event], request_id: str) -> str:
    started = (it for it in events if isinstance(it, InvocationStarted) and it.request_id == request_id)
    return next((it.instance_id for it in started), "")


def _settings_for(settings: Settings, kind: WallsKind) -> Settings:
    """An emulator for a few calls, whatever a section of the settings says of the walls."""
    rung = settings.walls if settings.walls != WallsKind.CONTAINER.value else "auto"
    walls = kind.value if kind is WallsKind.CONTAINER or rung == "auto" else rung
    functions: Mapping[str, FunctionSettings] = {
        name: replace(section, walls=None) for name, section in settings.functions.items()
    }
    return dataclasses.replace(
        settings,
        walls=walls,
        port=0,
        reload=False,
        cold="faithful",
        timers=False,
        postmortem=False,
        functions=functions,
    )


def _not_here(kind: WallsKind, error: SandboxError) -> UserError:
    step = ENGINE if kind is WallsKind.CONTAINER else error.next_step
    return UserError(f"there are no {kind.value} walls to compare with: {error.message}", step)


def _redaction(settings: Settings, function: Function) -> Redaction:
    account = settings.account(function.region)
    keys = (account.access_key_id, account.access_key_secret, account.security_token)
    return redaction({**function.environment, **settings.environment_of(function.name)}, keys)
