"""One cold start of a function in an emulator that notes which files are read."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from msgspec import Struct

from emulator.app import Emulator
from emulator.config.settings import Settings
from emulator.model.coldstart import FileRead
from emulator.model.events import LogLine, Notice
from emulator.model.function import Function, FunctionName, Project
from emulator.model.inner_events import FilesRead
from emulator.model.invocation import Invocation
from emulator.model.launch import WallsKind
from emulator.model.program import CustomContainer, CustomRuntime
from tests.support.command import PATIENCE_SECONDS, free_port

MB = 1_000_000
BIG = 200 * MB
HERE = Path(__file__).parent


class Measured(Struct, frozen=True):
    """What came of it: `status`, the answer's `body`, what was `read` (None: nothing was told), what was `said`."""

    status: int
    body: bytes
    read: FilesRead | None
    said: tuple[str, ...]
    logged: tuple[str, ...]

    def of(self, path: Path) -> FileRead:
        assert self.read is not None, self.said
        found = [row for row in self.read.reads if row.path == str(path)]
        assert len(found) == 1, [row.path for row in self.read.reads]
        return found[0]


def python(folder: Path, code: str) -> Function:
    (folder / "index.py").write_text(code)
    return Function(FunctionName("reads"), "python3.10", handler="index.handler", code=folder, timeout=60)


def node(folder: Path, code: str) -> Function:
    (folder / "index.js").write_text(code)
    return Function(FunctionName("reads"), "nodejs20", handler="index.handler", code=folder, timeout=60)


def program(folder: Path, command: tuple[str, ...]) -> Function:
    """A custom runtime that listens on the port of its variable PORT."""
    port = free_port()
    runtime = CustomRuntime(command=command, port=port)
    return Function(
        FunctionName("reads"), "custom.debian10", code=folder, timeout=60, custom_runtime=runtime,
        environment={"PORT": str(port)},
    )  # fmt: skip


def image(name: str, command: tuple[str, ...]) -> Function:
    container = CustomContainer(image=name, command=command, port=9000)
    return Function(
        FunctionName("reads"), "custom-container", timeout=60, custom_container=container, walls=WallsKind.CONTAINER
    )


def big_file(folder: Path, name: str = "model.bin", size: int = BIG) -> Path:
    path = folder / name
    with path.open("wb") as file:
        os.truncate(file.fileno(), size)
    return path


def measure(function: Function, root: Path, *, walls: str = "auto", event: bytes = b"{}", **options: Any) -> Measured:
    return asyncio.run(_measure(function, root, event, {"walls": walls, "trace_reads": True, **options}))


async def _measure(function: Function, root: Path, event: bytes, options: dict[str, Any]) -> Measured:
    settings = Settings(port=0, state_dir=root / ".fclocal", reload=False, **options)
    async with Emulator(settings, Project(root, None, (function,))) as emulator:
        reader = emulator.journal.subscribe(linger=0.0)
        revision = emulator.engine.registry.latest(function.name)
        assert revision is not None
        call = Invocation(revision, "1-2-3", body=event, length=len(event))
        async with emulator.engine.dispatcher.invoke(call) as outcome:
            whole = isinstance(outcome.body, bytes)
            body = outcome.body if whole else b"".join([piece async for piece in outcome.body])
        seen = await _until_told(reader) if settings.trace_reads else reader.take()
        assert not [*emulator.walls.process.sockets.glob("*.reads")]
    told = [event for event in seen if isinstance(event, FilesRead)]
    said = tuple(event.message for event in seen if isinstance(event, Notice))
    logged = tuple(event.text for event in seen if isinstance(event, LogLine))
    return Measured(outcome.status, body, told[0] if told else None, said, logged)


async def _until_told(reader: Any) -> list[Any]:
    seen: list[Any] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for events in reader:
            seen += events
            if any(isinstance(it, FilesRead) for it in seen):
                return seen
    raise AssertionError("unreachable")
