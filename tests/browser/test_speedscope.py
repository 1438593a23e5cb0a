"""The files for other tools, opened in one: speedscope, which reads both its own format and Chrome's traces."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, expect

from emulator.coldstart.report.chrome_trace import chrome_trace
from emulator.coldstart.report.speedscope import speedscope
from tests.support.browser import chromium, opened
from tests.support.coldstarts import cold_start, several
from tests.support.samples import UNREACHABLE, build_environ

VERSION = "1.25.0"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of its page, which needs no server."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("speedscope")
    if npm is None:
        pytest.skip("npm is not here, so speedscope can not be had")
    packed = subprocess.run(
        [npm, "pack", "--silent", f"speedscope@{VERSION}"],
        cwd=folder,
        env=build_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    if packed.returncode and (reason := UNREACHABLE.search(packed.stderr)):
        pytest.skip(f"speedscope can not be had here: {reason[0]}")
    assert packed.returncode == 0, packed.stderr
    shutil.unpack_archive(folder / packed.stdout.strip(), folder, filter="data")
    return (folder / "package" / "dist" / "release" / "index.html").as_uri()


def shown(browser: Browser, viewer: str, file: Path, row: str) -> Sequence[str]:
    """The lines of the page that lists what is in the profile that the file opens with, when it shows a `row`."""
    with opened(browser, viewer) as seen:
        seen.page.set_input_files("input[type=file]", file)
        sandwich = seen.page.get_by_text("Sandwich")
        expect(sandwich).to_be_visible()
        sandwich.click()
        expect(seen.page.get_by_text("Symbol Name")).to_be_visible()
        expect(seen.page.get_by_text(row).first).to_be_visible()  # it makes rows when it knows its height
        assert not [trouble for trouble in seen.troubles if "WebGL" not in trouble]
        return [line.strip() for line in seen.page.locator("body").inner_text().splitlines()]


def test_imports_open(browser: Browser, viewer: str, tmp_path: Path) -> None:
    file = tmp_path / "imports.speedscope.json"
    file.write_bytes(speedscope(several(), "fclocal", typical=2))
    lines = shown(browser, viewer, file, cold_start().imports[0].name)
    assert "detect cold start 3 (3/5)" in lines
    assert {module.name for module in cold_start().imports} <= set(lines)


def test_a_trace_opens(browser: Browser, viewer: str, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    file.write_bytes(chrome_trace([cold_start()]))
    lines = shown(browser, viewer, file, "first_request")
    assert "detect cold start 1 (pid 1), phases (tid 1) (1/3)" in lines
    assert {phase.name for phase in cold_start().phases} <= {line.partition(" {")[0] for line in lines}
    assert not any(line.endswith(" {}") for line in lines)


def test_runs_without_imports_open_too(browser: Browser, viewer: str, tmp_path: Path) -> None:
    file = tmp_path / "none.speedscope.json"
    file.write_bytes(speedscope([replace(cold_start(), imports=())], "fclocal"))
    assert {"detect cold start 1", "No symbols found."} <= {*shown(browser, viewer, file, "No symbols")}
