"""Trees watched by watchdog: by looking again and again where the kernel tells nothing, or as other systems do it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from emulator.reload.tree import Change, Tree

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver

POLL_SECONDS = 1.0
# Everything else (opened, closed_no_write) is what reading causes.
KINDS = frozenset({"created", "modified", "moved", "deleted", "closed", "attrib"})


class Observed:
    """`sink` gets each change on one of watchdog's threads."""

    def __init__(self, sink: Callable[[Change], None]) -> None:
        self._sink = sink
        self._observers: dict[str, BaseObserver] = {}

    def add(self, tree: Tree, *, poll: bool) -> None:
        """Watch a tree; one with the same root is replaced."""
        self.remove(tree.root)
        above = os.path.dirname(tree.root)  # noqa: PTH120 - a text, as everything that is watched
        observer = _polling(tree) if poll or sys.platform == "linux" else _native()
        self._observers[tree.root] = observer
        observer.schedule(_handler(tree, self._sink), above, recursive=True)
        observer.start()

    def remove(self, root: str) -> None:
        observer = self._observers.pop(root, None)
        if observer is not None:
            observer.stop()
            observer.join()

    def close(self) -> None:
        for root in [*self._observers]:
            self.remove(root)


def _native() -> BaseObserver:
    from watchdog.observers import Observer

    return Observer()


def _polling(tree: Tree) -> BaseObserver:
    """Looks at the folder above too, for the root may go and come again."""
    from watchdog.observers.polling import PollingObserverVFS

    def listed(folder: str | None) -> Iterator[os.DirEntry[str]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.path == tree.root or _belongs(entry, tree):
                    yield entry

    return PollingObserverVFS(stat=os.lstat, listdir=listed, polling_interval=POLL_SECONDS)


def _belongs(entry: os.DirEntry[str], tree: Tree) -> bool:
    if entry.is_dir(follow_symlinks=False):
        return tree.enters(entry.path)
    return tree.enters(os.path.dirname(entry.path))  # noqa: PTH120 - as above


def _handler(tree: Tree, sink: Callable[[Change], None]) -> FileSystemEventHandler:
    from watchdog.events import FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type not in KINDS or (event.is_directory and event.event_type == "modified"):
                return
            for path in (event.src_path, event.dest_path):
                text = os.fsdecode(path)
                if text == tree.root or text.startswith(f"{tree.root}/"):
                    sink(Change(text, whole=event.is_directory))

    return Handler()
