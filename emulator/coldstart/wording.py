"""What a comparison says, in words (pure)."""

from __future__ import annotations

from emulator.coldstart.compare import ENOUGH_RUNS, Comparison, Part
from emulator.coldstart.evidence import Text
from emulator.coldstart.statistics import Interval, Verdict

_CHINESE = {Verdict.SLOWER: "慢", Verdict.FASTER: "快"}


def verdict_text(found: Comparison) -> Text:
    """The verdict as a sentence, in both languages."""
    return Text(in_words(found), _in_chinese(found))


def in_words(found: Comparison) -> str:
    """no difference (95 %: -2..3 %); B is 12 % slower (95 %: 8..16 %); too few runs to tell"""
    if found.verdict is Verdict.TOO_FEW:
        return f"too few runs to tell: {found.rounds}, and each side needs at least {ENOUGH_RUNS}"
    without = " of its own time (the machine has other work)" if found.by_own else ""
    if found.verdict is not Verdict.SAME:
        estimate, between = _directed(found.counts)
        return f"{found.new} is {estimate} {found.verdict.value} (95 %: {between}){without}"
    words = f"no difference (95 %: {_percents(found.counts)}){without}"
    if not found.wide:
        return words
    return f"{words}; up to {_reach(found)} may hide in what times scatter here: use more rounds, by -n"


def _in_chinese(found: Comparison) -> str:
    if found.verdict is Verdict.TOO_FEW:
        return f"次数太少，无法判断：只有 {found.rounds} 次，每一方至少需要 {ENOUGH_RUNS} 次"
    without = "（只计其自身用时：本机正忙）" if found.by_own else ""
    if found.verdict is not Verdict.SAME:
        estimate, between = _directed(found.counts)
        return f"{found.new} {_CHINESE[found.verdict]} {estimate}（95%：{between}）{without}"
    words = f"没有差异（95%：{_percents(found.counts)}）{without}"
    if not found.wide:
        return words
    return f"{words}；时间波动较大，可能掩盖至多 {_reach(found)} 的差异，请用 -n 增加轮数"


def saving(found: Comparison) -> str:
    """What the new one takes less: `saves 210 ms (95 %: 200..220 ms)`; or that it does not."""
    low, high = -found.grew_ms.high, -found.grew_ms.low
    between = f"95 %: {low:.0f}..{high:.0f} ms"
    if found.verdict is Verdict.FASTER:
        return f"saves {-found.grew_ms.estimate:.0f} ms of {found.base_ms:.0f} ms ({between})"
    if found.verdict is Verdict.SLOWER:
        return f"takes {found.grew_ms.estimate:.0f} ms more than {found.base_ms:.0f} ms (saving, {between})"
    if found.verdict is Verdict.TOO_FEW:
        return f"was measured too few times to tell what it saves ({between})"
    return f"saves nothing that is certain ({between})"


def why(part: Part) -> str:
    """import of pandas: +210 ms (0 → 210 ms)"""
    what = f"import of {part.name}" if part.kind == "import" else part.name
    return f"{what}: {part.grew.estimate:+.1f} ms ({part.base_ms:.1f} → {part.new_ms:.1f} ms)"


def _directed(grew: Interval) -> tuple[str, str]:
    """12 %, 8..16 %: all numbers are in the direction of the word beside them."""
    low, high = sorted((abs(grew.low), abs(grew.high)))
    return f"{_percent(abs(grew.estimate))} %", f"{_percent(low)}..{_percent(high)} %"


def _percents(grew: Interval) -> str:
    """-2..3 %"""
    return f"{_percent(grew.low)}..{_percent(grew.high)} %"


def _percent(share: float) -> str:
    value = share * 100
    return f"{value:.0f}" if abs(value) >= 9.5 else f"{value:.1f}"


def _reach(found: Comparison) -> str:
    return f"{max(abs(found.counts.low), abs(found.counts.high)) * 100:.0f} %"
