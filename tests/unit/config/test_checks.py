"""Misspelt keys, keys of FC 2, and values that FC would refuse: told with their line, and gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.config import bounds
from emulator.config.checks import fix_keys, nearest
from emulator.config.domains import domain
from emulator.config.project import load_project
from emulator.config.schema import FC2, FC3, Kind
from emulator.config.section import Report, Section
from emulator.config.tree import Map, plain
from emulator.config.triggers import triggers
from emulator.config.yaml_guard import load_text
from emulator.model import limits
from emulator.model.function import Function, FunctionName, Hook, MountKind, Project, RemoteMount, Route

PROJECTS = Path(__file__).parent / "projects"


def load(name: str) -> Project:
    return load_project(PROJECTS / name, {})


def only(project: Project) -> Function:
    (function,) = project.functions
    return function


def problems(project: Project) -> list[str]:
    return [str(problem) for problem in project.problems]


def section(text: str) -> Section:
    node = load_text(text, "s.yaml")
    assert isinstance(node, Map)
    return Section(node, Report())


def test_misspelt_keys_are_named_and_used() -> None:
    project = load("misspelt")
    function = only(project)
    assert (function.timeout, function.memory_mb, dict(function.environment)) == (25, 256, {"A": "b"})
    assert function.custom_runtime.port == 8080
    assert function.initializer == Hook("true", 9)
    assert sorted(problems(project)) == [
        "s.yaml:11: `Timeout` is no key of Function Compute; it is read as `timeout`",
        "s.yaml:12: `cAPort` is a key of FC 2; it is read as `customRuntimeConfig.port`",
        "s.yaml:13: `memorysize` is no key of Function Compute; it is read as `memorySize`",
        "s.yaml:14: `enviromentVariables` is no key of Function Compute; it is read as `environmentVariables`",
        "s.yaml:16: `instanceLifecycleConfig.initialiser` is no key of Function Compute; it is read as `initializer`",
        "s.yaml:17: `somethingElse` is no key of Function Compute and is ignored",
    ]


def test_keys_of_fc2_under_fc3() -> None:
    project = load("fc2-keys")
    function = only(project)
    assert str(function.name) == "old"
    assert function.code == PROJECTS / "fc2-keys"
    assert function.initializer == Hook("index.initialize", 30)
    assert function.http_trigger is not None and function.http_trigger.auth_type == "function"
    assert "s.yaml:10: `codeUri` is a key of FC 2; it is read as `code`" in problems(project)
    assert "s.yaml:14: `instanceType` is a key of FC 2; FC 3 has nothing like it, so it is ignored" in problems(project)


def test_a_function_group_under_fc3_of_a_local_component() -> None:
    assert str(only(load("nested-function")).name) == "nested"


def test_values_out_of_range_are_brought_to_the_nearest() -> None:
    project = load("out-of-range")
    function = only(project)
    assert function.runtime == "python3.12"
    assert (function.memory_mb, function.cpu, function.disk_mb, function.timeout) == (256, 0.35, 10240, 86400)
    assert function.instance_concurrency == 1
    assert len(function.layers) == 5
    assert dict(function.environment) == {"1A": "y", "OK": "z"}
    assert function.mounts == (RemoteMount(MountKind.NAS, "x:/", "/mnt/ok"),)
    assert function.initializer == Hook("index.init", 300)
    assert function.pre_stop == Hook("index.stop", 90)
    assert [trigger.name for trigger in function.triggers] == ["a"]
    text = "\n".join(problems(project))
    for words in (
        "s.yaml:9: runtime 'python3.11' is not supported; `python3.12` is used",
        "s.yaml:8: `functionName` is `9bad`",
        "s.yaml:13: `memorySize` is 200, but must be a multiple of 64 MB; 256 is used",
        "s.yaml:12: `cpu` is 0.37",
        "between 1:1 and 1:4",
        "s.yaml:15: `timeout` is 100000, but FC takes 1 to 86400",
        "`FC_REGION` is reserved",
        "s.yaml:17: there are 6 layers, but FC takes 5",
        "s.yaml:22: `mountDir` is `/etc`",
        "s.yaml:23: `mountDir` is `/mnt/../etc`",
        "s.yaml:31: trigger type `kafka`",
        "s.yaml:30: `b` is a second HTTP trigger",
        "has a handler and a command, which FC refuses",
        "takes one request at a time in FC 3",
    ):
        assert words in text


def test_values_of_the_wrong_type_are_told_and_left() -> None:
    project = load("types")
    function = only(project)
    assert (function.timeout, function.memory_mb, function.triggers) == (3, 512, ())
    assert function.code == PROJECTS / "types"
    assert function.start_command == ("python3", "my app.py")
    assert len(project.problems) == 6


def test_every_known_key_is_left_alone() -> None:
    for shape in (FC3, FC2):
        node = load_text("{" + ", ".join(f"{key}: 1" for key in shape) + "}", "s.yaml")
        assert isinstance(node, Map)
        report = Report()
        assert fix_keys(node, shape, report) == node
        assert report.problems == ()


@pytest.mark.parametrize(
    ("key", "right"),
    [
        ("Timeout", "timeout"), ("time_out", "timeout"), ("memorySzie", "memorySize"),
        ("function-name", "functionName"),
        ("envrionmentVariables", "environmentVariables"), ("trigger", "triggers"), ("layer", "layers"),
        ("instanceConcurency", "instanceConcurrency"), ("zzz", ""), ("x", ""),
    ],
)  # fmt: skip
def test_the_nearest_key(key: str, right: str) -> None:
    assert nearest(key, FC3) == right


def test_two_keys_that_are_equally_near_are_no_answer() -> None:
    assert nearest("abcdeX", {"abcdef": Kind.TEXT, "abcdeg": Kind.TEXT}) == ""


def test_a_misspelt_key_is_not_used_over_the_right_one_or_with_a_wrong_type() -> None:
    for text, words in (
        ("{timeout: 5, Timeout: 9}", "did you mean `timeout`?"),
        ("{Timeout: [1]}", "did you mean `timeout`?"),
        ("{Layers: one}", "did you mean `layers`?"),
    ):
        found = section(text)
        fixed = fix_keys(found.map, FC3, found.report)
        assert plain(fixed) == plain(found.map)
        (problem,) = found.report.problems
        assert words in problem.message and "is ignored" in problem.message


@given(st.integers(-(10**9), 10**9), st.floats(-100, 100))
def test_any_size_becomes_one_that_fc_takes(memory: int, cpu: float) -> None:
    found = section(f"{{memorySize: {memory}, cpu: {cpu!r}}}")
    mb = bounds.memory_mb(found, 512)
    assert limits.MEMORY_RANGE_MB[0] <= mb <= limits.MEMORY_RANGE_MB[1] and mb % limits.MEMORY_STEP_MB == 0
    cores = bounds.cpu(found, mb)
    assert limits.CPU_RANGE[0] <= cores <= limits.CPU_RANGE[1]
    assert abs(cores / limits.CPU_STEP - round(cores / limits.CPU_STEP)) < 1e-6
    assert (mb == memory) or found.report.problems


@given(st.integers(2, 512).map(lambda steps: steps * 64))
def test_a_cpu_that_is_not_given_goes_with_the_memory(memory: int) -> None:
    found = section("{}")
    cores = bounds.cpu(found, memory)
    assert 1 <= round(memory / 1024 / cores, 6) <= 4
    assert found.report.problems == ()


def test_the_cpu_of_the_default_size_is_fcs_default() -> None:
    assert bounds.default_cpu(512) == 0.35


def test_a_large_environment_is_told() -> None:
    found = section("{A: b}")
    kept = bounds.environment(found, [("A", "x" * 4096), ("B=", "x"), ("C", "a\0b"), ("accessKeyID", "k")], fc2=True)
    assert set(kept) == {"A"}
    assert any("4097 bytes" in problem.message for problem in found.report.problems)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("{authType: jwt}", "`authType: jwt` needs `jwks` in `authConfig`; without it every request is refused"),
        ("{authType: bearer, authConfig: {token: x}}", "`authType: bearer` needs `tokens` in `authConfig`"),
        ("{authType: basic, authConfig: '{}'}", "`authType: basic` needs `users` in `authConfig`"),
        ("{authType: JWT, authConfig: {JWKS: {keys: []}}}", ""),
        ("""{authType: bearer, authConfig: '{"tokens": []}'}""", ""),
        ("{authType: function}", ""),
    ],
)
def test_a_trigger_that_nobody_could_pass_is_told(config: str, told: str) -> None:
    found = section(f"triggers: [{{triggerType: http, triggerConfig: {config}}}]")
    assert triggers(found)
    messages = [problem.message for problem in found.report.problems]
    assert told in messages[0] if told else not messages, messages


def test_a_domain_that_nobody_could_pass_is_told() -> None:
    found = section("{domainName: a.example.com, authConfig: {authType: jwt, authInfo: '{}'}}")
    assert domain(found, (Route("/*", FunctionName("f")),), "f") is not None
    assert "needs `jwks` in `authInfo`" in found.report.problems[0].message
