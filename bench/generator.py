"""The bench's end of the load generator's process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bench.load import Load, Result
from bench.processes import Process, Processes


class LoadGenerator:
    """Sends loads through one process that lives as long as the bench, so that its own start is never measured."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def send(self, load: Load) -> Result:
        """Send one load and wait for its end. Raises `ConnectionRefusedError` where nobody listens at its start."""
        answer = self._process.ask(json.dumps(asdict(load)))
        if not answer:
            raise RuntimeError(f"the load generator ended: {self._process.log_tail()}")
        data = json.loads(answer)
        if "refused" in data:
            raise ConnectionRefusedError(data["refused"])
        return Result(**data)


@contextmanager
def load_generator(processes: Processes, folder: Path) -> Iterator[LoadGenerator]:
    """A load generator whose process ends with the block."""
    with processes.started([sys.executable, "-m", "bench.load"], folder / "load.log", is_asked=True) as process:
        yield LoadGenerator(process)
