"""Which code is refused: what the function's own interpreter does not understand, and would come to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from emulator.model.function import Function, FunctionName, Hook
from emulator.model.program import CustomRuntime
from emulator.reload.broken import Broken
from emulator.reload.imports import entries, reached
from emulator.reload.syntax import broken, interpreter_of
from emulator.runtime.interpreters import Interpreter, Interpreters, parse_version
from emulator.runtime.spec import Catalog

CATALOG, INTERPRETERS = Catalog.of(None), Interpreters(os.environ)


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def function(root: Path, runtime: str = "python3.10", command: str = "", **fields: Any) -> Function:
    program = CustomRuntime(tuple(command.split()))
    made = Function(FunctionName("fn"), runtime, handler="index.handler", code=root, custom_runtime=program)
    return replace(made, **fields)


def refused(root: Path, name: str, of: Function) -> Broken | None:
    command = "node" if of.runtime.startswith("nodejs") else "python"
    if not of.is_custom and own(of, command) is None:
        pytest.skip(f"no interpreter for {of.runtime} here")
    return broken(of, root, [name], lambda command: own(of, command))


def own(of: Function, command: str) -> Interpreter | None:
    return interpreter_of(of, command, CATALOG, INTERPRETERS)


def test_the_place_and_the_line_are_told(tmp_path: Path) -> None:
    write(tmp_path, {"index.py": "x = 1\ndef handler(:\n    pass\n"})
    found = refused(tmp_path, "index.py", function(tmp_path))
    assert found == Broken("index.py", 2, "SyntaxError: invalid syntax", "def handler(:")


@pytest.mark.parametrize(
    ("runtime", "code", "right"),
    [
        ("python2.7", "print 'x'\n", True),
        ("python2.7", "async def f(): pass\n", False),
        ("python3", "print 'x'\n", False),
        ("python3", "if (x := 1): pass\n", False),
        ("python3.10", "match x:\n    case 1: pass\n", True),
        ("python3.9", "match x:\n    case 1: pass\n", False),
        ("python3.12", "x = f'{'a'}'\n", True),
        ("python3.10", "x = f'{'a'}'\n", False),
        ("python3.10", "return 1\n", False),
        ("python3.10", "x = '\\d'\n", True),
        ("python3.10", "x = 1\0\n", False),
    ],
)
def test_the_functions_own_interpreter_decides(tmp_path: Path, runtime: str, code: str, right: bool) -> None:
    of = function(tmp_path, runtime)
    python = own(of, "python")
    if python is None or ".".join(map(str, parse_version(python.version)[:2])) != CATALOG.find(runtime).version:
        pytest.skip(f"{runtime}'s own version is not here")
    write(tmp_path, {"index.py": code})
    assert (refused(tmp_path, "index.py", of) is None) == right


TREE = {
    "index.py": "import a.b\nfrom pkg import one, two as other\ndef handler(event, context):\n    import late\n",
    "a/__init__.py": "",
    "a/b.py": "from . import c\nfrom ..index import handler\n",
    "a/c.py": "try:\n    import guarded\nexcept ImportError:\n    pass\n",
    "pkg/__init__.py": "from .one import *\n",
    "pkg/one.py": "import os, missing\n",
    "pkg/two.py": "broken (\n",
    "late.py": "",
    "guarded.py": "",
    "draft.py": "import unused\n",
    "unused.py": "",
}


def test_what_import_statements_lead_to(tmp_path: Path) -> None:
    write(tmp_path, TREE)
    assert reached(tmp_path, entries(function(tmp_path), tmp_path)) == {*TREE} - {"draft.py", "unused.py"}


def test_a_file_that_nothing_imports_keeps_nobody(tmp_path: Path) -> None:
    write(tmp_path, {**TREE, "draft.py": "def (", "late.py": "def ("})
    assert refused(tmp_path, "draft.py", function(tmp_path)) is None
    assert refused(tmp_path, "late.py", function(tmp_path)) is not None


@pytest.mark.parametrize(
    ("command", "begin"),
    [
        ("python3 app.py", [("", "app")]),
        ("python3 /code/src/app.py --port 9000", [("src", "app")]),
        ("python3 -m server.main", [("", "server.main")]),
        ("uvicorn server.main:app --host 0.0.0.0", [("", "server.main")]),
        ("gunicorn -w 2 app:create", [("", "app")]),
        ("bash start.sh", []),
        ("node http://host:80", []),
    ],
)
def test_where_a_program_begins(tmp_path: Path, command: str, begin: list[tuple[str, str]]) -> None:
    write(tmp_path, {"app.py": "", "src/app.py": "", "server/main.py": ""})
    assert entries(function(tmp_path, "custom.debian10", command), tmp_path) == begin


def test_a_handler_in_a_folder_and_hooks_begin_too(tmp_path: Path) -> None:
    of = function(tmp_path, handler="src/index.handler", initializer=Hook("setup.init"))
    assert entries(of, tmp_path) == [("src", "index"), ("", "setup")]


def test_a_program_that_begins_nobody_knows_where_is_never_refused(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": "def ("})
    assert refused(tmp_path, "app.py", function(tmp_path, "custom.debian10", "bash start.sh")) is None


def test_node_starts_nothing_beside_a_package_that_it_can_not_read(tmp_path: Path) -> None:
    write(tmp_path, {"package.json": '{\n  "type": "module",\n}'})
    found = refused(tmp_path, "package.json", function(tmp_path, "nodejs20"))
    assert found is not None and (found.line, found.source) == (3, "}")


def test_scripts_beside_a_python_function_are_nobodys(tmp_path: Path) -> None:
    write(tmp_path, {"index.js": "syntax ("})
    assert refused(tmp_path, "index.js", function(tmp_path)) is None
