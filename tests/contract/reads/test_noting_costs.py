"""What noting file reads costs an instance, which is taken off its cold start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.instance.reads import TABLE_BYTES, parsed
from emulator.native.build import compiler

if not compiler():
    pytest.skip("what notes file reads is compiled, and no C compiler is here", allow_module_level=True)

# Others have the CPU for a minute between any two looks at the clock.
CLOCK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
    static long looks;
    int result = syscall(SYS_clock_gettime, clock, time);
    if (clock == CLOCK_MONOTONIC)
        time->tv_sec += 60 * ++looks;
    return result;
}
"""
TIMES = 50
READ = f"""
import sys
for _ in range({TIMES}):
    open(sys.argv[1]).read()
"""


def test_waiting_for_a_cpu_is_no_cost_of_noting(native: Path, tmp_path: Path) -> None:
    [library] = native.glob("*/libfclocal-reads.so")
    (tmp_path / "clock.c").write_text(CLOCK)
    slow_clock = tmp_path / "clock.so"
    subprocess.run([compiler(), "-shared", "-fPIC", "-o", slow_clock, tmp_path / "clock.c"], check=True)
    table, file = tmp_path / "table", tmp_path / "file"
    table.write_bytes(bytes(TABLE_BYTES))
    file.write_text("read")
    preloaded = {"LD_PRELOAD": f"{slow_clock}:{library}", "FCLOCAL_READS": str(table)}
    subprocess.run([sys.executable, "-c", READ, file], env=os.environ | preloaded, check=True)
    told = parsed(table.read_bytes())
    [row] = [row for row in told.reads if row.path == str(file)]
    assert row.times == TIMES and row.busy_ms >= TIMES * 60_000
    assert 0 < told.measuring_ms < 60_000
