"""What a program may reach where Landlock, and not namespaces, makes the walls."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from emulator.sandbox.confine import landlock_abi

# What programs of the host need to run at all. Of /etc only what holds no secret; no home, no /run, no /var, and
# nothing of /dev: to root without capabilities a disk is still its own file.
SYSTEM_READ = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/proc", "/sys/devices/system",
    "/sys/fs/cgroup",
    *(f"/etc/{name}" for name in (
        "alternatives", "ca-certificates", "crypto-policies", "fonts", "gai.conf", "group", "host.conf", "hostname",
        "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "os-release",
        "passwd", "pki", "protocols", "resolv.conf", "services", "ssl",
    )),
)  # fmt: skip
SYSTEM_WRITE = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/shm")  # noqa: S108


def abi() -> int:
    """The version of Landlock that this kernel offers, 0 where it has none."""
    return landlock_abi()


class Policy(Struct, frozen=True):
    """What `confine` leaves to a program. Paths are the host's; a folder stands for all that is below it.

    `read` means list, read and execute, and paths that do not exist are passed over. `write` means everything,
    device requests too; what does not exist is an error, but for devices. `environment` is complete: nothing is
    inherited, so that the launcher itself runs in one that a user can not choose. `filter` is a program of
    `seccomp`, empty for none. `open_files` is lowered to the hard limit, 0 leaves it. With `connect` false no
    TCP connection can be made (ABI >= 4; UDP is not held). `parent` is the pid whose spawning thread takes the
    program along when it ends, 0 for nobody.
    """

    read: tuple[str, ...]
    write: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    filter: bytes = b""
    open_files: int = 100_000
    connect: bool = True
    parent: int = 0

    def encode(self) -> bytes:
        """As `confine` reads it. Holds the environment, so it must not be readable by others."""
        return b"".join(record + b"\0" for record in self._records())

    def _records(self) -> Iterator[bytes]:
        for path in self.read:
            yield b"read=" + _path(path)
        for path in self.write:
            yield b"write=" + _path(path)
        for name, value in self.environment.items():
            yield b"environment=" + _text(f"{name}={value}")
        if self.filter:
            yield b"filter=" + self.filter.hex().encode()
        yield f"open_files={self.open_files}".encode()
        yield f"connect={int(self.connect)}".encode()
        yield f"parent={self.parent}".encode()


def _path(path: str) -> bytes:
    if not os.path.isabs(path):  # noqa: PTH117 (may hold what a Path would fold away)
        raise ValueError(f"a rule needs a full path, not {path!r}")
    return _text(path)


def _text(text: str) -> bytes:
    raw = os.fsencode(text)
    if b"\0" in raw:
        raise ValueError(f"a zero byte can not be passed to a program: {text!r}")
    return raw
