"""`fclocal debug` and `fclocal dap` with the emulator itself: one that runs, and one of their own."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import Any

import pytest

from emulator.debug.dap import Framing, frame
from tests.support.command import PATIENCE_SECONDS, Workshop, eventually
from tests.support.debug_project import calls
from tests.support.terminal import OnTerminal

CODE = '''\
import json

def handler(event, context):
    """Doubles."""
    number = json.loads(event)["n"]
    return double(number)

def double(n):
    return n * 2
'''


@pytest.fixture
def project(workshop: Workshop) -> Workshop:
    workshop.project(CODE, hello={"runtime": "python3.10"})
    return workshop


def test_an_event_stops_where_the_handler_begins(project: Workshop) -> None:
    script = b"p event\nn\ns\nw\nr\np number\nc\n"
    done = project.run("debug", "hello", "-e", '{"n": 21}', "--port", "0", input=script)
    assert "hello#1 · MainThread stopped at code/index.py:5 in handler (breakpoint 1)" in done.stdout
    # Lines of the emulator's own log come in between where they come.
    asked, answered = done.stdout.index("(hello#1) p event\n"), done.stdout.index("b'{\"n\": 21}'\n")
    assert asked < answered
    assert "stopped at code/index.py:9 in double (step)" in done.stdout
    assert ">  0  double   code/index.py:9\n" in done.stdout
    assert "hello answered: 42\n" in done.stdout
    assert "FC Invoke End RequestId: " in done.stdout, "its own log"
    assert done.returncode == 0 and not project.endpoint_file.exists()


def test_the_running_emulator_is_used_and_left_as_it_is(project: Workshop) -> None:
    with project.started() as running:
        done = project.run("debug", input=b'b double\ninvoke hello {"n": 4}\np n\ninstances\ncl\nc\n')
        # debugpy stops at the line of `def`, or at the first one behind it where it came to a function that runs.
        assert re.search(r"stopped at code/index.py:[89] in double", done.stdout), done.stdout
        # Lines of the emulator's own may come between a question and its answer.
        assert re.search(r"p n\n(.*\n)*4\n", done.stdout), done.stdout
        assert "hello answered: 8\n" in done.stdout and done.returncode == 0
        assert running.call("hello", '{"n": 1}')[:2] == (200, "2"), "nobody stops any more"


def test_flags_that_come_too_late_are_told(project: Workshop) -> None:
    with project.started() as running:
        done = project.run("debug", "--debug-port", "5678", "--log-level", "debug", input=b"")
        told = f"the emulator at http://127.0.0.1:{running.port} runs already, --debug-port changes nothing for it\n"
        assert told in done.stdout and done.returncode == 0, done.stderr


def test_an_instance_that_waits_for_its_turn_is_told_from_one_that_runs(project: Workshop) -> None:
    with project.started() as running, OnTerminal(project, "debug") as terminal:
        terminal.until("(fclocal)")
        terminal.type("b index.py:9\n")
        terminal.until("Breakpoint 1")
        with calls(running) as invoke:
            first = invoke.begin("hello", '{"n": 1}')
            terminal.until("(breakpoint 1)")
            second = invoke.begin("hello", '{"n": 2}')
            eventually(lambda: _says(terminal, "instances", "stopped, queued"), "the second one stands, too")
            terminal.type("threads\n")
            terminal.until("hello#2 · MainThread  stopped, queued")
            terminal.type("c\n")
            eventually(lambda: terminal.text.count("(breakpoint 1)") == 2, "the second one is shown")
            terminal.type("cl\nc\n")
            assert (first.result(), second.result()) == ((200, "2"), (200, "4"))
        terminal.type("q\n")
        assert terminal.ended() == 0, terminal.text


def _says(terminal: OnTerminal, command: str, text: str) -> bool:
    terminal.type(f"{command}\n")
    time.sleep(0.2)
    return text in terminal.text


def test_a_function_that_runs_into_its_timeout_says_so(workshop: Workshop) -> None:
    workshop.project("def handler(event, context):\n    while True:\n        pass\n", hello={"timeout": 1})
    done = workshop.run("debug", "hello", "-e", "x", "--port", "0", input=b"c\nw\nc\n")
    assert re.search(r"stopped at code/index.py:[23] in handler \(paused: it ran into its timeout\)", done.stdout)


def test_a_script_that_ends_while_something_stands_lets_it_go_on(project: Workshop) -> None:
    with project.started() as running:
        project.run("debug", "hello", "-e", '{"n": 3}', input=b"")
        assert running.call("hello", '{"n": 5}')[:2] == (200, "10")
        assert running.stop() == 0
        running.assert_nothing_left()


def test_an_invocation_beside_the_prompt_is_announced(project: Workshop) -> None:
    with OnTerminal(project, "debug", "--port", "0") as terminal:
        terminal.until("(fclocal)")
        terminal.type("b index.py:9\n")
        terminal.until("Breakpoint 1")
        call = subprocess.Popen(
            [*project.command, "invoke", "hello", "-e", '{"n": 8}'],
            cwd=project.root,
            env=project.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        terminal.until("(breakpoint 1)")
        terminal.type("n = 100\nc\n")
        assert call.communicate(timeout=PATIENCE_SECONDS)[0] == b"200"
        terminal.type("q\n")
        assert terminal.ended() == 0, terminal.text
    assert not project.endpoint_file.exists()


# --- on stdin and stdout ---


class Adapter:
    """`fclocal dap` as an editor starts it."""

    def __init__(self, workshop: Workshop, *args: str) -> None:
        self.process = subprocess.Popen(
            [*workshop.command, "dap", *args],
            cwd=workshop.root,
            env=workshop.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._framing = Framing()
        self._seq = 0
        self.messages: list[dict[str, Any]] = []

    def ask(self, command: str, **arguments: Any) -> int:
        self._seq += 1
        message = {"seq": self._seq, "type": "request", "command": command, "arguments": arguments}
        assert self.process.stdin is not None
        self.process.stdin.write(frame(message))
        self.process.stdin.flush()
        return self._seq

    def until(self, **wanted: Any) -> dict[str, Any]:
        """The next message that has these."""
        assert self.process.stdout is not None
        while True:
            while self.messages:
                message = self.messages.pop(0)
                if wanted.items() <= message.items():
                    return message
            data = self.process.stdout.read1()  # type: ignore[attr-defined]
            assert data, "it has closed its stdout"
            self.messages += self._framing.feed(data)

    def end(self) -> int:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(PATIENCE_SECONDS)


def attach(adapter: Adapter, workshop: Workshop, line: int) -> None:
    adapter.ask("initialize", adapterID="fclocal")
    assert adapter.until(type="response", command="initialize")["success"]
    adapter.ask("attach")
    adapter.until(type="event", event="initialized")
    source = {"path": str(workshop.root / "code/index.py")}
    adapter.ask("setBreakpoints", source=source, breakpoints=[{"line": line}])
    adapter.ask("configurationDone")
    assert adapter.until(type="response", command="attach")["success"]


@pytest.mark.parametrize("args", [(), ("--start",)], ids=["one that runs", "one of its own"])
def test_an_editor_that_starts_its_adapter(project: Workshop, args: tuple[str, ...]) -> None:
    running = None if args else project.started()
    if running is not None:
        running.__enter__()
    try:
        adapter = Adapter(project, *args, *(("--port", "0") if args else ()))
        attach(adapter, project, 9)
        port = json.loads(project.endpoint_file.read_text())["port"]
        call = subprocess.Popen(
            [*project.command, "invoke", "hello", "-e", '{"n": 2}'],
            cwd=project.root,
            env=project.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        stop = adapter.until(type="event", event="stopped")
        adapter.ask("continue", threadId=stop["body"]["threadId"])
        assert call.communicate(timeout=PATIENCE_SECONDS)[0] == b"4" and port
        adapter.ask("disconnect")
        adapter.until(type="response", command="disconnect")
        assert adapter.end() == 0
        assert project.endpoint_file.exists() is not bool(args), "its own ends with it, another goes on"
    finally:
        if running is not None:
            running.__exit__(None, None, None)


def test_an_editor_is_told_that_nothing_runs(project: Workshop) -> None:
    adapter = Adapter(project)
    adapter.ask("initialize", adapterID="fclocal")
    assert "no emulator of this project runs" in adapter.until(type="event", event="output")["body"]["output"]
    answer = adapter.until(type="response", command="initialize")
    assert not answer["success"] and "fclocal start" in answer["body"]["error"]["format"]
    assert adapter.end() == 2


def test_an_editor_is_told_that_the_project_is_broken(workshop: Workshop) -> None:
    workshop.write({"s.yaml": "resources: [\n"})
    adapter = Adapter(workshop, "--start")
    adapter.ask("initialize", adapterID="fclocal")
    assert "s.yaml" in adapter.until(type="response", command="initialize")["message"]
    assert adapter.end() == 2


def test_an_adapter_whose_editor_is_gone_ends_with_its_emulator(project: Workshop) -> None:
    adapter = Adapter(project, "--start", "--port", "0")
    attach(adapter, project, 9)
    assert adapter.end() == 0
    assert not project.endpoint_file.exists()


def test_an_adapter_that_nobody_speaks_to_through_pipes_says_so(project: Workshop) -> None:
    """The event loop can not wait for files, and would end with an abort."""
    argv = [*project.command, "dap"]
    done = subprocess.run(
        argv, cwd=project.root, env=project.environ(), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "stdin is a file" in done.stderr and "Traceback" not in done.stderr
