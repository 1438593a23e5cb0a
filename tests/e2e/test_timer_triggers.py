"""Timer triggers and scheduled minimum instances of a running emulator, by `fclocal clock advance`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.support.command import Running, Workshop, eventually

TELLS = """
import json

def handler(event, context):
    print("event: " + event.decode())
    if b"fail" in event:
        raise ValueError("asked to")
"""
SLOW = """
import time

def handler(event, context):
    time.sleep(2.5)
    return "done"
"""


def timer(
    name: str, expression: str, *, enable: bool = True, qualifier: str = "LATEST", **config: Any
) -> dict[str, Any]:
    config = {"cronExpression": expression, "enable": enable, **config}
    return {"triggerName": name, "triggerType": "timer", "qualifier": qualifier, "triggerConfig": config}


def advanced(workshop: Workshop, duration: str) -> Mapping[str, Any]:
    done = workshop.run("clock", "advance", duration, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def fired(running: Running, count: int) -> list[tuple[str, str]]:
    """Function and trigger of what has fired, `count` times at least."""
    found = running.until(lambda e: e["kind"] == "timer_fired", count) if count else []
    return [(event["function"], event["trigger"]) for event in found]


def test_what_falls_due_is_invoked_and_told(workshop: Workshop) -> None:
    tick, fail = timer("tick", "@every 5m", payload="awesome-fc"), timer("fail", "@every 7m", payload="fail")
    workshop.project(
        TELLS,
        counter={"triggers": [tick]},
        flaky={"triggers": [fail], "asyncInvokeConfig": {"maxAsyncRetryAttempts": 1}},
    )
    with workshop.started() as running:
        screen = running.out.splitlines()[:12]
        assert [line.split()[:3] for line in screen[2:4]] == [["counter", "timer", "tick"], ["flaky", "timer", "fail"]]
        assert any(line.startswith("Ctrl-C stops.") for line in screen)
        done = workshop.run("clock", "advance", "11m")
        assert done.returncode == 0, done.stderr
        told = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
        order = [line.partition("  ")[2].strip() for line in done.stdout.splitlines() if "timer `" in line]
        assert [text[text.index("timer") :] for text in order] == [
            "timer `tick` invoked counter",
            "timer `fail` invoked flaky",
            "timer `tick` invoked counter",
        ], told
        assert "3 invocations by timers" in done.stdout and "1 asynchronous invocation Failed" in done.stdout
        eventually(lambda: running.out.count("FC Invoke End") == 4, lambda: running.out)
        out = running.out
    assert 'event: {"triggerTime":"' in out and '","triggerName":"tick","payload":"awesome-fc"}' in out
    assert out.count("fclocal: timer `tick` invoked counter for 20") == 2 and out.count("ValueError") >= 2


def test_the_time_of_the_event_is_the_platforms(workshop: Workshop) -> None:
    workshop.project(TELLS, counter={"triggers": [timer("nightly", "CRON_TZ=Asia/Shanghai 0 0 3 * * *", payload="p")]})
    with workshop.started("--json") as running:
        answer = advanced(workshop, "24h")
        assert [it["what"] for it in answer["happened"] if it["what"] in ("timer", "Succeeded")] == [
            "timer",
            "Succeeded",
        ]
        [event] = running.until(lambda e: e["kind"] == "timer_fired")
        moment = datetime.strptime(event["trigger_time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert (moment.hour, moment.minute, moment.second) == (19, 0, 0)
        assert answer["time"] - 86_460 < moment.timestamp() <= answer["time"]
        [line] = running.until(lambda e: e["kind"] == "log_line" and e["text"].startswith("event: "))
        sent = json.loads(line["text"].removeprefix("event: "))
        assert sent == {"triggerTime": event["trigger_time"], "triggerName": "nightly", "payload": "p"}
        [started] = running.until(lambda e: e["kind"] == "invocation_started")
        assert (started["request_id"], started["trigger"]) == (event["request_id"], "timer")


def test_what_is_idle_between_two_times_is_reclaimed(workshop: Workshop) -> None:
    """Also the first one, which is asked what it has loaded before others are forked from it."""
    workshop.project(TELLS, counter={"triggers": [timer("tick", "@every 5m")]})
    with workshop.started() as running:
        happened = advanced(workshop, "16m")["happened"]
        assert [it["what"] for it in happened if it["what"] in ("timer", "reclaimed")] == [
            *("timer", "reclaimed", "timer", "reclaimed", "timer")
        ]
        eventually(lambda: running.out.count("Cold: yes") == 3, lambda: running.out)


def test_a_changed_project_changes_the_schedule_and_keeps_the_rest(workshop: Workshop) -> None:
    """Also the code, which makes another revision."""
    stays, cron = timer("stays", "@every 50m"), timer("cron", "@every 40m")
    workshop.project(TELLS, counter={"triggers": [stays, cron]}, other={"triggers": [timer("gone", "@every 30m")]})
    with workshop.started("--json") as running:
        advanced(workshop, "20m")
        workshop.project(
            TELLS + "# new\n", counter={"triggers": [stays, timer("cron", "@every 70m"), timer("new", "@every 45m")]}
        )
        running.until(lambda e: e["kind"] == "revision_deployed" and e["revision"] == 2)
        # stays at 50, new at 65, cron at 90 minutes
        advanced(workshop, "75m")
        assert fired(running, 3) == [("counter", "stays"), ("counter", "new"), ("counter", "cron")]


def test_a_wrong_expression_is_told_with_its_line_also_when_it_is_edited(workshop: Workshop) -> None:
    triggers = [timer("wrong", "0 8 * * *"), timer("off", "@every 1m", enable=False), timer("right", "@every 50m")]
    workshop.project(TELLS, counter={"triggers": triggers})
    text = (workshop.root / "s.yaml").read_text()
    line = next(n for n, it in enumerate(text.splitlines(), 1) if "0 8 * * *" in it)
    with workshop.started() as running:
        assert f"! s.yaml:{line}: `cronExpression`: '0 8 * * *' has 5 fields, but FC takes six" in running.out
        assert re.search(r"  counter  timer right \d\d:\d\d(:\d\d)?, (wrong off, off off)  /2023", running.out)
        assert [it["subject"] for it in advanced(workshop, "1h")["happened"] if it["what"] == "timer"] == ["right"]
        workshop.write({"s.yaml": text.replace("@every 50m", "@every 50 minutes")})
        said = "'50 minutes' is no interval: write hours, minutes and seconds, such as @every 1h30m; this timer never"
        eventually(lambda: said in running.out, lambda: running.out)
        assert [it for it in advanced(workshop, "3h")["happened"] if it["what"] == "timer"] == []
        workshop.write({"s.yaml": text})
        eventually(lambda: "revision 3" in running.out, lambda: running.out)
        assert [it["subject"] for it in advanced(workshop, "1h")["happened"] if it["what"] == "timer"] == ["right"]


def test_a_qualifier_that_is_not_there_is_told(workshop: Workshop) -> None:
    workshop.project(TELLS, counter={"triggers": [timer("tick", "@every 50m", qualifier="prod")]})
    with workshop.started("--json") as running:
        advanced(workshop, "2h")
        [notice] = running.until(lambda e: e["kind"] == "notice" and "tick" in e["message"])
        assert "was due, but nothing was invoked" in notice["message"] and "prod" in notice["message"]
        assert running.call("counter", "{}")[0] == 200


def test_they_can_be_left_out_and_no_single_call_has_any(workshop: Workshop) -> None:
    workshop.project(SLOW, counter={"triggers": [timer("tick", "@every 1s")]})
    single = workshop.run("invoke", "counter", env={"FCLOCAL_TIMERS": "true"})
    assert single.returncode == 0 and "timer" not in single.stderr, single.stderr
    with workshop.started("--no-timers") as running:
        assert re.search(r"  counter  timer  /2023", running.out)
        assert "nothing was due" in workshop.run("clock", "advance", "1h").stdout


def test_the_minimum_of_instances_follows_its_schedule(workshop: Workshop) -> None:
    def at(minutes: float) -> str:
        return f"at({datetime.fromtimestamp(time.time() + minutes * 60, UTC):%Y-%m-%dT%H:%M:%S})"

    actions = [
        {"name": "up", "target": 2, "scheduleExpression": at(60)},
        {"name": "down", "target": 0, "scheduleExpression": at(120)},
    ]
    workshop.project(TELLS, counter={"provisionConfig": {"defaultTarget": 1, "scheduledActions": actions}})
    with workshop.started("--json") as running:
        running.until_state("idle", 1)
        assert [it["subject"] for it in advanced(workshop, "90m")["happened"] if it["what"] == "minimum"] == ["2"]
        assert len(running.until(lambda e: e["kind"] == "instance_started" and e["provisioned"], 2)) == 2
        assert running.call("counter", "{}")[0] == 200
        [ended] = running.until(lambda e: e["kind"] == "invocation_ended")
        assert not ended["cold"]
        done = workshop.run("clock", "advance", "1h")
        assert "minimum of counter is 0 (scheduled action `down`)" in done.stdout, done.stdout
        assert "2 instances reclaimed" in done.stdout
        stopped = running.until_state("stopped", 2)
        assert [event["reason"] for event in stopped] == ["scaled_in", "scaled_in"]
        kinds = running.until(lambda e: e["kind"] == "minimum_changed", 2)
        assert [(event["target"], event["action"]) for event in kinds] == [(2, "up"), (0, "down")]
