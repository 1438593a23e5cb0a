"""Files of a study for a browser and for other tools: `--html`, `--trace`, `--speedscope`."""

from __future__ import annotations

import secrets
from pathlib import Path

from emulator import __version__
from emulator.cli.coldstart_view import Result
from emulator.coldstart.report.chrome_trace import chrome_trace
from emulator.coldstart.report.html import html_report
from emulator.coldstart.report.sides import side_of
from emulator.coldstart.report.speedscope import speedscope
from emulator.coldstart.summary import summarize
from emulator.model.errors import UserError
from emulator.model.function import Place

THIS_CODE = "this code"


def check(path: Path) -> None:
    """Raises `UserError` where there is no folder for it: before anything is measured."""
    if not path.absolute().parent.is_dir():
        raise UserError(f"there is no folder for {path}", "make it first", Place(str(path)))


def write_page(path: Path, result: Result) -> None:
    """One page of HTML that opens offline. Raises `UserError`."""
    study, base, comparison = result.study, result.base, result.comparison
    here = side_of(study, study.code or THIS_CODE)
    before = side_of(base, comparison.base) if base is not None and comparison is not None else None
    if here is not None:
        sides = [here] if before is None else [before, here]
        _write(path, html_report(sides, result.advice, comparison if before is not None else None).encode())


def write_chrome_trace(path: Path, result: Result) -> None:
    """For Perfetto and chrome://tracing. Raises `UserError`."""
    _write(path, chrome_trace(result.study.runs))


def write_speedscope(path: Path, result: Result) -> None:
    """For speedscope. Raises `UserError`."""
    if summary := summarize(result.study.runs):
        _write(path, speedscope(summary.runs, f"fclocal {__version__}", summary.typical))


def _write(path: Path, data: bytes) -> None:
    """In one step: what was there stays until the new one is whole."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        step = "choose another place for it"
        raise UserError(f"it can not be written: {error.strerror}", step, Place(str(path))) from None
