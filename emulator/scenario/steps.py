"""What a scenario is made of: frozen data, as `read.py` has read it and `play.py` plays it."""

from __future__ import annotations

from msgspec import Struct

from emulator.model.function import Place
from emulator.scenario.judge import Condition


class Target(Struct, frozen=True):
    """What is called. `path` or `method` make it a request to the HTTP trigger, else it is InvokeFunction. `timeout` is
    the caller's patience in seconds, None for as long as it takes."""

    function: str
    event: bytes = b""
    qualifier: str = ""
    is_async: bool = False
    path: str = ""
    method: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    timeout: float | None = None

    @property
    def is_http(self) -> bool:
        return bool(self.path or self.method or self.headers)


class Calls(Struct, frozen=True):
    """`n` calls. `every` so many seconds on average, by a Poisson process where `poisson`; None: as soon as one of
    `concurrency` is free. 0 concurrency: no bound."""

    target: Target
    n: int
    every: float | None = None
    poisson: bool = False
    concurrency: int = 1


class Cold(Struct, frozen=True):
    """No instance is left, of one function or of all."""

    function: str = ""


class Reclaim(Struct, frozen=True):
    """The platform takes back what is idle."""

    function: str = ""


class Redeploy(Struct, frozen=True):
    """The function is deployed again: another revision, whose instances take over."""

    function: str = ""


class Publish(Struct, frozen=True):
    """A version is made of what is deployed."""

    function: str


class Alias(Struct, frozen=True):
    """An alias points at a version; `weights` are of others that get a part of its calls."""

    function: str
    name: str
    to: str
    weights: tuple[tuple[str, float], ...] = ()


class Idle(Struct, frozen=True):
    """Nothing is called for so long, by the platform's clock."""

    seconds: float


class Wait(Struct, frozen=True):
    """So much real time passes."""

    seconds: float


class Repeat(Struct, frozen=True):
    times: int
    steps: tuple[Step, ...]


class Parallel(Struct, frozen=True):
    branches: tuple[tuple[Step, ...], ...]


class Check(Struct, frozen=True):
    """Nothing but its step's conditions, about all until now."""


Action = Calls | Cold | Reclaim | Redeploy | Publish | Alias | Idle | Wait | Repeat | Parallel | Check


class Step(Struct, frozen=True):
    """`text` is how it is shown. `conditions` are about what happened in it."""

    action: Action
    text: str
    place: Place
    conditions: tuple[Condition, ...] = ()


class Scenario(Struct, frozen=True):
    """`conditions` are about all of it. Where `seed` is the same, so is everything that is left to chance."""

    steps: tuple[Step, ...]
    conditions: tuple[Condition, ...] = ()
    seed: int = 0
