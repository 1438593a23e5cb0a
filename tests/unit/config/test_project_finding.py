"""Finding a project file, its layers, and going without a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from emulator.config.layers import layer_name, resolve_layer
from emulator.config.project import adhoc_project, find_project, load_project
from emulator.model.errors import ConfigError
from emulator.model.function import Account, Function, FunctionName, Project

PROJECTS = Path(__file__).parent / "projects"


def only(project: Project) -> Function:
    (function,) = project.functions
    return function


def problems(project: Project) -> list[str]:
    return [str(problem) for problem in project.problems]


def test_the_account_is_the_emulators(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "resources: {a: {component: fc3, props: {functionName: a, runtime: custom, code: ./,"
        " role: 'acs:ram::${config(AccountID)}:role/x'}}}\n"
    )
    assert only(load_project(tmp_path, {}, account=Account("42"))).role == "acs:ram::42:role/x"


# --- layers ---


@pytest.mark.parametrize("made", ["mine/7", "mine", "mine/7.zip", "mine.zip", "mine.tar.gz"])
def test_a_layer_is_found_by_its_name(tmp_path: Path, made: str) -> None:
    path = tmp_path / "layers" / made
    path.parent.mkdir(parents=True)
    if "." in made:
        path.write_bytes(b"")
    else:
        path.mkdir()
    assert resolve_layer("acs:fc:cn-hangzhou:123:layers/mine/versions/7", tmp_path).path == path


def test_the_version_is_preferred(tmp_path: Path) -> None:
    (tmp_path / "layers" / "mine" / "7").mkdir(parents=True)
    assert resolve_layer("mine/7", tmp_path).path == tmp_path / "layers" / "mine" / "7"
    assert resolve_layer("mine/8", tmp_path).path == tmp_path / "layers" / "mine"


@pytest.mark.parametrize("arn", ["../../etc", "..", "", "a/../b", "acs:fc:r:a:layers/../versions/1", "a b", ".hidden"])
def test_a_layer_leads_nowhere_else(tmp_path: Path, arn: str) -> None:
    assert layer_name(arn) == ("", "")
    assert resolve_layer(arn, tmp_path).path is None


def test_layers_of_a_project(tmp_path: Path) -> None:
    shutil.copytree(PROJECTS / "layers", tmp_path / "p")
    mine = tmp_path / "p" / ".fclocal" / "layers" / "mine" / "7"
    mine.mkdir(parents=True)
    project = load_project(tmp_path / "p", {})
    assert [layer.path for layer in only(project).layers] == [None, mine, None]
    text = "\n".join(problems(project))
    assert "put its content into .fclocal/layers/Python310-Package-Collection" in text
    assert "`../../../etc` is no ARN of a layer" in text
    elsewhere = tmp_path / "state"
    assert only(load_project(tmp_path / "p", {}, state_dir=elsewhere)).layers[1].path is None


# --- finding, and going without ---


def test_the_file_is_found_in_this_order(tmp_path: Path) -> None:
    assert find_project(tmp_path) is None
    for name in ("template.yaml", "template.yml", "s.yml", "s.yaml"):
        (tmp_path / name).write_text("x: 1\n")
        assert find_project(tmp_path) == tmp_path / name
    assert find_project(tmp_path / "s.yml") == tmp_path / "s.yml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n", "holds no mapping"),
        ("hello\n", "holds no mapping"),
        ("a: 1\n", "is no project file of Function Compute"),
        ("resources: {}\n", "names no resources"),
        ("resources:\n  a: {component: oss, props: {}}\n", "component `oss` of resource `a` is not emulated"),
        ("a: [\n", "is not valid YAML"),
        ("ROSTemplateFormatVersion: '2015-09-01'\n", "holds no function"),
    ],
)
def test_a_wrong_file_is_one_message_with_place_and_next_step(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_project(tmp_path / "s.yaml", {})
    assert words in str(caught.value)
    assert caught.value.place is not None and caught.value.place.file == "s.yaml"
    assert caught.value.next_step


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no project file here"):
        load_project(tmp_path, {})
    with pytest.raises(ConfigError, match="no such file"):
        load_project(tmp_path / "s.yaml", {})


def test_runtimes_of_the_users_own_are_taken(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "resources: {a: {component: fc3, props: {functionName: a, runtime: zig0.13, handler: x, code: ./}}}\n"
    )
    with pytest.raises(ConfigError, match=r"runtime 'zig0\.13' is not supported"):
        load_project(tmp_path, {})
    project = load_project(tmp_path, {}, extra_runtimes={"zig0.13"})
    assert only(project).runtime == "zig0.13"
    assert project.problems == ()


@pytest.mark.parametrize(
    ("wanted", "used"),
    [
        ("python3.8", "python3.9"), ("python3.6", "python3"), ("python3.13", "python3.12"), ("python", "python3.12"),
        ("Python3.10", "python3.10"), ("nodejs22", "nodejs20"), ("nodejs18.x", "nodejs18"), ("node16", "nodejs16"),
        ("custom.debian9", "custom.debian10"), ("custom-runtime", "custom"), ("java17", "java11"), ("php8.1", "php7.2"),
        ("container", "custom-container"),
    ],
)  # fmt: skip
def test_the_nearest_runtime_of_the_family(tmp_path: Path, wanted: str, used: str) -> None:
    project = adhoc_project(tmp_path, "index.handler", wanted)
    assert only(project).runtime == used
    assert len(project.problems) == 1


def test_a_folder_of_code_alone(tmp_path: Path) -> None:
    code = tmp_path / "my code"
    code.mkdir()
    project = adhoc_project(code, "index.handler", "python3.10", environment={"A": "b"})
    function = only(project)
    assert function.name == FunctionName("my-code")
    assert (function.code, function.handler, dict(function.environment)) == (code, "index.handler", {"A": "b"})
    assert function.http_trigger is not None and function.http_trigger.auth_type == "anonymous"
    assert (project.file, project.root, project.problems) == (None, code, ())
    custom = only(adhoc_project(code, "", "custom", name="web", command=["python3", "app.py"], port=8000, http=False))
    assert (str(custom.name), custom.start_command, custom.custom_runtime.port) == ("web", ("python3", "app.py"), 8000)
    assert custom.triggers == ()


def test_a_folder_of_code_that_can_not_be_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such code"):
        adhoc_project(tmp_path / "absent", "index.handler", "python3.10")
    with pytest.raises(ConfigError, match="needs a handler"):
        adhoc_project(tmp_path, "", "python3.10")
    with pytest.raises(ConfigError, match="'cobol' is not supported"):
        adhoc_project(tmp_path, "x", "cobol")
