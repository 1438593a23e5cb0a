"""What advice is made from, and what it looks like."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from emulator.coldstart.summary import Summary

# Folders inside of the code that hold what was installed, not what was written.
INSTALLED_FOLDERS = frozenset({"site-packages", "dist-packages", "node_modules", "3rd-packages", "python"})


class Text(Struct, frozen=True):
    """The same in both languages."""

    en: str
    zh: str


class Advice(Struct, frozen=True):
    """One thing to do. `saving_ms` is what was measured of what would go, with `at_most` where it depends on the
    event or on how it is done, 0 where nothing was measured. `subject` is the module, file or phase it is about,
    `command` measures what it brings."""

    kind: str
    subject: str
    title: Text
    evidence: tuple[Text, ...]
    saving_ms: float
    at_most: bool = False
    command: str = ""


class Usage(Struct, frozen=True):
    """What the usage probe saw in one event: top-level packages."""

    used: frozenset[str]
    unused: frozenset[str]


class Provisioned(Struct, frozen=True):
    """What one provisioned instance costs, as billing counts it."""

    cost_per_month: float
    currency: str


class Circumstances(Struct, frozen=True):
    """What is known beside the cold starts.

    `code` are the folders that have the function's own code, as its instances see them; `handlers` the names of the
    functions that FC calls; `installed` top-level packages that are known to be somebody else's; `sizes` bytes by
    entry of the code folder; `sources` text by file, for files that imports name.
    """

    function: str
    usage: Usage | None = None
    code: tuple[str, ...] = ("/code",)
    handlers: frozenset[str] = frozenset({"handler"})
    installed: frozenset[str] = frozenset()
    sizes: Mapping[str, int] = {}
    sources: Mapping[str, str] = {}
    provisioned: Provisioned | None = None

    def is_own(self, file: str, package: str) -> bool:
        """True of a module that the user wrote, false of what was installed into the code folder."""
        if package in self.installed:
            return False
        for root in self.code:
            if file.startswith(root.rstrip("/") + "/"):
                inside = file[len(root.rstrip("/")) + 1 :]
                return INSTALLED_FOLDERS.isdisjoint(inside.split("/")[:-1])
        return False

    def with_sources(self, sources: Mapping[str, str]) -> Circumstances:
        """The same, knowing these."""
        return replace(self, sources=sources)

    def with_provisioned(self, offer: Provisioned) -> Circumstances:
        """The same, knowing what a provisioned instance costs."""
        return replace(self, provisioned=offer)

    def command(self, *options: str) -> str:
        """What measures it."""
        return " ".join(["fclocal coldstart", self.function, *options])


class Case(Struct, frozen=True):
    """What every rule looks at."""

    summary: Summary
    about: Circumstances
    least_ms: float
