"""Debian's Chromium for tests of pages: what a page asked of the network, and what it complained of, is kept."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

SERIOUS = ("serious", "critical")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of its own, or a skip that says what is missing."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("NO BROWSER: pages are not tested on this machine (apt-get install chromium)")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        # Its sandbox refuses root, as whom containers of CI run; only our own pages are opened.
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"], env=_without_netlink(Path(folder))
        )
        try:
            yield browser
        finally:
            browser.close()


def _without_netlink(folder: Path) -> dict[str, str]:
    """The environment of a Chromium that does not hear of other tests' networks (no_netlink.c)."""
    compiler, library = shutil.which("gcc"), folder / "no_netlink.so"
    if compiler is None:
        return dict(os.environ)
    source = Path(__file__).with_name("no_netlink.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return {**os.environ, "LD_PRELOAD": str(library)}


@dataclass
class Seen:
    """A page, with what it asked for and what went wrong in it."""

    page: Page
    requests: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


@contextlib.contextmanager
def opened(
    browser: Browser, url: str, width: int = 1280, scheme: str = "light", language: str = "en-US"
) -> Iterator[Seen]:
    """A page in a profile of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, locale=language, reduced_motion="reduce"
    )
    seen = Seen(context.new_page())
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.on("pageerror", lambda error: seen.troubles.append(str(error)))
    seen.page.on(
        "console", lambda message: seen.troubles.append(message.text) if message.type in ("error", "warning") else None
    )
    try:
        seen.page.goto(url)
        yield seen
    finally:
        context.close()


def barriers(page: Page) -> list[str]:
    """What axe-core finds that keeps people out: serious and critical issues, with the elements."""
    found = Axe().run(page).response["violations"]
    return [
        f"{issue['id']}: {node['html']} {node.get('failureSummary', '')}"
        for issue in found
        if issue["impact"] in SERIOUS
        for node in issue["nodes"][:3]
    ]


def picture(page: Page, name: str) -> None:
    """What the page looks like, kept for the documents where the variable PICTURES names a folder."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png")
