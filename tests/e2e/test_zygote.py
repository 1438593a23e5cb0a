"""Instances that are forked from a template (docs/zygote.md): when, with what, and that nobody can tell."""

from __future__ import annotations

import json
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from emulator.sandbox import proctree
from emulator.sandbox.pages import used
from tests.support.command import RUNGS, Running, Workshop, eventually, need_rung

# Tells what its interpreter had loaded before it asked for it.
USER = """
import json, os, sys
LOADED = sorted(name for name in sys.modules if name.startswith("slowlib"))
import slowlib
def handler(event, context):
    return json.dumps({"loaded": LOADED, "value": slowlib.VALUE, "answer": %d,
        "env": sorted(name for name in os.environ if name.startswith("FCLOCAL")),
        "argv": sys.argv, "file": slowlib.__file__})
"""


def install(workshop: Workshop, code: str) -> None:
    """As `pip install -t 3rd-packages` does, with the list of files that tells a package from the user's code."""
    folder = "code/3rd-packages"
    record = "slowlib/__init__.py,sha256=x,1\nslowlib-1.0.dist-info/RECORD,,\n"
    workshop.write({f"{folder}/slowlib/__init__.py": code, f"{folder}/slowlib-1.0.dist-info/RECORD": record})


PATH = {"environmentVariables": {"PYTHONPATH": "/code/3rd-packages"}}


@contextmanager
def emulator(workshop: Workshop, *args: str) -> Iterator[Running]:
    with workshop.started("--json", *args) as running:
        yield running


def starts(running: Running, count: int) -> list[dict[str, Any]]:
    return running.until(lambda e: e["kind"] == "instance_started", count)


def decided(workshop: Workshop) -> dict[str, Any]:
    """What came of the first template, when that is known."""

    def look() -> Any:
        found = [*(workshop.state / "templates").glob("*.json")]
        return json.loads(found[0].read_text()) if found else None

    decision: dict[str, Any] = eventually(look, "no template was made")
    return decision


def save(workshop: Workshop, text: str) -> None:
    (workshop.root / "code/index.py").write_text(text)


def answer(running: Running) -> dict[str, Any]:
    status, body = running.call("hello")[:2]
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found


def forked(workshop: Workshop, running: Running, text: str, number: int) -> dict[str, Any]:
    """The answer of the next instance, once it has been saved anew."""
    save(workshop, text % number)
    return answer(running)


def test_the_first_is_spawned_and_a_reload_is_forked_with_its_packages(workshop: Workshop) -> None:
    workshop.project(USER % 0, hello=PATH)
    install(workshop, "VALUE = 1\n")
    with emulator(workshop) as running:
        first = answer(running)
        assert (first["loaded"], first["value"]) == ([], 1)
        assert decided(workshop)["packages"] == ["slowlib"]
        second = forked(workshop, running, USER, 1)
        assert (second["loaded"], second["value"], second["answer"]) == (["slowlib"], 1, 1)
        for same in ("env", "argv", "file"):
            assert second[same] == first[same]
        seen = starts(running, 2)
        assert [it["start"] for it in seen[:1]] == ["spawn"]
        assert seen[1]["start"] in ("fork", "spare")
        assert seen[1]["packages"] == ["slowlib"]
        ended = running.until(lambda e: e["kind"] == "invocation_ended", 2)
        assert [it["start"] for it in ended] == [it["start"] for it in seen]


def test_a_changed_package_is_loaded_anew(workshop: Workshop) -> None:
    workshop.project(USER % 0, hello=PATH)
    install(workshop, "VALUE = 1\n")
    with emulator(workshop) as running:
        answer(running)
        decided(workshop)
        assert forked(workshop, running, USER, 1)["value"] == 1
        install(workshop, "VALUE = 22\n")
        assert forked(workshop, running, USER, 2)["value"] == 22


