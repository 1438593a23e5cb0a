"""A post-mortem answers a debugger's requests as a process that stands still would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from postmortem_sample import SOURCE, post_mortem

from emulator.debug.postmortem.bundle import PostMortem
from emulator.debug.postmortem.session import Session


class Client:
    """Asks a session, and keeps its events."""

    def __init__(self, bundle: PostMortem) -> None:
        self.session = Session(bundle)
        self.events: list[dict[str, Any]] = []
        self._seq = 0

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        self._seq += 1
        request = {"seq": self._seq, "type": "request", "command": command, "arguments": arguments}
        answer, *events = self.session.answer(request)
        assert (answer["type"], answer["request_seq"], answer["command"]) == ("response", self._seq, command)
        self.events += events
        return answer

    def body(self, command: str, **arguments: Any) -> dict[str, Any]:
        answer = self.ask(command, **arguments)
        assert answer["success"], answer
        return answer["body"]

    def variables(self, reference: int) -> dict[str, dict[str, Any]]:
        return {v["name"]: v for v in self.body("variables", variablesReference=reference)["variables"]}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "index.py").write_text(SOURCE)
    return tmp_path


@pytest.fixture
def client(code: Path) -> Client:
    return Client(post_mortem(code))


def test_it_stops_where_it_failed(client: Client) -> None:
    client.ask("initialize")
    client.ask("attach")
    assert [e["event"] for e in client.events] == ["initialized"]
    assert client.body("setBreakpoints", breakpoints=[{"line": 1}])["breakpoints"][0]["verified"] is False
    client.ask("configurationDone")
    assert client.events[-1]["event"] == "stopped"
    assert client.events[-1]["body"]["reason"] == "exception"
    assert client.events[-1]["body"]["text"] == "KeyError: 'price'"
    threads = client.body("threads")["threads"]
    assert [(t["id"], t["name"]) for t in threads] == [
        (1, "MainThread · KeyError"),
        (2, "while handling · index.Bad"),
        (3, "worker"),
    ]


def test_stack_scopes_and_variables_nest(client: Client, code: Path) -> None:
    frames = client.body("stackTrace", threadId=1)["stackFrames"]
    assert [(f["name"], f["line"]) for f in frames] == [("total", 2), ("handler", 6)]
    assert frames[0]["source"] == {"name": "index.py", "path": str(code / "index.py")}
    scopes = client.body("scopes", frameId=frames[0]["id"])["scopes"]
    assert [scope["name"] for scope in scopes] == ["Locals", "Globals", "Invocation"]
    order = client.variables(scopes[0]["variablesReference"])["order"]
    assert order["value"] == "{'items': [1, … 2 more], 'token': <redacted>, 'owner': User(id=7)}"
    inside = client.variables(order["variablesReference"])
    assert inside["'token'"]["variablesReference"] == 0
    owner = client.variables(inside["'owner'"]["variablesReference"])
    assert (owner["id"]["value"], owner["id"]["evaluateName"]) == ("7", "order['owner'].id")
    invocation = client.variables(scopes[2]["variablesReference"])
    assert "working on it" in invocation["log"]["value"]


def test_pages_of_frames_and_variables(client: Client) -> None:
    page = client.body("stackTrace", threadId=1, startFrame=1, levels=1)
    assert [f["name"] for f in page["stackFrames"]] == ["handler"] and page["totalFrames"] == 2
    reference = client.body("scopes", frameId=1)["scopes"][0]["variablesReference"]
    order = client.variables(reference)["order"]["variablesReference"]
    found = client.body("variables", variablesReference=order, start=1, count=1)["variables"]
    assert [v["name"] for v in found] == ["'token'"]


def test_source_is_what_ran_after_an_edit(client: Client, code: Path) -> None:
    (code / "index.py").write_text("# new\n" + SOURCE)
    source = client.body("stackTrace", threadId=1)["stackFrames"][0]["source"]
    assert source["sourceReference"] == 1
    assert client.body("source", sourceReference=1)["content"] == SOURCE


def test_source_that_was_kept_in_part_keeps_its_line_numbers(client: Client) -> None:
    source = client.body("stackTrace", threadId=2)["stackFrames"][0]["source"]
    lines = client.body("source", source=source, sourceReference=source["sourceReference"])["content"].splitlines()
    assert lines[11] == "    boom()" and lines[:10] == [""] * 10


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("order['owner'].id", "7"),
        ("order['items'][0]", "1"),
        (" order['owner'] ", "User(id=7)"),
        ("LIMIT", "5"),
        ("order['token']", "<redacted>"),
        ("request_id", "'1-abc-def'"),
    ],
)
def test_names_attributes_and_items_are_looked_up(client: Client, expression: str, result: str) -> None:
    assert client.body("evaluate", expression=expression, frameId=1)["result"] == result


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("nothing", "no variable 'nothing'"),
        ("order['items'][2]", "1 of 3 entries"),
        ("order['token'][0]", "redacted"),
        ("len(order)", "only names"),
        ("__import__('os')", "only names"),
        ("order[", "only names"),
        ("", "only names"),
        ("(" * 500, "only names"),
        ("order['owner'].nope", "was not recorded"),
    ],
)
def test_what_was_not_recorded_is_refused_with_the_reason(client: Client, expression: str, why: str) -> None:
    answer = client.ask("evaluate", expression=expression, frameId=1)
    assert not answer["success"] and why in answer["message"]


def test_the_chain_is_told(client: Client) -> None:
    info = client.body("exceptionInfo", threadId=1)
    assert (info["exceptionId"], info["description"]) == ("KeyError", "'price'")
    assert info["details"]["innerException"] == [{"message": "first\nsecond", "typeName": "index.Bad"}]
    assert client.body("exceptionInfo", threadId=3)["description"] == "KeyError: 'price'"


@pytest.mark.parametrize("command", ["next", "stepIn", "stepOut", "setVariable", "goto", "nonsense"])
def test_nothing_can_be_run(client: Client, command: str) -> None:
    answer = client.ask(command, threadId=1)
    assert not answer["success"] and "the process is gone" in answer["message"]
    assert not client.session.over


@pytest.mark.parametrize("command", ["continue", "disconnect", "terminate"])
def test_going_on_ends_it(client: Client, command: str) -> None:
    assert client.ask(command, threadId=1)["success"]
    assert client.events[-1]["event"] == "terminated" and client.session.over


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("stackTrace", {"threadId": 99}),
        ("stackTrace", {"threadId": "x"}),
        ("scopes", {"frameId": -1}),
        ("variables", {"variablesReference": 10**9}),
        ("source", {"sourceReference": 5}),
        ("source", {"source": "x"}),
    ],
)
def test_wrong_numbers_are_refused(client: Client, command: str, arguments: dict[str, Any]) -> None:
    assert not client.ask(command, **arguments)["success"]


def test_a_failure_without_a_stack_still_shows_its_invocation(code: Path) -> None:
    bundle = post_mortem(code)
    bundle.dump.exceptions, bundle.dump.threads, bundle.kind = [], [], "exit"
    client = Client(bundle)
    client.ask("configurationDone")
    assert client.events[-1]["body"]["reason"] == "pause"
    (frame,) = client.body("stackTrace", threadId=1)["stackFrames"]
    assert "no stack was recorded" in frame["name"] and "source" not in frame
    (scope,) = client.body("scopes", frameId=frame["id"])["scopes"]
    assert "event" in client.variables(scope["variablesReference"])
