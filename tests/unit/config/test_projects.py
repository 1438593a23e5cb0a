"""Project files as people write them, from file to functions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from emulator.config.project import load_project
from emulator.model.function import (
    Affinity,
    Api,
    Function,
    Gpu,
    Hook,
    Isolation,
    MountKind,
    Project,
    RemoteMount,
    RewriteRule,
    TriggerType,
)
from emulator.model.provision import Provision
from emulator.model.schedules import Cron

PROJECTS = Path(__file__).parent / "projects"


def load(name: str, **env: str) -> Project:
    return load_project(PROJECTS / name, env)


def only(project: Project) -> Function:
    (function,) = project.functions
    return function


def problems(project: Project) -> list[str]:
    return [str(problem) for problem in project.problems]


def test_there_are_enough_of_them() -> None:
    files = [path for name in ("s.yaml", "s.yml", "template.yml") for path in PROJECTS.rglob(name)]
    assert len(files) >= 25


@pytest.mark.parametrize("folder", sorted(path.name for path in PROJECTS.iterdir()))
def test_every_one_gives_a_function_with_places(folder: str) -> None:
    path = PROJECTS / folder / "app" if folder == "parent-code" else PROJECTS / folder
    project = load_project(path, {})
    assert project.functions
    assert project.root.is_absolute()
    for function in project.functions:
        assert function.place is not None and function.place.line
        assert function.code is None or function.code.is_absolute()
    assert all(problem.place is not None for problem in project.problems)


def test_event_function() -> None:
    project = load("event-python")
    function = only(project)
    assert (str(function.name), function.runtime, function.handler) == (
        "start-python-p6jp",
        "python3.10",
        "index.handler",
    )
    assert (function.memory_mb, function.timeout, function.region, function.api) == (128, 30, "cn-hangzhou", Api.FC3)
    assert function.code == PROJECTS / "event-python" / "code"
    assert dict(function.environment) == {"PYTHONUSERBASE": "/code/python"}
    assert str(function.place) == "s.yaml:16"
    assert project.problems == ()


def test_http_timer_and_oss_triggers() -> None:
    project = load("http-timer")
    http, timer, oss = only(project).triggers
    assert (http.type, http.auth_type, http.methods) == (TriggerType.HTTP, "anonymous", ("GET", "POST"))
    assert timer.config["payload"] == "012", "a payload is what was written"
    assert timer.schedule == Cron("0 0 8 * * *")
    assert oss.config["filter"] == {"key": {"prefix": "source/", "suffix": ".png"}}
    assert project.problems == ()


def test_custom_runtime_with_placeholders_and_environment() -> None:
    project = load("flask-custom", DATABASE_URL="mysql://db")
    function = only(project)
    assert function.start_command == ("python3", "app.py", "--host", "0.0.0.0")
    assert function.handler == ""
    assert function.instance_concurrency == 20
    assert function.environment["PATH"].startswith("/var/fc/lang/python3.10/bin:")
    assert function.environment["DATABASE_URL"] == "mysql://db"
    assert function.environment["CACHE"] == "redis://localhost:6379/0"
    check = function.custom_runtime.health_check
    assert check is not None and (check.url, check.initial_delay, check.period) == ("/healthz", 1, 3)
    assert [step.run for step in function.build] == ["pip install -t ./python -r requirements.txt"]
    assert any("`{{ functionName }}-web`" in problem for problem in problems(project))
    assert any("s.yaml:27: environment variable `DATABASE_URL`" in p for p in problems(load("flask-custom")))


def test_fc2_service() -> None:
    project = load("fc2-service")
    function = only(project)
    assert str(function.name) == "fc-deploy-service$http-trigger-py36"
    assert (function.api, function.timeout, function.instance_concurrency) == (Api.FC2, 60, 10)
    assert function.initializer == Hook("index.init", 20)
    assert function.pre_stop == Hook("index.pre_stop", 6)
    assert function.pre_freeze == Hook("index.pre_freeze", 5)
    remote = "xxx.cn-hangzhou.nas.aliyuncs.com:/fc-deploy-service"
    assert function.mounts == (RemoteMount(MountKind.NAS, remote, "/mnt/auto"),)
    assert (function.user_id, function.group_id) == (10003, 10003)
    policy = function.async_policy
    assert (policy.max_retries, policy.task) == (1, True)
    assert policy.on_failure == "acs:mns:cn-hangzhou:123:/queues/q/messages"
    (domain,) = project.domains
    unnamed, route = domain.routes
    assert (domain.name, route.path, str(route.function)) == ("example.com", "/a", str(function.name))
    assert route.rewrites == (RewriteRule("exact", "/a", "/b"), RewriteRule("wildcard", "/a/*", "/$1"))
    assert (unnamed.path, unnamed.methods, str(unnamed.function)) == ("/api/*", ("GET",), str(function.name))


def test_fc2_container() -> None:
    project = load("fc2-container")
    function = only(project)
    container = function.custom_container
    assert container is not None
    assert (container.entrypoint, container.command, container.port) == (("python3",), ("app.py", "--port=80"), 80)
    assert container.health_check is not None and container.health_check.url == "/ready"
    assert function.role == "fc-role"
    assert [mount.target for mount in function.mounts] == ["/mnt/auto"]
    assert any("fc build --use-docker" in problem for problem in problems(project))


def test_fc2_gpu_in_s_yml() -> None:
    project = load("fc2-gpu")
    assert only(project).gpu == Gpu("fc.gpu.tesla.1", 8192)
    assert project.problems == ()


def test_older_layout_and_its_references() -> None:
    project = load("legacy", HOME_TOWN="杭州")
    one, two = project.functions
    assert dict(one.environment) == {
        "REGION": "cn-qingdao",
        "ALSO": "cn-qingdao",
        "OUT": "${two.output.url}",
        "E": "杭州",
    }
    assert two.timeout == 9
    assert problems(project) == ["s.yaml:20: `function.timout` is no key of Function Compute; it is read as `timeout`"]


def test_templates() -> None:
    a, b = load("template-extend").functions
    assert (a.timeout, b.timeout) == (20, 10)
    assert dict(a.environment) == {"LEVEL": "info", "OWN": "a"}
    assert dict(b.environment) == {"LEVEL": "info", "DROP_ME": "1"}
    assert (str(b.name), b.handler) == ("cn-shenzhen-b", "a.handler")
    assert [layer.arn for layer in a.layers] == ["acs:fc:cn-shenzhen:official:layers/Python3-Flask2x/versions/2"]
    assert b.layers == (), "lists are replaced, not joined"


def test_one_file_extends_another() -> None:
    function = only(load("file-extend"))
    assert function.memory_mb == 1024
    assert function.region == "cn-hangzhou"
    assert str(function.place) == "./base/common.yaml:11", "the place is in the file where it was written"


def test_the_default_environment_is_laid_over() -> None:
    function = only(load("environments"))
    assert (function.timeout, function.region, function.memory_mb) == (60, "cn-beijing", 1024)
    assert dict(function.environment) == {"STAGE": "testing"}


def test_every_expression() -> None:
    first, second = load("expressions", PROCESS="from process").functions
    assert first.memory_mb == 640
    assert dict(first.environment) == {
        "DEEP": "deep",
        "MIXED": "a-deep-640",
        "TEXT": "a note",
        "FROM_JSON": "debug",
        "FROM_YAML": '{"x": 1}',
        "STRING": "640",
        "BASE": "aGVsbG8=",
        "ACCOUNT": "acs:ram::123456789:role/x",
        "DOTENV": "from dotenv",
        "CODE_ENV": "none",
        "PROCESS": "from process",
        "ESCAPED": "${untouched}",
        "OUTPUT": "${resources.second.output.url}",
        "KNOWN_OUTPUT": "second",
        "ARRAY": '{"ONE": 1, "TWO": "2"}',
        "TOKEN": "t",
        "HIDDEN": '{"level": "debug", "list": [1, 2]}',
    }
    assert dict(second.environment) == {"ONE": "1", "TWO": "2"}
    assert second.start_command == ("first", "from process", "{{ placeholder }}")


def test_dotenv_of_the_code_folder_counts_for_its_function(tmp_path: Path) -> None:
    shutil.copytree(PROJECTS / "expressions", tmp_path / "p")
    text = (
        (tmp_path / "p" / "s.yaml")
        .read_text()
        .replace("${vars.variables}\n      internet", "\n        C: ${env(ONLY_IN_CODE)}\n      internet")
    )
    (tmp_path / "p" / "s.yaml").write_text(text)
    first, second = load_project(tmp_path / "p", {}).functions
    assert first.environment["CODE_ENV"] == "none"
    assert first.environment["PROCESS"] == "overridden", ".env gives what the process lacks"
    assert second.environment["C"] == "yes"


def test_scalars_are_what_was_written() -> None:
    function = only(load("scalars"))
    assert str(function.name) == "012"
    assert function.timeout == 30
    assert dict(function.environment) == {
        "TIME": "22:22",
        "OCTAL": "012",
        "VERSION": "1.10",
        "BIG": "12345678901234567890",
        "YES": "yes",
        "BOOL": "true",
        "DATE": "2024-01-01",
        "EMPTY": "",
        "EXP": "1e3",
    }


def test_anchors_and_merge_keys() -> None:
    one, two = load("anchors").functions
    assert dict(one.environment) == {"A": "1"}
    assert dict(two.environment) == {"A": "1", "B": "2"}
    assert two.timeout == 5


def test_container_with_gpu() -> None:
    function = only(load("container"))
    container = function.custom_container
    assert container is not None
    assert (container.entrypoint, container.command, container.port) == (("python3",), ("-m", "server"), 7860)
    assert container.health_check is not None
    assert (container.health_check.url, container.health_check.timeout) == ("/health", 3)
    assert function.gpu == Gpu("fc.gpu.ada.1", 49152)
    assert function.disk_mb == 20480


def test_nas_and_oss() -> None:
    fn, auto = load("nas-oss").functions
    assert fn.mounts == (
        RemoteMount(MountKind.NAS, "nas.aliyuncs.com:/models", "/mnt/models"),
        RemoteMount(MountKind.OSS, "b:/x", "/mnt/oss", read_only=True),
    )
    assert (fn.user_id, fn.group_id) == (1000, 1001)
    assert auto.mounts == (RemoteMount(MountKind.NAS, "auto:/auto-fn", "/mnt/auto-fn"),)


def test_domains_and_what_is_not_emulated() -> None:
    project = load("domain")
    web, main = project.domains
    assert (web.name, web.routes[0].methods, str(web.routes[0].function)) == ("web.example.com", ("GET",), "web")
    assert main.name == "main.auto.localhost"
    assert main.routes[0].rewrites == (RewriteRule("regex", "^/api/(.*)$", "/$1"),)
    text = "\n".join(problems(project))
    assert "component `oss` of resource `bucket` is not emulated" in text
    assert "function `absent` is not in this project" in text
    assert "rewrite rule `(` is no regular expression" in text


def test_scaling_sessions_and_asynchronous_calls() -> None:
    a, b = load("scaling").functions
    assert (a.provisioned, a.on_demand, a.max_instances, a.idle_timeout) == (Provision(2), False, 5, 600)
    assert a.isolation is Isolation.SESSION_EXCLUSIVE
    assert a.session is not None
    assert (a.session.affinity, a.session.header, a.session.ttl) == (Affinity.HEADER_FIELD, "x-session", 100)
    assert (a.inject_credentials_env, a.inject_credentials_request) == (False, False)
    assert (a.async_policy.task, a.async_policy.max_retries) == (True, 8)
    assert a.async_policy.on_success == "acs:fc:::functions/b"
    assert b.provisioned == Provision(1)
    assert b.session is not None and b.session.sse_path == "/sse"


def test_steps_before_a_deployment() -> None:
    project = load("actions")
    function = only(project)
    assert [(step.run, step.path.name, step.allow_failure) for step in function.build] == [
        ("npm ci", "web", False),
        ("npm run build", "web", True),
    ]
    text = "\n".join(problems(project))
    assert "pre-deploy steps that were not run: `npm ci`, `npm run build` (--build runs them)" in text
    assert "s.yaml:22: pre-deploy step `make` runs outside of the project's folder" in text
    assert "`plugin: dingding-robot` is not emulated" in text


def test_steps_are_not_mentioned_where_the_code_is_there(tmp_path: Path) -> None:
    shutil.copytree(PROJECTS / "actions", tmp_path / "p")
    (tmp_path / "p" / "dist").mkdir()
    assert not any("does not exist" in problem for problem in problems(load_project(tmp_path / "p", {})))


def test_funcraft() -> None:
    project = load("funcraft")
    hello, cron = project.functions
    assert (str(hello.name), hello.api, hello.memory_mb, hello.timeout) == ("demo-service$hello", Api.FC2, 128, 60)
    assert hello.initializer == Hook("index.init", 3)
    assert hello.http_trigger is not None and hello.http_trigger.auth_type == "anonymous"
    assert (hello.log_project, hello.log_store) == ("p", "l")
    assert hello.user_id == 10003
    assert cron.custom_runtime.port == 8080
    assert cron.triggers[0].schedule == Cron("0 0 8 * * *")
    assert str(project.domains[0].routes[0].function) == "demo-service$hello"
    assert "template.yml:19: `Timout` is no key of a function in template.yml; it is read as `Timeout`" in problems(
        project
    )


@pytest.mark.parametrize(
    "routes", ["RouteConfig: {Routes: {'/a': ROUTE}}", "RouteConfig: {routes: {'/a': ROUTE}}", "Routes: {'/a': ROUTE}"]
)
@pytest.mark.parametrize(("named", "wanted"), [("", "shop.example.com"), ("DomainName: Auto", "demo-service-hello.")])
def test_a_domain_of_funcraft_in_all_its_spellings(tmp_path: Path, routes: str, named: str, wanted: str) -> None:
    text = (PROJECTS / "funcraft" / "template.yml").read_text()
    domain = f"""
  shop.example.com:
    Type: 'Aliyun::Serverless::CustomDomain'
    Properties:
      Protocol: HTTP
      {named}
      {routes.replace("ROUTE", "{ServiceName: demo-service, FunctionName: hello}")}
"""
    (tmp_path / "template.yml").write_text(text + domain)
    found = load_project(tmp_path, {}).domains[-1]
    assert found.name.startswith(wanted)
    assert [(route.path, str(route.function)) for route in found.routes] == [("/a", "demo-service$hello")]


def test_code_beside_the_project_must_exist() -> None:
    project = load_project(PROJECTS / "parent-code" / "app", {})
    fn, gone = project.functions
    assert fn.code == PROJECTS / "parent-code" / "built"
    assert gone.code is None
    assert any("s.yaml:9" in p and "lies outside of the project" in p for p in problems(project))


def test_one_bad_function_does_not_stop_the_others() -> None:
    project = load("one-bad")
    assert [str(function.name) for function in project.functions] == ["good"]
    text = "\n".join(problems(project))
    assert "`../evil` can not be a function's name" in text
    assert "runtime 'cobol85' is not supported" in text
    assert "s.yaml:16: function `good` is declared twice" in text


def test_props_that_are_one_variable() -> None:
    project = load("vars-props")
    function = only(project)
    assert (function.runtime, function.handler) == ("java11", "example.App::handleRequest")
    assert any("`${vars.missing}` is not found" in problem for problem in problems(project))
