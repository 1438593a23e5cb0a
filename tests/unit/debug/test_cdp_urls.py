"""URLs of an instance and of the editor: there and back, and only where they are URLs."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from emulator.debug.cdp_urls import UrlMap
from emulator.model.launch import Mount

CODE = "/home/ann/my fn (1)/src"
MAP = UrlMap([Mount((Path(CODE),), "/code"), Mount((Path("/home/ann/layer"),), "/opt")])
ENCODED = "file:///home/ann/my%20fn%20(1)/src"


def pattern_of_js_debug(path: str) -> str:
    """As js-debug 1.100 writes it on Linux, for `urlRegex`."""
    url = re.sub(r"([/.\\?*+^${}()|[\]-])", r"\\\1", path)
    return rf"file:\/\/{url}($|\?)|{url}($|\?)"


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("file:///code/index.js", f"{ENCODED}/index.js"),
        ("file:///code", ENCODED),
        ("file:///opt/nodejs/node_modules/it/index.js", "file:///home/ann/layer/nodejs/node_modules/it/index.js"),
        ("file:///codes/index.js", "file:///codes/index.js"),
        ("node:internal/timers", "node:internal/timers"),
        ("", ""),
    ],
)
def test_urls_of_both_sides(inside: str, outside: str) -> None:
    assert MAP.outward({"method": "Debugger.scriptParsed", "params": {"url": inside}})["params"]["url"] == outside
    assert MAP.inward({"params": {"url": outside}})["params"]["url"] == inside


def test_the_innermost_mount_decides() -> None:
    nested = UrlMap([Mount((Path("/a"),), "/code"), Mount((Path("/b"),), "/code/vendor")])
    assert nested.outward({"url": "file:///code/vendor/x.js"}) == {"url": "file:///b/x.js"}
    assert nested.outward({"url": "file:///code/vendored/x.js"}) == {"url": "file:///a/vendored/x.js"}
    assert nested.inward({"urlRegex": r"file:\/\/\/b\/x\.js"}) == {"urlRegex": r"file:\/\/\/code\/vendor\/x\.js"}


def test_stacks_and_source_maps_are_told_in_the_hosts_urls() -> None:
    frames = [{"url": "file:///code/a.js"}, {"url": "node:net"}]
    message = {
        "params": {
            "callFrames": frames,
            "asyncStackTrace": {"callFrames": frames},
            "sourceMapURL": "file:///code/a.map",
        }
    }
    told = MAP.outward(message)["params"]
    assert [frame["url"] for frame in told["callFrames"]] == [f"{ENCODED}/a.js", "node:net"]
    assert told["asyncStackTrace"]["callFrames"][0]["url"] == f"{ENCODED}/a.js"
    assert told["sourceMapURL"] == f"{ENCODED}/a.map"
    assert frames[0]["url"] == "file:///code/a.js", "what was given is left as it was"


def test_a_relative_source_map_stays_relative() -> None:
    assert MAP.outward({"sourceMapURL": "index.js.map"}) == {"sourceMapURL": "index.js.map"}


def in_a_url(content: Any) -> str:
    return "data:application/json;charset=utf-8;base64," + base64.b64encode(json.dumps(content).encode()).decode()


def test_sources_of_a_map_inside_a_script_are_told_in_the_hosts_paths() -> None:
    """As Next.js writes it, which runs in the walls."""
    content = {"version": 3, "sources": ["/code/pages/api/hello.js", "webpack://x/./a.js", "file:///code/b.js", None]}
    told = MAP.outward({"params": {"sourceMapURL": in_a_url({**content, "sourceRoot": ""})}})["params"]["sourceMapURL"]
    assert json.loads(base64.b64decode(told.partition("base64,")[2])) == {
        "version": 3,
        "sources": [f"{CODE}/pages/api/hello.js", "webpack://x/./a.js", f"{ENCODED}/b.js", None],
        "sourceRoot": "",
    }


@pytest.mark.parametrize(
    "url",
    [
        in_a_url({"sources": ["webpack://x/./a.js"]}),
        in_a_url(7),
        "data:application/json;base64,###",
        "data:,x",
        "a.map",
    ],
)
def test_other_source_maps_are_left_alone(url: str) -> None:
    assert MAP.outward({"sourceMapURL": url}) == {"sourceMapURL": url}


@pytest.mark.parametrize("value", [{"url": "file:///code/a.js"}, ["file:///code/a.js"], "file:///code/a.js"])
def test_values_of_the_program_are_left_alone(value: Any) -> None:
    message = {"result": {"result": {"type": "object", "value": value}}}
    assert MAP.outward(message) == message
    assert MAP.inward(message) == message


def test_expressions_are_left_alone() -> None:
    message = {"method": "Runtime.evaluate", "params": {"expression": f"require('{CODE}/a.js')"}}
    assert MAP.inward(message) == message


@pytest.mark.parametrize("file", ["/index.js", "/lib/a-b.mjs", "/with space.js"])
def test_a_pattern_matches_inside_what_it_matched_outside(file: str) -> None:
    told = MAP.pattern(pattern_of_js_debug(CODE + file))
    assert re.search(told, f"file:///code{file}")
    assert not re.search(told, f"file:///code{file}x")
    assert not re.search(told, f"file:///elsewhere{file}")


def test_a_pattern_without_regard_to_case_is_found_too() -> None:
    plain = UrlMap([Mount((Path("/src/fn"),), "/code")])
    spelled = r"[fF][iI][lL][eE]:\/\/\/[sS][rR][cC]\/[fF][nN]\/[aA]\.[jJ][sS]"
    assert re.search(plain.pattern(spelled), "file:///code/A.js")


def test_a_name_that_begins_alike_is_another_folder() -> None:
    plain = UrlMap([Mount((Path("/src/fn"),), "/code")])
    assert plain.pattern(r"\/src\/fn2\/a\.js") == r"\/src\/fn2\/a\.js"


def test_where_walls_can_not_mount_nothing_changes() -> None:
    same = UrlMap([Mount((Path("/src/fn"),), "/src/fn")])
    message = {"url": "file:///src/fn/a.js"}
    assert same.outward(message) is message
    assert same.inward(message) is message
