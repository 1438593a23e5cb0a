"""Timers and scheduled actions in project files of every kind, and what is told of those that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from emulator.config.project import load_project
from emulator.model.function import Function, Project
from emulator.model.provision import Provision, ScheduledAction
from emulator.model.schedules import At, Cron, Every


def timer(name: str, expression: Any, **config: Any) -> dict[str, Any]:
    return {
        "triggerName": name,
        "triggerType": "timer",
        "triggerConfig": {"cronExpression": expression, "enable": True, **config},
    }


def fc3(**props: Any) -> dict[str, Any]:
    own = {"region": "cn-hangzhou", "functionName": "f", "runtime": "python3.10", "handler": "index.handler"}
    return {"edition": "3.0.0", "resources": {"f": {"component": "fc3", "props": {**own, "code": "./", **props}}}}


def loaded(folder: Path, document: Any, name: str = "s.yaml") -> Project:
    (folder / name).write_text(document if isinstance(document, str) else yaml.safe_dump(document, sort_keys=False))
    return load_project(folder, {})


def only(project: Project) -> Function:
    [function] = project.functions
    return function


def test_timers_of_fc3(tmp_path: Path) -> None:
    triggers = [
        timer("tick", "@every 5m"),
        timer("nightly", "CRON_TZ=Asia/Shanghai 0 0 3 * * *"),
        timer("off", "@every 5m", enable=False),
        {"triggerName": "bare", "triggerType": "timer", "triggerConfig": {"cronExpression": "0 0 3 * * *"}},
        {
            "triggerName": "as_text",
            "triggerType": "timer",
            "triggerConfig": '{"cronExpression": "@every 1h", "enable": true}',
        },
    ]
    project = loaded(tmp_path, fc3(triggers=triggers))
    assert {it.name: it.schedule for it in only(project).triggers} == {
        "tick": Every(300.0),
        "nightly": Cron("0 0 3 * * *", "Asia/Shanghai"),
        "off": None,
        "bare": Cron("0 0 3 * * *"),
        "as_text": Every(3600.0),
    }
    assert project.problems == ()


def test_timers_of_fc2_and_fun(tmp_path: Path) -> None:
    old = {
        "region": "cn-hangzhou",
        "service": {"name": "svc"},
        "function": {"name": "f", "runtime": "python3.10", "handler": "index.handler", "codeUri": "./"},
        "triggers": [{"name": "t", "type": "timer", "config": {"cronExpression": "@every 2m", "enable": True}}],
    }
    project = loaded(tmp_path, {"edition": "1.0.0", "services": {"f": {"component": "fc", "props": old}}})
    assert only(project).triggers[0].schedule == Every(120.0)
    (tmp_path / "s.yaml").unlink()
    fun = (
        "ROSTemplateFormatVersion: '2015-09-01'\nTransform: 'Aliyun::Serverless-2018-04-03'\nResources:\n"
        "  svc:\n    Type: Aliyun::Serverless::Service\n    f:\n      Type: Aliyun::Serverless::Function\n"
        "      Properties: {Handler: index.handler, Runtime: python3.10, CodeUri: ./}\n      Events:\n"
        "        on: {Type: Timer, Properties: {CronExpression: '0 0 8 * * MON', Enable: true}}\n"
        "        off: {Type: Timer, Properties: {CronExpression: '0 0 8 * * MON', Enable: false}}\n"
    )
    schedules = [it.schedule for it in only(loaded(tmp_path, fun, "template.yml")).triggers]
    assert schedules == [Cron("0 0 8 * * MON"), None]


def test_an_expression_that_is_none_is_told_with_its_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    text = """edition: 3.0.0
resources:
  f:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: f
      runtime: python3.10
      handler: index.handler
      code: ./
      triggers:
        - triggerName: wrong
          triggerType: timer
          triggerConfig:
            enable: true
            cronExpression: 0 8 * * *
        - triggerName: absent
          triggerType: timer
          triggerConfig: {enable: true}
        - triggerName: right
          triggerType: timer
          triggerConfig: {cronExpression: '@every 5m', enable: true}
      provisionConfig:
        defaultTarget: 1
        scheduledActions:
          - name: wrong
            target: 3
            scheduleExpression: cron(0 0 25 * * *)
          - {name: zone, target: 3, scheduleExpression: cron(0 0 8 * * *), timeZone: Mars}
          - {name: late, target: 3, scheduleExpression: cron(0 0 8 * * *), startTime: soon}
          - {name: bare, scheduleExpression: cron(0 0 8 * * *)}
          - {name: right, target: 3, scheduleExpression: cron(0 0 8 * * *)}
        targetTrackingPolicies: [{name: t, metricType: CPUUtilization, metricTarget: 0.5}]
