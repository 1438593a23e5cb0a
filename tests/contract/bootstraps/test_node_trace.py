"""What Node.js tells of its start: modules with who asked for them, and phases; and nothing shows of it."""

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


# Busy for 60 ms and waiting for 60 ms at the top level; beside each other, where one asks for both.
BUSY = "const end = Date.now() + 60;\nwhile (Date.now() < end);\n"
WAITS = "await new Promise((resolve) => { setTimeout(resolve, 60); });\n"
MODULES = {
    "index.mjs": """#!/usr/bin/env node
// a comment
import { busy } from './busy.mjs';
import old from './old.cjs';
import shop from 'shop';
import plain from 'plain';
import data from './data.json' with { type: 'json' };
await import('./lazy.mjs').catch(() => {});
const stacks = [];
await import('./throws.mjs').catch((error) => { stacks.push(error.stack); });
try { null.x; } catch (error) { stacks.push(error.stack); }
const seen = ['fclocalMark', typeof globalThis.fclocalMark, Object.keys(globalThis)];
export const handler = async () => {
  await import('./later.mjs');
  return JSON.stringify(stacks);
};
export const after = async () => JSON.stringify([
  typeof globalThis.fclocalMark,
  Object.keys(Object.getOwnPropertyDescriptor((await import('node:fs')).promises, 'readFile')),
]);
""",
    "busy.mjs": "import './waits.mjs';\n" + BUSY + "export const busy = 1; // the end",
    "waits.mjs": WAITS,
    "old.cjs": "require('./older.cjs');\n" + BUSY,
    "older.cjs": BUSY,
    "data.json": "{}",
    "lazy.mjs": "export { default } from 'shop/lazy';\n",
    "throws.mjs": "import './beside.mjs';\n\nnull.x;\n",
    "beside.mjs": "1;\n",
    "later.mjs": "1;\n",
    "node_modules/shop/package.json": json.dumps(
        {"type": "module", "exports": {".": {"import": "./index.js"}, "./lazy": {"import": "./lazy.js"}}}
    ),
    "node_modules/plain/index.js": "module.exports = 1;",
    "node_modules/shop/index.js": "import fs from 'fs'; export default fs;",
    "node_modules/shop/lazy.js": "export default 1;",
}
# FC has ES modules from nodejs18 on.
WITH_MODULES = [it for it in NODES if it.runtime in ("nodejs18", "nodejs20")]
EVERY_MODULE = TRACE | {"FCLOCAL_TRACE": "modules"}


