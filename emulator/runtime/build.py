"""`actions: pre-deploy` of a project: told when their products are missing, and run when asked for (`--build`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from emulator.model.errors import UserError
from emulator.model.function import BuildStep, Function
from emulator.runtime.interpreters import Interpreter, Interpreters
from emulator.runtime.languages import language
from emulator.runtime.spec import RuntimeSpec

LineSink = Callable[[bytes], None]
CHUNK_BYTES = 64 * 1024
# A line longer than this is handed over in pieces.
LINE_BYTES = 256 * 1024
# What the usual commands leave behind, as (command, folder or file that tells it ran, how deep it may lie).
PRODUCTS = (
    (re.compile(r"\bpip[\d.]*\s+install\b"), "*.dist-info"),
    (re.compile(r"\b(?:npm|cnpm|pnpm)\s+(?:i|ci|install)\b|\byarn\b(?!\s+(?:run|build|start))"), "node_modules"),
)
DEPTHS = ("", "*/", "*/*/")


def build_hint(function: Function) -> str:
    """Which commands were not run, for the message that something they make is missing; "" without any."""
    if not function.build:
        return ""
    commands = ", ".join(f"`{step.run}`" for step in function.build)
    return f"Not run: {commands} (actions: pre-deploy); `--build` runs it"


def missing_products(function: Function, code: Path) -> str | None:
    """A notice where a pre-deploy step was evidently never run in this checkout, else None."""
    missed = [step for step in function.build if _evidently_not_run(step, function, code)]
    if not missed:
        return None
    where = f"{missed[0].place}: " if missed[0].place else ""
    commands = ", ".join(f"`{step.run}`" for step in missed)
    return f"{where}{commands} of actions: pre-deploy was not run, and what it makes is missing; `--build` runs it"


def _evidently_not_run(step: BuildStep, function: Function, code: Path) -> bool:
    patterns = [product for command, product in PRODUCTS if command.search(step.run)]
    if patterns:
        return not any(_exists(folder, product) for product in patterns for folder in {step.path, code})
    return not function.is_custom and not _handler_exists(function, code)


def _exists(folder: Path, pattern: str) -> bool:
    return any(True for depth in DEPTHS for _ in folder.glob(depth + pattern))


def _handler_exists(function: Function, code: Path) -> bool:
    """Whether there is a file or folder for the handler `dir/module.function`, in whatever language."""
    module = function.handler.partition("::")[0].rpartition(".")[0]
    names = {module, module.replace(".", "/")} - {""}
    return not names or any(True for name in names for _ in (code / name).parent.glob(f"{Path(name).name}*"))


async def run_build_steps(function: Function, spec: RuntimeSpec, interpreters: Interpreters, sink: LineSink) -> None:
    """Run the steps in order, each in its folder, with the function's interpreter first on PATH.

    Each line of output goes to `sink`. Raises `UserError` naming the step that failed.
    This is the one place where a shell line of the user is given to a shell, as Serverless Devs does.
    """
    if not function.build:
        return
    with _build_path(spec, interpreters, sink) as folder:
        environ = dict(interpreters.environ)
        environ["PATH"] = f"{folder}:{environ.get('PATH', os.defpath)}"
        for step in function.build:
            sink(f"$ {step.run}".encode())
            code = await _run(step, environ, sink)
            if code != 0 and not step.allow_failure:
                raise UserError(
                    f"the pre-deploy step `{step.run}` of function {function.name} ended with exit code {code}",
                    f"run it by hand in {step.path}, or start without --build",
                    step.place or function.place,
                )
            if code != 0:
                sink(f"exit code {code}, which allow_failure permits".encode())


async def _run(step: BuildStep, environ: dict[str, str], sink: LineSink) -> int:
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
            f"the pre-deploy step `{step.run}` can not run in {step.path}: {error.strerror}", place=step.place
        ) from error
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
def _build_path(spec: RuntimeSpec, interpreters: Interpreters, sink: LineSink) -> Iterator[Path]:
    """A folder with the interpreters that the function will run on, and with pip, npm and their like of the same."""
    with tempfile.TemporaryDirectory(prefix="fclocal-build-") as name:
        folder = Path(name)
        for command, links, used in _interpreters(spec, interpreters, sink):
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
