"""Walls of an engine on another kernel: the boxes of all scenarios as images have them, their programs on a port."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from walls_box import BOUND, INHERITED, PYTHON

from emulator.model.launch import Launch, TcpEndpoint, UnixEndpoint
from emulator.sandbox.base import LogSink, Walls

PORT = 9000
LISTENING = f"socket.create_server(('0.0.0.0', {PORT}))"
INSIDE = {PYTHON: "/usr/local/bin/python3"}


class WallsApart:
    def __init__(self, walls: Walls, image: str) -> None:
        self._walls = walls
        self._image = image
        self.rung = f"{walls.rung}-apart"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._walls, name)

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> Any:
        argv = tuple(INSIDE.get(it, it).replace(BOUND, LISTENING).replace(INHERITED, LISTENING) for it in launch.argv)
        on_port = TcpEndpoint(PORT) if isinstance(launch.endpoint, UnixEndpoint) else launch.endpoint
        launch = replace(launch, argv=argv, endpoint=on_port, image=self._image)
        return self._walls.sandbox(name, launch, logs)

    def without_image(self, made: Any) -> Any:
        """One more of the same launch, which has no image."""
        launch = replace(made.sandbox.launch, image="")
        return self._walls.sandbox("c-bare", launch, made.lines.append)