"""
    project = loaded(tmp_path, text)
    function = only(project)
    assert [(it.name, it.schedule) for it in function.triggers] == [
        ("wrong", None),
        ("absent", None),
        ("right", Every(300.0)),
    ]
    assert function.provisioned == Provision(1, (ScheduledAction("right", 3, Cron("0 0 8 * * *")),))
    told = "\n".join(map(str, project.problems))
    for words in (
        "s.yaml:16: `cronExpression`: '0 8 * * *' has 5 fields, but FC takes six",
        "s.yaml:19: a timer trigger needs `cronExpression`",
        "s.yaml:28: `scheduleExpression` of scheduled action `wrong`: '25' is nothing for the hour",
        "s.yaml:29: `timeZone` of scheduled action `zone`: 'Mars' is no time zone",
        "s.yaml:30: `startTime` of scheduled action `late`: 'soon' is no time",
        "s.yaml:31: scheduled action `bare` has no `target`",
        "s.yaml:33: `provisionConfig.targetTrackingPolicies` changes nothing here",
    ):
        assert words in told, told
    assert len(project.problems) == 7 and project.left_out == ()


def test_scheduled_actions_of_both_configurations(tmp_path: Path) -> None:
    """Also as YAML reads a time of its own."""
    action = "{name: a, target: 2, scheduleExpression: at(2026-01-01T20:00:00), startTime: 2026-01-01T10:00:00"
    action += ", endTime: '2026-01-02T10:00:00Z', timeZone: Asia/Shanghai}"
    for config, default in (
        (f"provisionConfig: {{defaultTarget: 1, scheduledActions: [{action}]}}", 1),
        (f"scalingConfig: {{minInstances: 3, scheduledPolicies: [{action}]}}", 3),
    ):
        text = yaml.safe_dump(fc3()).replace("      region:", f"      {config}\n      region:")
        project = loaded(tmp_path, text)
        assert only(project).provisioned == Provision(
            default,
            (ScheduledAction("a", 2, At(1767268800.0), start=1767232800.0, end=1767348000.0),),
        )
        assert project.problems == ()


def test_a_misspelt_key_of_an_action_is_read_as_the_nearest(tmp_path: Path) -> None:
    action = {"name": "a", "target": 2, "scheduleExpresion": "cron(0 0 8 * * *)"}
    project = loaded(tmp_path, fc3(provisionConfig={"scheduledActions": [action]}))
    assert only(project).provisioned.actions[0].schedule == Cron("0 0 8 * * *")
    assert "it is read as `scheduleExpression`" in str(project.problems[0])


def test_what_a_container_without_a_server_can_not_have(tmp_path: Path) -> None:
    config = {"image": "x", "webServerMode": False}
    action = {"name": "a", "target": 2, "scheduleExpression": "cron(0 0 8 * * *)"}
    document = fc3(
        runtime="custom-container", customContainerConfig=config, provisionConfig={"scheduledActions": [action]}
    )
    assert only(loaded(tmp_path, document)).provisioned == Provision()
