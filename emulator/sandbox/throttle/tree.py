"""The folder behind a file system: which node is which file there. Folders are held open, so none can be swapped."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable

from emulator.sandbox.throttle.wire import ROOT_ID

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Node:
    """A file or folder that the kernel knows. `fd` is of a folder, else -1; `handles` are open files of it."""

    __slots__ = ("fd", "handles", "key", "lookups", "name", "parent")

    def __init__(self, parent: Node | None, name: str, fd: int, key: tuple[int, str, int]) -> None:
        self.parent = parent
        self.name = name
        self.fd = fd
        self.key = key
        self.lookups = 0
        self.handles: set[int] = set()


class Tree:
    """`hidden` are files and folders that are not there for who looks: (device, inode). Names are looked up one by one
    from folders that are open, and never through links: what is outside can not be reached."""

    def __init__(self, root: str, hidden: Iterable[tuple[int, int]] = ()) -> None:
        self._hidden = frozenset(hidden)
        top = os.open(root, _FOLDER_FLAGS & ~os.O_NOFOLLOW)
        self._nodes: dict[int, Node] = {ROOT_ID: Node(None, "", top, (0, "", 0))}
        self._ids: dict[tuple[int, str, int], int] = {}
        self._last = ROOT_ID

    def node(self, number: int) -> Node:
        """Raises `OSError` where the kernel asks for what it has forgotten."""
        found = self._nodes.get(number)
        if found is None:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return found

    def place(self, number: int) -> tuple[str, int]:
        """Name and folder of a node, for calls that take a `dir_fd`."""
        node = self.node(number)
        return (node.name, node.parent.fd) if node.parent is not None else (".", node.fd)

    def folder(self, number: int) -> int:
        """The open folder. Raises `OSError`."""
        fd = self.node(number).fd
        if fd < 0:
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return fd

    def status(self, number: int) -> os.stat_result:
        """Also of a file that is still open, and has no name any more. Raises `OSError`."""
        node = self.node(number)
        if node.fd >= 0:
            return os.fstat(node.fd)
        if node.handles:
            return os.fstat(next(iter(node.handles)))
        name, folder = self.place(number)
        return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def look_up(self, parent: int, name: str) -> tuple[int, os.stat_result]:
        """The node of a name, which is known from now on. Raises `OSError`."""
        folder = self.folder(parent)
        if name in (".", ".."):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if (found.st_dev, found.st_ino) in self._hidden:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        key = (parent, name, found.st_ino)
        number = self._ids.get(key)
        if number is None:
            fd = os.open(name, _FOLDER_FLAGS, dir_fd=folder) if stat.S_ISDIR(found.st_mode) else -1
            self._last = number = self._last + 1
            self._nodes[number] = Node(self.node(parent), name, fd, key)
            self._ids[key] = number
        self._nodes[number].lookups += 1
        return number, found

    def entries(self, number: int) -> list[tuple[int, str, int]]:
        """Inode, name and kind of everything in a folder. Raises `OSError`."""
        folder = self.folder(number)
        listed = [(folder_id, name, stat.S_IFDIR >> 12) for folder_id, name in ((number, "."), (number, ".."))]
        with os.scandir(folder) as found:
            for item in found:
                if self._hidden and self._is_hidden(item):
                    continue
                listed.append((item.inode(), item.name, _kind(item)))
        return listed

    def forget(self, number: int, lookups: int) -> None:
        node = self._nodes.get(number)
        if node is None or number == ROOT_ID:
            return
        node.lookups -= lookups
        if node.lookups <= 0:
            del self._nodes[number]
            if self._ids.get(node.key) == number:
                del self._ids[node.key]
            if node.fd >= 0:
                os.close(node.fd)
                node.fd = -1

    def let_go(self, number: int, fd: int) -> None:
        """A file of this node is not open any more."""
        node = self._nodes.get(number)
        if node is not None:
            node.handles.discard(fd)

    def move(self, parent: int, name: str, into: int, new_name: str) -> None:
        """What had a name has another one now."""
        found = os.stat(new_name, dir_fd=self.folder(into), follow_symlinks=False)
        number = self._ids.pop((parent, name, found.st_ino), None)
        if number is not None:
            node = self._nodes[number]
            node.parent, node.name, node.key = self.node(into), new_name, (into, new_name, found.st_ino)
            self._ids[node.key] = number

    def close(self) -> None:
        for node in self._nodes.values():
            if node.fd >= 0:
                os.close(node.fd)
        self._nodes.clear()

    def _is_hidden(self, item: os.DirEntry[str]) -> bool:
        try:
            found = item.stat(follow_symlinks=False)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) in self._hidden


def _kind(item: os.DirEntry[str]) -> int:
    if item.is_symlink():
        return stat.S_IFLNK >> 12
    if item.is_dir(follow_symlinks=False):
        return stat.S_IFDIR >> 12
    return stat.S_IFREG >> 12 if item.is_file(follow_symlinks=False) else 0
