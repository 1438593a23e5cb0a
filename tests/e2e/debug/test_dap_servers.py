"""Debuggers that listen in instances are as little trusted as the functions are, and hold nothing up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Running, Workshop, eventually
from tests.support.dap_client import DapClient, Refused, attached
from tests.support.debug_project import calls

SERVER = Path(__file__).with_name("dap_server.py").read_text(encoding="utf-8")
# Without site, so that debugpy has no part in it.
PROGRAM = {
    "runtime": "custom.debian12",
    "customRuntimeConfig": {"command": ["python3", "-I", "index.py"], "port": 9000},
}
LINE = 3
OK = 200


def write(workshop: Workshop, mode: str, settings: str = "2345") -> str:
    workshop.project(SERVER, hello={**PROGRAM, "environmentVariables": {"MODE": mode}})
    section = f"functions:\n  hello:\n    debugger: {settings}\n"
    workshop.write({".fclocal.yaml": section, "code/main.go": "package main"})
    return str(workshop.root / "code" / "main.go")


def port(running: Running) -> int:
    return int(running.endpoint["debug_port"])


def requests(running: Running) -> list[tuple[str, Any, Any]]:
    """What its debugger has been sent until now."""
    return [tuple(each) for each in json.loads(running.call("hello")[1])]


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("garbage", "hello#1 can not be debugged: it hung up"),
        ("refusal", "hello#1 can not be debugged: not today"),
        ("silence", "its debugger does not listen on port"),
        ("absence", "its debugger does not listen on port"),
    ],
)
def test_a_debugger_that_is_none_holds_nothing_up(workshop: Workshop, mode: str, told: str) -> None:
    path = write(workshop, mode)
    with workshop.started() as running, attached(port(running), {path: [LINE]}) as editor:
        assert running.call("hello")[0] == OK
        eventually(lambda: told in running.out, told)
        assert running.call("hello")[0] == OK
        assert editor.set_breakpoints(path, LINE, LINE + 1)
        with pytest.raises(Refused, match="no instance is there"):
            editor.ask("evaluate", expression="1")


def test_what_a_debugger_asks_of_an_editor_is_refused(workshop: Workshop) -> None:
    write(workshop, "usual")
    with workshop.started() as running, attached(port(running)):
        assert ("runInTerminal", None, False) in requests(running)


def test_only_what_a_debugger_knows_is_sent_to_it_in_the_protocol_s_order(workshop: Workshop) -> None:
    path = write(workshop, "plain", '{port: 2345, attach: {pid: 1, where: "here"}}')
    with workshop.started("--no-freeze") as running, DapClient(port(running)) as editor:
        python = str(workshop.root / "code" / "index.py")
        specs = [{"line": 1}, {"line": 2, "logMessage": "seen"}, {"line": 3, "condition": "x"}]
        editor.initialize()
        attaching = editor.send("attach", {})
        editor.event("initialized")
        editor.set_breakpoints(path, *specs)
        editor.set_breakpoints(python, 1)
        editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "main.main"}])
        editor.ask("setExceptionBreakpoints", filters=["uncaught"])
        editor.ask("configurationDone")
        editor.answer(attaching)
        got = [(name, given) for name, given, _ in requests(running) if name not in ("runInTerminal", "threads")]
        assert [name for name, _ in got][:2] == ["initialize", "attach"]
        assert got[1][1] == {"pid": 1, "where": "here"}
        assert {name for name, _ in got[2:]} == {"setBreakpoints"}
        assert all(given["source"]["path"].endswith("/main.go") for _, given in got[2:])
        assert all(given["breakpoints"] == specs[:1] for _, given in got[2:])
        thread = next(iter(editor.threads()))
        with pytest.raises(Refused, match=r"can not do that \(gotoTargets\)"):
            editor.ask("gotoTargets", threadId=thread, source={"path": path}, line=1)


def test_its_instance_stands_until_the_editor_goes_on_or_leaves(workshop: Workshop) -> None:
    path = write(workshop, "usual")
    with workshop.started("--json", "--no-freeze") as running, calls(running) as invoke:
        with attached(port(running), {path: [LINE]}) as editor:
            invoke.begin("hello", "stop")
            stop = editor.stopped()
            assert stop.name == "hello#1 · main"
            running.until(lambda event: event["kind"] == "instance_paused")
            stop.go()
            invoke.begin("hello", "stop")
            editor.stopped()
        running.until(lambda event: event["kind"] == "instance_resumed", 2)
        names = [name for name, _, _ in requests(running)]
        assert names[-4:] == ["setBreakpoints", "continue", "threads", "disconnect"]


def test_a_wrong_section_is_an_error_with_its_line(workshop: Workshop) -> None:
    write(workshop, "usual", "{prot: 2345}")
    done = workshop.run("start", "--port", "0")
    assert done.returncode != 0
    assert "unknown key 'prot' of debugger" in done.stderr
    assert ".fclocal.yaml:3" in done.stderr
    assert "did you mean port?" in done.stderr


def test_a_function_that_is_debugged_anyway_may_not_have_one(workshop: Workshop) -> None:
    write(workshop, "usual")
    workshop.project("", hello={})
    done = workshop.run("start", "--port", "0")
    assert "`debugger` of hello: its runtime is python3.10, which is debugged without it" in done.stderr
