"""Compiled projects: a build command runs when sources change, and its products are what is deployed."""

from __future__ import annotations

from typing import Any

from tests.e2e.test_reload import revisions
from tests.support.command import MEET, Meeting, Running, Workshop, eventually

COMPILER = """
import pathlib, sys

source = pathlib.Path("src/hello.txt").read_text().strip()
with open("runs.log", "a") as log:
    log.write(source + "\\n")
if "!" in source:
    sys.exit("src/hello.txt:1: no exclamation marks")
pathlib.Path("code/index.py").write_text(f"def handler(event, context):\\n    return {source!r}\\n")
pathlib.Path("product.bin").write_text(source)
"""
SETTINGS = "functions: {hello: {build: python3 compiler.py}}\n"


def project(workshop: Workshop, compiler: str = COMPILER, ignore: str = "runs.log\n") -> None:
    workshop.project("", hello={})
    workshop.write({"compiler.py": compiler, "src/hello.txt": "one", ".fclocal.yaml": SETTINGS, ".gitignore": ignore})
    workshop.write({"code/index.py": 'def handler(event, context):\n    return "one"\n'})


def runs(workshop: Workshop) -> list[str]:
    log = workshop.root / "runs.log"
    return log.read_text().split() if log.exists() else []


def notices(running: Running, count: int) -> list[dict[str, Any]]:
    return running.until(lambda e: e["kind"] == "notice" and e["message"].startswith("built hello in "), count)


def test_a_source_that_changes_is_built_before_the_next_answer(workshop: Workshop) -> None:
    project(workshop, ignore="runs.log\nproduct.bin\ncode/\n")
    with workshop.started("--json") as running:
        assert running.call("hello")[1] == "one"
        for text in ("two", "three"):
            workshop.write({"src/hello.txt": text})
            assert running.call("hello")[1] == text
        assert runs(workshop) == ["two", "three"]
        notices(running, 2)
        assert [e["files"] for e in revisions(running, "hello", 3)] == [[], ["index.py"], ["index.py"]]


def test_a_build_that_fails_keeps_the_old_revision_and_shows_what_it_said(workshop: Workshop) -> None:
    project(workshop)
    with workshop.started() as running:
        assert running.call("hello")[1] == "one"
        workshop.write({"src/hello.txt": "two!"})
        assert running.call("hello")[1] == "one"
        eventually(lambda: "    src/hello.txt:1: no exclamation marks\n" in running.out, lambda: running.out)
        refusal = "hello was not reloaded; revision 1 stays: .fclocal.yaml: the build step `python3 compiler.py`"
        eventually(lambda: refusal in running.out, lambda: running.out)
        workshop.write({"src/hello.txt": "three"})
        assert running.call("hello")[1] == "three"


def test_products_that_nobody_declared_are_learned_and_start_no_build(workshop: Workshop) -> None:
    """The first build runs twice, to find out; the others once."""
    project(workshop)
    with workshop.started("--json") as running:
        assert running.call("hello")[1] == "one"
        for text in ("two", "three", "four"):
            workshop.write({"src/hello.txt": text})
            assert running.call("hello")[1] == text
        notices(running, 3)
        assert runs(workshop) == ["two", "two", "three", "four"]


def test_the_latest_of_several_saves_wins(workshop: Workshop, meeting: Meeting) -> None:
    slow = MEET + f"meet({meeting.port})\n" + COMPILER
    project(workshop, slow, ignore="runs.log\nproduct.bin\ncode/\n")
    with workshop.started("--json") as running:
        assert running.call("hello")[1] == "one"
        for text in ("two", "three"):
            workshop.write({"src/hello.txt": text})
            meeting.arrived()
        meeting.let_go(2)
        assert running.call("hello")[1] == "three"
        assert runs(workshop) == ["three"]
        notices(running, 1)
