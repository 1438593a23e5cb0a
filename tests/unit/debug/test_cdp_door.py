"""Who may come in at the inspector's port."""

from __future__ import annotations

import pytest

from emulator.debug.cdp_door import refusal

LOCAL = "127.0.0.1:47101"


@pytest.mark.parametrize("host", [LOCAL, "localhost:47101", "LOCALHOST", "[::1]:47101", "[::1]", "127.1.2.3:1"])
def test_programs_of_this_machine_come_in(host: str) -> None:
    assert refusal({"host": host}) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example:47101", "192.168.1.7:47101", "localhost.evil.example", "[fe80::1]:1", "0.0.0.0:47101", "::"],
)
def test_another_name_for_this_machine_is_a_page_that_rebinds_it(host: str) -> None:
    assert refusal({"host": host}) is not None


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000", "null", "", "file://"])
def test_no_page_comes_in_wherever_it_is_from(origin: str) -> None:
    assert refusal({"host": LOCAL, "origin": origin}) is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin"])
def test_what_a_page_loads_does_not_come_in(site: str) -> None:
    assert refusal({"host": LOCAL, "sec-fetch-site": site}) is not None


def test_devtools_comes_in() -> None:
    assert refusal({"host": LOCAL, "origin": "devtools://devtools"}) is None
    assert refusal({"host": LOCAL, "sec-fetch-site": "none"}) is None
