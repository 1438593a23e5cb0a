"""What is watched, and what happened to it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from emulator.registry.ignoring import IGNORED_FOLDERS

# Not looked into: what lies there is no code of the function, or (node_modules) so much that the kernel's watches would
# not do. Their own entries are watched, which tells of every install: npm, yarn and pnpm write a file there at the end.
SKIPPED = frozenset({*IGNORED_FOLDERS, "node_modules", ".venv", "venv"})
FLAT = frozenset({"node_modules"})


class Tree(Struct, frozen=True):
    """A folder to watch, with what lies below it where it is `deep`. `ignored` says what else is not looked into, by
    paths relative to it that end in a slash."""

    root: str
    deep: bool = True
    ignored: Callable[[str], bool] | None = None

    def enters(self, folder: str) -> bool:
        """Whether a folder is watched for this tree's sake."""
        if folder == self.root:
            return True
        if not self.deep or not folder.startswith(f"{self.root}/"):
            return False
        below = folder[len(self.root) + 1 :]
        parts = below.split("/")
        if not SKIPPED.isdisjoint(parts[:-1]) or (parts[-1] in SKIPPED and parts[-1] not in FLAT):
            return False
        return self.ignored is None or not self.ignored(f"{below}/")


class Change(Struct, frozen=True, gc=False):
    """Something happened to a file or a folder. `whole`: to all that is below it, perhaps. `writing`: it was written to
    and is still open, so there is more to come."""

    path: str
    whole: bool = False
    writing: bool = False
