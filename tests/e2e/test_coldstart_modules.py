"""`fclocal coldstart` over ES modules: what is slow at a top level is named, busy or awaited; errors keep their lines.

What was planted is a lower bound here: a busy machine makes it longer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Workshop

NODE = {"runtime": "nodejs20", "handler": "index.handler"}
BUSY = "const end = Date.now() + 300;\nwhile (Date.now() < end);\n"
FILES = {
    "code/package.json": '{"type": "module"}',
    "code/index.js": "import { text } from './greetings.js';\nimport shop from 'shop';\nimport './later.js';\n"
    "export const handler = async () => text + shop;\n",
    "code/greetings.js": BUSY + "export const text = 'hello';\n",
    "code/later.js": "import './settings.js';\n",
    "code/settings.js": "await new Promise((resolve) => { setTimeout(resolve, 300); });\n",
    "code/node_modules/shop/package.json": '{"main": "main.js"}',
    "code/node_modules/shop/main.js": "require('./prices');\n" + BUSY + "module.exports = 1;\n",
    "code/node_modules/shop/prices.js": BUSY,
}


def measured(workshop: Workshop) -> dict[str, Any]:
    done = workshop.run("coldstart", "hello", "-n", "1", "--no-warm-up", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_modules_that_are_slow_are_named_with_their_times(workshop: Workshop) -> None:
    workshop.project(hello=NODE)
    workshop.write(FILES)
    found = measured(workshop)
    run = found["study"]["runs"][0]
    rows = {it["file"].removeprefix("/code/"): it for it in run["imports"]}
    parents = {name: run["imports"][it["parent"]]["file"] if it["parent"] >= 0 else "" for name, it in rows.items()}
    assert parents == {
        "index.js": "",
        "greetings.js": "/code/index.js",
        "node_modules/shop/main.js": "/code/index.js",
        "node_modules/shop/prices.js": "/code/node_modules/shop/main.js",
        "later.js": "/code/index.js",
        "settings.js": "/code/later.js",
    }
    load = next(phase for phase in run["phases"] if phase["name"] == "load")["duration_ms"]
    for name in ("greetings.js", "settings.js", "node_modules/shop/main.js", "node_modules/shop/prices.js"):
        assert 270 <= rows[name]["self_ms"] <= load
    assert rows["index.js"]["total_ms"] >= 4 * 270
    advice = {it["subject"].rpartition("/")[2]: it for it in found["advice"] if it["kind"] == "top_level"}
    assert {"greetings.js", "settings.js"} <= set(advice)
    assert all(270 <= advice[name]["saving_ms"] <= run["total_ms"] for name in ("greetings.js", "settings.js"))
    assert 0 < run["measuring_ms"] < run["total_ms"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("throws.js", "import './settings.js';\n\nnull.x;\n"),
        ("misses.js", "import { nothing } from './greetings.js';\n"),
        ("broken.js", "export const a = () => {\n"),
    ],
)
def test_an_error_keeps_its_lines(workshop: Workshop, name: str, text: str) -> None:
    workshop.project(hello=NODE)
    workshop.write(FILES | {f"code/{name}": text, "code/index.js": f"import './{name}';\n"})
    plain = workshop.run("invoke", "hello")
    done = workshop.run("coldstart", "hello", "-n", "1", "--no-warm-up")
    assert done.returncode == plain.returncode == 1
    assert json.loads(done.stdout) == json.loads(plain.stdout)


def test_a_started_emulator_changes_no_text(workshop: Workshop) -> None:
    workshop.project(hello=NODE)
    workshop.write(FILES)
    with workshop.started("--json", "--cold", "faithful") as running:
        assert running.call("hello", b"")[0] == 200
        running.until(lambda event: event["kind"] == "instance_traced")
        told = next(event for event in running.events() if event["kind"] == "instance_traced")
    assert {Path(row[5]).name for row in told["imports"]} == {"main.js", "prices.js"}
