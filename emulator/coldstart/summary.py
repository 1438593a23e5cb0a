"""Several cold starts of one function as one: their phases, imports, packages and files, by medians (pure).

A phase, a module or a file that a run does not have took 0 ms of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median, quantiles

from msgspec import Struct

from emulator.coldstart.spans import covered
from emulator.model.coldstart import ColdStart, FileRead, Import, Phase

# Time between the phases: nobody said what it went into.
UNNAMED = "(unnamed)"
NODE_MODULES = "node_modules/"
# What programs are made of, by the end of its name; everything else is what they work with.
KINDS = {"bytecode": (".pyc", ".class", ".jar"), "source": (".py", ".js", ".mjs", ".cjs"), "library": (".so", ".node")}
DATA = "data"

Path = tuple[str, ...]


class Figure(Struct, frozen=True):
    """One measure over all runs, in their order. `spread` is the distance between the quartiles."""

    values: tuple[float, ...]
    median: float
    p95: float
    spread: float


class PhaseRow(Struct, frozen=True):
    """`path` has the names of the phases around it, the outermost first, and its own."""

    path: Path
    ms: Figure


class ImportRow(Struct, frozen=True):
    """A module, with medians of its times, in ms. `importer` is the module that imported it, empty for none."""

    name: str
    package: str
    importer: str
    file: str
    size: int
    total_ms: float
    self_ms: float
    compiled_ms: float


class PackageRow(Struct, frozen=True):
    """What a package's modules took: `self_ms` their own top levels, `total_ms` with all that they imported."""

    name: str
    modules: int
    total_ms: float
    self_ms: float
    compiled_ms: float


class FileRow(Struct, frozen=True):
    """A file that was read, with medians of what was read of it, as in FileRead. `kind` is a key of KINDS, or DATA."""

    path: str
    kind: str
    size: int
    read: int
    mapped: int
    times: int
    busy_ms: float
    cached: int | None


class Summary(Struct, frozen=True):
    """`runs` are those that succeeded, `failed` the errors of the others; `typical` is the index, among those that
    succeeded, of the run whose total is the median (of an even number, the lower one of the two)."""

    runs: tuple[ColdStart, ...]
    failed: tuple[str, ...]
    typical: int
    total: Figure
    measuring: Figure
    memory_mb: float
    phases: tuple[PhaseRow, ...]
    imports: tuple[ImportRow, ...]
    packages: tuple[PackageRow, ...]
    files: tuple[FileRow, ...]

    @property
    def typical_run(self) -> ColdStart:
        """The run that a waterfall is drawn of."""
        return self.runs[self.typical]


