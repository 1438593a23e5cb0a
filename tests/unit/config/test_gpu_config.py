"""What FC gives with each GPU type, and what is said where a project asks for something else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from emulator.config.project import load_project
from emulator.model.function import Function, Gpu, Project
from emulator.model.gpu_types import GPU_TYPES, normal_memory, size_problem


def loaded(tmp_path: Path, **props: object) -> Project:
    container = {"image": "example/app", "port": 9000}
    own = {"functionName": "f", "region": "cn-hangzhou", "runtime": "custom-container", "timeout": 60, **props}
    if own["runtime"] == "custom-container":
        own.setdefault("customContainerConfig", container)
    resources = {"f": {"component": "fc3", "props": own}}
    (tmp_path / "s.yaml").write_text(
        yaml.safe_dump({"edition": "3.0.0", "name": "p", "access": "default", "resources": resources}, sort_keys=False)
    )
    return load_project(tmp_path / "s.yaml", {})


def gpu_of(project: Project) -> Gpu | None:
    return only(project).gpu


def only(project: Project) -> Function:
    (function,) = project.functions
    return function


def told(project: Project, word: str) -> str:
    """The one problem that mentions `word`."""
    (problem,) = [problem for problem in project.problems if word in problem.message]
    assert problem.place is not None and problem.place.line
    return problem.message


WHOLE_T4 = {"cpu": 8, "memorySize": 16384, "gpuConfig": {"gpuType": "fc.gpu.tesla.1", "gpuMemorySize": 16384}}


def test_what_fc_takes_is_taken_without_a_word(tmp_path: Path) -> None:
    project = loaded(tmp_path, **WHOLE_T4)
    assert project.problems == ()
    assert gpu_of(project) == Gpu("fc.gpu.tesla.1", 16384)


@pytest.mark.parametrize("kind", GPU_TYPES.values(), ids=str)
def test_every_size_of_every_type_fits_for_one_card_and_for_all(kind) -> None:
    for cards in (1, kind.max_cards):
        memory, why = normal_memory(kind, cards * kind.memory_mb)
        assert (memory, why) == (cards * kind.memory_mb, "")
        for size in kind.sizes:
            for gb in (size.low, size.high):
                assert size_problem(kind, memory, size.cpu * cards, gb * cards * 1024) == ""


def test_a_type_that_is_spelt_wrong_is_told_and_the_nearest_is_used(tmp_path: Path) -> None:
    project = loaded(tmp_path, **{**WHOLE_T4, "gpuConfig": {"gpuType": "fc.gpu.telsa.1"}})
    assert told(project, "gpuType") == (
        "`gpuType` is `fc.gpu.telsa.1`, which FC does not know; `fc.gpu.tesla.1` is used"
    )
    assert gpu_of(project) == Gpu("fc.gpu.tesla.1", 16384)


def test_a_type_that_resembles_none_gives_none(tmp_path: Path) -> None:
    project = loaded(tmp_path, cpu=1, memorySize=1024, gpuConfig={"gpuType": "mine", "gpuMemorySize": 1024})
    assert "the function gets none; FC has fc.gpu.tesla.1" in told(project, "gpuType")
    assert gpu_of(project) is None


@pytest.mark.parametrize(
    ("kind", "asked", "given", "said"),
    [
        ("fc.gpu.tesla.1", 8192, 8192, ""),
        ("fc.gpu.tesla.1", 8000, 8192, "is not a multiple of 1024 MB"),
        ("fc.gpu.tesla.1", 32768, 32768, ""),
        ("fc.gpu.tesla.1", 20480, 32768, "is not that of 1 to 4 cards of 16 GB"),
        ("fc.gpu.tesla.1", 999_424, 65536, "is not that of 1 to 4 cards of 16 GB"),
        ("fc.gpu.ada.1", 16384, 49152, "slices"),
        ("fc.gpu.ada.1", 0, 49152, ""),
    ],
)
def test_memory_is_that_of_whole_cards_or_of_a_slice(
    tmp_path: Path, kind: str, asked: int, given: int, said: str
) -> None:
    project = loaded(tmp_path, gpuConfig={"gpuType": kind, "gpuMemorySize": asked}, cpu=1, memorySize=1024)
    assert gpu_of(project) == Gpu(kind, given)
    about = [problem.message for problem in project.problems if "gpuMemorySize` is" in problem.message]
    assert len(about) == bool(said) and all(said in message and f"{given} is used" in message for message in about)


def test_cores_and_memory_that_no_card_comes_with_are_told_with_the_nearest(tmp_path: Path) -> None:
    message = told(loaded(tmp_path, **{**WHOLE_T4, "cpu": 6, "memorySize": 32768}), "cpu")
    assert "4 cores with 4 to 16 GB, 8 cores with 8 to 32 GB or 16 cores with 16 to 64 GB" in message
    assert message.endswith("the nearest is `cpu: 4` with `memorySize: 16384`")


def test_a_slice_has_limits_of_its_own(tmp_path: Path) -> None:
    slice_ = {"gpuType": "fc.gpu.tesla.1", "gpuMemorySize": 4096}
    assert loaded(tmp_path, cpu=2, memorySize=8192, gpuConfig=slice_).problems == ()
    message = told(loaded(tmp_path, cpu=4, memorySize=8192, gpuConfig=slice_), "cpu")
    assert "with 4096 MB of a card FC takes at most 2 cores and 8192 MB" in message


def test_several_cards_have_more_than_other_functions_can_have(tmp_path: Path) -> None:
    config = {"gpuType": "fc.gpu.hopper.2", "gpuMemorySize": 8 * 141 * 1024}
    project = loaded(tmp_path, cpu=192, memorySize=8 * 248 * 1024, gpuConfig=config)
    assert project.problems == ()
    assert (only(project).cpu, only(project).memory_mb) == (192, 8 * 248 * 1024)


def test_gpus_are_for_containers_with_a_web_server(tmp_path: Path) -> None:
    message = told(loaded(tmp_path, **WHOLE_T4, runtime="custom.debian12"), "containers only")
    assert "`runtime` is `custom.debian12`" in message
    silent = {"image": "x", "webServerMode": False}
    assert "web server" in told(loaded(tmp_path, **WHOLE_T4, customContainerConfig=silent), "webServerMode")


def test_the_name_of_fc_2_works_in_both(tmp_path: Path) -> None:
    project = loaded(tmp_path, cpu=8, memorySize=16384, instanceType="g1", gpuMemorySize=16384)
    assert gpu_of(project) == Gpu("fc.gpu.tesla.1", 16384)


def test_memory_without_a_type_is_told(tmp_path: Path) -> None:
    assert "name the type" in told(loaded(tmp_path, gpuConfig={"gpuMemorySize": 8192}), "gpuMemorySize")
