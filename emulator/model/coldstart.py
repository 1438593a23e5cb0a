"""One cold start, taken apart: what `journal/waterfall.py` makes of the journal, and everything else is made from.

Times are milliseconds; `at_ms` counts from the beginning of the cold start, which is the arrival of the request that
waited for it, or else the beginning of its birth.
"""

from __future__ import annotations

from msgspec import Struct


class Phase(Struct, frozen=True, gc=False):
    """A stretch of a cold start; docs/coldstart.md lists their names. `parent` is the index of the phase around it, -1
    for none."""

    name: str
    at_ms: float
    duration_ms: float
    parent: int = -1
    detail: str = ""


class Import(Struct, frozen=True, gc=False):
    """A module that was loaded: `total_ms` with what it imported itself, `self_ms` without; `parent` is the index of
    the module that imported it, -1 for none. `file` is empty for what is built in, `compiled_ms` the time for which
    its source had to be compiled, 0 where its bytecode was there. `size` of the file, in bytes. `failed`: it was looked
    for in vain, or raised."""

    name: str
    at_ms: float
    total_ms: float
    self_ms: float
    parent: int = -1
    file: str = ""
    compiled_ms: float = 0.0
    size: int = 0
    failed: bool = False


class FileRead(Struct, frozen=True, gc=False):
    """What was read of one file, sizes in bytes: `read` by calls, `mapped` into memory, `times` how often it was
    opened, `busy_ms` the time within those calls. `cached` of it were in the page cache before, null where nobody
    looked."""

    path: str
    size: int
    read: int
    mapped: int
    times: int
    at_ms: float
    busy_ms: float
    cached: int | None = None


class PageCache(Struct, frozen=True, gc=False):
    """How much of the files that an instance may read at its start was in the page cache, in bytes: `size` is that of
    all, `before` and `after` what was there before and after they were put out (the same where they were not), `mapped`
    what of `after` other processes have mapped, `unknown` the size of those of which the kernel does not say."""

    files: int
    size: int
    before: int
    after: int
    mapped: int = 0
    unknown: int = 0


class ColdStart(Struct, frozen=True):
    """From the request that waited to its answer. `start` is as in InstanceStarted; `measuring_ms` is what measuring
    itself took, by its own count, and is taken off `total_ms` and of what it fell into. `error` where it failed.
    `cpu_ms` is what its processes computed, `own_ms` that and what they waited for of their own accord (files, sleep),
    which what else the machine does makes no longer: 0 where nobody looked. `more_imports` were not recorded. `used`
    and `unused` are top-level packages, where an instance was asked for them: then nothing is timed well. `before` was
    done once, when the function was deployed: it is no part of this, but in Function Compute a new instance has to wait
    for it. `page_cache` is null where nobody looked."""

    function: str
    instance_id: str
    revision: int
    start: str
    total_ms: float
    phases: tuple[Phase, ...]
    imports: tuple[Import, ...] = ()
    reads: tuple[FileRead, ...] = ()
    measuring_ms: float = 0.0
    cpu_ms: float = 0.0
    own_ms: float = 0.0
    memory_mb: float = 0.0
    error: str = ""
    more_imports: int = 0
    used: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    page_cache: PageCache | None = None
    before: tuple[Phase, ...] = ()
