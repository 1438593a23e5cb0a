"""Advice about files, the initializer, the size of the code and provisioned instances (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from statistics import median

from emulator.coldstart.advice_imports import AGAINST_LAST_COMMIT, SHOWN
from emulator.coldstart.evidence import Advice, Case, Text
from emulator.coldstart.measures import ready_ms
from emulator.coldstart.spans import covered
from emulator.coldstart.summary import FileRow
from emulator.coldstart.units import mb, ms
from emulator.model.coldstart import ColdStart, Phase
from emulator.model.limits import MB

# How much more than its size must have been read of a file: a header that is looked at first is no second time.
READ_AGAIN = 1.5
# So much is advice however quickly it is read here, from memory: where it comes from NAS, OSS or an image it is not.
MUCH_AGAIN = 32 * MB
LARGE_CODE = 50 * MB
UNTOUCHED_SHARE = 0.2


def read_again(case: Case) -> Iterator[Advice]:
    """Files whose bytes were read more than once."""
    for row in case.summary.files:
        if row.size > 0 and row.read >= row.size * READ_AGAIN:
            saving = row.busy_ms * (1 - row.size / row.read)
            if saving >= case.least_ms or row.read - row.size >= MUCH_AGAIN:
                yield _read_again(case, row, saving)


def _read_again(case: Case, row: FileRow, saving: float) -> Advice:
    name, often = PurePosixPath(row.path).name, f"{row.read / row.size:.1f}".removesuffix(".0")
    return Advice(
        "read_again",
        row.path,
        Text(f"{name} is read {often} times", f"{name} 被读取了 {often} 遍"),
        (
            Text(
                f"{row.path}: {mb(row.size)} MB, opened {row.times} times, {mb(row.read)} MB read in "
                f"{ms(row.busy_ms)} ms.",
                f"{row.path}：{mb(row.size)} MB，打开 {row.times} 次，共读取 {mb(row.read)} MB，"
                f"耗时 {ms(row.busy_ms)} 毫秒。",
            ),
            Text(
                "Keep what was read, or map the file (mmap), which reads only what is touched.",
                "请保留已读取的内容，或使用内存映射（mmap），只读取用到的部分。",
            ),
        ),
        saving,
        command=case.about.command(AGAINST_LAST_COMMIT),
    )


# --- initializer ---


def initializer(case: Case) -> Iterator[Advice]:
    """What the initializer does beside importing and reading, which have advice of their own."""
    parts = [_initializer_parts(run) for run in case.summary.runs]
    whole, imports, reads = (median(part[n] for part in parts) for n in range(3))
    own = max(0.0, whole - imports - reads)
    if own < case.least_ms:
        return
    yield Advice(
        "initializer",
        "initializer",
        Text(f"The initializer takes {ms(whole)} ms", f"Initializer 耗时 {ms(whole)} 毫秒"),
        (
            Text(
                f"{ms(own)} ms of its own work, {ms(imports)} ms of imports, {ms(reads)} ms of reading files.",
                f"自身 {ms(own)} 毫秒，导入 {ms(imports)} 毫秒，读取文件 {ms(reads)} 毫秒。",
            ),
            Text(
                "The first request waits for all of it. What not every event needs can wait for the first that does; "
                "a provisioned instance has done it before any request.",
                "首个请求要等它全部完成。并非每个事件都需要的部分，可以推迟到首次需要时；预留实例则在请求到来之前就已完成。",
            ),
        ),
        own,
        at_most=True,
        command=case.about.command("--try provisioned"),
    )


def _initializer_parts(run: ColdStart) -> tuple[float, float, float]:
    """The whole, imports in it, and reads in it that no import did; in ms."""
    phases = [phase for phase in run.phases if phase.name == "initializer"]
    imports = [
        (module.at_ms, module.at_ms + module.total_ms)
        for module in run.imports
        if module.parent < 0 and any(_holds(phase, module.at_ms) for phase in phases)
    ]
    reads = sum(
        read.busy_ms
        for read in run.reads
        if any(_holds(phase, read.at_ms) for phase in phases)
        and not any(begin <= read.at_ms < end for begin, end in imports)
    )
    return sum(phase.duration_ms for phase in phases), covered(imports), reads


def _holds(phase: Phase, at_ms: float) -> bool:
    return phase.at_ms <= at_ms < phase.at_ms + phase.duration_ms


# --- size ---


def package_size(case: Case) -> Iterator[Advice]:
    """Code of which much was not touched: FC downloads all of it."""
    sizes = case.about.sizes
    whole = sum(sizes.values())
    untouched = {name: size for name, size in sizes.items() if not _is_touched(case, name)}
    rest = sum(untouched.values())
    if whole == 0 or rest < whole * UNTOUCHED_SHARE:
        return
    download = median(
        sum(phase.duration_ms for phase in run.phases if phase.name == "code_download") for run in case.summary.runs
    )
    saving = download * rest / whole
    if saving < case.least_ms and (download > 0 or whole < LARGE_CODE):
        return
    largest = sorted(untouched.items(), key=lambda item: -item[1])[:SHOWN]
    names = ", ".join(f"{name} {mb(size)} MB" for name, size in largest)
    how = Text(
        f"Of {ms(download)} ms of download that is {ms(saving)} ms.",
        f"下载耗时 {ms(download)} 毫秒，其中占 {ms(saving)} 毫秒。",
    )
    unknown = Text("How long its download takes was not measured.", "没有测量它的下载时间。")
    yield Advice(
        "package_size",
        "code",
        Text(
            f"{mb(rest)} of {mb(whole)} MB of code were not touched", f"{mb(whole)} MB 代码中有 {mb(rest)} MB 没有用到"
        ),
        (Text(f"Neither imported nor read: {names}.", f"既未导入也未读取：{names}。"), how if download else unknown),
        saving,
        at_most=True,
        command=case.about.command("--code-download 80MB/s"),
    )


def _is_touched(case: Case, entry: str) -> bool:
    """True where a module or a file of this entry of the code folder was loaded."""
    places = [f"{root.rstrip('/')}/{entry}" for root in case.about.code]
    files = [row.file for row in case.summary.imports] + [row.path for row in case.summary.files]
    return any(file == place or file.startswith(f"{place}/") for place in places for file in files)


# --- provisioned ---


def provisioned(case: Case) -> Iterator[Advice]:
    """Instances that are there before the request."""
    offer = case.about.provisioned
    saving = median(map(ready_ms, case.summary.runs))
    if offer is None or saving < case.least_ms:
        return
    cost = f"{offer.cost_per_month:,.2f} {offer.currency}"
    yield Advice(
        "provisioned",
        "provisioned",
        Text("A provisioned instance answers at once", "预留实例可以立即响应"),
        (
            Text(
                f"It spares its requests {ms(saving)} of {ms(case.summary.total.median)} ms.",
                f"它的请求可以省去 {ms(case.summary.total.median)} 毫秒中的 {ms(saving)} 毫秒。",
            ),
            Text(f"One costs {cost} a month while it idles.", f"每个实例空闲时每月 {cost}。"),
        ),
        saving,
        at_most=True,
        command=case.about.command("--try provisioned"),
    )
