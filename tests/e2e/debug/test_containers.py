"""Programs in images that know of no debugger, in containers without a network; and built-in functions there."""

from __future__ import annotations

import json
import os
import py_compile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from node_project import node_port

from tests.support.cdp import editor as node_editor
from tests.support.command import Running, Workshop
from tests.support.container_project import ContainerProject
from tests.support.dap_client import DapClient, attached
from tests.support.debug_project import Calls, calls

FLASK = """
import os
import subprocess
import sys
import time

from flask import Flask, jsonify, request

app = Flask(__name__)
READY = True  # @module


@app.post("/invoke")
def invoke():
    body = request.get_data(as_text=True)  # @handler
    if body == "child":
        return subprocess.check_output([sys.executable, "child.py"], text=True)
    if body == "sleep":
        time.sleep(60)  # @sleep
    return jsonify([body, os.getuid(), os.environ["PYTHONPATH"], [name for name in os.environ if "FCLOCAL" in name]])


app.run("0.0.0.0", int(os.environ["FC_SERVER_PORT"]))
"""
CHILD = """
number = 6 * 7
print("child", number)  # @child
"""
SERVER = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import words


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        answer = words.WORD  # @answer
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Handler).serve_forever()
"""
WORDS = 'WORD = b"one"\n'
NODE = """
const http = require('http');
const greeting = 'hello';  // @module
http.createServer((request, response) => {
  const options = process.env.NODE_OPTIONS;  // @request
  response.end(greeting + ' ' + options);
}).listen(Number(process.env.FC_SERVER_PORT), '0.0.0.0');
"""
BUILTIN = """
import os

READY = True  # @module


def handler(event, context):
    text = event.decode()  # @handler
    return text + " " + str(os.path.exists("/.dockerenv"))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerProject]:
    made = ContainerProject(Workshop(tmp_path_factory.mktemp("containers")))
    made.python("web", FLASK)
    made.workshop.write({"web/child.py": CHILD})
    made.python("short", FLASK, timeout=1)
    made.python("mounted", SERVER, codeMounts={"/app": "./live"})
    words = ("alpine/words.py", "mounted/words.py", "live/words.py")
    made.workshop.write({"live/app.py": SERVER, **dict.fromkeys(words, WORDS)})
    made.alpine("alpine", SERVER)
    made.elsewhere("elsewhere", "web", sourceMap={"/app": "./web"})
    made.node("node", NODE)
    made.node("late", NODE)
    made.builtin("builtin", BUILTIN, runtime="python3.10")
    made.save()
    yield made
    made.remove_images()


@pytest.fixture(scope="module")
def running(project: ContainerProject) -> Iterator[Running]:
    # Only root can connect to what listens in a container without a network.
    network = "none" if os.geteuid() == 0 else "bridge"
    options = ("--walls", "container", "--network", network, "--freeze-after-ms", "200")
    with project.workshop.started("--json", *options) as started:
        yield started


@pytest.fixture
def invoke(running: Running) -> Iterator[Calls]:
    with calls(running) as made:
        yield made


@pytest.fixture
def port(running: Running) -> int:
    return int(running.endpoint["debug_port"])


def line(file: Path, mark: str) -> int:
    return next(number for number, text in enumerate(file.read_text().splitlines(), 1) if text.endswith(f"@{mark}"))


def at(file: Path, *marks: str) -> dict[str, list[int]]:
    return {str(file): [line(file, mark) for mark in marks]}


# --- the tests ---


def test_an_unmodified_flask_image_stops_at_module_level(project: ContainerProject, invoke: Calls, port: int) -> None:
    app, child = project.file("web"), project.file("web", "child.py")
    with attached(port, at(app, "module", "handler") | at(child, "child")) as editor:
        answer = invoke.begin("web", "x")
        for mark in ("module", "handler"):
            stop = editor.stopped()
            assert (stop.path, stop.line) == (str(app), line(app, mark))
            stop.go()
        # Whoever USER says it is; the image's own variables, and none of ours.
        assert answer.result() == (200, '["x",12345,"/srv/own",[]]\n')
        answer = invoke.begin("web", "child")
        editor.stopped().go()
        stop = editor.stopped()
        assert (stop.path, stop.variables()["number"]) == (str(child), "42")
        stop.go()
        assert answer.result() == (200, "child 42\n")


