"""What every measure works with: sizes, servers, the load generator, and a folder that goes at the end."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench.generator import LoadGenerator
from bench.load import OK
from bench.peers import PeerStore
from bench.processes import Process, Processes
from bench.servers.base import Running, Server, ServerFailed, free_port

READY_SECONDS = 90.0
POLL_SECONDS = 0.002
BODY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. `samples` counts starts, cold starts and blocks of thaws.

    `saves` counts those after each of which somebody thinks, `quick_saves` those after which nobody does; `model_mb` is
    the size of what a reload keeps. With `packages` also functions that import large ones are measured.
    """

    clients: tuple[int, ...] = (1, 16, 64)
    rounds: int = 5
    seconds: float = 1.0
    samples: int = 7
    burst: int = 200
    saves: int = 20
    quick_saves: int = 200
    model_mb: int = 1024
    packages: bool = True

    @classmethod
    def quick(cls) -> Sizes:
        return cls(
            clients=(1, 16), rounds=2, seconds=0.5, samples=3, saves=5, quick_saves=40, model_mb=64, packages=False
        )


@dataclass(frozen=True, slots=True)
class Entrant:
    """A server that can be had here, with its versions, or the reason why it is absent."""

    server: Server
    versions: str = ""
    absent: str = ""


class Bench:
    """One run of the benchmark."""

    def __init__(
        self,
        sizes: Sizes,
        entrants: Sequence[Entrant],
        processes: Processes,
        generator: LoadGenerator,
        folder: Path,
        say: Callable[[str], None],
        store: PeerStore,
    ) -> None:
        self.sizes = sizes
        self.entrants = entrants
        self.generator = generator
        self.say = say
        self.store = store
        self._processes = processes
        self._folder = folder
        self._numbers = count(1)

    @contextmanager
    def running(self, server: Server) -> Iterator[Running]:
        """The server from its first right answer on; it ends with the block. Raises `ServerFailed`."""
        with self.starting(server) as it:
            await_echo(it)
            yield it

    @contextmanager
    def starting(self, server: Server) -> Iterator[Running]:
        """The server from the moment that its process is there."""
        folder = self._folder / f"{next(self._numbers)}-{server.name}"
        folder.mkdir()
        port = free_port()
        launch = server.launch(folder, port)
        with self._processes.started(launch.argv, folder / "server.log", launch.folder, launch.env) as process:
            yield Running(server.name, process, port, launch.path)


def await_echo(it: Running) -> None:
    """Wait until the server's function answers. Raises `ServerFailed`."""
    deadline = time.monotonic() + READY_SECONDS
    last = "no connection"
    while time.monotonic() < deadline and not it.has_died:
        try:
            answer = it.call('{"data":"ready"}')
        except (OSError, http.client.HTTPException) as error:
            last = str(error)
        else:
            if answer.status == OK:
                return
            last = f"{answer.status} {answer.text[:200]}"
        time.sleep(POLL_SECONDS)
    raise ServerFailed(f"{it.name} {_state(it.process, last)}: {it.process.log_tail()}")


def _state(process: Process, last: str) -> str:
    return f"gave no right answer ({last})" if process.exit_code is None else f"ended with {process.exit_code}"
