"""A file is saved while `fclocal start` runs: the next request is answered by what was saved."""

from __future__ import annotations

import os
import py_compile
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import MEET, Meeting, Running, Workshop, need_rung

SAVES = 200
REPLY = 'def handler(event, context):\n    return "{}"\n'


def reply(text: object) -> str:
    return REPLY.format(text)


@contextmanager
def emulator(workshop: Workshop, *args: str) -> Iterator[Running]:
    with workshop.started("--json", *args) as running:
        yield running


def revisions(running: Running, function: str, count: int) -> list[dict[str, Any]]:
    return running.until(lambda e: e["kind"] == "revision_deployed" and e["function"] == function, count)


def test_no_answer_is_older_than_the_save_before_it(workshop: Workshop) -> None:
    """Also where all saves have the same length, within the same second."""
    workshop.project(reply("0000"), hello={})
    with emulator(workshop, "--cold", "faithful") as running:
        file, answers = workshop.root / "code/index.py", []
        for number in range(SAVES):
            file.write_text(reply(f"{number:04}"))
            answers.append(running.call("hello")[:2])
        assert answers == [(200, f"{number:04}") for number in range(SAVES)]


def in_place(file: Path, text: str) -> None:
    file.write_text(text)


def jetbrains(file: Path, text: str) -> None:
    """Safe write: a file beside it, which takes its place."""
    beside = file.with_name(f"{file.name}___jb_tmp___")
    beside.write_text(text)
    file.rename(file.with_name(f"{file.name}___jb_old___"))
    beside.rename(file)
    file.with_name(f"{file.name}___jb_old___").unlink()


def vim(file: Path, text: str) -> None:
    """`backupcopy=no`: a probe, the old file goes away under another name, a new one is written."""
    probe = file.with_name("4913")
    probe.touch()
    probe.unlink()
    backup = file.with_name(f"{file.name}~")
    file.rename(backup)
    file.write_text(text)
    backup.unlink()


def new_folder(file: Path, text: str) -> None:
    """As `git checkout` of another branch, or a build, may do it: the folder goes, and comes again."""
    shutil.rmtree(file.parent)
    file.parent.mkdir()
    file.write_text(text)


def swapped_folder(file: Path, text: str) -> None:
    new = file.parent.with_name("code.new")
    new.mkdir()
    (new / file.name).write_text(text)
    file.parent.rename(file.parent.with_name("code.old"))
    new.rename(file.parent)
    shutil.rmtree(file.parent.with_name("code.old"))


@pytest.mark.parametrize("save", [in_place, jetbrains, vim, new_folder, swapped_folder])
def test_every_way_of_saving_is_seen(workshop: Workshop, save: Callable[[Path, str], None]) -> None:
    workshop.project(reply("first"), hello={})
    with emulator(workshop) as running:
        assert running.call("hello")[1] == "first"
        for text in ("second", "third!"):
            save(workshop.root / "code/index.py", reply(text))
            assert running.call("hello")[1] == text
        found = revisions(running, "hello", 3)
        assert [(e["revision"], e["total"]) for e in found[:1]] == [(1, 0)]
        assert all(e["files"] == ["index.py"] for e in found[1:])


def test_what_changes_nothing_makes_no_revision(workshop: Workshop) -> None:
    workshop.project(reply("same"), hello={})
    workshop.write({"code/.fcignore": "*.log\n", "code/__pycache__/x.pyc": "", "code/node_modules/a/index.js": ""})
    with emulator(workshop) as running:
        code = workshop.root / "code"
        code.joinpath("index.py").write_text(reply("same"))
        os.utime(code / "index.py")
        workshop.write({"code/a.log": "line", "code/__pycache__/x.pyc": "y", "code/.index.py.swp": "", "code/b~": ""})
        workshop.write({"code/.git/HEAD": "ref", "code/.idea/workspace.xml": ""})
        workshop.write({"code/other.py": ""})
        assert running.call("hello")[1] == "same"
        found = revisions(running, "hello", 2)
        assert [e["files"] for e in found] == [[], ["other.py"]]


@pytest.mark.parametrize("walls", ["bwrap", "plain"])
def test_what_a_function_writes_beside_its_code_makes_no_revision(workshop: Workshop, walls: str) -> None:
    """Without mounts it lands in the code folder itself; git knows that it is no source."""
    need_rung(walls)
    code = """
import os
def handler(event, context):
    with open(os.path.join(os.path.dirname(__file__), "hits.db"), "a+") as file:
        file.write("hit")
    return "{}"
"""
    workshop.project(code.replace("{}", "one"), hello={})
    workshop.write({"code/.gitignore": "*.db\n"})
    with emulator(workshop, "--walls", walls) as running:
        assert [running.call("hello")[1] for _ in range(5)] == ["one"] * 5
        workshop.write({"code/index.py": code.replace("{}", "two")})
        assert running.call("hello")[1] == "two"
        assert [e["files"] for e in revisions(running, "hello", 2)] == [[], ["index.py"]]
        started = running.until(lambda e: e["kind"] == "invocation_started", 6)
        assert len({e["instance_id"] for e in started}) == 2


