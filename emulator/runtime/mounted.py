"""What is mounted below a folder of the host, such as a volume for node_modules in a development container."""

from __future__ import annotations

from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")


def mounted_below(folder: Path) -> Path | None:
    """The first mount point in a folder, the folder itself not counted; None also where nobody can say (macOS)."""
    try:
        text = MOUNTS.read_bytes()
    except OSError:
        return None
    return first_below(folder, text)


def first_below(folder: Path, mounts: bytes) -> Path | None:
    """`mounts` is what `/proc/self/mountinfo` has: the fifth field is the place, blanks in octal (proc(5))."""
    start = f"{folder.resolve()}/".encode("utf-8", "surrogateescape")
    for line in mounts.splitlines():
        fields = line.split(b" ", 5)
        if len(fields) > 5:
            place = fields[4].decode("unicode_escape").encode("latin-1")
            if place.startswith(start):
                return Path(place.decode("utf-8", "surrogateescape"))
    return None
