"""What advice has to know of a code folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.coldstart.evidence import Circumstances
from emulator.coldstart.summary import summarize
from emulator.coldstart.surroundings import circumstances
from emulator.model.coldstart import Import
from emulator.model.function import Function, FunctionName, Hook, Revision
from tests.support.coldstarts import cold_start

FILES = {
    "index.py": "import mine\n",
    "mine.py": "import requests\n",
    "requests/__init__.py": "x" * 100,
    "requests-2.0.dist-info/RECORD": "requests/__init__.py,,\nsingle.py,,\nrequests-2.0.dist-info/RECORD,,\n",
    "single.py": "",
    "python/numpy/core.py": "x" * 300,
    "python/numpy/deep/er.py": "x" * 700,
    "python/six.py": "x" * 50,
    "__pycache__/index.pyc": "x" * 999,
    "skipped/data": "x" * 999,
    ".fcignore": "skipped/\n",
}
MODULES = {
    "index": "index.py",
    "mine": "mine.py",
    "requests": "requests/__init__.py",
    "numpy.core": "python/numpy/core.py",
    "gone": "gone.py",
}


@pytest.fixture
def about(tmp_path: Path) -> Circumstances:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    imports = tuple(Import(name, 0, 1, 1, file=f"/code/{file}") for name, file in MODULES.items())
    summary = summarize([cold_start(imports=imports)])
    assert summary is not None
    function = Function(
        FunctionName("detect"), "python3.10", handler="index.handler", initializer=Hook("index.initialize")
    )
    return circumstances(Revision(function, 1, "f", tmp_path), summary.imports, None)


def test_only_own_sources_are_read(about):
    assert about.sources == {"/code/index.py": "import mine\n", "/code/mine.py": "import requests\n"}


def test_the_functions_that_fc_calls_are_known(about):
    assert about.handlers == {"handler", "initialize"}


def test_what_pip_installed_is_not_own_wherever_it_is(about, tmp_path):
    assert about.is_own("/code/mine.py", "mine") and about.is_own(f"{tmp_path}/mine.py", "mine")
    assert not about.is_own("/code/requests/__init__.py", "requests") and not about.is_own("/code/single.py", "single")
    assert not about.is_own("/code/python/numpy/core.py", "numpy") and not about.is_own("/usr/lib/json.py", "json")
    assert about.is_own("/code/python.py", "python")


def test_sizes_are_those_of_the_package_by_entry(about):
    sizes = about.sizes
    assert (sizes["python/numpy"], sizes["python/six.py"], sizes["requests"]) == (1000, 50, 100)
    assert {"skipped", "__pycache__", "python"}.isdisjoint(sizes)


def test_a_function_without_a_folder_has_none():
    function = Function(FunctionName("shop"), "custom-container")
    assert circumstances(Revision(function, 1, "f", None), (), None).sizes == {}
