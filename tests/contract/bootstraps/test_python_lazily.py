"""Modules that are loaded at their first use, on every Python 3: what user code sees of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bootstrap_harness import SPAWNED, Bootstrap, Target
from test_python_control import PYTHONS
from test_python_trace import request

INDEX = """
import sys
import heavy, heavy as again
import package.inner
import lists

loaded_at_the_import = list(lists.seen)

def handler(event, context):
    first = list(lists.seen)
    total = again.VALUE + package.inner.VALUE
    try:
        import broken
        broken.VALUE
        failed = ""
    except ZeroDivisionError as error:
        failed = type(error).__name__
    kinds = sorted({type(sys.modules[name]).__name__ for name in ("heavy", "package", "package.inner")})
    return repr((loaded_at_the_import, first, lists.seen, total, failed, kinds, heavy.__spec__.loader.name))
"""
NAMES = "heavy,package.inner,broken,nowhere"


@pytest.mark.parametrize("target", [it for it in PYTHONS if it.start == SPAWNED and it.version[0] == 3], ids=str)
def test_a_module_is_loaded_when_it_is_used(target: Target, short_folder: Path, tmp_path: Path) -> None:
    note = "import lists\nlists.seen.append(__name__)\n"
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "inner.py").write_text(f"{note}VALUE = 2\n")
    (tmp_path / "heavy.py").write_text(f"{note}VALUE = 1\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "lists.py").write_text("seen = []\n")
    (tmp_path / "index.py").write_text(INDEX)
    with Bootstrap(target, short_folder, {"FCLOCAL_LAZY": NAMES}, tmp_path) as bootstrap:
        connection = bootstrap.connect()
        connection.send(request("/invoke", "index.handler"))
        answer = connection.receive()
    assert answer is not None
    used = ["heavy", "package.inner"]
    assert answer.body.decode() == repr(([], [], used, 3, "ZeroDivisionError", ["module"], "heavy"))
