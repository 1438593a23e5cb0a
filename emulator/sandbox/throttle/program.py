"""The program: file systems by order of the emulator, on descriptor 0, until that is gone.

An order is a line of JSON, see `Order`; `{"unmount": TARGET}` takes a file system away. Each that mounts is answered by
`{"target": …, "error": …}`, an empty error for none.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import json
import os
import resource
import select
import time
from typing import Any, TypedDict

from emulator.sandbox import remains
from emulator.sandbox.throttle import mounting, wire
from emulator.sandbox.throttle.bucket import Bucket
from emulator.sandbox.throttle.files import Files
from emulator.sandbox.throttle.tree import Tree
from emulator.sandbox.throttle.wire import Op

# How long names and attributes are believed: of a disk that is one instance's own, and of a share with others.
DISK_SECONDS, SHARE_SECONDS = 3600.0, 1.0
# What takes bandwidth; other requests do not stand in line behind it.
_DATA = frozenset({Op.READ, Op.WRITE, Op.READDIR})
# It has little to do, and keeps the time for others.
_PRIORITY = -10


class Order(TypedDict):
    """Show `source` at `target`, with `rate` bytes per second and `latency` seconds for each request. Who names the
    same `bucket` shares the bandwidth. `write` lets it be changed; `keep` is for a disk of one instance, else it is a
    share. What lies at one of `hidden` is not there. `others` lets users in that are not ours."""

    target: str
    source: str
    bucket: str
    rate: float
    latency: float
    write: bool
    keep: bool
    others: bool
    hidden: list[str]


class Mounted:
    """One file system: the kernel's requests, and what is answered."""

    def __init__(self, order: Order, bucket: Bucket) -> None:
        keep = order["keep"]
        hidden = [_identity(path) for path in order["hidden"] if os.path.exists(path)]  # noqa: PTH110
        self.files = Files(Tree(order["source"], hidden), keep=keep, seconds=DISK_SECONDS if keep else SHARE_SECONDS)
        self.bucket = bucket
        self._latency = order["latency"]
        self._as_root = os.geteuid() == 0
        try:
            self.fd = mounting.mount(order["target"], write=order["write"], others=order["others"])
        except mounting.NotMounted:
            self.files.close()
            raise
        os.set_blocking(self.fd, False)

    def serve(self, request: memoryview) -> tuple[float, list[bytes]] | None:
        """When to answer, and what; None for a request that nobody waits for."""
        _, opcode, unique, node, uid, gid, _, _ = wire.HEADER.unpack_from(request)
        now = time.monotonic()
        try:
            owner = (uid, gid) if self._as_root else None
            body = self.files.answer(opcode, node, bytes(request[wire.HEADER.size :]), owner)
        except OSError as error:
            body, failure = b"", error.errno or errno.EIO
        else:
            if body is None:
                return None
            failure = 0
        due = now if opcode not in _DATA else self._transferred(opcode, len(request), len(body), now)
        due += self._latency if self.files.waits else 0.0
        reply = wire.REPLY.pack(wire.REPLY.size + len(body), -failure, unique)
        return due, [reply, body]

    def _transferred(self, opcode: int, asked: int, answered: int, now: float) -> float:
        goes_on = opcode == Op.READ and not self.files.waits
        return self.bucket.take(asked if opcode == Op.WRITE else answered, now, goes_on=goes_on)

    def close(self) -> None:
        os.close(self.fd)
        self.files.close()


class Program:
    """One loop for all: what is due later waits on a heap, so that nobody waits for somebody else's latency."""

    def __init__(self, orders: int) -> None:
        self._orders = orders
        self._heard = b""
        self._mounted: dict[str, Mounted] = {}
        self._by_fd: dict[int, Mounted] = {}
        self._buckets: dict[str, Bucket] = {}
        self._due: list[tuple[float, int, int, list[bytes]]] = []
        self._count = itertools.count()
        self._buffer = bytearray(wire.BUFFER_BYTES)
        # Waited for by select(2), which alone is exact to less than a millisecond, and takes no descriptor above 1023.
        self._asking = select.epoll()
        self._asking.register(orders, select.EPOLLIN)

    def run(self) -> None:
        """Returns when nobody gives orders any more; nothing is mounted then."""
        try:
            while self._step():
                pass
        finally:
            for target in [*self._mounted]:
                self._unmount(target)

    def _step(self) -> bool:
        timeout = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
        select.select([self._asking], [], [], timeout)
        for fd, _ in self._asking.poll(0):
            if fd == self._orders:
                if not self._hear():
                    return False
            elif fd in self._by_fd:
                self._serve(fd, self._by_fd[fd])
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, fd, reply = heapq.heappop(self._due)
            if fd in self._by_fd:
                _send(fd, reply)
        return True

    def _serve(self, fd: int, mounted: Mounted) -> None:
        try:
            size = os.readv(fd, [self._buffer])
        except OSError as error:
            if error.errno == errno.ENODEV:  # it was unmounted, and nobody uses it any more
                self._close(fd)
            return
        answer = mounted.serve(memoryview(self._buffer)[:size])
        if answer is None:
            return
        due, reply = answer
        if due <= time.monotonic():
            _send(fd, reply)
        else:
            heapq.heappush(self._due, (due, next(self._count), fd, reply))

    # --- orders ---

    def _hear(self) -> bool:
        heard = os.read(self._orders, 65536)
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
        return bool(heard)

    def _obey(self, order: Any) -> None:
        if "unmount" in order:
            self._unmount(order["unmount"])
            return
        error = self._mount(order)
        line = json.dumps({"target": order["target"], "error": error})
        os.write(self._orders, f"{line}\n".encode())

    def _mount(self, order: Order) -> str:
        bucket = self._buckets.setdefault(order["bucket"], Bucket(order["rate"]))
        try:
            mounted = Mounted(order, bucket)
        except (mounting.NotMounted, OSError) as error:
            return str(error)
        self._mounted[order["target"]] = self._by_fd[mounted.fd] = mounted
        self._asking.register(mounted.fd, select.EPOLLIN)
        return ""

    def _unmount(self, target: str) -> None:
        """The kernel says when the last user has gone."""
        mounted = self._mounted.pop(target, None)
        if mounted is None:
            return
        remains.unmount(target)
        with contextlib.suppress(OSError):
            os.rmdir(target)  # noqa: PTH106 - the standard library's smallest part
        if not any(other.bucket is mounted.bucket for other in self._mounted.values()):
            self._buckets = {name: kept for name, kept in self._buckets.items() if kept is not mounted.bucket}

    def _close(self, fd: int) -> None:
        self._asking.unregister(fd)
        self._by_fd.pop(fd).close()


def _send(fd: int, reply: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # who asked was interrupted, and takes no answer
        os.writev(fd, reply)


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116
    return found.st_dev, found.st_ino


def main() -> None:
    os.umask(0)
    with contextlib.suppress(OSError):  # not everybody may; a busy machine makes it late then
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Program(0).run()


if __name__ == "__main__":
    main()
