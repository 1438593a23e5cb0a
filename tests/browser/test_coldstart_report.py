"""The report of cold starts as a person opens it: from a file, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, expect

from emulator.coldstart.advice import advise
from emulator.coldstart.compare import compare
from emulator.coldstart.evidence import Circumstances, Usage
from emulator.coldstart.report.html import html_report
from emulator.coldstart.report.payload import Side
from emulator.coldstart.summary import summarize
from emulator.model.coldstart import ColdStart
from tests.support.browser import barriers, chromium, opened, picture
from tests.support.coldstarts import cold_start, several

USAGE = Usage(frozenset({"numpy"}), frozenset({"pandas"}))
HOSTILE = "</script><script>document.title='broken'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def side(runs: list[ColdStart], name: str = "working tree") -> Side:
    summary = summarize(runs)
    assert summary is not None
    return Side(name, summary, (("runtime", "python3.10"),), (("cache", "cold"),), ("One run came first.",))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> str:
    now = side(several())
    page = tmp_path_factory.mktemp("report") / "one.html"
    page.write_text(html_report([now], advise(now.summary, Circumstances("detect", usage=USAGE))), encoding="utf-8")
    return page.as_uri()


def written(folder: Path, html: str) -> str:
    (folder / "report.html").write_text(html, encoding="utf-8")
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize(("width", "scheme", "language"), [(1280, "light", "en-US"), (400, "dark", "zh-CN")])
def test_it_opens_offline_without_a_complaint_or_a_barrier(browser, one, width, scheme, language):
    with opened(browser, one, width, scheme, language) as seen:
        expect(seen.page.locator("h1")).to_contain_text("detect")
        assert seen.requests == [one]
        assert barriers(seen.page) == []
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 1280:
            picture(seen.page, "coldstart-report")
        assert seen.troubles == []


def test_the_waterfall_shows_the_run_that_is_chosen(browser, one):
    with opened(browser, one) as seen:
        load = seen.page.locator("#waterfall .row", has_text="load").first
        expect(load.locator(".figure")).to_have_text("820")
        seen.page.locator("#waterfall select").first.select_option(label="2: 1,672 ms")
        expect(load.locator(".figure")).to_have_text("902")
        seen.page.get_by_role("button", name="Next run").press("Enter")
        expect(load.locator(".figure")).to_have_text("738")
        assert seen.troubles == []


def test_the_flame_graph_zooms_by_mouse_and_by_keys_and_finds(browser, one):
    with opened(browser, one) as seen:
        graph = seen.page.get_by_role("tree")
        numpy = graph.locator("[data-module='numpy']")
        before = numpy.bounding_box()
        graph.locator("[data-module='pandas']").click()
        expect(graph.locator("[aria-selected='true']")).to_have_attribute("data-module", "pandas")
        assert numpy.bounding_box()["width"] > before["width"] * 1.4
        expect(graph.locator("[data-module='slow_settings']")).to_have_count(0)
        seen.page.keyboard.press("ArrowDown")
        expect(numpy).to_be_focused()
        seen.page.keyboard.press("ArrowRight")
        expect(graph.locator("[data-module='pandas.core']")).to_be_focused()
        expect(seen.page.locator(".told")).to_contain_text("pandas.core: 330 ms (40.3 %), itself 300 ms")
        seen.page.keyboard.press("Escape")
        expect(graph.locator("[aria-selected='true']")).to_have_attribute("data-module", "index")
        seen.page.get_by_role("button", name="Zoom out").click()
        assert numpy.bounding_box()["width"] == pytest.approx(before["width"])
        seen.page.get_by_label("Search a module").fill("pandas")
        expect(graph.locator(".found")).to_have_count(2)
        seen.page.locator("#imports").scroll_into_view_if_needed()
        picture(seen.page, "coldstart-imports")
        expect(seen.page.locator("#imports .bar-of-tools [role=status]")).to_have_text("2 found, 510 ms")
        assert seen.troubles == []


def test_tables_are_sorted_by_their_heads(browser, one):
    with opened(browser, one) as seen:
        table = seen.page.get_by_role("region", name="Modules")
        expect(table.locator("tbody tr").first).to_contain_text("slow_settings")
        table.get_by_role("button", name="with imports").press("Enter")
        expect(table.locator("tbody tr").first).to_contain_text("index")
        table.get_by_role("button", name="module").press("Enter")
        expect(table.locator("tbody tr").first).to_contain_text("dateutil")


def test_the_language_and_the_theme_are_chosen_and_kept(browser, one):
    with opened(browser, one) as seen:
        seen.page.get_by_role("button", name="中文").click()
        expect(seen.page.locator("h1")).to_have_text("detect 的冷启动")
        expect(seen.page.locator("#advice")).to_contain_text("pandas 已导入但未使用")
        seen.page.get_by_role("button", name="浅色或深色").click()
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
        seen.page.reload()
        expect(seen.page.locator("h1")).to_have_text("detect 的冷启动")
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"


def test_two_codes_stand_side_by_side_with_what_grew(browser, tmp_path):
    runs = several() * 2
    before = [replace(run, imports=(), reads=()) for run in runs]
    base, now = side(before, "git:main"), side(runs, "this code")
    found = compare(before, runs, ("git:main", "this code"), paired=True)
    page = html_report([base, now], [], found)
    with opened(browser, written(tmp_path, page)) as seen:
        part = seen.page.locator("#comparison")
        expect(part).to_contain_text("no difference")
        expect(part.locator("tbody tr").first).to_contain_text("pandas import")
        expect(part.locator("tbody tr").first).to_contain_text("+360")
        seen.page.locator("#waterfall select").first.select_option(label="git:main")
        expect(seen.page.locator("#imports")).to_contain_text("No imports were told")
        assert barriers(seen.page) == [] and seen.troubles == []


def test_names_are_data_wherever_they_end_up(browser, tmp_path):
    run = cold_start(
        function=HOSTILE,
        imports=(replace(cold_start().imports[0], name=HOSTILE, file=HOSTILE),),
        reads=(replace(cold_start().reads[0], path=HOSTILE),),
    )
    found = side([run], HOSTILE)
    page = html_report([found], advise(found.summary, Circumstances(HOSTILE, sizes={HOSTILE: 2**30})))
    with opened(browser, written(tmp_path, page)) as seen:
        expect(seen.page.locator("h1")).to_have_text(f"Cold start of {HOSTILE}")
        assert seen.page.title() == f"Cold start of {HOSTILE}"
        assert len(seen.requests) == 1 and seen.troubles == []
