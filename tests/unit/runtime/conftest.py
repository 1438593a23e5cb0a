"""Small projects, runtime folders and fake installations of interpreters in temporary folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from emulator.model.function import Account, Function, FunctionName, Revision
from emulator.runtime.compose import ComposeRequest
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.spec import Catalog, RuntimeSpec, builtin_dir

ACCOUNT = Account("1000", "cn-hangzhou", "ak-id", "ak-secret", "sts-token")

# Written out here, so that these tests need no other runtime than their own.
PYTHON_TOML = """
kind = "bootstrap"
search_paths = true

[names]
"python3.9" = "3.9"
"python3.10" = "3.10"
"python3.12" = "3.12"

[debian]
"python3.12" = 11

[interpreter]
command = "python"
lang_dir = "/var/fc/lang/{id}/bin"
links = ["python{version}", "python3", "python"]
argv = ["{interpreter}", "-u", "{home}/bootstrap.py"]

[env]
PYTHONPATH = "/code:/opt/python/lib/python{version}/site-packages:/opt/python"

[bundled."python3.10"]
requests = "requests==2.28.1"
oss2 = "oss2"
"""


def write_script(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def fake_interpreter(file: Path, version: str) -> Path:
    """A small program that answers `--version` as interpreters do."""
    return write_script(file, f"#!/bin/sh\necho {version}\n")


def fake_binary(file: Path) -> Path:
    """The same, but not a script: a copy of true(1) whose version is told by its folder or name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(Path("/bin/true").read_bytes())
    file.chmod(0o755)
    return file


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "index.py").write_text("def handler(event, context):\n    return event\n")
    return folder


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    folder = tmp_path / "runtimes" / "python"
    folder.mkdir(parents=True)
    (folder / "runtime.toml").write_text(PYTHON_TOML)
    (folder / "bootstrap.py").write_text(
        "import json, os, sys\n"
        "print(json.dumps({'env': dict(os.environ), 'cwd': os.getcwd(), 'path': sys.path,"
        " 'argv': sys.argv, 'version': list(sys.version_info[:2])}))\n"
    )
    return Catalog.load([builtin_dir(), tmp_path / "runtimes"])


@pytest.fixture
def interpreters(home: Path) -> Interpreters:
    """A machine with pyenv's Python 3.10.13 and nvm's Node.js 18.19.0, and nothing else."""
    fake_interpreter(home / ".pyenv/versions/3.10.13/bin/python3.10", "Python 3.10.13")
    (home / ".pyenv/versions/3.10.13/bin/python").symlink_to("python3.10")
    fake_interpreter(home / ".nvm/versions/node/v18.19.0/bin/node", "v18.19.0")
    fake_interpreter(home / ".nvm/versions/node/v18.19.0/bin/npm", "10.2.3")
    return Interpreters({"HOME": str(home), "PATH": ""})


@pytest.fixture
def revision(code: Path) -> Callable[..., Revision]:
    def make(runtime: str = "python3.10", name: str = "hello", **fields: Any) -> Revision:
        folder = fields.pop("code_dir", code)
        version = fields.pop("version_id", "")
        fields.setdefault("handler", "index.handler")
        function = Function(FunctionName.parse(name), runtime, **fields)
        return Revision(function, 1, "f", folder, version_id=version)

    return make


@pytest.fixture
def request_for(tmp_path: Path, interpreters: Interpreters) -> Callable[..., ComposeRequest]:
    base = ComposeRequest("c-1", ACCOUNT, tmp_path / ".fclocal", interpreters)

    def make(**fields: Any) -> ComposeRequest:
        return replace(base, **fields)

    return make


@pytest.fixture
def spec(catalog: Catalog) -> Callable[[str], RuntimeSpec]:
    return catalog.find


@pytest.fixture
def real_interpreters() -> Interpreters:
    return Interpreters(os.environ)


def without(env: Mapping[str, str], *names: str) -> dict[str, str]:
    return {key: value for key, value in env.items() if key not in names}
