"""Watches trees, each in the best way that there is, and hands what happened to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from emulator.reload.folders import Folders
from emulator.reload.inotify import NoWatches
from emulator.reload.observed import POLL_SECONDS, Observed
from emulator.reload.places import Probe, shared_kind_here
from emulator.reload.tree import Change, Tree

LIMIT = Path("/proc/sys/fs/inotify/max_user_watches")
ENOUGH_WATCHES = 524_288


class Watcher:
    """`notice` is called on the loop when something happened; `take` then says what. `tell` gets full sentences.

    `pending` answers whether there is more than was taken, exactly for what inotify watches.
    """

    def __init__(self, state_dir: Path, notice: Callable[[], None], tell: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._notice = notice
        self._tell = tell
        self._probe = Probe(state_dir)
        self._trees: dict[str, Tree] = {}
        self._observed = Observed(self._from_thread)
        self._waiting: list[Change] = []
        self._why = ""
        try:
            self._folders: Folders | None = Folders()
        except NoWatches as none:
            self._folders, self._why = None, f"no inotify instance is left ({none.strerror})"
        except OSError:
            self._folders = None
        self.pending: Callable[[], object] = self._folders.pending if self._folders is not None else lambda: False

    def follow(self, trees: Iterable[Tree]) -> None:
        """Watch these trees and no others. Looks at many folders: begin on a thread, before `start`."""
        wanted = {tree.root: tree for tree in trees}
        for root in self._trees.keys() - wanted.keys():
            self._drop(root)
        for root, tree in wanted.items():
            if self._trees.get(root) != tree:
                self._trees[root] = tree
                self._add(tree)

    def again(self, root: str) -> None:
        """What is ignored in a tree may be something else now."""
        tree = self._trees.get(root)
        if tree is not None:
            self._add(tree)

    def start(self) -> None:
        if self._folders is not None:
            self._loop.add_reader(self._folders.fd, self._notice)

    def take(self) -> list[Change]:
        changes, self._waiting = self._waiting, []
        if self._folders is not None:
            changes += self._folders.changes()
            self._poll_given_up(self._folders)
        return changes

    def close(self) -> None:
        self._observed.close()
        if self._folders is not None:
            self._loop.remove_reader(self._folders.fd)
            self._folders.close()

    def _add(self, tree: Tree) -> None:
        if self._folders is None:
            self._poll(tree, self._why)
            return
        self._folders.add(tree)
        self._poll_given_up(self._folders)
        if not tree.deep:
            return
        if kind := shared_kind_here(tree.root):
            self._poll(tree, f"others may write to it ({kind}), which this system does not tell")
        elif not self._probe.tells(tree.root):
            self._poll(tree, "its file system does not tell of changes")

    def _poll_given_up(self, folders: Folders) -> None:
        given_up, folders.given_up = folders.given_up, []
        for tree in given_up:
            self._poll(
                tree,
                f"the kernel gives no more watches; to see changes at once: "
                f"sudo sysctl fs.inotify.max_user_watches={max(ENOUGH_WATCHES, 2 * _limit())}",
            )

    def _poll(self, tree: Tree, why: str) -> None:
        self._observed.add(tree, poll=bool(why))
        if why:
            text = f"{tree.root} is looked through every {POLL_SECONDS:g} s for changes: {why}"
            self._loop.call_soon_threadsafe(self._tell, text)

    def _drop(self, root: str) -> None:
        del self._trees[root]
        self._observed.remove(root)
        if self._folders is not None:
            self._folders.remove(root)

    def _from_thread(self, change: Change) -> None:
        self._loop.call_soon_threadsafe(self._arrived, change)

    def _arrived(self, change: Change) -> None:
        self._waiting.append(change)
        self._notice()


def _limit() -> int:
    try:
        return int(LIMIT.read_text())
    except (OSError, ValueError):
        return 0