@pytest.mark.parametrize("target", WITH_MODULES, ids=str)
def test_es_modules_are_told_one_by_one(target: Target, short_folder: Path, tmp_path: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            watched = Watched(made)
            with Bootstrap(target, short_folder, made.env | EVERY_MODULE, write(tmp_path, MODULES)) as bootstrap:
                await ask(bootstrap, request("/invoke", "index.handler"))
                told = await watched.told()
                (after,) = await ask(bootstrap, request("/invoke", "index.after"))
        assert json.loads(after) == ["undefined", ["value", "writable", "enumerable", "configurable"]]
        rows = {row[0]: row for row in told.imports}
        parents = {name: told.imports[row[1]][0] if row[1] >= 0 else "" for name, row in rows.items()}
        assert parents == {
            "index.mjs": "",
            "busy.mjs": "index.mjs",
            "waits.mjs": "busy.mjs",
            "old.cjs": "index.mjs",
            "older.cjs": "old.cjs",
            "shop/index.js": "index.mjs",
            "plain/index.js": "index.mjs",
            "lazy.mjs": "index.mjs",
            "shop/lazy.js": "lazy.mjs",
            "throws.mjs": "index.mjs",
            "beside.mjs": "throws.mjs",
            "later.mjs": "",
        }
        took = {name: row[3] - row[2] for name, row in rows.items()}
        assert took["waits.mjs"] >= 0.055
        assert took["old.cjs"] - took["older.cjs"] >= 0.055 and took["older.cjs"] >= 0.055
        assert rows["busy.mjs"][3] - rows["waits.mjs"][3] >= 0.055
        assert [name for name, row in rows.items() if row[7]] == ["throws.mjs"]
        assert rows["busy.mjs"][6] == len(MODULES["busy.mjs"])
        loading = next(phase for phase in told.phases if phase[0] == "load")
        assert loading[1] <= rows["index.mjs"][2] <= rows["index.mjs"][3] <= loading[2]
        assert all(row[2] <= row[3] and row[1] < place for place, row in enumerate(told.imports))

    asyncio.run(talk())


@pytest.mark.parametrize("target", [it for it in WITH_MODULES if it.start == "spawned"], ids=str)
def test_es_modules_stay_on_their_lines(target: Target, short_folder: Path, tmp_path: Path) -> None:
    files = MODULES | {
        "broken.mjs": "import { nothing } from './busy.mjs';\nconst a = 1;\n",
        "unclosed.mjs": "import './beside.mjs';\nexport const handler = () => {",
    }

    async def seen(env: dict[str, str], folder: Path) -> list[Any]:
        folder.mkdir()
        async with board(folder) as made:
            with Bootstrap(target, folder, made.env | env, write(tmp_path, files)) as bootstrap:
                handlers = ("broken.handler", "unclosed.handler", "index.handler")
                return [json.loads(body) for body in await ask(bootstrap, *(request("/invoke", it) for it in handlers))]

    async def both() -> None:
        plain, traced = await seen({}, short_folder / "a"), await seen(EVERY_MODULE, short_folder / "b")
        assert traced == plain
        assert "index.mjs:11:" in plain[2][1]

    asyncio.run(both())


@pytest.mark.parametrize("target", [it for it in WITH_MODULES if it.start == "spawned"], ids=str)
def test_an_es_module_that_throws_fails_with_who_asked_for_it(
    target: Target, short_folder: Path, tmp_path: Path
) -> None:
    files = {"index.mjs": "import './inner.mjs';\nexport const handler = 1;\n", "inner.mjs": BUSY + "null.x;\n"}

    async def talk() -> None:
        async with board(short_folder) as made:
            watched = Watched(made)
            with Bootstrap(target, short_folder, made.env | EVERY_MODULE, write(tmp_path, files)) as bootstrap:
                (body,) = await ask(bootstrap, request("/invoke", "index.handler"))
                told = await watched.told()
        assert json.loads(body)["errorType"] == "TypeError"
        assert [(row[0], row[1], row[7]) for row in told.imports] == [("index.mjs", -1, True), ("inner.mjs", 0, True)]
        assert told.imports[1][3] - told.imports[1][2] >= 0.055

    asyncio.run(talk())


@pytest.mark.parametrize("target", [it for it in WITH_MODULES if it.start == "spawned"], ids=str)
def test_text_is_changed_only_where_it_is_asked_for(target: Target, short_folder: Path, tmp_path: Path) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            watched = Watched(made)
            with Bootstrap(target, short_folder, made.env | TRACE, write(tmp_path, MODULES)) as bootstrap:
                await ask(bootstrap, request("/invoke", "index.handler"))
                told = await watched.told()
        assert {row[0] for row in told.imports} == {"old.cjs", "older.cjs", "plain/index.js"}
        assert [name for name, _, _ in told.phases][-2:] == ["load", "invoke"]

    asyncio.run(talk())


@pytest.mark.parametrize("target", [it for it in WITH_MODULES if it.start == "spawned"], ids=str)
def test_an_es_module_that_is_required_is_told_with_what_it_imports(
    target: Target, short_folder: Path, tmp_path: Path
) -> None:
    files = {
        "index.js": "exports.handler = async () => {\n"
        "  if (process.features.require_module) require('./inner.mjs');\n"
        "  return String(Boolean(process.features.require_module));\n};\n",
        "inner.mjs": "import './old.cjs';\n" + BUSY,
        "old.cjs": BUSY,
    }

    async def talk() -> None:
        async with board(short_folder) as made:
            watched = Watched(made)
            with Bootstrap(target, short_folder, made.env | EVERY_MODULE, write(tmp_path, files)) as bootstrap:
                (body,) = await ask(bootstrap, request("/invoke", "index.handler"))
                told = await watched.told()
        if body == b"false":
            pytest.skip("this Node.js can not require ES modules")
        rows = [(row[0], row[1], row[7]) for row in told.imports]
        assert rows == [("index.js", -1, False), ("inner.mjs", -1, False), ("old.cjs", 1, False)]
        took = [row[3] - row[2] for row in told.imports]
        assert took[2] >= 0.055 and took[1] - took[2] >= 0.055

    asyncio.run(talk())


SHAPES = {
    "index.mjs": "'use strict';/* import './no.mjs' */import{a as b}from'./one.mjs';import'./two.mjs';"
    "export*from\"./three.mjs\";export{default as d}from'./four.mjs';export const handler=async()=>{"
    "await import('./no.mjs');return b+typeof import.meta.url} // the end",
    "one.mjs": "\ufeffexport const a = 'one ';",
    "two.mjs": "",
    "three.mjs": "export class Three {}\n// import './no.mjs'",
    "four.mjs": "const text = `\nimport './no.mjs';`;\nexport { text as default };\nimport './index.mjs'\n",
    "no.mjs": "export default\n  1\n",
}


@pytest.mark.parametrize("target", [it for it in WITH_MODULES if it.start == "spawned"], ids=str)
def test_modules_run_as_they_are_written_and_who_asks_is_known(
    target: Target, short_folder: Path, tmp_path: Path
) -> None:
    async def talk() -> None:
        async with board(short_folder) as made:
            watched = Watched(made)
            with Bootstrap(target, short_folder, made.env | EVERY_MODULE, write(tmp_path, SHAPES)) as bootstrap:
                assert await ask(bootstrap, request("/invoke", "index.handler")) == [b"one string"]
                told = await watched.told()
        assert [(row[0], row[1], row[7]) for row in told.imports] == [
            ("index.mjs", -1, False),
            ("one.mjs", 0, False),
            ("two.mjs", 0, False),
            ("three.mjs", 0, False),
            ("four.mjs", 0, False),
            ("no.mjs", -1, False),
        ]

    asyncio.run(talk())
