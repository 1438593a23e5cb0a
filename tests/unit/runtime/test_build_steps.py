"""What a build consists of: pre-deploy steps, else what `s build` would install by the manifests beside the code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from emulator.model.errors import ConfigError
from emulator.model.function import BuildStep, Function, FunctionName, Layer, Place
from emulator.runtime.build_steps import build_steps, missing_products, missing_variables
from emulator.runtime.spec import Catalog, RuntimeSpec, builtin_dir

PIP = "pip install -t 3rd-packages -r requirements.txt --upgrade"
FIND = "/code/3rd-packages"


@pytest.fixture
def spec() -> Callable[[str], RuntimeSpec]:
    return Catalog.load([builtin_dir()]).find


def function(code: Path | None, runtime: str = "python3.10", *build: BuildStep) -> Function:
    return Function(FunctionName("f"), runtime, handler="index.handler", code=code, build=build)


@pytest.mark.parametrize(
    ("runtime", "file", "text", "runs"),
    [
        ("python3.10", "requirements.txt", "flask\n", [PIP]),
        ("python3.10", "requirements.txt", "# nothing yet\n\n", []),
        ("python3.10", "requirements.txt", "\n./vendor/thing.whl\n", [PIP]),
        ("python3.10", "package.json", '{"dependencies": {"ws": "8"}}', []),
        ("nodejs20", "package.json", '{"dependencies": {"ws": "8"}}', ["npm install"]),
        ("nodejs20", "package.json", '{"devDependencies": {\n"typescript": "5"}}', ["npm install"]),
        ("nodejs20", "package.json", '{"type": "module", "dependencies": {}}', []),
        ("custom.debian10", "requirements.txt", "# web\nflask\n", [PIP]),
        ("custom", "package.json", '{"dependencies": {"ws": "8"}}', ["npm install"]),
    ],
)
def test_a_manifest_asks_for_what_s_build_runs(
    code: Path, spec: Callable[[str], RuntimeSpec], runtime: str, file: str, text: str, runs: list[str]
) -> None:
    (code / file).write_text(text)
    steps = build_steps(function(code, runtime), spec(runtime))
    assert [step.run for step in steps] == runs
    assert {step.path for step in steps} <= {code}


def test_own_steps_come_in_place_of_manifests(code: Path, spec: Callable[[str], RuntimeSpec]) -> None:
    (code / "requirements.txt").write_text("flask")
    own = BuildStep("make", code)
    assert build_steps(function(code, "python3.10", own), spec("python3.10")) == (own,)


def test_a_step_that_is_s_build_stands_for_the_manifests(code: Path, spec: Callable[[str], RuntimeSpec]) -> None:
    (code / "requirements.txt").write_text("flask")
    place = Place("s.yaml", 7)
    own = (BuildStep("make", code), BuildStep("fc3 build", code.parent, place=place, by_manifest=True))
    steps = build_steps(function(code, "python3.10", *own), spec("python3.10"))
    assert [(step.run, step.path) for step in steps] == [("make", code), (PIP, code)]
    assert steps[1].place == place


def test_an_archive_and_a_runtime_that_is_not_emulated_have_no_manifests(
    tmp_path: Path, code: Path, spec: Callable[[str], RuntimeSpec]
) -> None:
    (code / "requirements.txt").write_text("flask")
    archive = tmp_path / "code.zip"
    archive.write_bytes(b"")
    assert build_steps(function(archive), spec("python3.10")) == ()
    assert build_steps(function(None), spec("python3.10")) == ()
    assert build_steps(function(code, "java11"), None) == ()
    own = BuildStep("mvn package", code)
    assert build_steps(function(code, "java11", own), None) == (own,)


def test_the_variable_that_finds_the_packages_is_told(code: Path, spec: Callable[[str], RuntimeSpec]) -> None:
    (code / "requirements.txt").write_text("flask")
    bare = function(code)
    assert missing_variables(bare, spec("python3.10")) == {"PYTHONPATH": FIND}
    found = replace(bare, environment={"PYTHONPATH": f"/code/lib:{FIND}"})
    assert missing_variables(found, spec("python3.10")) == {}
    own = replace(bare, build=(BuildStep("pip install -t . -r requirements.txt", code),))
    assert missing_variables(own, spec("python3.10")) == {}


def test_packages_that_nobody_installed_are_told(code: Path, spec: Callable[[str], RuntimeSpec]) -> None:
    (code / "requirements.txt").write_text("flask")
    told = missing_products(function(code), spec("python3.10"), code)
    assert told == f"`{PIP}` was not run, and what it makes is missing; `--build` runs it"
    with_layer = replace(function(code), layers=(Layer("acs:fc:cn-hangzhou:official:layers/Flask/versions/1"),))
    assert missing_products(with_layer, spec("python3.10"), code) is None
    (code / "vendor" / "flask-3.1.dist-info").mkdir(parents=True)
    assert missing_products(function(code), spec("python3.10"), code) is None


def test_a_runtime_folder_says_what_a_manifest_is(tmp_path: Path) -> None:
    head = 'kind = "program"\n[names]\n"custom.x" = ""\n[[manifests]]\n'
    folder = tmp_path / "mine"
    folder.mkdir()

    def load(manifest: str) -> RuntimeSpec:
        (folder / "runtime.toml").write_text(head + manifest)
        return Catalog.load([tmp_path]).find("custom.x")

    (manifest,) = load('file = "Gemfile"\nasks = "^gem "\nrun = "bundle install"\n').manifests
    assert (manifest.file, manifest.run, dict(manifest.env)) == ("Gemfile", "bundle install", {})
    with pytest.raises(ConfigError, match=r"'manifests\.asks' must be a regular expression"):
        load('file = "Gemfile"\nasks = "("\nrun = "bundle install"\n')
    with pytest.raises(ConfigError, match="is a name, not a path"):
        load('file = "../Gemfile"\nasks = "x"\nrun = "bundle install"\n')