def test_a_crowd_gets_none_of_a_changed_package(workshop: Workshop) -> None:
    """Of so many files that all of a crowd wait for the same look at them."""
    workshop.project(USER % 0, hello=PATH)
    more = [f"slowlib/m{number}.py" for number in range(100)]

    def install_all(value: int) -> None:
        record = "".join(f"{file},,\n" for file in ("slowlib/__init__.py", *more)) + "slowlib-1.0.dist-info/RECORD,,\n"
        imports = "".join(f"from slowlib import m{number}\n" for number in range(100))
        files = dict.fromkeys(more, "") | {"slowlib-1.0.dist-info/RECORD": record}
        files["slowlib/__init__.py"] = f"{imports}VALUE = m99.VALUE\n"
        files["slowlib/m99.py"] = f"VALUE = {value}\n"
        workshop.write({f"code/3rd-packages/{file}": text for file, text in files.items()})

    install_all(1)
    slow = USER.replace("    return", "    import time; time.sleep(0.3)\n    return")
    with emulator(workshop) as running:
        answer(running)
        decided(workshop)
        second = forked(workshop, running, slow, 1)
        assert (second["value"], "slowlib.m99" in second["loaded"]) == (1, True)
        workshop.write({"code/3rd-packages/slowlib/m99.py": "VALUE = 22\n"})
        save(workshop, slow % 2)
        found: list[dict[str, Any]] = []
        threads = [threading.Thread(target=lambda: found.append(answer(running))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [(it["value"], it["answer"]) for it in found] == [(22, 2)] * 12


def test_a_file_of_the_users_comes_before_what_is_loaded(workshop: Workshop) -> None:
    workshop.project(USER % 0, hello=PATH)
    install(workshop, "VALUE = 1\n")
    with emulator(workshop) as running:
        answer(running)
        decided(workshop)
        workshop.write({"code/slowlib.py": "VALUE = 'mine'\n"})
        assert forked(workshop, running, USER, 1)["value"] == "mine"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (
            "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\nVALUE = 1\n",
            "thread",
        ),
        ("import socket\nA, B = socket.socketpair()\nVALUE = 1\n", "opened a connection"),
        ("import select\nP = select.epoll()\nVALUE = 1\n", "all forks would share"),
        ("import os\nif 'FCLOCAL_TEMPLATE' in os.environ: os.abort()\nVALUE = 1\n", "while it imported slowlib"),
    ],
)
def test_a_package_that_no_fork_survives_is_left_out(workshop: Workshop, code: str, why: str) -> None:
    workshop.project(USER % 0, hello=PATH)
    install(workshop, code)
    with emulator(workshop) as running:
        answer(running)
        decision = decided(workshop)
        assert why in decision["refused"]
        second = forked(workshop, running, USER, 1)
        assert (second["loaded"], second["value"]) == ([], 1)
    doctor = workshop.run("doctor", "--json")
    line = next(json.loads(it) for it in doctor.stdout.splitlines() if '"template hello"' in it)
    assert why in line["detail"]


def test_faithful_spawns_all(workshop: Workshop) -> None:
    workshop.project(USER % 0, hello=PATH)
    install(workshop, "VALUE = 1\n")
    with emulator(workshop, "--cold", "faithful") as running:
        answer(running)
        forked(workshop, running, USER, 1)
        assert [it["start"] for it in starts(running, 2)] == ["spawn", "spawn"]
    assert not (workshop.state / "templates").exists()


def test_fast_forks_the_first_after_an_earlier_run(workshop: Workshop) -> None:
    workshop.project(USER % 0, hello=PATH)
    install(workshop, "VALUE = 1\n")
    with emulator(workshop) as running:
        answer(running)
        decided(workshop)
    with emulator(workshop, "--cold", "fast") as running:
        assert answer(running)["loaded"] == ["slowlib"]
        assert starts(running, 1)[0]["start"] in ("fork", "spare")


def test_variables_that_code_sets_before_it_imports_count(workshop: Workshop) -> None:
    code = "import os\nos.environ['SLOWLIB'] = 'set'\n" + USER
    workshop.project(code % 0, hello=PATH)
    install(workshop, "import os\nVALUE = os.environ.get('SLOWLIB')\n")
    with emulator(workshop) as running:
        assert answer(running)["value"] == "set"
        decided(workshop)
        second = forked(workshop, running, code, 1)
        assert (second["loaded"], second["value"]) == (["slowlib"], "set")


def test_a_crowd_is_served_by_forks(workshop: Workshop) -> None:
    """200 calls at once, one for each instance, of which none fails."""
    workshop.project(
        "import time, os\ndef handler(event, context):\n    time.sleep(0.5)\n    return str(os.getpid())\n", hello={}
    )
    with emulator(workshop) as running:
        running.call("hello")
        decided(workshop)
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.append(running.call("hello")[0])) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 200


@pytest.mark.parametrize("rung", RUNGS)
def test_nothing_outlives_the_emulator(workshop: Workshop, rung: str) -> None:
    need_rung(rung)
    workshop.project(USER % 0, hello=PATH)
    install(workshop, "VALUE = 1\n")
    with emulator(workshop, "--walls", rung) as running:
        answer(running)
        decided(workshop)
        forked(workshop, running, USER, 1)
        assert {it["start"] for it in starts(running, 2)[1:]} <= {"fork", "spare"}
    running.assert_nothing_left()


def test_an_instance_that_ended_before_it_told_is_not_the_last_to_be_asked(workshop: Workshop) -> None:
    code = """
import os, threading
def handler(event, context):
    if event == b"end":
        os._exit(0)
    return "here"
"""
    workshop.project(code, hello={})
    with emulator(workshop) as running:
        assert running.call("hello")[0] == 200

        def is_forked() -> bool:
            running.call("hello", "end")  # the first time at once: whether it had told is a matter of luck
            assert running.call("hello")[0] == 200
            told = [event for event in running.events() if event["kind"] == "instance_started"]
            return bool(told[-1]["start"] != "spawn")

        eventually(is_forked, "no template was made")


