"""What Node.js tells of its start: CommonJS modules with who asked for them, and phases; and nothing shows of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from bootstrap_harness import Bootstrap, Target
from test_node_control import NODES
from test_python_control import board
from test_python_trace import TRACE, Watched, ask, request, write

FILES = {
    "index.js": """
const shop = require('shop');
const failures = ['./throws', './missing'].map((name) => {
  try { require(name); } catch (error) { return error.stack; }
});
const before = module.loaded;
exports.initialize = (context, callback) => callback(null);
exports.handler = (event, context, callback) => {
  require('./lazy');
  callback(null, JSON.stringify({ failures: failures, before: before, keys: Object.keys(module) }));
};
exports.after = (event, context, callback) => {
  callback(null, JSON.stringify([module.loaded, 'loaded' in module.constructor.prototype]));
};
""",
    "throws.js": "require('shop'); null.x;",
    "lazy.js": "1;",
    "node_modules/shop/index.js": "const end = Date.now() + 30; while (Date.now() < end); require('./inner');",
    "node_modules/shop/inner.js": "const end = Date.now() + 20; while (Date.now() < end);",
}
MODULE = "export const handler = async (event, context) => 'done';\n"


@pytest.mark.parametrize("target", NODES, ids=str)
def test_a_start_is_told_after_the_first_answer(target: Target, short_folder: Path, tmp_path: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            watched = Watched(made)
            with Bootstrap(target, short_folder, made.env | TRACE, write(tmp_path, FILES)) as bootstrap:
                await ask(bootstrap, request("/initialize", "index.initialize"), request("/invoke", "index.handler"))
                told = await watched.told()
                (after,) = await ask(bootstrap, request("/invoke", "index.after"))
        assert json.loads(after) == [True, False]
        rows = {row[0]: row for row in told.imports}
        assert set(rows) == {"index.js", "shop/index.js", "shop/inner.js", "throws.js", "lazy.js"}
        parents = {name: told.imports[row[1]][0] if row[1] >= 0 else "" for name, row in rows.items()}
        assert parents["shop/index.js"] == parents["throws.js"] == "index.js"
        assert parents["shop/inner.js"] == "shop/index.js"
        assert parents["index.js"] == parents["lazy.js"] == ""
        assert rows["shop/index.js"][3] - rows["shop/index.js"][2] >= 0.045
        assert [name for name, row in rows.items() if row[7]] == ["throws.js"]
        assert rows["index.js"][6] == len(FILES["index.js"])
        times = {name: (begin, end) for name, begin, end in told.phases}
        assert times["bootstrap"][0] < times["bootstrap"][1] <= times["initializer"][0] <= times["initializer"][1]
        assert times["initializer"][1] <= times["invoke"][0] <= times["invoke"][1] <= told.now

    asyncio.run(talk())


@pytest.mark.parametrize("target", [it for it in NODES if it.start == "spawned"], ids=str)
def test_user_code_sees_nothing_of_it(target: Target, short_folder: Path, tmp_path: Path) -> None:
    async def seen(env: dict[str, str], folder: Path) -> dict[str, Any]:
        folder.mkdir()
        async with board(folder) as made:
            with Bootstrap(target, folder, made.env | env, write(tmp_path, FILES)) as bootstrap:
                (body,) = await ask(bootstrap, request("/invoke", "index.handler"))
                return dict(json.loads(body))

    async def both() -> None:
        plain, traced = await seen({}, short_folder / "a"), await seen(TRACE, short_folder / "b")
        assert sorted(traced.pop("keys")) == sorted(plain.pop("keys"))
        assert traced == plain
        assert plain["before"] is False

    asyncio.run(both())


@pytest.mark.parametrize("target", [it for it in NODES if it.runtime == "nodejs20" and it.start == "spawned"], ids=str)
def test_an_es_module_is_a_phase(target: Target, short_folder: Path, tmp_path: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            watched = Watched(made)
            with Bootstrap(target, short_folder, made.env | TRACE, write(tmp_path, {"index.mjs": MODULE})) as bootstrap:
                assert await ask(bootstrap, request("/invoke", "index.handler")) == [b"done"]
                assert [name for name, _, _ in (await watched.told()).phases][-2:] == ["load", "invoke"]

    asyncio.run(talk())
