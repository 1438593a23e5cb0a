"""What is said of the page cache before starts."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from emulator.model.coldstart import ColdStart, PageCache
from emulator.model.limits import MB


def in_words(seen: PageCache) -> str:
    """`412 MB of 430 MB in 900 files were in the page cache, 3.0 MB are left: …`"""
    told = f"{_mb(seen.before)} of {_mb(seen.size)} in {seen.files} files were in the page cache"
    if seen.after != seen.before:
        told += f", {_mb(seen.after)} are left"
        told += f": {_mb(seen.mapped)} are mapped by other processes" if seen.mapped else ""
    return told + (f"; of {_mb(seen.unknown)} the kernel does not say" if seen.unknown else "")


def of_all(runs: Iterable[ColdStart]) -> str:
    """The same of several starts, by their medians; nothing where nobody looked."""
    seen = [run.page_cache for run in runs if run.page_cache is not None]
    if not seen:
        return ""
    names = PageCache.__struct_fields__
    return in_words(PageCache(*(round(median(getattr(it, name) for it in seen)) for name in names)))


def _mb(size: int) -> str:
    return f"{size / MB:.1f} MB" if size < 100 * MB else f"{size / MB:.0f} MB"