def test_a_request_that_runs_ends_on_the_old_code(workshop: Workshop, meeting: Meeting) -> None:
    slow = MEET + 'def handler(event, context):\n    meet(event.decode())\n    return "old"\n'
    hooks = {"preStop": {"handler": "index.stop", "timeout": 10}}
    workshop.project(slow, hello={"instanceLifecycleConfig": hooks})
    workshop.write({"code/index.py": slow + 'def stop(context):\n    print("cleaned up")\n'})
    with emulator(workshop) as running:
        answers: list[str] = []
        client = threading.Thread(target=lambda: answers.append(running.call("hello", str(meeting.port))[1]))
        client.start()
        meeting.arrived()
        workshop.write({"code/index.py": reply("new")})
        assert running.call("hello")[1] == "new"
        assert answers == []
        meeting.let_go()
        client.join()
        assert answers == ["old"]
        running.until(lambda e: e["kind"] == "log_line" and e["text"] == "cleaned up")
        running.until(lambda e: e["kind"] == "instance_moved" and e["reason"] == "replaced" and e["after"] == "stopped")


def test_functions_that_share_a_folder_change_together(workshop: Workshop) -> None:
    workshop.project(reply("first"), one={}, two={})
    workshop.write({"other/index.py": reply("apart")})
    with emulator(workshop) as running:
        assert [running.call(name)[1] for name in ("one", "two")] == ["first", "first"]
        workshop.write({"code/index.py": reply("second")})
        assert [running.call(name)[1] for name in ("one", "two")] == ["second", "second"]


def test_a_provisioned_instance_is_built_again(workshop: Workshop) -> None:
    config = {"provisionConfig": {"defaultTarget": 1, "alwaysAllocateCPU": False}}
    workshop.project(reply("first"), hello=config)
    with emulator(workshop) as running:
        running.until_state("idle")
        workshop.write({"code/index.py": reply("second")})
        running.until(lambda e: e["kind"] == "instance_moved" and e["revision"] == 2 and e["after"] == "idle")
        assert running.call("hello")[1] == "second"


def test_what_waits_in_the_asynchronous_queue_runs_on_the_new_code(workshop: Workshop) -> None:
    workshop.project('def handler(event, context):\n    print("first")\n', hello={})
    with emulator(workshop) as running:
        later = {"X-Fc-Invocation-Type": "Async", "X-Fc-Async-Delay": "1"}
        assert running.call("hello", headers=later)[0] == 202
        workshop.write({"code/index.py": 'def handler(event, context):\n    print("second")\n'})
        lines = running.until(lambda e: e["kind"] == "log_line" and e["text"] in ("first", "second"))
        assert [e["text"] for e in lines] == ["second"]


# --- stale byte code ---


@pytest.mark.parametrize("runtime", ["python3.10", "python3", "python2.7"])
def test_byte_code_of_an_earlier_save_is_never_run(workshop: Workshop, runtime: str) -> None:
    """The user's own run left a cache whose time and size are those of what is saved next."""
    code = "import helper\ndef handler(event, context):\n    return helper.VALUE\n"
    workshop.project(code, hello={"runtime": runtime})
    helper = workshop.root / "code/helper.py"
    helper.write_text('VALUE = "old"\n')
    with emulator(workshop) as running:
        for text in ("one", "two", "six"):
            _compiled(helper, runtime)
            seen = helper.stat()
            helper.write_text(f'VALUE = "{text}"\n')
            os.utime(helper, (seen.st_atime, seen.st_mtime))
            assert running.call("hello")[1] == text


def _compiled(source: Path, runtime: str) -> None:
    version = {"python3.10": "3.10", "python3": "3.6", "python2.7": "2.7"}[runtime]
    binary = next(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"), None)
    if binary is None:
        pytest.skip(f"no Python {version} here")
    subprocess.run([binary, "-m", "compileall", "-q", source.parent], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("walls", ["bwrap", "plain"])
def test_nor_by_a_program_of_a_custom_runtime(workshop: Workshop, walls: str) -> None:
    need_rung(walls)
    app = """
import http.server, os
import helper

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(helper.VALUE.encode())

http.server.HTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Handler).serve_forever()
"""
    program = {"runtime": "custom.debian10", "customRuntimeConfig": {"command": ["python3", "app.py"], "port": 9000}}
    workshop.project("", hello=program)
    workshop.write({"code/app.py": app, "code/helper.py": 'VALUE = "old"\n'})
    helper = workshop.root / "code/helper.py"
    with emulator(workshop, "--walls", walls) as running:
        for text in ("one", "two", "six"):
            running.call("hello")
            seen = helper.stat()
            py_compile.compile(str(helper))
            helper.write_text(f'VALUE = "{text}"\n')
            os.utime(helper, (seen.st_atime, seen.st_mtime))
            assert running.call("hello")[:2] == (200, text)