def test_functions_of_another_user_are_forked_too(workshop: Workshop) -> None:
    need_rung("bwrap")
    code = USER.replace("import json, os, sys", "import json, os, pwd, sys").replace(
        '"value": slowlib', '"user": [os.getuid(), os.getgid(), pwd.getpwuid(os.getuid()).pw_name], "value": slowlib'
    )
    install(workshop, "VALUE = 1\n")
    nas = {"userId": 10003, "groupId": 10004, "mountPoints": []}
    with emulator(project(workshop, code, nasConfig=nas), "--walls", "bwrap") as running:
        first = answer(running)
        assert first["user"] == [10003, 10004, "user"]
        assert decided(workshop)["refused"] == ""
        second = forked(workshop, running, code, 1)
        assert (second["user"], second["loaded"], second["env"]) == (first["user"], ["slowlib"], first["env"])
        assert starts(running, 2)[1]["start"] in ("fork", "spare")


def project(workshop: Workshop, code: str, **props: Any) -> Workshop:
    workshop.project(code % 0, hello={**PATH, **props})
    return workshop


def test_code_beside_the_emulators_own_folder_is_not_forked_and_said_so(workshop: Workshop) -> None:
    need_rung("bwrap")
    workshop.project("", hello={"code": "."})
    workshop.write({"index.py": "def handler(event, context):\n    return 'one'\n"})
    with emulator(workshop, "--walls", "bwrap") as running:
        assert running.call("hello")[1] == "one"
        assert decided(workshop)["forked"] is False
        workshop.write({"index.py": "def handler(event, context):\n    return 'two'\n"})
        assert running.call("hello")[1] == "two"
        assert [it["start"] for it in starts(running, 2)] == ["spawn", "spawn"]
        running.until(lambda e: e["kind"] == "notice" and "not forked" in e["message"], 1)
        assert running.stop() == 0
    said = workshop.run("doctor").stdout
    assert "template hello  " in said and "not forked" in said and "--state-dir" in said


def test_code_that_holds_a_mount_can_be_read_and_is_forked(workshop: Workshop) -> None:
    """As a volume for node_modules in a development container."""
    need_rung("bwrap")
    if os.geteuid() != 0:
        pytest.skip("only root can mount something for this")
    install(workshop, "VALUE = 1\n")
    project(workshop, USER)
    workshop.write({"code/data/file": "hidden", "other/file": "mounted"})
    mounted = 'mount --bind other code/data && exec "$@"'
    workshop.command = ("unshare", "--mount", "sh", "-c", mounted, "sh", *workshop.command)
    with emulator(workshop, "--walls", "bwrap") as running:
        assert answer(running)["loaded"] == []
        running.until(lambda e: e["kind"] == "notice" and "code/data is a mount" in e["message"])
        assert decided(workshop)["packages"] == ["slowlib"]
        reads = USER.replace('"answer": %d', '"answer": open("/code/data/file").read()')
        save(workshop, reads)
        second = answer(running)
        assert (second["loaded"], second["answer"]) == (["slowlib"], "mounted")


# Writes to every tenth page of what its package has loaded, when it has told what was there.
WRITES = """
import ctypes, json, slowlib
SUM = sum(slowlib.DATA)
for at in range(0, len(slowlib.DATA), 10 * slowlib.PAGE):
    slowlib.DATA[at] = 7
def handler(event, context):
    first = ctypes.addressof(ctypes.c_char.from_buffer(slowlib.DATA))
    return json.dumps({"sum": SUM, "at": first, "answer": %d})
"""
DATA = "import mmap\nPAGE = mmap.PAGESIZE\nDATA = bytearray(100 * PAGE)\nDATA[:] = b'1' * len(DATA)\n"


def test_a_spare_has_the_pages_of_its_own_that_an_earlier_one_came_to_write(workshop: Workshop) -> None:
    """And no others, with what was in them."""
    if os.geteuid() != 0:
        pytest.skip("only root may look at the memory of every process in every walls")
    workshop.project(WRITES % 0, hello=PATH)
    install(workshop, DATA)
    with emulator(workshop) as running:
        before = answer(running)["sum"]
        decided(workshop)
        at = forked(workshop, running, WRITES, 1)["at"]
        first = at // mmap.PAGESIZE

        def own_pages() -> list[int]:
            """Of the data, in the spare that has any."""
            for pid in proctree.walk(running.process.pid):
                with suppress(OSError):
                    environ = Path(f"/proc/{pid}/environ").read_bytes()
                    written = [page for begin, count in used(pid).written for page in range(begin, begin + count)]
                    found = [page - first for page in written if 0 <= page - first < 100]
                    if found and b"FCLOCAL_TEMPLATE=" in environ:
                        return found
            return []

        eventually(lambda: own_pages() == [*range(0, 100, 10)], lambda: f"{own_pages()} are the spare's own pages")
        third = forked(workshop, running, WRITES, 2)
        assert (third["at"], third["sum"]) == (at, before)
        assert starts(running, 3)[2]["start"] in ("fork", "spare")
