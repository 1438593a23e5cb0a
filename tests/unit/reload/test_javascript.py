"""Which JavaScript is refused: what the function's own Node.js does not understand, and would come to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from emulator.model.function import Function, FunctionName, Hook
from emulator.model.program import CustomRuntime
from emulator.reload.broken import Broken
from emulator.reload.syntax import broken, interpreter_of
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.spec import Catalog

CATALOG, INTERPRETERS = Catalog.of(None), Interpreters(os.environ)
HANDLER = "exports.handler = async () => 1;\n"
COMMONJS, MODULE = '{"type": "commonjs"}', '{"type": "module"}'


@pytest.fixture
def function(tmp_path: Path) -> Function:
    """In a folder whose own folder says that scripts are modules, which a function does not see."""
    (tmp_path / "package.json").write_text(MODULE)
    root = tmp_path / "code"
    root.mkdir()
    made = Function(FunctionName("fn"), "nodejs20", handler="index.handler", code=root)
    if interpreter_of(made, "node", CATALOG, INTERPRETERS) is None:
        pytest.skip("no Node.js of a version near 20 here")
    return made


def refused(function: Function, files: Mapping[str, str], *changed: str) -> Broken | None:
    root = function.code
    assert root is not None
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    names = changed or tuple(files)
    return broken(function, root, names, lambda command: interpreter_of(function, command, CATALOG, INTERPRETERS))


def test_the_place_and_the_line_are_told(function: Function) -> None:
    found = refused(function, {"index.js": "const a = 1;\nexports.handler = () => {\n  return a +;\n};\n"})
    assert found == Broken("index.js", 3, "SyntaxError: Unexpected token ';'", "  return a +;")


@pytest.mark.parametrize(
    ("name", "package", "code", "line"),
    [
        ("index.js", "", "#!/usr/bin/env node\nif (1) return;\n", None),
        ("index.js", COMMONJS, "with ({}) {}\n", None),
        ("index.js", MODULE, "with ({}) {}\n", 1),
        ("index.js", MODULE, "import a from 'fs';\nawait 1;\n", None),
        ("index.js", COMMONJS, "import a from 'fs';\n", 1),
        ("index.mjs", COMMONJS, "import a from 'fs';\nlet let = 1;\n", 2),
        ("index.mjs", "", "export const handler = () => 1;\n", None),
        # Newer ones take a script for a module where it can be nothing else, older ones say so when it is loaded.
        ("index.js", "", "import a from 'fs';\nexport const handler = () => 1;\n", None),
        ("index.js", "", "import a from 'fs';\nexport const handler = () => ;\n", 2),
        ("index.js", "{}", "import a from 'fs';\nexport const handler = () => ;\n", 2),
        ("index.js", "{ not JSON", "exports.handler = (\n", 2),
    ],
)
def test_the_nearest_package_says_what_a_script_is(
    function: Function, name: str, package: str, code: str, line: int | None
) -> None:
    found = refused(function, {name: code, **({"package.json": package} if package else {})}, name)
    assert (found.line if found else None) == line


def test_a_script_that_nothing_loads_keeps_nobody(function: Function) -> None:
    files = {"index.js": f"{HANDLER}// see ./draft\n", "draft.js": "const (", "public/app.js": "<App/>"}
    assert refused(function, files) is None


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ('require("./lib/part")', "lib/part.js"),
        ("require('./lib')", "lib/index.js"),
        ("const { a } = require( './lib/part.cjs' )", "lib/part.cjs"),
        ("import('./part.mjs')", "part.mjs"),
        ('require("/code/part")', "part.js"),
        ("require('./pack')", "pack/src/main.js"),
        ("require('./' + name)", "any.js"),
        ("import(`./${name}.mjs`)", "any.mjs"),
    ],
)
def test_what_is_loaded_is_found(function: Function, statement: str, name: str) -> None:
    files = {"index.js": f"{HANDLER}{statement};\n", "pack/package.json": '{"main": "src/main"}', name: "const ("}
    found = refused(function, files, name)
    assert found is not None and found.name == name


def test_imports_of_modules_lead_on(function: Function) -> None:
    files = {
        "package.json": MODULE,
        "index.js": "import { a } from './a.js';\nexport * from './b.js';\nimport './c.js';\n",
        "a.js": "import d from\n  '../code/d.js';\nexport const a = d;\n",
        "b.js": "",
        "c.js": "",
    }
    for name in ("b.js", "c.js"):
        assert refused(function, {**files, name: "let let;\n"}, name) is not None


def test_hooks_begin_too(function: Function) -> None:
    hooked = Function(
        FunctionName("fn"),
        "nodejs20",
        handler="index.handler",
        code=function.code,
        initializer=Hook("setup/first.init"),
    )
    found = refused(hooked, {"index.js": HANDLER, "setup/first.mjs": "const ("})
    assert found is not None and found.name == "setup/first.mjs"


def test_a_program_of_a_custom_runtime_begins_with_its_file(function: Function) -> None:
    for command, kept in (("node /code/server.js", True), ("npm start", False)):
        program = CustomRuntime(tuple(command.split()))
        custom = Function(FunctionName("fn"), "custom.debian12", code=function.code, custom_runtime=program)
        assert (refused(custom, {"server.js": "listen("}) is not None) is kept


def test_no_node_is_no_reason(function: Function, tmp_path: Path) -> None:
    (tmp_path / "code/index.js").write_text("const (")
    assert broken(function, tmp_path / "code", ["index.js"], lambda command: None) is None


def test_files_that_are_gone_are_no_reason(function: Function) -> None:
    assert refused(function, {"index.js": HANDLER}, "index.js", "gone.js", "gone.mjs") is None
