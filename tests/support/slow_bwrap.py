"""A bubblewrap whose inner process is late to follow the outer one, see slow_bwrap.c."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")


def install_slow_bwrap(folder: Path) -> None:
    """For whoever searches programs in this new folder first. May skip."""
    bwrap, compiler = shutil.which("bwrap"), shutil.which("gcc")
    if bwrap is None or compiler is None:
        pytest.skip("bubblewrap is missing, or gcc, by which it is made slow")
    folder.mkdir()
    library, script = folder / "slow_bwrap.so", folder / "bwrap"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    script.write_text(f'#!/bin/sh\nexport LD_PRELOAD={library}\nexec {bwrap} "$@"\n')
    script.chmod(0o755)
