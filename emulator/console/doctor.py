"""`fclocal doctor` for the page: the command itself, since it tries walls and interpreters, which holds a loop up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emulator.config.settings import OPTIONS, Settings
from emulator.model.errors import UserError
from emulator.model.function import Project
from emulator.sandbox.reaper import Reaper

# As the emulator was started with them: what the command looks at.
GIVEN = ("walls", "network", "gpu", "strict", "limits", "runtimes_dir", "state_dir")
PATIENCE_SECONDS = 120.0


async def diagnosis(settings: Settings, project: Project) -> dict[str, Any]:
    """Its `findings` and `limits`, as `--json` prints them. Raises `UserError`; nothing of it outlives us."""
    # Without the working directory in front: a project may have a module of that name.
    argv = [sys.executable, "-P", "-m", "emulator", "doctor", "--json", *_flags(settings)]
    if project.file is not None:
        argv += ["--template", str(project.file)]
    with tempfile.TemporaryDirectory(prefix="fclocal-doctor-") as folder:
        reaper = Reaper(asyncio.get_running_loop(), Path(folder).name, (), (Path(folder),))
        try:
            text = await _output(argv, project.root, reaper)
        finally:
            await reaper.aclose()
    lines = [json.loads(line) for line in text.splitlines()]
    return {
        "findings": [line for line in lines if line["kind"] == "finding"],
        "limits": [line for line in lines if line["kind"] != "finding"],
    }


async def _output(argv: list[str], root: Path, reaper: Reaper) -> bytes:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=root, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
    )
    reaper.watch(process.pid)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        raise UserError("fclocal doctor did not end", "run it in a terminal") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        reaper.forget(process.pid)
    # 1 is "something can be lifted".
    if process.returncode not in (0, 1):
        raise UserError(err.decode("utf-8", "replace").strip() or "fclocal doctor failed", "run it in a terminal")
    return out


def _flags(settings: Settings) -> Iterator[str]:
    for name in GIVEN:
        option, value = OPTIONS[name], getattr(settings, name)
        if isinstance(value, bool):
            yield option.flag if value else f"--no-{option.flag.removeprefix('--')}"
        elif value is not None:
            yield from (option.flag, str(value))
