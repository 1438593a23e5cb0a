"""What happens shows at once: a cold start, a freeze, a breakpoint, thousands of invocations; for everybody."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import barriers, picture
from tests.support.command import Meeting, Running
from tests.support.console_page import console, go
from tests.support.dap_client import attached

PAGES = (
    "functions", "functions/hello", "invoke/hello", "invoke/web", "timeline", "invocations", "logs", "lab", "metrics",
    "settings",
)  # fmt: skip
MANY = 5000
# How long frames take while all of them are drawn and more come; asserted by `make proof-console` alone.
FRAME_MS = 50

# The colours that the canvas has, as `rgb` triples that are on it more often than a few times.
COLOURS = """() => {
  const canvas = document.querySelector('.chart canvas');
  const copy = document.createElement('canvas');
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const pen = copy.getContext('2d', { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  const data = pen.getImageData(0, 0, copy.width, copy.height).data;
  const counts = new Map();
  for (let at = 0; at < data.length; at += 4) {
    const key = data.slice(at, at + 3).join();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].filter(([, count]) => count > 8).map(([key]) => key);
}"""
# The colour of a state in the style sheet, as the canvas gives it.
COLOUR = """name => {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  pen.fillRect(0, 0, 1, 1);
  return pen.getImageData(0, 0, 1, 1).data.slice(0, 3).join();
}"""


def drawn(page: Page, *states: str) -> None:
    """Wait until the canvas has the colours of these states."""
    wanted = [page.evaluate(COLOUR, f"--state-{state}") for state in states]
    looked = f"wanted => {{ const seen = ({COLOURS})(); return wanted.every(it => seen.includes(it)) }}"
    page.wait_for_function(looked, arg=wanted)



def test_the_timeline_shows_a_cold_start_work_and_a_freeze(page: Page, emulator: Running, meeting: Meeting) -> None:
    go(page, "timeline")
    calling = threading.Thread(target=emulator.call, args=("hello", f'{{"meet": {meeting.port}}}'))
    calling.start()
    try:
        assert meeting.arrived()
        table = page.get_by_role("region", name="Instances", exact=True)
        expect(table).to_contain_text("busy")
        drawn(page, "create", "busy")
        meeting.let_go()
    finally:
        calling.join()
    expect(table).to_contain_text("frozen")
    drawn(page, "create", "busy", "frozen")
    chart = page.get_by_role("application")
    chart.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("region", name="Details")).to_contain_text("hello")
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")


def test_an_instance_at_a_breakpoint_is_shown_as_one(page: Page, emulator: Running) -> None:
    go(page, "timeline")
    source = emulator.workshop.root / "code" / "index.py"
    line = next(n for n, text in enumerate(source.read_text().splitlines(), 1) if "asked = json" in text)
    with attached(emulator.endpoint["debug_port"], {str(source): [line]}) as editor:
        calling = threading.Thread(target=emulator.call, args=("hello", "{}"))
        calling.start()
        try:
            stop = editor.stopped()
            expect(page.get_by_role("region", name="Instances", exact=True)).to_contain_text("at a breakpoint")
            drawn(page, "paused")
            picture(page, "console-breakpoint")
            stop.go()
        finally:
            calling.join()
    expect(page.get_by_role("region", name="Instances", exact=True)).not_to_contain_text("at a breakpoint")


def test_what_stands_still_in_a_frozen_instance_is_told(page: Page, emulator: Running) -> None:
    emulator.call("hello", '{"thread": true}')
    page.wait_for_function("() => [...window.fclocal.model.instances.values()].some(it => it.still?.threads.length)")
    go(page, "timeline", page.evaluate("[...window.fclocal.model.instances.values()].find(it => it.still).id"))
    expect(page.get_by_role("region", name="Details")).to_contain_text("poller")
    picture(page, "console-freeze")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_nothing_keeps_anybody_out(chromium: Browser, emulator: Running, scheme: str, width: int) -> None:
    emulator.call("hello", '{"fail": true}')
    with console(chromium, emulator, scheme=scheme, width=width) as page:
        for name in PAGES:
            go(page, name)
            page.get_by_role("heading", level=1).wait_for()
            assert barriers(page) == [], name
            wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{name} is wider than the window by {wide} px"
            picture(page, f"console-{name.replace('/', '-')}-{scheme}-{width}")


def test_thousands_of_invocations_stay_smooth(page: Page, emulator: Running) -> None:
    go(page, "timeline")
    with ThreadPoolExecutor(8) as callers:
        done = callers.map(lambda _: emulator.call("hello", "{}")[0], range(MANY))
        page.evaluate(
            """() => {
              window.frames_ = [];
              let last = performance.now();
              const next = (now) => { window.frames_.push(now - last); last = now; requestAnimationFrame(next); };
              requestAnimationFrame(next);
            }"""
        )
        assert set(done) == {200}
    page.wait_for_function("most => window.fclocal.model.invocations.filter(it => it.ended).length >= most", arg=MANY)
    page.get_by_role("application").focus()
    for key in ("-", "-", "+", "ArrowLeft", "l"):  # all of them in sight, and then fewer
        page.keyboard.press(key)
        page.wait_for_timeout(200)
    frames = sorted(page.evaluate("window.frames_"))
    p95 = frames[int(len(frames) * 0.95)]
    print(f"{MANY} invocations: {len(frames)} frames, p50 {frames[len(frames) // 2]:.1f} ms, p95 {p95:.1f} ms")
    picture(page, "console-timeline")
    assert page.evaluate("window.fclocal.model.dropped") == 0
    if os.environ.get("FCLOCAL_PROOF"):
        assert p95 < FRAME_MS
