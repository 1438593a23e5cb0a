"""The container engine: Docker, or what speaks its API, such as podman. The only module that knows docker-py."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import platform
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

import docker
from docker.errors import APIError, DockerException, NotFound

from emulator.model.errors import NoEngine, SandboxError

# Calls wait for the engine, which works on several containers at once; more than this only queue up in there.
_CALLS_AT_ONCE = 8
_PATIENCE_SECONDS = 120.0

_OURS = ("127.0.0.1", "localhost", "::1")
_GOING = "is already in progress"

Json = Mapping[str, Any]
P = ParamSpec("P")
R = TypeVar("R")


# What requests are named by: `Api.start`.
Api = docker.APIClient


class Absent(SandboxError):
    """What was asked for is not there: an image, a container, a volume."""


class Engine:
    """A connection to the engine that `DOCKER_HOST`, or else the default socket, names.

    Every request runs on a thread of its own pool, since docker-py blocks; the answer comes back on the event loop.
    """

    def __init__(self, api: docker.APIClient, url: str, info: Mapping[str, Any]) -> None:
        self._api = api
        self._threads = ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="docker")
        self.url = url
        self.info = info

    @classmethod
    async def connect(cls, environ: Mapping[str, str]) -> Engine:
        """Raises `SandboxError` where no engine answers, with what was tried."""
        return await asyncio.to_thread(cls._connect, environ)

    @classmethod
    def _connect(cls, environ: Mapping[str, str]) -> Engine:
        urls = engine_urls(environ)
        if not urls:
            raise NoEngine("No container engine is here", ABSENT_ENGINE)
        refused: list[str] = []
        for url in urls:
            try:
                api = docker.APIClient(base_url=url, version="auto", timeout=_PATIENCE_SECONDS)
                # It keeps one for each address that it asked, none of which is asked again.
                api.headers["Connection"] = "close"
                return cls(api, url, api.info())
            except (DockerException, OSError) as error:
                refused.append(f"{url}: {_words(error)}")
        raise NoEngine(f"No container engine answers: {'; '.join(refused)}", ABSENT_ENGINE)

    @property
    def name(self) -> str:
        """What it is, as printed, such as `Docker 20.10.24`."""
        return f"{'podman' if self.is_podman else 'Docker'} {self.info.get('ServerVersion', '')}".strip()

    @property
    def is_near(self) -> bool:
        """Whether its containers run on our own kernel, with which they can share sockets, pipes and processes. Of one
        that is asked over TCP that can not be known."""
        same_kernel = self.info.get("KernelVersion") == platform.release()
        return self.url.startswith("unix://") and sys.platform == "linux" and same_kernel

    def require_this_machine(self) -> None:
        """Raises `SandboxError` where ports that it publishes on 127.0.0.1 are certainly not ours."""
        if not self.url.startswith("unix://") and urlsplit(self.url).hostname not in _OURS:
            raise SandboxError(
                f"{self.url} is an engine of another machine, whose ports and folders are not this one's",
                "name an engine of this machine by DOCKER_HOST, or use --walls process",
            )

    @property
    def is_podman(self) -> bool:
        """Which answers much as Docker does."""
        return "Libpod" in str(self.info.get("ServerVersion")) or "BuildahVersion" in self.info

    @property
    def address(self) -> str:
        """Where it listens: the path of a unix socket, or a URL."""
        return self.url.removeprefix("unix://")

    async def call(
        self, request: Callable[Concatenate[docker.APIClient, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """The answer to `request`, a method of `docker.APIClient` or a function that uses one.

        Raises `Absent` for what is not there, `SandboxError` with the engine's own words for what it refuses.
        """
        work = functools.partial(self._answer, request, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def wait(
        self, request: Callable[Concatenate[docker.APIClient, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """As `call`, for an answer that comes when something inside has ended: it keeps no thread of the pool."""
        return await asyncio.to_thread(functools.partial(self._answer, request, *args, **kwargs))

    async def follow(
        self,
        request: Callable[Concatenate[docker.APIClient, P], Iterable[Json]],
        tell: Callable[[Json], None],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """`tell` each piece of an answer that goes on for as long as the work takes: a build, a pull.

        Raises as `call`. Cancelled, it hangs up, at which the engine ends the work.
        """
        loop, line = asyncio.get_running_loop(), _Line(self.url)

        def listen(_: docker.APIClient) -> None:
            for piece in request(line.api, *args, **kwargs):
                loop.call_soon_threadsafe(tell, piece)

        answering = asyncio.ensure_future(asyncio.to_thread(self._answer, listen))
        try:
            await asyncio.shield(answering)
        finally:
            if not answering.done():
                line.hang_up()
                await asyncio.wait([answering])
                answering.exception()
            line.api.close()

    def _answer(
        self, request: Callable[Concatenate[docker.APIClient, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        try:
            return request(self._api, *args, **kwargs)
        except NotFound as error:
            raise Absent(_words(error)) from error
        except APIError as error:
            if _GOING in str(error.explanation):  # by somebody else who clears away
                raise Absent(_words(error)) from error
            raise SandboxError(f"The container engine refused: {_words(error)}") from error
        except (DockerException, OSError) as error:
            raise SandboxError(f"The container engine does not answer: {_words(error)}", ABSENT_ENGINE) from error

    async def aclose(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._api.close)


ABSENT_ENGINE = "start one (such as `sudo systemctl start docker`), name one by DOCKER_HOST, or use --walls process"


def engine_urls(environ: Mapping[str, str]) -> list[str]:
    """What `DOCKER_HOST` names, or else the sockets of engines that are here: Docker for all users or for this one,
    Docker Desktop, Colima, podman."""
    if named := environ.get("DOCKER_HOST"):
        return [named]
    home, runtime = Path(environ.get("HOME", "/")), Path(environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"))
    places = (
        Path("/var/run/docker.sock"),
        runtime / "docker.sock",
        home / ".docker/run/docker.sock",
        home / ".docker/desktop/docker.sock",
        home / ".colima/default/docker.sock",
        runtime / "podman/podman.sock",
        Path("/run/podman/podman.sock"),
    )
    return [f"unix://{place}" for place in places if _is_there(place)]


def _is_there(place: Path) -> bool:
    try:
        return place.exists()
    except PermissionError:  # below somebody else's home
        return False


class _Line:
    """A connection for one long answer, which another thread can end."""

    def __init__(self, url: str) -> None:
        # However long it says nothing: it builds.
        self.api = docker.APIClient(base_url=url, version="auto", timeout=None)
        self._hung_up = False
        self._response: Any = None
        self.api.hooks["response"].append(self._begun)

    def _begun(self, response: Any, *_args: Any, **_kwargs: Any) -> None:
        self._response = response
        if self._hung_up:
            self.hang_up()

    def hang_up(self) -> None:
        """A thread that reads sees the end; closing the descriptor would not wake it."""
        self._hung_up = True
        connection = getattr(getattr(self._response, "raw", None), "connection", None)
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)


def _words(error: BaseException) -> str:
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation).strip().rstrip(".")
    reason = _reason(error)
    return (reason.strerror if reason is not None and reason.strerror else str(error)).strip().rstrip(".")


def _reason(error: BaseException | None) -> OSError | None:
    """What the kernel said, below whatever libraries have put around it."""
    while error is not None:
        inner = next((it for it in error.args if isinstance(it, BaseException)), None)
        found = next((it for it in (inner, *getattr(inner, "args", ())) if isinstance(it, OSError) and it.errno), None)
        if found is not None:
            return found
        error = inner or error.__cause__ or error.__context__
    return None
