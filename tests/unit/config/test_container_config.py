"""`customContainerConfig` in every spelling, and what `.fclocal.yaml` adds to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.config.project import load_project
from emulator.config.settings import apply_to_project, load_settings
from emulator.model.errors import ConfigError
from emulator.model.function import Function, Isolation, Project
from emulator.model.program import CodeMount, CustomContainer
from emulator.model.provision import Provision
from tests.unit.config.test_gpu_config import loaded, only, told

TEMPLATE = """
ROSTemplateFormatVersion: '2015-09-01'
Transform: 'Aliyun::Serverless-2018-04-03'
Resources:
  demo:
    Type: 'Aliyun::Serverless::Service'
    job:
      Type: 'Aliyun::Serverless::Function'
      Properties:
        Handler: index.handler
        Runtime: custom-container
        CAPort: 8080
        CustomContainerConfig:
          Image: team/job:v1
          Command: '["python"]'
          Args: '["job.py", "-v"]'
          WebServerMode: false
"""


def container_of(function: Function) -> CustomContainer:
    assert function.custom_container is not None
    return function.custom_container


def with_container(tmp_path: Path, **container: object) -> Project:
    return loaded(tmp_path, customContainerConfig={"image": "a/b:1", **container})


@pytest.mark.parametrize("written", [["python", "-u"], '["python", "-u"]', "python -u"])
def test_a_command_is_a_list_or_json_or_a_line(tmp_path: Path, written: object) -> None:
    container = container_of(only(with_container(tmp_path, entrypoint=written, command=["x y"])))
    assert (container.entrypoint, container.command) == (("python", "-u"), ("x y",))


def test_what_has_no_meaning_here_is_told(tmp_path: Path) -> None:
    project = with_container(
        tmp_path, accelerationType="Default", acrInstanceId="cri-1", registryConfig={"certConfig": {}}
    )
    said = told(project, "accelerationType")
    assert said == (
        "`accelerationType`, `acrInstanceId`, `registryConfig` of `customContainerConfig` changes nothing here: "
        "images come from Docker"
    )
    assert with_container(tmp_path).problems == ()


def test_the_dockerfile_is_beside_the_code_or_beside_the_project_file(tmp_path: Path) -> None:
    project = with_container(tmp_path)
    assert container_of(only(project)).context is None
    assert tmp_path / "Dockerfile" in project.sources, "when there is one, the project is read again"
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    project = with_container(tmp_path)
    assert container_of(only(project)).context == tmp_path and tmp_path / "Dockerfile" not in project.sources
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Dockerfile").write_text("FROM x\n")
    function = only(loaded(tmp_path, code="./app", customContainerConfig={"image": "a/b:1"}))
    assert container_of(function).context == tmp_path / "app"
    assert function.code is None, "FC takes no code beside an image"


def test_one_container_for_each_event(tmp_path: Path) -> None:
    trigger = {"triggerName": "t", "triggerType": "http", "triggerConfig": {"methods": ["GET"]}}
    silent = {"image": "a/b:1", "webServerMode": False}
    project = loaded(tmp_path, customContainerConfig=silent, instanceConcurrency=20, triggers=[trigger])
    function = only(project)
    assert function.is_one_shot and function.isolation is Isolation.REQUEST_EXCLUSIVE
    assert (function.instance_concurrency, function.provisioned) == (1, Provision())
    assert "FC calls it by no HTTP trigger" in told(project, "webServerMode")


def test_fun_writes_it_with_capitals(tmp_path: Path) -> None:
    (tmp_path / "template.yml").write_text(TEMPLATE)
    function = only(load_project(tmp_path / "template.yml", {}))
    container = container_of(function)
    assert (container.image, container.port, function.is_one_shot) == ("team/job:v1", 8080, True)
    assert (container.entrypoint, container.command) == (("python",), ("job.py", "-v"))


def test_arguments_and_folders_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / ".fclocal.yaml").write_text(
        "build_args: {BASE: local, N: 010}\n"
        "functions:\n  f:\n    buildArgs: {BASE: mine}\n    codeMounts:\n      /app/src/: ./src\n      /lib: ../lib\n"
    )
    settings = load_settings(tmp_path, {}, {"FCLOCAL_BUILD_ARGS": '{"N": "1"}'})
    function = only(apply_to_project(settings, with_container(tmp_path)))
    assert container_of(function).build_args == {"BASE": "mine", "N": "1"}
    folders = (CodeMount(tmp_path / "src", "/app/src"), CodeMount(tmp_path.parent / "lib", "/lib"))
    assert function.code_mounts == folders


@pytest.mark.parametrize("written", ["{app: ./src}", "{/: ./src}", "{/app: 3}", "./src"])
def test_a_mount_is_a_path_in_the_image_and_a_folder(tmp_path: Path, written: str) -> None:
    (tmp_path / ".fclocal.yaml").write_text(f"functions:\n  f:\n    codeMounts: {written}\n")
    with pytest.raises(ConfigError) as wrong:
        load_settings(tmp_path, {}, {})
    assert wrong.value.place is not None and wrong.value.place.line == 3
