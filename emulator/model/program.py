"""The user's own server as an instance: the program of a custom runtime, or what a container image holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from emulator.model.image import Copied, Image

EMPTY: Mapping[str, Any] = MappingProxyType({})


class HealthCheck(Struct, frozen=True):
    """`healthCheckConfig`; ranges in runtime-contract.md §1.7."""

    url: str
    initial_delay: float = 0.0
    period: float = 3.0
    timeout: float = 1.0
    failure_threshold: int = 3
    success_threshold: int = 1


class CustomRuntime(Struct, frozen=True):
    """`customRuntimeConfig`: the program of a `custom*` runtime. No command means `/code/bootstrap`."""

    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    port: int = 9000
    health_check: HealthCheck | None = None


class DapServer(Struct, frozen=True):
    """A debugger that listens in each instance of a function, and speaks the Debug Adapter Protocol.

    `port` is the one it should have, 0 for any. `command` starts it, and it the program: FC's own command where it is
    empty. `attach` are the arguments of the request by which a debugger goes to a program that runs.
    """

    port: int = 0
    command: tuple[str, ...] = ()
    attach: Mapping[str, Any] = EMPTY


class CustomContainer(Struct, frozen=True):
    """`customContainerConfig`. `entrypoint` is the process, `command` its arguments (FC's own pairing).

    `context` is the folder of the Dockerfile that makes the image, where there is one. `resolved` is what is known of
    the image (FC: `resolvedImageUri`); where the Dockerfile stands for it, `copied` is what that copies, `base` what it
    begins with, and `made_of` the digest of the folder.
    """

    image: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    port: int = 9000
    web_server_mode: bool = True
    health_check: HealthCheck | None = None
    context: Path | None = None
    build_args: Mapping[str, str] = EMPTY
    resolved: Image | None = None
    copied: tuple[Copied, ...] = ()
    base: str = ""
    made_of: str = ""

    @property
    def build_command(self) -> str:
        """What would build the image by hand; "" where it is only pulled."""
        return f"docker build -t {self.image} {self.context}" if self.context is not None else ""

    @property
    def start_command(self) -> tuple[str, ...]:
        """As the engines do it: an entrypoint of one's own drops the image's command, too."""
        image = self.resolved or Image(self.image)
        if self.entrypoint:
            return self.entrypoint + self.command
        return image.entrypoint + (self.command or image.command)


class CodeMount(Struct, frozen=True):
    """A folder of the host that is seen in place of what the image has at `target`."""

    source: Path
    target: str
