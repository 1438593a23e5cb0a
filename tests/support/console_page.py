"""The console of a started emulator in Chromium. What no page of it may do is watched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Seen, opened
from tests.support.command import Running

# Nothing is asserted about time: this only ends a test that waits in vain, on a machine that is busy.
PATIENCE_MS = 60_000

expect.set_options(timeout=PATIENCE_MS)


@contextlib.contextmanager
def console(
    browser: Browser, emulator: Running, *, width: int = 1280, scheme: str = "light", language: str = "en-US"
) -> Iterator[Page]:
    """In a profile of its own. At the end nothing must have gone wrong, and no other host have been asked."""
    own = f"127.0.0.1:{emulator.port}"
    with opened(browser, f"http://{own}/_console", width, scheme, language) as seen:
        seen.page.set_default_timeout(PATIENCE_MS)
        seen.page.on("websocket", lambda socket: seen.requests.append(socket.url))
        seen.page.locator(".connection-live").wait_for()
        yield seen.page
        assert seen.troubles == []
        assert strangers(seen, own) == []


def strangers(seen: Seen, own: str) -> list[str]:
    """What was asked for elsewhere."""
    parts = [urlsplit(url) for url in seen.requests]
    return [part.geturl() for part in parts if part.scheme not in ("data", "blob") and part.netloc != own]


def go(page: Page, *parts: str) -> None:
    """To one of the console's pages, as a link would."""
    page.evaluate("hash => { window.location.hash = hash }", "#/" + "/".join(parts))
