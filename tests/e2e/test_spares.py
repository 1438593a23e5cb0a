"""Node.js instances that were parked before they were needed (docs/zygote.md): when, and that nobody can tell."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import RUNGS, Running, Workshop, eventually, need_rung

NODE = {"runtime": "nodejs20", "memorySize": 128}
# What can differ between an instance and another, but for what is its own.
LOOK = """
const fs = require('fs'), os = require('os');
function attempt(look) {
  try { return look(); } catch (error) { return error.code; }
}
function status(names) {
  return fs.readFileSync('/proc/self/status', 'utf8').split('\\n').filter((line) => names.test(line));
}
exports.handler = (event, context, callback) => {
  if (String(event) === 'grow') { const kept = []; for (;;) kept.push(Buffer.alloc(8 << 20, 1)); }
  if (String(event) === 'leave') process.exit(7);
  if (String(event) === 'write') fs.writeFileSync('made.txt', '');
  const env = Object.assign({}, process.env), name = env.FC_INSTANCE_ID;
  delete env.FC_INSTANCE_ID;
  delete env.FCLOCAL_RUN;
  callback(null, JSON.stringify({
    id: name, env: env, cwd: process.cwd(), argv: process.argv, flags: process.execArgv, modules: module.paths,
    named: os.hostname() === name, hosts: attempt(() => fs.readFileSync('/etc/hosts', 'utf8').indexOf(name) >= 0),
    run: attempt(() => fs.readdirSync('/run')), ours: attempt(() => fs.readdirSync('/run/fclocal')),
    code: fs.readdirSync('.').sort(), rights: status(/^(Cap|Seccomp|NoNewPrivs|Uid|Gid|Groups)/),
    descriptors: attempt(() => fs.readdirSync('/proc/self/fd').length),
  }));
};
"""
# Leaves a trace of every process that it is loaded in.
HOOK = "require('fs').writeFileSync(process.env.E2E_SEEN + '/' + process.pid, '');\n"


def node(workshop: Workshop, **function: Any) -> None:
    workshop.project("", hello={**NODE, **function})
    save(workshop)


def save(workshop: Workshop) -> int:
    """The same code as a new revision; its number."""
    file = workshop.root / "code/index.js"
    number = int(file.read_text().split("\n")[-1][3:]) + 1 if file.exists() else 1
    file.write_text(f"{LOOK}// {number}")
    return number


def answer(running: Running, event: str = "") -> tuple[str, dict[str, Any]]:
    """How the instance came that answered, and what it told."""
    status, body, _ = running.call("hello", event)
    assert status == 200, body
    told: dict[str, Any] = json.loads(body)
    name = told.pop("id")
    (started,) = running.until(lambda it: it["kind"] == "instance_started" and it["instance_id"] == name)
    return started["start"], told


def from_a_spare(running: Running, event: str = "", before: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """What a spare told; one may not be parked yet, so more than one instance may come to be."""

    def look() -> dict[str, Any] | None:
        before()
        save(running.workshop)
        start, told = answer(running, event)
        return told if start == "spare" else None

    found: dict[str, Any] = eventually(look, "an instance comes from a spare")
    return found


@pytest.mark.parametrize("rung", RUNGS)
def test_a_spare_is_what_a_spawned_instance_is(anybodys: Workshop, rung: str) -> None:
    need_rung(rung, anybodys.command)
    node(anybodys, environmentVariables={"GREETING": "héllo"})
    with anybodys.started("--json", "--walls", rung) as running:
        start, spawned = answer(running)
        assert start == "spawn"
        assert spawned["named"] is (rung == "bwrap")
        assert from_a_spare(running) == spawned
        (ended,) = running.until(lambda event: event["kind"] == "invocation_ended" and event["start"] == "spare")
        assert ended["cold"]


def test_a_spare_has_what_was_saved_last(workshop: Workshop) -> None:
    need_rung("bwrap")
    node(workshop)
    with workshop.started("--json", "--walls", "bwrap") as running:
        answer(running)
        names = iter(range(1000))
        found = from_a_spare(running, "write", lambda: workshop.write({f"code/{next(names)}.txt": ""}))
        assert f"{next(names) - 1}.txt" in found["code"]
        save(workshop)
        answer(running)
        # What it wrote is told as that of any other, and thrown away.
        wrote = running.until(lambda event: event["kind"] == "instance_wrote")
        assert wrote[0]["paths"] == ["/code/made.txt"]
        assert not (workshop.root / "code/made.txt").exists()


def test_the_summary_says_that_it_was_a_spare(workshop: Workshop) -> None:
    node(workshop)
    with workshop.started() as running:
        running.call("hello")

        def look() -> bool:
            save(workshop)
            running.call("hello")
            return "Cold: yes (spare), Init: " in running.out

        eventually(look, "an instance comes from a spare")
        assert "Cold: yes (spawn), Init: " in running.out


def test_variables_that_change_make_other_spares(workshop: Workshop) -> None:
    node(workshop, environmentVariables={"GREETING": "one"})
    with workshop.started("--json") as running:
        answer(running)
        assert from_a_spare(running)["env"]["GREETING"] == "one"
        node(workshop, environmentVariables={"GREETING": "two"})
        start, told = answer(running)
        assert (start, told["env"]["GREETING"]) == ("spawn", "two")
        assert from_a_spare(running)["env"]["GREETING"] == "two"


@pytest.mark.parametrize(
    ("variables", "files", "why"),
    [
        ({"NODE_OPTIONS": "--require /code/hook.js"}, {"hook.js": HOOK}, "--require in NODE_OPTIONS takes effect when"),
        ({"NODE_OPTIONS": "-r ./hook.js"}, {"hook.js": HOOK}, "-r in NODE_OPTIONS takes effect when"),
        ({"NODE_EXTRA_CA_CERTS": "/code/ca.pem"}, {"ca.pem": ""}, "NODE_EXTRA_CA_CERTS is read when a process starts"),
        ({}, {"lib/libz.so.1.x": ""}, "libz.so.1.x stands before a library that the interpreter itself may need"),
    ],
)
def test_what_takes_effect_at_the_start_is_left_to_the_start(
    workshop: Workshop, variables: dict[str, str], files: dict[str, str], why: str
) -> None:
    need_rung("plain")
    seen = workshop.root / "seen"
    seen.mkdir()
    node(workshop, environmentVariables={**variables, "E2E_SEEN": str(seen)})
    workshop.write({f"code/{name}": text for name, text in files.items()})
    # Where the code is at its own place, a spare would find the file.
    with workshop.started("--json", "--walls", "plain") as running:
        for _ in range(2):
            assert answer(running)[0] == "spawn"
            save(workshop)
        running.until(lambda event: event["kind"] == "notice" and why in event["message"])
        assert len([*seen.iterdir()]) == (2 if "hook.js" in files else 0)


def test_a_flag_that_reads_nothing_is_the_spares_too(workshop: Workshop) -> None:
    node(workshop, environmentVariables={"NODE_OPTIONS": "--enable-source-maps --stack-trace-limit=50"})
    with workshop.started("--json") as running:
        answer(running)
        assert from_a_spare(running)["env"]["NODE_OPTIONS"].startswith("--enable-source-maps")


@pytest.mark.parametrize("options", [("--cold", "faithful"), ("--spares", "0")])
def test_nothing_is_parked_unasked(workshop: Workshop, options: tuple[str, ...]) -> None:
    node(workshop)
    with workshop.started("--json", *options) as running:
        for _ in range(3):
            assert answer(running)[0] == "spawn"
            save(workshop)
        assert parked(running) == []


@pytest.mark.parametrize("rung", RUNGS)
def test_a_spare_ends_as_any_other_and_is_told(workshop: Workshop, rung: str) -> None:
    need_rung(rung)
    node(workshop)
    with workshop.started("--json", "--walls", rung) as running:
        answer(running)
        for event, reason in (("grow", "oom"), ("leave", "crashed")):
            from_a_spare(running)
            before = len(reasons(running))
            _, body, headers = running.call("hello", event)
            assert headers["x-fc-error-type"] == "UnhandledInvocationError", body
            eventually(lambda before=before: len(reasons(running)) > before, "its end is told")
            assert reasons(running)[-1] == reason


def reasons(running: Running) -> list[str]:
    ends = [event for event in running.events() if event.get("after") == "stopped"]
    return [event["reason"] for event in ends if event["reason"] != "replaced"]


def parked(running: Running) -> list[int]:
    found = []
    for pid in running.processes():
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"FCLOCAL_PARKED=1" in environ:
            found.append(pid)
    return found


@pytest.mark.parametrize("rung", RUNGS)
def test_a_parked_spare_goes_with_the_emulator(anybodys: Workshop, rung: str) -> None:
    need_rung(rung, anybodys.command)
    node(anybodys)
    with anybodys.started("--json", "--walls", rung) as running:
        answer(running)
        eventually(lambda: parked(running), "a spare is parked")
        running.signal(signal.SIGKILL)
        assert running.ended() == -signal.SIGKILL
        eventually(lambda: not running.processes(), "every process is gone")
        eventually(lambda: not running.control_groups(), "every control group is gone")
        eventually(lambda: not running.folders(), "every folder is gone")


def test_a_spare_that_was_ended_is_not_used(workshop: Workshop) -> None:
    node(workshop)
    with workshop.started("--json") as running:
        answer(running)
        from_a_spare(running)
        for pid in eventually(lambda: parked(running), "another is parked"):
            os.kill(pid, signal.SIGKILL)
        save(workshop)
        answer(running)
        assert from_a_spare(running)["cwd"]


def test_spares_nobody_needs_any_more_are_let_go(workshop: Workshop) -> None:
    node(workshop)
    with workshop.started("--json", "--keep-alive", "2") as running:
        answer(running)
        eventually(lambda: parked(running), "a spare is parked")
        running.until_state("stopped")
        eventually(lambda: not parked(running), "it is let go")
