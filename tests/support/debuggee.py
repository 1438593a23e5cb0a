"""A Python program with debugpy's own adapter, which `fclocal debug --connect` must get along with."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PRELUDE = """\
import debugpy, sys
print(debugpy.listen(("127.0.0.1", 0))[1], flush=True)
debugpy.wait_for_client()
debugpy.breakpoint()
import program
"""


@contextlib.contextmanager
def waiting_program(folder: Path, code: str) -> Iterator[str]:
    """`program.py`, which stops before its first line once a client is attached; the address to attach to."""
    (folder / "program.py").write_text(code, encoding="utf-8")
    (folder / "prelude.py").write_text(PRELUDE, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-Xfrozen_modules=off", "prelude.py"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
