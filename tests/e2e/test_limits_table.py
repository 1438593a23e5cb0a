"""`fclocal doctor`: which of FC's limits hold here, in processes and in containers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.command import Workshop, need_rung
from tests.support.engine import needs_engine

NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


def look(workshop: Workshop, *args: str, env: Mapping[str, str] = NO_ENGINE) -> tuple[dict[str, Any], dict[str, Any]]:
    """Findings by topic and state, and rows of the table by name."""
    done = workshop.run("doctor", "--json", "--port", "0", *args, env=env)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    findings = {(line["topic"], line["state"]): line for line in lines if line["kind"] == "finding"}
    return findings, {line["topic"]: line for line in lines if line["kind"] == "limit"}


@needs_engine
def test_the_table_has_both_walls_and_agrees_with_the_findings(workshop: Workshop) -> None:
    findings, table = look(workshop, env={})
    assert {"memory", "cpu", "processes", "descriptors", "user", "host name", "freeze"} <= set(table)
    for row in table.values():
        for kind in ("process", "container"):
            assert row[kind]["level"] in ("exact", "approximate", "absent")
            assert row[kind]["why"] or row[kind]["level"] == "exact", row
    assert (table["memory"]["process"]["level"] == "approximate") is (("memory limit", "polling") in findings)
    assert (table["freeze"]["process"]["level"] == "approximate") is (("freeze", "SIGSTOP") in findings)
    assert (table["cpu"]["process"]["level"] == "absent") is (("cpu limit", "none") in findings)
    assert table["host name"]["container"]["level"] == table["code folder"]["container"]["level"] == "exact"
    assert table["user"]["container"]["level"] == "exact"


def test_without_an_engine_the_column_of_containers_says_so(workshop: Workshop) -> None:
    findings, table = look(workshop)
    assert ("containers", "none") in findings
    assert {row["container"]["level"] for row in table.values()} == {"absent"}
    assert "/nowhere/docker.sock" in table["memory"]["container"]["why"]
    text = workshop.run("doctor", "--port", "0", env=NO_ENGINE).stdout
    assert re.search(r"^limits +process \(\w+\) +container$", text, re.MULTILINE)
    assert re.search(r"^memory +(exact|approximate) +-$", text, re.MULTILINE)
    assert "container: No container engine answers" in text


@pytest.mark.parametrize("rung", ["bwrap", "plain"])
def test_what_a_rung_gives_up_is_absent_with_the_command_that_lifts_it(anybodys: Workshop, rung: str) -> None:
    """Of an ordinary user, who may have no control groups either."""
    need_rung(rung, anybodys.command)
    findings, table = look(anybodys, "--walls", rung)
    levels = {name: row["process"]["level"] for name, row in table.items()}
    walled = rung == "bwrap"
    assert levels["root folder"] == ("approximate" if walled else "absent")
    assert levels["host name"] == ("exact" if walled else "absent")
    assert levels["code folder"] == ("exact" if walled else "approximate")
    assert table["root folder"]["process"]["lift"] == ("" if walled else "--walls auto")
    polled = ("memory limit", "polling") in findings
    assert levels["memory"] == ("approximate" if polled else "exact")
    if polled:
        assert table["memory"]["process"]["lift"] == findings["memory limit", "polling"]["lift"]


def test_limits_that_are_off_are_absent(workshop: Workshop) -> None:
    _, table = look(workshop, "--no-limits")
    absent = [name for name, row in table.items() if row["process"]["why"] == "--no-limits"]
    assert absent == ["memory", "out of memory", "cpu", "disk"]
