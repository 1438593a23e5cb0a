"""What an instance is given so that the files are noted which it reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from emulator.model.launch import Access, Mount

READS_HOME = "/var/fc/reads"
LIBRARY = "libfclocal-reads.so"
# Beside the socket of the bootstraps.
TABLE = "/run/fclocal/reads"


class ReadsLink(Struct, frozen=True):
    """The folder of the library on the host, and the file of one instance's table."""

    library: Path
    table: Path

    @property
    def mounts(self) -> tuple[Mount, ...]:
        return (Mount((self.library,), READS_HOME, Access.READ), Mount((self.table,), TABLE, Access.WRITE))

    def env(self, env: Mapping[str, str]) -> Mapping[str, str]:
        """Variables beside those of `env`, which no program of the instance finds in its environment: the library takes
        them away."""
        library = f"{READS_HOME}/{LIBRARY}"
        theirs = env.get("LD_PRELOAD", "")
        return {"LD_PRELOAD": f"{library}:{theirs}" if theirs else library, "FCLOCAL_READS": TABLE}
