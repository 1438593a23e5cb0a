"""Every page of the console, in a real browser, over a real emulator."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Browser, Page, expect

from tests.support.browser import picture
from tests.support.command import Meeting, Running
from tests.support.console_page import console, go


def invoke(page: Page, event: object, name: str = "hello") -> None:
    go(page, "invoke", name)
    page.get_by_label("Event", exact=True).fill(event if isinstance(event, str) else json.dumps(event))
    page.get_by_role("main").get_by_role("button", name="Invoke").click()


def test_functions_with_state_limits_and_what_was_declared_but_no_secret(page: Page) -> None:
    row = page.get_by_role("row").filter(has_text="hello")
    expect(row).to_contain_text("python3.10")
    expect(row).to_contain_text("256 MB")
    expect(page.get_by_role("row").filter(has_text="web").get_by_role("link", name="web.localhost")).to_be_visible()
    row.get_by_role("link", name="hello", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("hello")
    main = page.get_by_role("main")
    expect(main).to_contain_text("small")
    expect(main).to_contain_text("<redacted>")
    assert "hunter2" not in page.content()
    picture(page, "console-function")


def test_an_event_is_sent_and_everything_of_the_answer_is_shown(page: Page) -> None:
    invoke(page, {"name": "console"})
    answer = page.locator(".answer")
    expect(answer.locator(".badge-good").first).to_have_text("200")
    expect(answer.locator("pre.body")).to_contain_text('"hello": "console"')
    expect(answer.locator("pre.log")).to_contain_text("asked for console")
    expect(answer).to_contain_text("x-fc-request-id")
    picture(page, "console-invoke")
    answer.get_by_role("link", name="Details").click()
    expect(page.get_by_role("region", name="Details")).to_contain_text("asked for console")


def test_a_failure_is_shown_as_one_and_found_by_its_filter(page: Page) -> None:
    invoke(page, {"fail": True})
    expect(page.locator(".answer .badge-bad")).to_contain_text("UnhandledInvocationError")
    expect(page.locator("pre.body")).to_contain_text("as asked")
    go(page, "invocations")
    page.get_by_label("Kind").select_option("failed")
    expect(page.get_by_role("row").nth(1)).to_contain_text("UnhandledInvocationError")


def test_samples_fill_the_editor(page: Page) -> None:
    go(page, "invoke", "hello")
    page.get_by_label("Sample event").select_option("oss")
    editor = page.get_by_label("Event", exact=True)
    expect(editor).to_have_value(re.compile("acs:oss"))
    assert json.loads(editor.input_value())["events"][0]["eventSource"] == "acs:oss"


def test_a_stream_is_shown_as_it_comes(page: Page, meeting: Meeting) -> None:
    go(page, "invoke", "web")
    page.get_by_role("button", name="HTTP", exact=True).click()
    page.get_by_label("Path").fill(f"/sse/{meeting.port}:abc")
    page.get_by_role("button", name="Send").click()
    body = page.locator("pre.body")
    for shown, hidden in (("data: a", "data: b"), ("data: b", "data: c")):
        expect(body).to_contain_text(shown)
        expect(body).not_to_contain_text(hidden)
        expect(page.locator(".answer")).to_contain_text("coming")
        assert meeting.arrived()
        meeting.let_go()
    expect(body).to_contain_text("data: c")
    expect(page.locator(".answer")).not_to_contain_text("coming")


def test_an_http_trigger_gets_method_path_headers_and_body(page: Page, emulator: Running) -> None:
    go(page, "invoke", "web")
    page.get_by_role("button", name="HTTP", exact=True).click()
    page.get_by_label("Method").select_option("PUT")
    page.get_by_label("Path").fill("/things/1?q=2")
    page.get_by_label("Headers, one a line").fill("x-own: mine")
    page.get_by_label("Body").fill("a body")
    page.get_by_role("button", name="Send").click()
    body = page.locator("pre.body")
    for part in ('"PUT"', "/things/1?q=2", "mine", "a body"):
        expect(body).to_contain_text(part)
    assert emulator.endpoint["token"] not in body.inner_text()


def test_a_websocket_is_spoken_over(page: Page) -> None:
    go(page, "invoke", "web")
    page.get_by_role("button", name="WebSocket").click()
    page.get_by_role("button", name="Connect").click()
    page.get_by_label("Message", exact=True).fill("hello there")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".message-came")).to_contain_text("hello there")
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".message-note").last).to_contain_text("closed")


def test_logs_are_live_and_searched(page: Page, emulator: Running) -> None:
    go(page, "logs")
    emulator.call("hello", '{"name": "needle"}')
    expect(page.locator(".lines")).to_contain_text("asked for needle")
    page.get_by_label("Search").fill("for needle")
    expect(page.locator(".line mark").first).to_have_text("for needle")
    assert all("needle" in text for text in page.locator(".line").all_inner_texts())


def test_cold_starts_have_a_waterfall(page: Page, emulator: Running) -> None:
    emulator.call("hello", "{}")
    go(page, "lab")
    page.get_by_label("Function", exact=True).last.select_option("hello")
    for phase in ("sandbox", "initializer", "first request"):
        expect(page.get_by_role("rowheader", name=phase, exact=True)).to_be_visible()
    flame = page.get_by_role("group", name="Flame graph of imports")
    index = flame.get_by_role("button", name="index ·")
    whole = index.bounding_box()
    index.click()
    page.wait_for_function("wide => document.querySelector('.flame-box').offsetWidth > wide", arg=whole["width"] - 1)
    page.get_by_role("button", name="Whole").click()
    picture(page, "console-lab")


def measure(page: Page, runs: int, name: str) -> None:
    page.get_by_label("Runs", exact=True).fill(str(runs))
    page.get_by_label("Keep as").fill(name)
    page.get_by_role("button", name="Measure", exact=True).click()
    expect(page.get_by_role("button", name="Measuring …")).to_be_hidden()
    expect(page.get_by_role("table", name="Figures of all runs")).to_contain_text("Whole")


def test_cold_starts_are_forced_measured_and_compared(page: Page) -> None:
    go(page, "lab")
    measure(page, 10, "base")
    measure(page, 1, "other")
    page.get_by_label("New", exact=True).select_option("base")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("no difference")).to_be_visible()
    expect(page.get_by_role("table", name="What changed")).to_contain_text("runtime")
    picture(page, "console-compare")
    page.get_by_label("New", exact=True).select_option("other")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("too few runs to tell: 1, and each side needs at least 10")).to_be_visible()


def test_a_measurement_that_fails_says_why(page: Page) -> None:
    go(page, "lab")
    page.get_by_label("Event", exact=True).fill('{"fail": true}')
    page.get_by_role("button", name="Measure", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("as asked")


def test_figures_over_time(page: Page, emulator: Running) -> None:
    emulator.call("hello", "{}")
    go(page, "metrics")
    expect(page.locator(".plot canvas")).to_have_count(4)
    figures = page.get_by_role("table", name="Metrics and cost")
    expect(figures.get_by_role("row").filter(has_text="hello")).not_to_contain_text("–")
    cost = page.get_by_role("table", name="What Function Compute would bill")
    expect(cost.get_by_role("row").filter(has_text="hello")).to_contain_text("CNY")
    page.get_by_label("Function", exact=True).select_option("hello")
    expect(page.locator(".u-legend").nth(1)).to_contain_text("p99")
    picture(page, "console-metrics")


def test_settings_say_what_was_given_and_what_this_machine_has(page: Page) -> None:
    go(page, "settings")
    expect(page.get_by_role("row").filter(has=page.get_by_text("port", exact=True))).to_contain_text("given")
    expect(page.locator(".findings")).to_contain_text("walls")
    expect(page.locator(".findings")).not_to_contain_text("python3.12")
    page.get_by_role("button", name="Run fclocal doctor").click()
    expect(page.locator(".findings")).to_contain_text("python3.12")
    expect(page.get_by_role("table", name="FC's limits on this machine")).to_contain_text("In containers")
    picture(page, "console-settings")


def test_a_keyboard_is_enough(page: Page, emulator: Running) -> None:
    emulator.call("hello", "{}")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("4")
    expect(page.get_by_role("heading", level=1)).to_have_text("Invocations")
    page.locator("tbody tr").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Details")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_it_speaks_chinese_and_remembers_the_theme(chromium: Browser, emulator: Running) -> None:
    with console(chromium, emulator, language="zh-CN", scheme="dark") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("函数")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        page.get_by_role("button", name="主题").click()
        page.reload()
        assert page.evaluate("document.documentElement.dataset.theme") == "light"
        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Functions")
