"""Runs build steps, with the function's interpreter first on PATH: the one place where a shell line is run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from emulator.model.errors import UserError
from emulator.model.function import BuildStep, Function
from emulator.runtime.interpreters import Interpreter, Interpreters
from emulator.runtime.languages import language
from emulator.runtime.spec import RuntimeSpec

LineSink = Callable[[bytes], None]
CHUNK_BYTES = 64 * 1024
# A line longer than this is handed over in pieces.
LINE_BYTES = 256 * 1024


class Guard(Protocol):
    """Who ends what a build started, and removes its folder, when we are killed without a chance to do it."""

    @property
    def folder(self) -> Path: ...

    @property
    def mark(self) -> Mapping[str, str]:
        """What the environment of each step has to hold."""
        ...

    def watch(self, session: int) -> None: ...


async def run_build_steps(
    function: Function,
    steps: Iterable[BuildStep],
    spec: RuntimeSpec | None,
    interpreters: Interpreters,
    sink: LineSink,
    guard: Guard,
) -> None:
    """Run the steps in order, each in its folder, with the function's interpreter first on PATH.

    Each line of output goes to `sink`. Raises `UserError` naming the step that failed.
    This is the one place where a shell line of the user is given to a shell, as Serverless Devs does.
    """
    with _build_path(spec, interpreters, sink, guard.folder) as folder:
        environ = {**interpreters.environ, **guard.mark}
        environ["PATH"] = f"{folder}:{environ.get('PATH', os.defpath)}"
        for step in steps:
            sink(f"$ {step.run}".encode())
            code = await _run(step, environ, sink, guard)
            if code != 0 and not step.allow_failure:
                raise UserError(
                    f"the build step `{step.run}` of function {function.name} ended with exit code {code}",
                    f"run it by hand in {step.path}, or start without --build",
                    step.place or function.place,
                )
            if code != 0:
                sink(f"exit code {code}, which allow_failure permits".encode())


async def _run(step: BuildStep, environ: dict[str, str], sink: LineSink, guard: Guard) -> int:
    """The exit code; the whole process group is gone when this returns or is cancelled."""
    try:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            step.run,
            cwd=step.path,
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise UserError(
            f"the build step `{step.run}` can not run in {step.path}: {error.strerror}", place=step.place
        ) from error
    guard.watch(process.pid)
    ended = asyncio.create_task(_ended(process))
    try:
        async for line in _lines(process.stdout):
            sink(line)
        return await ended
    finally:
        _kill_group(process)
        await asyncio.shield(ended)


async def _ended(process: asyncio.subprocess.Process) -> int:
    """What the step left in the background holds its output open, so it goes with the step."""
    code = await process.wait()
    _kill_group(process)
    return code


def _kill_group(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _lines(stream: asyncio.StreamReader | None) -> AsyncIterator[bytes]:
    rest = b""
    while stream is not None and (chunk := await stream.read(CHUNK_BYTES)):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r")
        if len(rest) > LINE_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest


@contextlib.contextmanager
def _build_path(spec: RuntimeSpec | None, interpreters: Interpreters, sink: LineSink, below: Path) -> Iterator[Path]:
    """A folder with the interpreters that the function will run on, and with pip, npm and their like of the same."""
    with tempfile.TemporaryDirectory(dir=below) as name:
        folder = Path(name)
        for command, links, used in _interpreters(spec, interpreters, sink) if spec else ():
            for link in links:
                _add_link(folder / link, used.path)
            for companion, module in language(command).companions.items():
                beside = used.path.parent / companion
                if module:
                    _add_script(folder / companion, used.path, module)
                elif beside.exists():
                    _add_link(folder / companion, beside)
        yield folder


def _interpreters(
    spec: RuntimeSpec, interpreters: Interpreters, sink: LineSink
) -> Iterator[tuple[str, tuple[str, ...], Interpreter]]:
    wanted = [(tool.command, tool.version, tool.links) for tool in spec.tools]
    if spec.interpreter is not None:
        wanted.insert(0, (spec.interpreter.command, spec.version, spec.interpreter.links))
    for command, version, links in wanted:
        used = interpreters.seek(command, version)
        if used is None:
            continue
        if not used.exact and not spec.is_program:
            sink(interpreters.notice(command, version, used).encode())
        yield command, links, used


def _add_link(at: Path, file: Path) -> None:
    """The first one that has a name keeps it."""
    with contextlib.suppress(FileExistsError):
        at.symlink_to(file)


def _add_script(at: Path, interpreter: Path, module: str) -> None:
    if at.exists():
        return
    quoted = "'" + str(interpreter).replace("'", "'\\''") + "'"
    at.write_text(f'#!/bin/sh\nexec {quoted} -m {module} "$@"\n', "utf-8")
    at.chmod(0o755)
