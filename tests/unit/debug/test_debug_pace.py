"""What a template finds out about a debugger's surroundings, so that its forks need not: it must be what they would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from emulator.runtime.debugging import debugpy_folder

HOME = Path(__file__).parents[3] / "runtimes" / "python"
# In an interpreter of its own, as debugpy changes the one that it is loaded in.
PROGRAM = """
import json, os, sys, threading
sys.path[:0] = sys.argv[1:3]
import debugpy.server.api, pydevd, pydevd_file_utils, pydevd_tracing
from _pydevd_bundle.pydevd_filtering import FilesFiltering
from _fclocal_bootstrap import debug_pace

def roots():
    return FilesFiltering()._library_roots

def names():
    find = pydevd_file_utils.get_abs_path_real_path_and_base_from_file
    return [find(threading.__file__), find(pydevd.__file__)]

before, known = roots(), names()
pydevd_file_utils.NORM_PATHS_AND_BASE_CONTAINER.clear()
debug_pace.find_out()
cached = threading.__file__ in pydevd_file_utils.NORM_PATHS_AND_BASE_CONTAINER
same = roots() == before and names() == known
sys.path.append(sys.argv[3])
more = [it for it in roots() if it not in before]
json.dump({"same": same, "cached": cached, "more": more,
    "helper": hasattr(pydevd_tracing._load_python_helper_lib, "__lib__")}, sys.stdout)
"""


def test_what_is_found_out_is_what_an_attach_would_find(tmp_path: Path) -> None:
    own = tmp_path / "site-packages"
    own.mkdir()
    found = told(own)
    assert found["same"]
    # Or that there is none.
    assert found["helper"]
    assert found["cached"]


def test_a_folder_that_came_on_the_search_path_since_is_a_librarys_too(tmp_path: Path) -> None:
    own = tmp_path / "site-packages"
    own.mkdir()
    assert told(own)["more"] == [f"{own}/"]


def told(folder: Path) -> dict[str, object]:
    argv = [sys.executable, "-c", PROGRAM, str(HOME), str(debugpy_folder()), str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer
