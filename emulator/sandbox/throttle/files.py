"""What a file system that shows a folder does for each request of the kernel, but for when it answers."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from emulator.sandbox.throttle import wire
from emulator.sandbox.throttle.tree import Tree
from emulator.sandbox.throttle.wire import Op

# A reader that goes on within this distance of where it was is one whom a client of NFS has read ahead for.
_NEAR_BYTES = wire.MOST_BYTES
# What an open keeps of the flags of whoever opens: not those that are the kernel's own to heed.
_KEPT = ~(os.O_CREAT | os.O_EXCL | os.O_NOCTTY | os.O_APPEND | os.O_DIRECT)

Answer = bytes | None


class Handle:
    """An open file, and where its reader is."""

    __slots__ = ("at", "fd", "node")

    def __init__(self, fd: int, node: int) -> None:
        self.fd = fd
        self.node = node
        self.at = -_NEAR_BYTES - 1


class Files:
    """`keep` lets the kernel remember what it has read until the file system is gone, as of a disk; else each open of a
    file begins anew, as of a share. `seconds` is how long names and attributes may be believed."""

    def __init__(self, tree: Tree, *, keep: bool, seconds: float) -> None:
        self._tree = tree
        self._keep = keep
        self._seconds = seconds
        self._handles: dict[int, Handle] = {}
        self._listings: dict[int, list[tuple[int, str, int]]] = {}
        self._last = 0
        self._owner: tuple[int, int] | None = None
        # Whether the last request was one that waits for the far end: a read that goes on does not.
        self.waits = False
        self._doing: dict[int, Callable[[int, bytes], Answer]] = {
            Op.LOOKUP: self._lookup, Op.GETATTR: self._getattr, Op.SETATTR: self._setattr, Op.READLINK: self._readlink,
            Op.SYMLINK: self._symlink, Op.MKNOD: self._mknod, Op.MKDIR: self._mkdir, Op.UNLINK: self._unlink,
            Op.RMDIR: self._rmdir, Op.RENAME: self._rename, Op.LINK: self._link,
            Op.OPEN: self._open, Op.READ: self._read, Op.WRITE: self._write, Op.STATFS: self._statfs,
            Op.RELEASE: self._release, Op.FSYNC: self._fsync, Op.FLUSH: self._flush, Op.INIT: self._init,
            Op.OPENDIR: self._opendir, Op.READDIR: self._readdir, Op.RELEASEDIR: self._releasedir,
            Op.FSYNCDIR: self._flush, Op.CREATE: self._create, Op.FORGET: self._forget,
            Op.BATCH_FORGET: self._batch_forget, Op.INTERRUPT: self._nothing, Op.DESTROY: self._flush,
        }  # fmt: skip

    def answer(self, opcode: int, node: int, body: bytes, owner: tuple[int, int] | None = None) -> Answer:
        """The body of the reply, None where none is wanted; what is made belongs to `owner`, else to us. Raises
        `OSError`, whose number is the reply then."""
        self._owner = owner
        self.waits = opcode not in (Op.GETATTR, Op.READ, Op.RELEASE, Op.FLUSH, Op.INIT, Op.RELEASEDIR, Op.STATFS)
        doing = self._doing.get(opcode)
        if doing is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        return doing(node, body)

    def close(self) -> None:
        for handle in self._handles.values():
            os.close(handle.fd)
        self._handles.clear()
        self._tree.close()

    # --- the session ---

    def _init(self, _node: int, body: bytes) -> Answer:
        _, minor, readahead, flags = wire.INIT.unpack_from(body)
        return wire.init_reply(minor, readahead, flags, checks_data=not self._keep)

    def _nothing(self, _node: int, _body: bytes) -> Answer:
        return None

    def _flush(self, _node: int, _body: bytes) -> Answer:
        return b""

    def _forget(self, node: int, body: bytes) -> Answer:
        self._tree.forget(node, wire.HANDLE.unpack_from(body)[0])
        return None

    def _batch_forget(self, _node: int, body: bytes) -> Answer:
        for at in range(8, 8 + 16 * wire.TWO.unpack_from(body)[0], 16):
            number, lookups = wire.HANDLE.unpack_from(body, at)[0], wire.HANDLE.unpack_from(body, at + 8)[0]
            self._tree.forget(number, lookups)
        return None

    # --- names ---

    def _lookup(self, node: int, body: bytes) -> Answer:
        try:
            return self._entry(node, wire.names(body)[0])
        except FileNotFoundError:
            return wire.no_entry(self._seconds)

    def _entry(self, parent: int, name: str) -> bytes:
        number, found = self._tree.look_up(parent, name)
        return wire.entry(number, found, self._seconds)

    def _getattr(self, node: int, _body: bytes) -> Answer:
        return wire.attributes(self._tree.status(node), self._seconds)

    def _readlink(self, node: int, _body: bytes) -> Answer:
        name, folder = self._tree.place(node)
        return os.fsencode(os.readlink(name, dir_fd=folder))

    def _statfs(self, node: int, _body: bytes) -> Answer:
        found = os.fstatvfs(self._tree.folder(wire.ROOT_ID))
        return wire.STATFS.pack(
            found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree,
            found.f_bsize, found.f_namemax, found.f_frsize, 0,
        )  # fmt: skip

    def _opendir(self, node: int, _body: bytes) -> Answer:
        self._last += 1
        self._listings[self._last] = self._tree.entries(node)
        return wire.OPENED.pack(self._last, 0, 0)

    def _readdir(self, _node: int, body: bytes) -> Answer:
        number, offset, size, *_ = wire.IO.unpack_from(body)
        self.waits = False
        return wire.directory(self._listings[number], offset, size)

    def _releasedir(self, _node: int, body: bytes) -> Answer:
        self._listings.pop(wire.HANDLE.unpack_from(body)[0], None)
        return b""

    # --- open files ---

    def _open(self, node: int, body: bytes) -> Answer:
        flags, _ = wire.TWO.unpack_from(body)
        name, folder = self._tree.place(node)
        fd = os.open(name, flags & _KEPT | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        return self._opened(fd, node)

    def _opened(self, fd: int, node: int) -> bytes:
        self._last += 1
        self._handles[self._last] = Handle(fd, node)
        self._tree.node(node).handles.add(fd)
        return wire.OPENED.pack(self._last, wire.KEEP_CACHE if self._keep else 0, 0)

    def _create(self, node: int, body: bytes) -> Answer:
        flags, mode = wire.TWO.unpack_from(body)
        name = wire.names(body[16:])[0]
        kept = flags & (_KEPT | os.O_EXCL) | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, kept, mode & 0o7777, dir_fd=self._tree.folder(node))
        try:
            self._give(node, name)
            number, found = self._tree.look_up(node, name)
        except OSError:
            os.close(fd)
            raise
        return wire.entry(number, found, self._seconds) + self._opened(fd, number)

    def _read(self, _node: int, body: bytes) -> Answer:
        number, offset, size, *_ = wire.IO.unpack_from(body)
        handle = self._handle(number)
        data = os.pread(handle.fd, size, offset)
        self.waits = abs(offset - handle.at) > _NEAR_BYTES
        handle.at = offset + len(data)
        return data

    def _write(self, _node: int, body: bytes) -> Answer:
        number, offset, size, *_ = wire.WRITE.unpack_from(body)
        data = memoryview(body)[wire.WRITE.size : wire.WRITE.size + size]
        return wire.TWO.pack(os.pwrite(self._handle(number).fd, data, offset), 0)

    def _fsync(self, _node: int, body: bytes) -> Answer:
        os.fsync(self._handle(wire.HANDLE.unpack_from(body)[0]).fd)
        return b""

    def _release(self, _node: int, body: bytes) -> Answer:
        handle = self._handles.pop(wire.HANDLE.unpack_from(body)[0], None)
        if handle is not None:
            self._tree.let_go(handle.node, handle.fd)
            os.close(handle.fd)
        return b""

    def _handle(self, number: int) -> Handle:
        found = self._handles.get(number)
        if found is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return found

    # --- changes ---

    def _setattr(self, node: int, body: bytes) -> Answer:
        valid, _, number, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, _, uid, gid, _ = (
            wire.SETATTR.unpack_from(body)
        )
        name, folder = self._tree.place(node)
        if valid & wire.SET_MODE:
            _chmod(name, folder, mode & 0o7777)
        if valid & (wire.SET_UID | wire.SET_GID):
            whose = (uid if valid & wire.SET_UID else -1, gid if valid & wire.SET_GID else -1)
            os.chown(name, *whose, dir_fd=folder, follow_symlinks=False)
        if valid & wire.SET_SIZE:
            self._truncate(node, size, number if valid & wire.SET_HANDLE else 0)
        if valid & (wire.SET_ATIME | wire.SET_MTIME):
            found = self._tree.status(node)
            at = atime * 10**9 + atime_ns if valid & wire.SET_ATIME else found.st_atime_ns
            changed = mtime * 10**9 + mtime_ns if valid & wire.SET_MTIME else found.st_mtime_ns
            os.utime(name, ns=(at, changed), dir_fd=folder, follow_symlinks=False)
        return self._getattr(node, body)

    def _truncate(self, node: int, size: int, number: int) -> None:
        if number in self._handles:
            os.ftruncate(self._handles[number].fd, size)
            return
        name, folder = self._tree.place(node)
        fd = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.ftruncate(fd, size)
        finally:
            os.close(fd)

    def _symlink(self, node: int, body: bytes) -> Answer:
        name, points_to = wire.names(body)
        os.symlink(points_to, name, dir_fd=self._tree.folder(node))
        return self._made(node, name)

    def _mknod(self, node: int, body: bytes) -> Answer:
        mode, _ = wire.TWO.unpack_from(body)
        name = wire.names(body[16:])[0]
        os.mknod(name, mode, dir_fd=self._tree.folder(node))
        return self._made(node, name)

    def _mkdir(self, node: int, body: bytes) -> Answer:
        mode, _ = wire.TWO.unpack_from(body)
        name = wire.names(body[8:])[0]
        os.mkdir(name, mode & 0o7777, dir_fd=self._tree.folder(node))
        return self._made(node, name)

    def _unlink(self, node: int, body: bytes) -> Answer:
        os.unlink(wire.names(body)[0], dir_fd=self._tree.folder(node))
        return b""

    def _rmdir(self, node: int, body: bytes) -> Answer:
        os.rmdir(wire.names(body)[0], dir_fd=self._tree.folder(node))
        return b""

    def _rename(self, node: int, body: bytes) -> Answer:
        into, (name, new_name) = wire.HANDLE.unpack_from(body)[0], wire.names(body[8:])
        os.rename(name, new_name, src_dir_fd=self._tree.folder(node), dst_dir_fd=self._tree.folder(into))
        self._tree.move(node, name, into, new_name)
        return b""

    def _link(self, node: int, body: bytes) -> Answer:
        number, name = wire.HANDLE.unpack_from(body)[0], wire.names(body[8:])[0]
        old, folder = self._tree.place(number)
        os.link(old, name, src_dir_fd=folder, dst_dir_fd=self._tree.folder(node), follow_symlinks=False)
        return self._entry(node, name)

    def _made(self, folder: int, name: str) -> bytes:
        self._give(folder, name)
        return self._entry(folder, name)

    def _give(self, folder: int, name: str) -> None:
        if self._owner is not None:
            os.chown(name, *self._owner, dir_fd=self._tree.folder(folder), follow_symlinks=False)


def _chmod(name: str, folder: int, mode: int) -> None:
    """Of what has this name, and never of what a link points to."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.chmod(f"/proc/self/fd/{fd}", mode)  # noqa: PTH101 - as above
    finally:
        os.close(fd)
