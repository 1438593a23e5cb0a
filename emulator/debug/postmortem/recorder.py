"""Records failures: puts together what the emulator knows and what the instance says, and keeps it in a file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

import msgspec

from emulator.debug.postmortem.bundle import Dump, Ending, Failure, MemoryUse, PostMortem, Request, Thread, first_own
from emulator.debug.postmortem.files import PostMortems
from emulator.debug.postmortem.redact import event_of, redact, redaction
from emulator.debug.postmortem.stacks import node_stack, python_crash
from emulator.debug.postmortem.user_code import UserCode
from emulator.instance.control import ControlError
from emulator.instance.instance import Instance
from emulator.instance.recorder import Failed
from emulator.journal.journal import Journal
from emulator.model.events import PostMortemKept
from emulator.model.function import Account
from emulator.model.invocation import Cause, Invocation

# How long the process may take to say where it is, before it is ended; then by what C code can tell.
DUMP_SECONDS = 0.5
SIGNAL_SECONDS = 0.1
# An exception is told before its answer is sent, on another socket.
EVENT_SECONDS = 1.0
# The end of the channel comes with the end of the process.
DEATH_SECONDS = 0.5
CLOSE_SECONDS = 2.0
# A function that fails all the time shall not keep the emulator from its work.
MOST_A_SECOND = 20
# What instances have said, and no failure has come for.
MOST_UNCLAIMED = 50
# `faulthandler` of the Python bootstrap listens to it.
STACKS_SIGNAL = signal.SIGRTMAX - 1 if hasattr(signal, "SIGRTMAX") else None
KINDS = {
    Cause.RAISED: "exception",
    Cause.TIMEOUT: "timeout",
    Cause.OOM: "oom",
    Cause.EXITED: "exit",
    Cause.INITIALIZER: "exception",
}
# Why there is no stack.
NO_STACK = {
    "oom": "It was killed for its memory, which leaves no stack.",
    "exit": "It ended by itself, as by os._exit, which leaves no stack.",
    "crash": "It was killed, and nothing in it could say where it was.",
    "timeout": "The process could not say where it was.",
}


class PostMortemRecorder:
    """See `instance.recorder.Recorder`. `most` bundles are kept. Made by `at_need.RecorderAtNeed`."""

    def __init__(self, kept: PostMortems, most: int, journal: Journal, account: Account) -> None:
        self._kept = kept
        self._most = most
        self._journal = journal
        self._secrets = (account.access_key_id, account.access_key_secret, account.security_token)
        # By instance and request, in the order in which they came.
        self._said: OrderedDict[tuple[str, str], Dump] = OrderedDict()
        self._words: OrderedDict[str, list[str]] = OrderedDict()
        self._awaited: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # When the last ones were begun.
        self._begun: deque[float] = deque(maxlen=MOST_A_SECOND)
        # Those that still need the process of an instance.
        self._looking: dict[str, set[asyncio.Task[Dump]]] = {}

    def failed(self, instance: Instance, failed: Failed) -> None:
        now = self._journal.now()
        if len(self._begun) == MOST_A_SECOND and now - self._begun[0] < 1:
            return
        self._begun.append(now)
        bundle = _begun(instance, failed)
        ask: Callable[[Instance, str], Coroutine[Any, Any, Dump]]
        if failed.cause is Cause.TIMEOUT:
            ask = self._where_it_stands
        elif bundle.kind in ("oom", "crash", "exit"):
            ask = self._how_it_died
        else:
            ask = self._what_it_raised
        looking = asyncio.get_running_loop().create_task(ask(instance, failed.request_id))
        self._looking.setdefault(instance.id, set()).add(looking)
        task = asyncio.get_running_loop().create_task(self._record(bundle, instance, looking))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def last_look(self, instance: Instance) -> None:
        if looking := self._looking.get(instance.id):
            await asyncio.wait(looking, timeout=DUMP_SECONDS + 2 * SIGNAL_SECONDS)

    async def aclose(self) -> None:
        """What is being recorded is kept."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)

    # --- what instances say ---

    def heard_exception(self, instance: Instance, said: Mapping[str, Any]) -> None:
        """It raised, and its answer is on its way."""
        dump = _dump(said.get("dump"))
        if dump is None:
            return
        key = (instance.id, str(said.get("request", "")))
        _put(self._said, key, dump)
        if (waiting := self._awaited.get(key)) is not None and not waiting.done():
            waiting.set_result(None)

    def heard_words(self, instance: Instance, said: Mapping[str, Any]) -> None:
        """What its fault handler wrote, once its channel has ended."""
        _put(self._words, instance.id, said["lines"])

    async def _what_it_raised(self, instance: Instance, request_id: str) -> Dump:
        key = (instance.id, request_id)
        control = instance.control
        if key not in self._said and control is not None and control.language == "python":
            waiting = self._awaited[key] = asyncio.get_running_loop().create_future()
            await asyncio.wait([waiting], timeout=EVENT_SECONDS)
            del self._awaited[key]
        return self._said.pop(key, None) or Dump()

    async def _where_it_stands(self, instance: Instance, request_id: str) -> Dump:
        """Of a process that has run out of time: its interpreter's answer, else what its fault handler writes."""
        control = instance.control
        if control is None or control.language != "python":
            return Dump()
        with contextlib.suppress(ControlError):
            code = UserCode.of(instance).target
            if (dump := _dump(await control.ask("dump", DUMP_SECONDS, code=code))) is not None:
                _mark_current(dump, request_id)
                return dump
        if STACKS_SIGNAL is None or control.version.startswith("2."):
            return Dump()
        seen = len(control.last_words)
        instance.sandbox.signal(STACKS_SIGNAL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(control.ended(), SIGNAL_SECONDS)
        return _from_words(control.last_words[seen:], UserCode.of(instance))

    async def _how_it_died(self, instance: Instance, request_id: str) -> Dump:
        """What it raised last, such as SystemExit, else what its fault handler wrote."""
        if (control := instance.control) is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(control.ended(), DEATH_SECONDS)
        said = self._said.pop((instance.id, request_id), None)
        return said or _from_words(self._words.get(instance.id, []), UserCode.of(instance))

    # --- the bundle ---

    async def _record(self, bundle: PostMortem, instance: Instance, looking: asyncio.Task[Dump]) -> None:
        try:
            dump = await looking
        finally:
            tasks = self._looking.get(instance.id, set())
            tasks.discard(looking)
            if not tasks:
                self._looking.pop(instance.id, None)
        function = instance.revision.function
        hide = redaction({**function.environment, **instance.sandbox.launch.env}, self._secrets)
        user_code = UserCode.of(instance)

        def keep() -> None:
            _complete(bundle, dump, user_code)
            self._kept.keep(redact(bundle, hide), self._most)

        try:
            # Some ten milliseconds, in which other invocations go on.
            await asyncio.to_thread(keep)
        except OSError as error:
            self._journal.notice(f"post-mortems can not be kept: {error}", function=instance.function)
            return
        told = PostMortemKept(
            self._journal.now(), bundle.id, bundle.function, bundle.instance_id, bundle.kind, bundle.what
        )
        self._journal.append(told)


def _put(table: OrderedDict[Any, Any], key: object, value: object) -> None:
    table[key] = value
    while len(table) > MOST_UNCLAIMED:
        table.popitem(last=False)


def _dump(said: object) -> Dump | None:
    """What an instance sent, if it has the form of a dump."""
    try:
        return msgspec.convert(said, Dump)
    except (msgspec.ValidationError, RecursionError):
        return None


def _mark_current(dump: Dump, request_id: str) -> None:
    """With several requests at once it is the thread of the one that failed. A program's threads do not know theirs: it
    is one that is in a function of the user's own."""
    ours = [thread for thread in dump.threads if thread.request == request_id]
    if not ours and not any(thread.current and _works(thread) for thread in dump.threads):
        ours = [thread for thread in dump.threads if _works(thread)][:1]
    if ours:
        for thread in dump.threads:
            thread.current = thread in ours
        dump.threads.sort(key=lambda thread: not thread.current)


def _works(thread: Thread) -> bool:
    return any(not frame.library and frame.function != "<module>" for frame in thread.frames)


def _from_words(lines: Iterable[str], user_code: UserCode) -> Dump:
    fatal, threads = python_crash(list(lines), user_code.is_library)
    dump = Dump(threads=threads)
    if fatal:
        frames = threads[0].frames if threads else []
        dump.exceptions = [Failure("Fatal Python error", fatal, frames=frames)]
    return dump


def _begun(instance: Instance, failed: Failed) -> PostMortem:
    """All that the emulator knows at the moment of the failure."""
    revision, call = instance.revision, failed.call
    function = revision.function
    bundle = PostMortem(
        id=failed.request_id,
        at=time.time(),
        kind=KINDS[failed.cause],
        phase=failed.phase,
        function=instance.function,
        revision=revision.number,
        fingerprint=revision.fingerprint,
        runtime=function.runtime,
        handler=function.handler,
        instance_id=instance.id,
        status=failed.status,
        duration_ms=failed.duration_ms,
        timeout=_limit(instance, failed.phase),
        log=instance.log.recent(),
    )
    _describe(bundle, failed)
    _measure(bundle, instance, failed)
    if call is not None:
        _remember_call(bundle, call)
    return bundle


def _measure(bundle: PostMortem, instance: Instance, failed: Failed) -> None:
    """Memory, and how the process ended if it has."""
    usage, now = instance.usage(0.0), instance.journal.now()
    curve = [(at - now, mb) for at, mb in usage.curve]
    limit_mb = instance.revision.function.memory_mb
    bundle.memory = MemoryUse(limit_mb, max(usage.peak_mb, failed.memory_mb), curve)
    if instance.sandbox.exited.done():
        end = instance.sandbox.exited.result()
        bundle.ending = Ending(end.code, end.signal, end.oom)
        if bundle.kind == "exit" and end.signal is not None:
            bundle.kind = "oom" if end.oom else "crash"


def _remember_call(bundle: PostMortem, call: Invocation) -> None:
    if isinstance(call.body, bytes):
        bundle.event = event_of(call.body)
    bundle.request = Request(
        call.method.decode("latin-1"),
        call.target.decode("latin-1"),
        [(name.decode("latin-1"), value.decode("latin-1")) for name, value in call.headers],
        call.trigger,
        call.qualifier,
        call.is_async,
        call.retry_count,
    )


def _limit(instance: Instance, phase: str) -> float:
    function = instance.revision.function
    hook = {"Initialize": function.initializer, "PreStop": function.pre_stop, "PreFreeze": function.pre_freeze}.get(
        phase
    )
    return hook.timeout if hook is not None else function.timeout


def _describe(bundle: PostMortem, failed: Failed) -> None:
    """By FC's error object, which every runtime gives; its stack is there where no better one comes."""
    error: dict[str, Any] = {}
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(failed.body)
        error = found if isinstance(found, dict) else {}
    kind, message = error.get("errorType"), error.get("errorMessage")
    text = message if isinstance(message, str) else failed.detail
    bundle.what = f"{kind}: {text}" if isinstance(kind, str) and kind else text
    stack = error.get("stackTrace")
    if isinstance(stack, list) and bundle.runtime.startswith("nodejs"):
        lines = [line for line in stack if isinstance(line, str)]
        bundle.dump.exceptions = [Failure(str(kind or ""), text, frames=node_stack(lines, lambda file: False))]


def _complete(bundle: PostMortem, dump: Dump, user_code: UserCode) -> None:
    """Add what the instance said, and the source of what only its stack is known of."""
    if dump.exceptions or dump.threads:
        bundle.dump = dump
    dump = bundle.dump
    bundle.code_dir, bundle.code_target = str(user_code.folder or ""), user_code.target
    for failure in dump.exceptions:
        for frame in failure.frames:
            frame.library = frame.library or user_code.is_library(frame.file)
    if not dump.sources:
        dump.sources = user_code.sources(dump)
    frames = dump.exceptions[0].frames if dump.exceptions else []
    frames = frames or next((thread.frames for thread in dump.threads if thread.current and thread.frames), [])
    if (told := first_own(frames)) is not None:
        bundle.where = f"{user_code.short(told.file)}:{told.line} in {told.function}"
    elif bundle.kind in NO_STACK:
        bundle.remarks.append(NO_STACK[bundle.kind])
    if bundle.runtime.startswith("nodejs") and frames:
        bundle.remarks.append("Variables are recorded for Python only.")
    if not dump.complete:
        bundle.remarks.append("Some values are missing: reading them took too long.")
