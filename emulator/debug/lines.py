"""Which lines of a file can stop, for breakpoints that are set while no instance runs (pure)."""

from __future__ import annotations

import types
import warnings
from pathlib import Path

from msgspec import Struct

PYTHON_SUFFIXES = (".py", ".pyw")
# What has another debugger: debugpy would complain of breakpoints there in the function's log.
OTHER_SUFFIXES = (
    ".go", ".rs", ".c", ".cc", ".cpp", ".h", ".hpp", ".zig", ".swift", ".cs", ".fs", ".java", ".kt", ".scala", ".php",
    ".rb", ".js", ".cjs", ".mjs", ".ts", ".jsx", ".tsx", ".dart",
)  # fmt: skip
# A file that somebody wrote is never this long.
MAX_SOURCE_BYTES = 16 * 1024 * 1024


class Verified(Struct, frozen=True):
    """A breakpoint as an editor shows it: on a line with code, or grey with the reason."""

    verified: bool
    line: int
    message: str = ""


def source_of(path: str) -> str:
    """The text of a file, for what is only compared; empty where there is none."""
    try:
        if Path(path).stat().st_size <= MAX_SOURCE_BYTES:
            return Path(path).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        pass
    return ""


def verify(path: str, lines: list[int]) -> list[Verified]:
    """Each moved to the next line with code. What can not be told from the file alone is not verified yet."""
    if not path.endswith(PYTHON_SUFFIXES):
        return unknown(lines)
    try:
        code = sorted(code_lines(Path(path)))
    except FileNotFoundError:
        return [Verified(False, line, "this file does not exist") for line in lines]
    except SyntaxError as error:
        return [Verified(False, line, f"syntax error in line {error.lineno}: {error.msg}") for line in lines]
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return [Verified(False, line, f"this file can not be read: {error}") for line in lines]
    return [_moved(line, code) for line in lines]


def unknown(lines: list[int]) -> list[Verified]:
    return [Verified(False, line, "an instance that loads this file will tell") for line in lines]


def _moved(line: int, code: list[int]) -> Verified:
    found = next((other for other in code if other >= line), None)
    if found is None:
        return Verified(False, line, "no code in this line, nor in those that follow")
    return Verified(True, found)


def code_lines(path: Path) -> set[int]:
    """Raises `OSError`, and what `compile` raises."""
    if path.stat().st_size > MAX_SOURCE_BYTES:
        raise ValueError("it is too long")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    found: set[int] = set()
    waiting = [whole]
    for code in waiting:
        found.update(line for _, _, line in code.co_lines() if line)
        waiting.extend(constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return found
