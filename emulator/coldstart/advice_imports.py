"""Advice about modules: what need not be imported, or not yet, or not so slowly (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from statistics import median

from emulator.coldstart.evidence import Advice, Case, Text, Usage
from emulator.coldstart.single_use import SingleUse, single_uses
from emulator.coldstart.summary import ImportRow, importers, package_of
from emulator.coldstart.units import ms
from emulator.model.coldstart import ColdStart, Import

SHOWN = 3
# Measures what was changed by hand: the working tree against its last commit.
AGAINST_LAST_COMMIT = "--compare git:HEAD"
SIDE_EFFECTS = Text(
    "Not used in this event; others may use it, or need that it was imported (plugins register themselves so).",
    "本次事件没有用到它；其他事件可能会用到，或者依赖导入它的副作用（例如插件注册）。",
)


# --- imported for nothing ---


def unused(case: Case) -> Iterator[Advice]:
    """Packages that own code imports and that the event did not use."""
    usage = case.about.usage
    if usage is None:
        return
    by_run = [_costs_of_unused(case, usage, run) for run in case.summary.runs]
    for package in sorted({name for costs in by_run for name in costs}):
        saving, stays = (median(costs.get(package, (0.0, 0.0))[part] for costs in by_run) for part in (0, 1))
        if saving >= case.least_ms:
            yield _unused(case, package, saving, stays)


def _unused(case: Case, package: str, saving: float, stays: float) -> Advice:
    row = next(row for row in case.summary.packages if row.name == package)
    evidence = [
        Text(
            f"Importing it takes {ms(saving + stays)} ms ({row.modules} modules of its own).",
            f"导入耗时 {ms(saving + stays)} 毫秒（自身 {row.modules} 个模块）。",
        ),
        SIDE_EFFECTS,
    ]
    if stays >= 1:
        en = f"{ms(stays)} ms of that are packages that are used anyway, and would stay."
        evidence.append(Text(en, f"其中 {ms(stays)} 毫秒属于本来就会用到的包，不会省去。"))
    if found := _single_use(case, package):
        file, use = found
        en = f"Only {use.function}() ({file}:{use.line}) names it: import it there."
        evidence.append(Text(en, f"只有 {use.function}()（{file}:{use.line}）用到它：请在那里导入。"))
    return Advice(
        "unused",
        package,
        Text(f"{package} is imported and not used", f"{package} 已导入但未使用"),
        tuple(evidence),
        saving,
        command=case.about.command(f"--try lazy:{package}"),
    )


def _costs_of_unused(case: Case, usage: Usage, run: ColdStart) -> dict[str, tuple[float, float]]:
    """By package: what would go without it, and what of its time would stay since others need it.

    None where something that is used, and is not the user's own, imports it as well: it would be there anyway.
    """
    packages = [package_of(module) for module in run.imports]
    children = _children(run.imports)
    costs: dict[str, tuple[float, float]] = {}
    kept: set[str] = set()
    for index, package in enumerate(packages):
        around = [packages[outer] for outer in importers(run.imports, index)]
        if package not in usage.unused or usage.unused.intersection(around):
            continue
        importer = run.imports[index].parent
        if importer >= 0 and not case.about.is_own(run.imports[importer].file, packages[importer]):
            kept.add(package)
        goes, stays = _split(run.imports, packages, children, index, usage.used)
        before = costs.get(package, (0.0, 0.0))
        costs[package] = (before[0] + goes, before[1] + stays)
    return {package: cost for package, cost in costs.items() if package not in kept}


def _split(
    imports: Sequence[Import],
    packages: Sequence[str],
    children: Mapping[int, Sequence[int]],
    top: int,
    used: frozenset[str],
) -> tuple[float, float]:
    """The time of `top` and all below it: of what is not used, and of what is."""
    goes = stays = 0.0
    waiting = [top]
    while waiting:
        index = waiting.pop()
        if index != top and packages[index] in used:
            stays += imports[index].total_ms
        else:
            goes += imports[index].self_ms
            waiting += children.get(index, ())
    return goes, stays


def _children(imports: Sequence[Import]) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for index, module in enumerate(imports):
        children.setdefault(module.parent, []).append(index)
    return children


# --- needed by one function ---


def used_by_one_function(case: Case) -> Iterator[Advice]:
    """Packages that only one function of own code names, which is none that FC calls: not every event needs them."""
    for row in case.summary.packages:
        is_reported = case.about.usage is not None and row.name in case.about.usage.unused
        found = None if is_reported or row.total_ms < case.least_ms else _single_use(case, row.name)
        if found is None:
            continue
        file, use = found
        yield Advice(
            "single_use",
            row.name,
            Text(f"{row.name} is needed by one function only", f"只有一个函数需要 {row.name}"),
            (
                Text(f"Importing it takes {ms(row.total_ms)} ms.", f"导入耗时 {ms(row.total_ms)} 毫秒。"),
                Text(
                    f"Only {use.function}() ({file}:{use.line}) names it: imported there, it costs only those events "
                    "that come there.",
                    f"只有 {use.function}()（{file}:{use.line}）用到它：在那里导入，就只有用到它的事件才付出代价。",
                ),
            ),
            row.total_ms,
            at_most=True,
            command=case.about.command(f"--try lazy:{row.name}"),
        )


def _single_use(case: Case, package: str) -> tuple[str, SingleUse] | None:
    """The one place in all own sources, with its file; none where there are more, or where FC calls it."""
    sources = sorted(case.about.sources.items())
    uses = [(PurePosixPath(file).name, single_uses(text).get(package), text) for file, text in sources]
    naming = [(file, use) for file, use, text in uses if use or package in text]
    if len(naming) != 1 or naming[0][1] is None or naming[0][1].function in case.about.handlers:
        return None
    return naming[0][0], naming[0][1]


# --- slow to import ---


def top_level(case: Case) -> Iterator[Advice]:
    """Own modules that work while they are imported."""
    work = [_own_work(run) for run in case.summary.runs]
    for row in case.summary.imports:
        if not case.about.is_own(row.file, row.package):
            continue
        own = median(found.get(row.name, 0.0) for found in work)
        if own >= case.least_ms:
            yield _top_level(case, row, own)


def _top_level(case: Case, row: ImportRow, own: float) -> Advice:
    file = PurePosixPath(row.file).name
    # Nobody else's loading can be put off by an option, nor that of the handler's own module.
    can_be_lazy = bool(row.importer) and file.endswith(".py")
    return Advice(
        "top_level",
        row.name,
        Text(f"{file} works for {ms(own)} ms while it is imported", f"{file} 在导入时执行了 {ms(own)} 毫秒"),
        (
            Text(
                f"{ms(own)} ms of its own top level, without what it imports, reads or has to be compiled.",
                f"顶层代码自身 {ms(own)} 毫秒，不含它导入的模块、读取的文件和编译时间。",
            ),
            Text(
                "Done at first use, it costs only those events that need it. In the initializer the first request "
                "still waits for it, but not that of a provisioned instance, and it has a time limit of its own.",
                "改为首次使用时再做，就只有需要它的事件才付出代价。放进 Initializer，首个请求仍要等待，"
                "但预留实例的请求不用等，而且它有自己的超时时间。",
            ),
        ),
        own,
        at_most=True,
        command=case.about.command(f"--try lazy:{row.name}" if can_be_lazy else AGAINST_LAST_COMMIT),
    )


def _own_work(run: ColdStart) -> dict[str, float]:
    """By module: its top level without compiling, and without reading files."""
    work = {module.name: module.self_ms - module.compiled_ms for module in run.imports}
    for read in run.reads:
        around = [
            (module.total_ms, module.name)
            for module in run.imports
            if module.at_ms <= read.at_ms < module.at_ms + module.total_ms
        ]
        if around:
            work[min(around)[1]] -= read.busy_ms
    return work


def compiled(case: Case) -> Iterator[Advice]:
    """Source that had to be compiled: FC mounts /code read-only, so that nothing keeps the bytecode."""
    rows = sorted((row for row in case.summary.imports if row.compiled_ms > 0), key=lambda row: -row.compiled_ms)
    saving = median(sum(module.compiled_ms for module in run.imports) for run in case.summary.runs)
    if saving < case.least_ms:
        return
    slowest = ", ".join(f"{row.name} {ms(row.compiled_ms)} ms" for row in rows[:SHOWN])
    yield Advice(
        "compiled",
        "pyc",
        Text(f"{len(rows)} modules were compiled from source", f"{len(rows)} 个模块由源码编译"),
        (
            Text(f"Compiling took {ms(saving)} ms: {slowest}.", f"编译耗时 {ms(saving)} 毫秒：{slowest}。"),
            Text(
                "In FC no instance can keep the bytecode for the next one. Ship it: python -m compileall -q "
                "--invalidation-mode unchecked-hash . (of the function's own version; a ZIP rounds the times that "
                "bytecode is else checked by).",
                "FC 的实例无法把字节码留给下一个实例。请随代码一起上传：python -m compileall -q "
                "--invalidation-mode unchecked-hash .（用函数的 Python 版本；ZIP 会舍入文件时间，"
                "而字节码默认按时间校验）。",
            ),
        ),
        saving,
        command=case.about.command("--try pyc"),
    )