def test_what_only_the_image_has_is_shown_and_stopped_in(project: ContainerProject, invoke: Calls, port: int) -> None:
    """The function's own file is known by a source map, since nobody here has built its image."""
    app = project.file("web")
    with attached(port, at(app, "handler"), justMyCode=False) as editor:
        answer = invoke.begin("elsewhere", "x")
        stop = editor.stopped()
        caller = stop.frames()[1]
        source = caller["source"]
        assert source["path"].endswith("/flask/app.py") and source["sourceReference"] > 0
        text = editor.ask("source", sourceReference=source["sourceReference"], source=source)["content"]
        assert "self.view_functions" in text.splitlines()[caller["line"] - 1]
        shown = editor.ask("setBreakpoints", source=source, breakpoints=[{"line": caller["line"]}])["breakpoints"]
        assert [it["line"] for it in shown] == [caller["line"]]
        stop.go()
        assert answer.result()[0] == 200
        answer = invoke.begin("elsewhere", "y")
        stop = editor.stopped()
        assert (stop.path, stop.line) == (source["path"], caller["line"])
        stop.go()
        editor.stopped().go()
        assert answer.result()[0] == 200


def test_an_editor_comes_to_a_container_that_is_frozen(
    project: ContainerProject, running: Running, invoke: Calls, port: int
) -> None:
    app = project.file("web")
    assert invoke.begin("web", "x").result()[0] == 200
    running.until_state("frozen", function="web")
    with attached(port, at(app, "handler")) as editor:
        for word in ("y", "z"):
            answer = invoke.begin("web", word)
            stop = editor.stopped()
            assert (stop.path, stop.line) == (str(app), line(app, "handler"))
            assert stop.step().evaluate("body") == f"'{word}'"
            stop.go()
            assert answer.result()[0] == 200
            count = len([e for e in running.events() if e.get("after") == "frozen" and e["function"] == "web"])
            running.until_state("frozen", count + 1, function="web")


def test_a_program_that_can_not_be_joined_makes_room_for_one_that_stops(
    project: ContainerProject, running: Running, invoke: Calls, port: int
) -> None:
    """Up to Python 3.11, where debugpy has no library for the platform. It is frozen, and can not be asked."""
    app = project.file("alpine")
    assert invoke.begin("alpine").result() == (200, "one")
    running.until_state("frozen", function="alpine")
    with attached(port, at(app, "answer")) as editor:
        answer = invoke.begin("alpine")
        stop = editor.stopped()
        assert (stop.path, stop.line) == (str(app), line(app, "answer"))
        stop.go()
        assert answer.result() == (200, "one")


def test_a_save_in_a_mounted_folder_is_stopped_in_at_its_new_line(
    project: ContainerProject, invoke: Calls, port: int
) -> None:
    """Also where a cache of byte code, of a file as old and as long as the saved one, would be believed."""
    app, words = project.live / "app.py", project.live / "words.py"
    with DapClient(port) as editor:
        editor.attach(at(app, "answer"))
        for word in ("one", "two", "six"):
            if word != "one":
                save_with_a_stale_cache(words, WORDS.replace("one", word))
            if word == "six":
                app.write_text(SERVER.replace("        answer =", "\n        answer ="))
            answer = invoke.begin("mounted", word)
            stop = editor.stopped()
            assert (stop.path, stop.line) == (str(app), line(app, "answer"))
            assert stop.step().evaluate("answer") == f"b'{word}'"
            stop.go()
            assert answer.result() == (200, word)
        editor.disconnect()


