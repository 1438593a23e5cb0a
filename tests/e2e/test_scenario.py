"""`fclocal scenario`: a life of hours in an emulator of its own, and what is said of it."""

from __future__ import annotations

import json
import shutil

from tests.support.command import ROOT, Workshop

FLAKY = """
import json

def handler(event, context):
    if event == b"fail":
        raise ValueError("asked to")
    return json.dumps({"qualifier": context.service.qualifier, "version": context.service.version_id})
"""


def test_the_sample_lives_for_half_an_hour_in_seconds(workshop: Workshop):
    """Idle for six minutes, the instance is reclaimed with its PreStop run, and nobody slept for it."""
    shutil.copytree(ROOT / "samples" / "lifecycle", workshop.root, dirs_exist_ok=True)
    done = workshop.run("scenario", "scenario.yaml", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    *steps, result = map(json.loads, done.stdout.splitlines())
    idle = next(step for step in steps if step["what"] == "idle 6m")
    assert "PreStop run" in idle["told"] and "reclaimed" in idle["told"]
    # A busy machine may have needed a second instance.
    assert idle["figures"]["reclaimed"] == idle["figures"]["prestops"] >= 1 and idle["figures"]["instances"] == 0
    assert idle["passed_s"] >= 360 > idle["took_ms"] / 1000
    assert result["ok"] and result["passed_s"] > 27 * 60
    assert set(result["functions"]) == {"counter", "lifecycle$counter"}
    assert result["functions"]["lifecycle$counter"]["cold_starts"] == 3
    assert result["figures"]["statuses"] == {"200": 41}


def test_what_does_not_hold_is_told_with_its_line_and_by_how_much(workshop: Workshop):
    workshop.project(FLAKY, flaky={})
    workshop.write(
        {
            "it.yaml": "steps:\n  - calls: 2\n  - calls: {n: 3, event: fail}\n    assert: errors == 1\n"
            "  - publish\n  - alias: {name: prod, to: 1}\n  - calls: {n: 1, qualifier: prod}\n"
            "  - assert: calls == 6\nassert: [errors <= 3, calls > 7, status == 200]\n",
        }
    )
    done = workshop.run("scenario", "it.yaml")
    assert done.returncode == 1, done.stderr
    assert "✗ errors == 1  3: 2 too many  it.yaml:4" in done.stdout
    assert "✗ calls > 7  6: 1 too few  it.yaml:9" in done.stdout
    assert "✓ calls == 6  6" in done.stdout and "✓ status == 200" in done.stdout
    assert "ValueError" in done.stdout and "2 assertions failed" in done.stdout


def test_provisioned_instances_are_there_when_it_begins(workshop: Workshop):
    workshop.project(FLAKY, flaky={"provisionConfig": {"defaultTarget": 1}})
    workshop.write({"it.yaml": "steps:\n  - assert: instances == 1\n  - calls: 1\n    assert: cold_starts == 0\n"})
    done = workshop.run("scenario", "it.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_where_nothing_is_asserted_nothing_holds(workshop: Workshop):
    """Exit code 0, but nobody is told that all is well."""
    workshop.project(FLAKY, flaky={})
    workshop.write({"it.yaml": "steps: [calls: {n: 1, qualifier: prod}]\n"})
    done = workshop.run("scenario", "it.yaml")
    assert done.returncode == 0 and "Nothing is asserted" in done.stdout, done.stdout + done.stderr
    assert "\n     404 AliasNotFound: alias" in done.stdout


def test_retries_of_asynchronous_invocations_pass_with_the_clock(workshop: Workshop):
    workshop.project(FLAKY, flaky={"asyncInvokeConfig": {"maxAsyncRetryAttempts": 3}})
    workshop.write(
        {
            "it.yaml": "steps:\n  - calls: {n: 1, event: fail, async: true}\n    assert: status == 202\n"
            "  - idle: 10m\nassert: [retries == 3, failed == 1, succeeded == 0, instances == 0]\n",
        }
    )
    done = workshop.run("scenario", "it.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_can_not_be_played_is_refused(workshop: Workshop):
    workshop.project(FLAKY, flaky={})
    workshop.write({"it.yaml": "steps:\n  - clod\n", "early.yaml": "steps:\n  - alias: {name: prod, to: 1}\n"})
    wrong = workshop.run("scenario", "it.yaml")
    assert wrong.returncode == 2 and "it.yaml:2: there is no step `clod`" in wrong.stderr
    early = workshop.run("scenario", "early.yaml")
    assert early.returncode == 2 and "early.yaml:2: there is no version 1" in early.stderr
    nowhere = workshop.run("scenario", "nowhere.yaml")
    assert nowhere.returncode == 2 and "nowhere.yaml" in nowhere.stderr


def test_timers_invoke_in_idle_hours(workshop: Workshop):
    tick = {"cronExpression": "@every 5m", "enable": True}
    fail = {"cronExpression": "@every 50m", "enable": True, "payload": "x"}
    code = FLAKY.replace('if event == b"fail"', 'if b\'"payload":"x"\' in event')
    triggers = [
        {"triggerName": name, "triggerType": "timer", "triggerConfig": it} for name, it in (("tick", tick), ("x", fail))
    ]
    workshop.project(code, ticking={"triggers": triggers, "asyncInvokeConfig": {"maxAsyncRetryAttempts": 1}}, still={})
    workshop.write(
        {
            "it.yaml": "steps:\n  - calls: {n: 1, function: ticking}\n  - idle: 62m\n"
            "    assert: timers >= 13 and timers < 15 and errors == 0 and failed == 1 and retries == 1\n"
            "assert: [timers(ticking) >= 13, timers(still) == 0, cold_starts >= 12]\n",
        }
    )
    done = workshop.run("scenario", "it.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 invocations by timers" in done.stdout
    without = workshop.run("scenario", "it.yaml", "--no-timers")
    assert without.returncode == 1 and "✗ timers >= 13  0: 13 too few  it.yaml:4" in without.stdout
