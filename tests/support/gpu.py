"""A machine with cards, as far as its driver says: for tests of what becomes of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pynvml
import pytest

from emulator.gpu.kits import fake_kit
from emulator.model.gpu_types import GPU_TYPES
from emulator.native.build import compiler
from tests.support.command import COMMAND, Workshop

# A /dev of its own, with nodes that open and do nothing; the machine's own is left as it is.
OWN_DEV = """
set -e
dev=$(mktemp -d)
mount -t tmpfs -o mode=755 fclocal "$dev"
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "$dev/${node%:*}" c 1 "${node#*:}"; done
mknod -m 666 "$dev/tty" c 5 0
ln -s /proc/self/fd "$dev/fd"
for name in shm net; do mkdir "$dev/$name"; mount --rbind "/dev/$name" "$dev/$name" 2>/dev/null || :; done
for name in nvidia0 nvidiactl nvidia-uvm; do mknod -m 666 "$dev/$name" c 1 3; done
mount --move "$dev" /dev
rmdir "$dev" 2>/dev/null || :
exec "$@"
"""
MACHINE = ("unshare", "--mount", "sh", "-c", OWN_DEV, "sh", *COMMAND)

# NVIDIA's own binding, which functions bring along.
PYNVML = Path(pynvml.__file__).read_text(encoding="utf-8")


def require_compiler() -> None:
    if not compiler():
        pytest.skip("a C compiler is needed for the double of NVIDIA's driver, and none is here")


class FakeMachine:
    """NVIDIA's management library of a machine with one card of FC's, for the emulator itself: `--gpu auto` finds it.

    `uses` is what processes are said to use of its memory.
    """

    def __init__(self, folder: Path, type_: str = "fc.gpu.tesla.1") -> None:
        require_compiler()
        kind = GPU_TYPES[type_]
        kit = fake_kit(folder / "cache", kind, kind.memory_mb, nodes=False)
        self.kit = Path(shutil.copytree(kit, folder / "driver"))

    @property
    def environ(self) -> Mapping[str, str]:
        return {"LD_LIBRARY_PATH": str(self.kit / "lib")}

    def uses(self, mb: Mapping[int, int]) -> None:
        fresh = self.kit / "used.new"
        fresh.write_text("".join(f"{pid} {size}\n" for pid, size in mb.items()))
        fresh.replace(self.kit / "used")


def machine_with_nodes(workshop: Workshop) -> Workshop:
    """The workshop's command, started where the nodes of a card are there. May skip."""
    if os.geteuid() != 0:
        pytest.skip("device nodes are made by root only")
    workshop.command = MACHINE
    return workshop
