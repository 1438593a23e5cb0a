"""The yardstick and the floor: no emulator at all. They run on the product's own interpreter and packages."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.processes import ROOT
from bench.servers.base import Launch


@dataclass(frozen=True, slots=True)
class UvicornEcho:
    """(a) A bare uvicorn + starlette echo."""

    name: str = "uvicorn"
    title: str = "uvicorn + starlette echo (a)"

    def prepare(self) -> str:
        return f"uvicorn {version('uvicorn')}, starlette {version('starlette')}"

    def launch(self, folder: Path, port: int) -> Launch:
        quiet = ("--no-access-log", "--log-level", "error")
        app = "bench.apps.starlette_echo:app"
        return Launch((sys.executable, "-m", "uvicorn", *quiet, "--port", str(port), app), "/", ROOT)


@dataclass(frozen=True, slots=True)
class Floor:
    """An echo on uvloop and httptools, without a framework."""

    name: str = "floor"
    title: str = "bare event loop (what the generator can measure)"

    def prepare(self) -> str:
        return f"uvloop {version('uvloop')}, httptools {version('httptools')}"

    def launch(self, folder: Path, port: int) -> Launch:
        return Launch((sys.executable, "-m", "bench.apps.floor", str(port)), "/", ROOT)