def summarize(cold_starts: Iterable[ColdStart]) -> Summary | None:
    """All of them as one; None where none succeeded. Imports, packages and files come with the slowest first."""
    cold_starts = tuple(cold_starts)
    runs = tuple(run for run in cold_starts if not run.error)
    if not runs:
        return None
    totals = [run.total_ms for run in runs]
    typical = sorted(range(len(runs)), key=totals.__getitem__)[(len(runs) - 1) // 2]
    return Summary(
        runs=runs,
        failed=tuple(run.error for run in cold_starts if run.error),
        typical=typical,
        total=figure(totals),
        measuring=figure([run.measuring_ms for run in runs]),
        memory_mb=median(run.memory_mb for run in runs),
        phases=_phases(runs, typical),
        imports=_imports(runs),
        packages=_packages(runs),
        files=_files(runs),
    )


def figure(values: Sequence[float]) -> Figure:
    """`values` are those of at least one run."""
    if len(values) == 1:
        return Figure((values[0],), values[0], values[0], 0.0)
    hundredths = quantiles(values, n=20, method="inclusive")
    quarters = quantiles(values, n=4, method="inclusive")
    return Figure(tuple(values), median(values), hundredths[18], quarters[2] - quarters[0])


def package_of(module: Import) -> str:
    """The package that a module is a part of: `numpy` of `numpy.core.multiarray`, `@scope/name` of a file in
    node_modules."""
    name = module.name
    for place in (name, module.file):
        if NODE_MODULES in place:
            name = place.rpartition(NODE_MODULES)[2]
            return "/".join(name.split("/")[: 2 if name.startswith("@") else 1])
    return name if "/" in name or name.startswith(".") else name.partition(".")[0]


# --- phases ---


def _phases(runs: Sequence[ColdStart], typical: int) -> tuple[PhaseRow, ...]:
    """In the order of the typical run; what only others have comes behind, and then what has no name."""
    times = [_times_by_path(run) for run in runs]
    paths = list(dict.fromkeys(path for found in (times[typical], *times) for path in found))
    paths.sort(key=_in_tree_order(paths))
    rows = [PhaseRow(path, figure([found.get(path, 0.0) for found in times])) for path in paths]
    return (*rows, PhaseRow((UNNAMED,), figure([unnamed_ms(run) for run in runs])))


def _times_by_path(run: ColdStart) -> dict[Path, float]:
    times: dict[Path, float] = {}
    for index, phase in _by_start(run.phases):
        path = phase_path(run.phases, index)
        times[path] = times.get(path, 0.0) + phase.duration_ms
    return times


def _by_start(phases: Sequence[Phase]) -> list[tuple[int, Phase]]:
    return sorted(enumerate(phases), key=lambda numbered: (numbered[1].at_ms, -numbered[1].duration_ms))


def phase_path(phases: Sequence[Phase], index: int) -> Path:
    """The names of a phase and of those around it, the outermost first."""
    names: list[str] = []
    while index >= 0 and len(names) <= len(phases):
        names.append(phases[index].name)
        index = phases[index].parent
    return tuple(reversed(names))


def _in_tree_order(paths: Sequence[Path]) -> Callable[[Path], list[int]]:
    """A phase comes right behind the one around it, sisters as they were found."""
    places = {path: place for place, path in enumerate(paths)}
    return lambda path: [places.get(path[:length], len(paths)) for length in range(1, len(path) + 1)]


def unnamed_ms(run: ColdStart) -> float:
    """What of a cold start lies in none of its phases."""
    spans = [(phase.at_ms, phase.at_ms + phase.duration_ms) for phase in run.phases if phase.parent < 0]
    return max(0.0, run.total_ms - covered(spans))


# --- imports ---


def _imports(runs: Sequence[ColdStart]) -> tuple[ImportRow, ...]:
    found: dict[str, list[tuple[Import, str]]] = {}
    for run in runs:
        for module in run.imports:
            importer = run.imports[module.parent].name if module.parent >= 0 else ""
            found.setdefault(module.name, []).append((module, importer))
    rows = [_import_row(name, seen, len(runs)) for name, seen in found.items()]
    return tuple(sorted(rows, key=lambda row: (-row.total_ms, row.name)))


def _import_row(name: str, seen: Sequence[tuple[Import, str]], runs: int) -> ImportRow:
    last, importer = seen[-1]
    return ImportRow(
        name=name,
        package=package_of(last),
        importer=importer,
        file=last.file,
        size=last.size,
        total_ms=_middle([module.total_ms for module, _ in seen], runs),
        self_ms=_middle([module.self_ms for module, _ in seen], runs),
        compiled_ms=_middle([module.compiled_ms for module, _ in seen], runs),
    )


def _middle(values: Sequence[float], runs: int) -> float:
    return median([*values, *[0.0] * (runs - len(values))])


def _packages(runs: Sequence[ColdStart]) -> tuple[PackageRow, ...]:
    found: dict[str, list[tuple[int, float, float, float]]] = {}
    for run in runs:
        for name, sums in _package_sums(run.imports).items():
            found.setdefault(name, []).append(sums)
    rows = [_package_row(name, sums, len(runs)) for name, sums in found.items()]
    return tuple(sorted(rows, key=lambda row: (-row.total_ms, row.name)))


def _package_sums(imports: Sequence[Import]) -> dict[str, tuple[int, float, float, float]]:
    """Of one run: modules, total, self, compiled. A total counts once where modules of a package import each other."""
    packages = [package_of(module) for module in imports]
    sums: dict[str, tuple[int, float, float, float]] = {}
    for index, (module, name) in enumerate(zip(imports, packages, strict=True)):
        count, total, own, compiled = sums.get(name, (0, 0.0, 0.0, 0.0))
        outermost = name not in {packages[around] for around in importers(imports, index)}
        total += module.total_ms if outermost else 0.0
        sums[name] = (count + 1, total, own + module.self_ms, compiled + module.compiled_ms)
    return sums


def importers(imports: Sequence[Import], index: int) -> list[int]:
    """The indexes of the modules that were being imported when this one was, the nearest first."""
    around: list[int] = []
    index = imports[index].parent
    while index >= 0 and len(around) <= len(imports):
        around.append(index)
        index = imports[index].parent
    return around


def _package_row(name: str, sums: Sequence[tuple[int, float, float, float]], runs: int) -> PackageRow:
    counts, totals, owns, compiled = zip(*sums, strict=True)
    return PackageRow(name, max(counts), _middle(totals, runs), _middle(owns, runs), _middle(compiled, runs))


# --- files ---


def kind_of(path: str) -> str:
    """What a file is for, by its name: also of `libc.so.6`."""
    name = path.rpartition("/")[2]
    kinds = (kind for kind, ends in KINDS.items() if name.endswith(ends))
    return next(kinds, "library" if ".so." in name else DATA)


def _files(runs: Sequence[ColdStart]) -> tuple[FileRow, ...]:
    found: dict[str, list[FileRead]] = {}
    for run in runs:
        for read in run.reads:
            found.setdefault(read.path, []).append(read)
    rows = [_file_row(path, reads, len(runs)) for path, reads in found.items()]
    return tuple(sorted(rows, key=lambda row: (-row.busy_ms, -row.read - row.mapped, row.path)))


def _file_row(path: str, reads: Sequence[FileRead], runs: int) -> FileRow:
    known = [read.cached for read in reads if read.cached is not None]
    return FileRow(
        path=path,
        kind=kind_of(path),
        size=reads[-1].size,
        read=int(median(read.read for read in reads)),
        mapped=int(median(read.mapped for read in reads)),
        times=int(median(read.times for read in reads)),
        busy_ms=_middle([read.busy_ms for read in reads], runs),
        cached=int(median(known)) if known else None,
    )
