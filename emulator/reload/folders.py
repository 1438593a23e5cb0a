"""Folders watched by inotify: whole trees, whose folders come and go, and that may not be there yet."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from emulator.reload import inotify as i
from emulator.reload.tree import Change, Tree

GONE = i.DELETE_SELF | i.MOVE_SELF | i.UNMOUNT
CAME = i.CREATE | i.MOVED_TO


class Folders:
    """The trees, and a watch for each of their folders. `changes` tells what happened, `pending` whether anything did.

    `given_up` gathers the trees that are not watched any longer, for the kernel has no more watches. Above each tree
    one folder more is watched, the nearest that exists, for the root may go and come again.
    """

    def __init__(self) -> None:
        self._inotify = i.Inotify()
        self._trees: dict[str, Tree] = {}
        self._paths: dict[int, str] = {}
        self._watches: dict[str, int] = {}
        # Folder above a root → the roots that are waited for there.
        self._doors: dict[str, set[str]] = {}
        self.given_up: list[Tree] = []
        self.fd = self._inotify.fd
        self.pending = self._inotify.pending

    @property
    def count(self) -> int:
        """How many watches there are."""
        return len(self._watches)

    def add(self, tree: Tree) -> None:
        """Watch a tree; one with the same root is replaced."""
        self.remove(tree.root)
        self._trees[tree.root] = tree
        for _ in self._enter(tree):
            pass

    def remove(self, root: str) -> None:
        """Nobody wants the tree any more."""
        if self._trees.pop(root, None) is None:
            return
        self._close_doors(root)
        for folder in [folder for folder in self._watches if not self._wanted(folder)]:
            self._forget(folder)

    def close(self) -> None:
        self._inotify.close()

    def changes(self) -> list[Change]:
        """What happened until now, in order. Folders that came are watched from here on, and told as a whole."""
        found: dict[Change, None] = {}
        for seen in self._inotify.read():
            if seen.mask & i.OVERFLOW:
                found.update(dict.fromkeys(Change(root, whole=True) for root in self._trees))
                continue
            folder = self._paths.get(seen.watch)
            if folder is not None:
                for change in self._happened(folder, seen):
                    found.pop(change, None)
                    found[change] = None
        return list(found)

    def _happened(self, folder: str, seen: i.Seen) -> Iterator[Change]:
        if seen.mask & i.IGNORED:
            if self._watches.get(folder) == seen.watch:
                self._forget(folder)
                yield from self._went(folder)
            return
        if not seen.name:
            if seen.mask & i.MOVE_SELF and folder in self._trees:
                self._forget_below(folder)
                yield from self._went(folder)
            return
        path = f"{folder.rstrip('/')}/{seen.name}"
        if seen.mask & CAME and seen.mask & i.IS_DIR:
            yield from self._came(path)
        if not seen.mask & i.IS_DIR:
            yield Change(path, writing=bool(seen.mask & i.MODIFY))
            return
        if seen.mask & (i.MOVED_FROM | i.DELETE):
            self._forget_below(path)
        if not seen.mask & i.ATTRIB:
            yield Change(path, whole=True)

    def _came(self, path: str) -> Iterator[Change]:
        """A folder is new under this name: it may be, or lead to, the root of a tree."""
        for root in [*self._doors.get(os.path.dirname(path), ())]:  # noqa: PTH120 - a text, many times a second
            if root == path or root.startswith(f"{path}/"):
                yield from self._enter(self._trees[root])
        inside = [tree for tree in self._trees.values() if tree.enters(path) and tree.root != path]
        if inside:
            try:
                yield from self._walk(path)
            except i.NoWatches:
                for tree in inside:
                    self._give_up(tree)

    def _went(self, root: str) -> Iterator[Change]:
        """What was the root of a tree is gone, or something else; perhaps it is there again already."""
        tree = self._trees.get(root)
        if tree is not None:
            yield from self._enter(tree)

    def _enter(self, tree: Tree) -> Iterator[Change]:
        """Watch what there is of a tree, and above it."""
        self._close_doors(tree.root)
        try:
            above = os.path.dirname(tree.root)  # noqa: PTH120 - as above
            while not self._watch(above, i.NAMES) and above != "/":
                above = os.path.dirname(above)  # noqa: PTH120
            self._doors.setdefault(above, set()).add(tree.root)
            yield from self._walk(tree.root)
        except i.NoWatches:
            self._give_up(tree)

    def _close_doors(self, root: str) -> None:
        for door in [door for door, roots in self._doors.items() if root in roots]:
            self._doors[door].discard(root)
            if not self._doors[door]:
                del self._doors[door]

    def _give_up(self, tree: Tree) -> None:
        self.remove(tree.root)
        self.given_up.append(tree)

    def _walk(self, top: str) -> Iterator[Change]:
        """Watch a folder and those below it. First the watch, then the look: nothing can come between them."""
        trees = [tree for tree in self._trees.values() if tree.deep]
        folders = [top]
        while folders:
            folder = folders.pop()
            deep = any(tree.enters(folder) for tree in trees)
            if not self._watch(folder, i.WRITES if deep else i.SAVES):
                continue
            if folder == top:
                yield Change(top, whole=True)
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False) and any(tree.enters(entry.path) for tree in trees):
                        folders.append(entry.path)

    def _watch(self, folder: str, wanted: int) -> bool:
        """Whether it is watched now: it may be gone, or no folder, or not for us to read."""
        try:
            watch = self._inotify.add(folder, wanted)
        except i.NoWatches:
            raise
        except OSError:
            return False
        known = self._paths.get(watch)
        if known is not None and known != folder:
            self._watches.pop(known, None)  # it was moved: the kernel knows it by its inode
        self._paths[watch], self._watches[folder] = folder, watch
        return True

    def _forget_below(self, top: str) -> None:
        for folder in [it for it in self._watches if it == top or it.startswith(f"{top}/")]:
            self._forget(folder)

    def _forget(self, folder: str) -> None:
        watch = self._watches.pop(folder)
        if self._paths.get(watch) == folder:
            del self._paths[watch]
        self._inotify.remove(watch)

    def _wanted(self, folder: str) -> bool:
        return folder in self._doors or any(tree.enters(folder) for tree in self._trees.values())
