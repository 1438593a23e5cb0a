"""Cold starts as data: one that was recorded, rounded, and variations of it."""

from __future__ import annotations

from msgspec.structs import replace

from emulator.model.coldstart import ColdStart, FileRead, Import, Phase

MB = 1024 * 1024

PHASES = (
    Phase("queue", 0.0, 0.5),
    Phase("create", 0.5, 20.0),
    Phase("compose", 0.5, 4.5, 1),
    Phase("sandbox", 5.0, 15.5, 1, "bwrap"),
    Phase("runtime", 20.5, 60.0),
    Phase("interpreter", 20.5, 25.0, 4),
    Phase("bootstrap", 45.5, 35.0, 4),
    Phase("load", 80.5, 820.0),
    Phase("initializer", 900.5, 610.0),
    Phase("first_request", 1510.5, 8.0),
)
IMPORTS = (
    Import("index", 81.0, 819.0, 3.0, file="/code/index.py", size=1200, compiled_ms=1.5),
    Import("slow_settings", 82.0, 306.0, 304.0, 0, "/code/slow_settings.py", 2.0, 400),
    Import("pandas", 390.0, 510.0, 60.0, 0, "/code/python/pandas/__init__.py", 0.0, 9000),
    Import("numpy", 395.0, 120.0, 80.0, 2, "/code/python/numpy/__init__.py", 0.0, 20000),
    Import("numpy.core", 400.0, 40.0, 40.0, 3, "/code/python/numpy/core.py", 0.0, 5000),
    Import("pandas.core", 520.0, 330.0, 300.0, 2, "/code/python/pandas/core/__init__.py", 12.0, 7000),
    Import("dateutil", 700.0, 30.0, 30.0, 5, "/code/python/dateutil/__init__.py", 0.0, 300),
)
READS = (
    FileRead("/code/model.bin", 200 * MB, 400 * MB, 0, 2, 905.0, 400.0, 200 * MB),
    FileRead("/code/python/numpy/core.so", 4 * MB, 4096, 4 * MB, 1, 402.0, 0.2),
)


def cold_start(instance: str = "c-1", **changes: object) -> ColdStart:
    """The recorded one: a slow module, pandas for nothing, a model that is read twice, a slow initializer."""
    recorded = ColdStart(
        function="detect",
        instance_id=instance,
        revision=1,
        start="spawned",
        total_ms=1520.0,
        phases=PHASES,
        imports=IMPORTS,
        reads=READS,
        measuring_ms=4.0,
        memory_mb=120.0,
    )
    return replace(recorded, **changes)


def scaled(run: ColdStart, factor: float, instance: str) -> ColdStart:
    """The same on a machine that is slower by `factor`."""
    return replace(
        run,
        instance_id=instance,
        total_ms=run.total_ms * factor,
        phases=tuple(replace(it, at_ms=it.at_ms * factor, duration_ms=it.duration_ms * factor) for it in run.phases),
        imports=tuple(
            replace(
                it,
                at_ms=it.at_ms * factor,
                total_ms=it.total_ms * factor,
                self_ms=it.self_ms * factor,
                compiled_ms=it.compiled_ms * factor,
            )
            for it in run.imports
        ),
        reads=tuple(replace(it, at_ms=it.at_ms * factor, busy_ms=it.busy_ms * factor) for it in run.reads),
    )


def several(factors: tuple[float, ...] = (1.0, 1.1, 0.9, 1.02, 0.98)) -> list[ColdStart]:
    """Runs of the recorded one, as different as runs are."""
    return [scaled(cold_start(), factor, f"c-{n}") for n, factor in enumerate(factors, 1)]