def save_with_a_stale_cache(file: Path, text: str) -> None:
    """The interpreter in the image is the one that runs the tests."""
    seen = file.stat()
    py_compile.compile(str(file))
    file.write_text(text)
    os.utime(file, (seen.st_atime, seen.st_mtime))


def test_node_in_an_image_stops_from_its_first_line_on(
    project: ContainerProject, running: Running, invoke: Calls
) -> None:
    app = project.file("node", "app.js")
    with node_editor(node_port(running)) as editor:
        answer = invoke.begin("node")
        process = editor.process()
        process.begin((app, line(app, "module")), (app, line(app, "request")))
        for mark in ("module", "request"):
            stop = process.stopped()
            assert (stop.path, stop.line) == (str(app), line(app, mark))
            process.resume()
        status, text = answer.result()
        assert status == 200 and text.startswith("hello --no-deprecation --require=")


def test_an_editor_comes_to_node_in_an_image_that_runs(
    project: ContainerProject, running: Running, invoke: Calls
) -> None:
    """Images without Node.js hear nothing of it: neither is it looked for there, nor does their log tell."""
    app = project.file("late", "app.js")
    assert invoke.begin("late").result() == (200, "hello --no-deprecation")
    assert invoke.begin("mounted").result()[0] == 200
    with node_editor(node_port(running)) as editor:
        answer = invoke.begin("late")
        process = editor.process()
        process.begin((app, line(app, "request")))
        stop = process.stopped()
        assert (stop.path, stop.line) == (str(app), line(app, "request"))
        process.resume()
        assert answer.result() == (200, "hello --no-deprecation")
    assert not any("not found" in e["text"] for e in running.events() if e["kind"] == "log_line")


def test_a_builtin_function_in_a_container(project: ContainerProject, invoke: Calls, port: int) -> None:
    index = project.workshop.root / "builtin" / "index.py"
    with attached(port, at(index, "module", "handler")) as editor:
        answer = invoke.begin("builtin", "x")
        for mark in ("module", "handler"):
            stop = editor.stopped()
            assert (stop.path, stop.line) == (str(index), line(index, mark))
            stop.go()
        assert answer.result() == (200, "x True")
        index.write_text("# moved\n" + index.read_text().replace("return text", "return 'new ' + text"))
        editor.set_breakpoints(str(index), line(index, "handler"))
        answer = invoke.begin("builtin", "y")
        stop = editor.stopped()
        assert stop.line == line(index, "handler")
        stop.go()
        assert answer.result() == (200, "new y True")


def timed_out(project: ContainerProject, running: Running) -> dict[str, Any]:
    """The post-mortem of a call."""
    _, _, headers = running.call("short", "sleep")
    request_id = headers["x-fc-request-id"]
    running.until(lambda e: e["kind"] == "post_mortem_kept" and e["request_id"] == request_id)
    done = project.workshop.run("postmortem", request_id, "--json")
    return dict(json.loads(done.stdout))


def test_a_post_mortem_has_the_hosts_file(project: ContainerProject, running: Running) -> None:
    # An instance that has run out of time has half a second to tell, which may be too little on a busy machine.
    kept = next(filter(lambda it: it["dump"].get("threads"), (timed_out(project, running) for _ in range(5))))
    app = project.file("short")
    assert (kept["kind"], kept["where"]) == ("timeout", f"app.py:{line(app, 'sleep')} in invoke")
    assert (kept["code_dir"], kept["code_target"]) == (str(app.parent), "/app")
    assert any("time.sleep(60)" in text for _, text in kept["dump"]["sources"]["/app/app.py"])
    [own] = [f for t in kept["dump"]["threads"] for f in t["frames"] if f["function"] == "invoke"]
    assert (own["file"], own.get("library", False), own["line"]) == ("/app/app.py", False, line(app, "sleep"))
    assert {"body": "'sleep'"}.items() <= {it["name"]: it["text"] for it in own["locals"]}.items()
