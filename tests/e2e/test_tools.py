"""`fclocal event`, `fclocal doctor` and shell completion."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import subprocess

import pytest

from emulator.model.function import TriggerType
from emulator.triggers.samples import SAMPLES
from tests.support.command import COMMAND, PATIENCE_SECONDS, ROOT, Workshop, need_rung
from tests.support.terminal import OnTerminal

# --- event ---

TRIGGERS = {
    "oss": {"bucketName": "pictures", "events": ["oss:ObjectCreated:*"]},
    "timer": {"payload": "my payload", "cronExpression": "@every 1h", "enable": True},
    "log": {
        "sourceConfig": {"logstore": "access"},
        "jobConfig": {"maxRetryTime": 3, "triggerInterval": 60},
        "functionParameter": {"a": "b"},
        "logConfig": {"project": "p", "logstore": "l"},
        "enable": True,
    },
}


def project_with_triggers(workshop: Workshop) -> None:
    declared = {
        kind: {"triggers": [{"triggerName": f"my-{kind}", "triggerType": kind, "triggerConfig": config}]}
        for kind, config in TRIGGERS.items()
    }
    workshop.project("def handler(event, context):\n    return event\n", **declared)


def test_every_kind_of_trigger_has_a_sample(workshop):
    listed = workshop.run("event", "list")
    assert listed.returncode == 0
    kinds = [line.split()[0] for line in listed.stdout.splitlines()]
    assert kinds == list(SAMPLES)
    # What RDS sends is not known (platform.md §4, at its end), and nothing is invented.
    for trigger in set(TriggerType) - {TriggerType.RDS}:
        assert [kind for kind in kinds if SAMPLES[kind].trigger is trigger], f"no sample of {trigger}"


def test_samples_are_what_fc_gives_to_a_function(workshop):
    for kind in SAMPLES:
        shown = workshop.run("event", "show", kind, "--format", "json") if kind == "tablestore" else None
        shown = shown or workshop.run("event", "show", kind)
        assert shown.returncode == 0, shown.stderr
        if kind != "mns_topic":  # STREAM: the message's own text, which is no JSON
            assert json.loads(shown.stdout), kind


def test_a_tablestore_event_is_cbor_in_a_pipe(workshop):
    argv = [*COMMAND, "event", "show", "tablestore"]
    done = subprocess.run(argv, cwd=workshop.root, env=workshop.environ(), capture_output=True, check=True)
    assert done.stdout[0] >> 5 == 5, "a CBOR map (RFC 8949 §3.1, major type 5)"
    with OnTerminal(workshop, "event", "show", "tablestore") as screen:
        assert screen.ended() == 0
        assert '"Records"' in screen.text and "FC sends this event as CBOR" in screen.text


def test_names_of_a_functions_own_trigger_are_filled_in(workshop):
    project_with_triggers(workshop)
    oss = json.loads(workshop.run("event", "show", "--function", "oss").stdout)
    assert oss["events"][0]["oss"]["bucket"]["name"] == "pictures"
    timer = json.loads(workshop.run("event", "show", "timer", "--function", "timer").stdout)
    assert (timer["triggerName"], timer["payload"]) == ("my-timer", "my payload")


def test_a_sample_goes_into_a_function_through_a_pipe(workshop):
    project_with_triggers(workshop)
    shown = workshop.run("event", "show", "--function", "oss").stdout
    invoked = workshop.run("invoke", "oss", "-f", "-", input=shown.encode())
    assert (invoked.returncode, invoked.stdout) == (0, shown), invoked.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("event", "show", "mns_topc"), "there is no sample event 'mns_topc'\n  → did you mean mns_topic?"),
        (("event", "show"), "name a kind of event"),
        (("event", "show", "oss", "--format", "cbor"), "oss events are not CBOR"),
    ],
)
def test_a_wrong_kind_of_event_is_an_error(workshop, args, says):
    done = workshop.run(*args)
    assert done.returncode == 2 and says in done.stderr


# --- doctor ---


def findings(done) -> list[dict]:
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = [line for line in lines if line["kind"] == "finding"]
    assert found, done.stderr
    assert all(set(f) == {"kind", "topic", "state", "detail", "lift", "full"} for f in found)
    return found


def test_doctor_tells_the_walls_and_each_step_down_with_the_command_that_lifts_it(workshop):
    workshop.project("", hello={})
    done = workshop.run("doctor", "--json", "--port", "0")
    found = findings(done)
    topics = [f["topic"] for f in found]
    assert {"fclocal", "project", "walls", "freeze", "python3.10"} <= set(topics)
    assert len({(f["topic"], f["state"]) for f in found}) == len(found), "each once"
    steps_down = [f for f in found if not f["full"]]
    assert done.returncode == (1 if steps_down else 0)
    text = workshop.run("doctor", "--port", "0")
    assert text.returncode == done.returncode
    for finding in found:
        assert re.search(rf"^[✓!] {re.escape(finding['topic'])} +{re.escape(finding['state'])}", text.stdout, re.M)
        if not finding["full"] and finding["lift"]:
            assert f"    → {finding['lift']}" in text.stdout


def test_doctor_names_a_missing_bubblewrap_and_how_to_install_it(workshop, tmp_path):
    """On a machine without it, made by a PATH without it."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "unshare", "mount", "apt-get"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    if not (tools / "apt-get").exists():
        (tools / "apt-get").write_text("#!/bin/sh\n")
        (tools / "apt-get").chmod(0o755)
    done = workshop.run("doctor", "--json", "--port", "0", env={"PATH": str(tools)})
    assert done.returncode == 1
    missing = [f for f in findings(done) if f["detail"] == "bubblewrap is not installed"]
    assert [(f["full"], f["lift"]) for f in missing] == [(False, "sudo apt install bubblewrap")]


def test_a_script_in_bubblewraps_place_builds_the_same_walls(workshop, tmp_path):
    """Such as that of a distribution which sets paths first."""
    need_rung("bwrap")
    script = tmp_path / "bwrap"
    script.write_text(f'#!/bin/sh\nexec {shutil.which("bwrap")} "$@"\n')
    script.chmod(0o755)
    done = workshop.run("doctor", "--json", "--port", "0", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    plain = workshop.run("doctor", "--json", "--port", "0")
    walls = [[f for f in findings(it) if f["topic"] in ("walls", "overlay")] for it in (done, plain)]
    assert walls[0] == walls[1] and walls[0][0]["state"] == "bwrap"


def test_doctor_looks_at_the_project_and_the_port(workshop):
    assert "none in this folder" in workshop.run("doctor", "--port", "0").stdout
    workshop.write({"s.yaml": "edition: 3.0.0\nname: broken\nresources: [\n"})
    broken = workshop.run("doctor", "--json", "--port", "0")
    about = next(f for f in findings(broken) if f["topic"] == "project")
    assert broken.returncode == 1 and not about["full"] and "s.yaml:" in about["detail"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = workshop.run("doctor", "--json", "--port", str(port))
        about = next(f for f in findings(done) if f["topic"] == f"port {port}")
        assert (about["state"], about["full"]) == ("taken", False) and f"pid {os.getpid()}" in about["detail"]
        assert "--port 0" in about["lift"]


def test_doctor_finds_a_running_emulator(workshop):
    workshop.project("", hello={})
    with workshop.started() as running:
        done = workshop.run("doctor", "--json")
        about = next(f for f in findings(done) if f["topic"] == "emulator")
        assert about["state"] == f"runs at {running.endpoint['url']}"


# --- completion ---


@pytest.fixture
def shell_workshop(workshop):
    """A project and a `fclocal` in PATH, as a user has it."""
    workshop.project("", **{"resize-picture": {}, "resize-video": {}, "other": {}})
    command = workshop.root / "bin" / "fclocal"
    workshop.write({"bin/fclocal": f'#!/bin/sh\nexec {COMMAND[0]} -m emulator "$@"\n'})
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    workshop.env["PATH"] = f"{command.parent}:{os.environ['PATH']}"
    return workshop


def ask(workshop: Workshop, shell: str, script: str) -> list[str]:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    argv = [found, "--norc", "--noprofile", "-c"] if shell == "bash" else [found, "-c"]
    env = workshop.environ(PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [*argv, script], cwd=workshop.root, env=env, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


# Completes a line as the shell does: it calls the function that is registered for the command.
BASH = """
eval "$(fclocal completion bash)"
words=({line})
COMP_WORDS=("${{words[@]}}") COMP_CWORD=$((${{#words[@]}} - 1))
function_of=$(complete -p fclocal | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
$function_of fclocal "${{words[-1]}}" "${{words[-2]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "fclocal completion fish | source; complete -C '{line}' | cut -f1"
# zsh's own `compadd` works only while a line is edited; here it prints what it is given (`-a NAME`: an array).
ZSH = """
autoload -Uz compinit && compinit -u -D
eval "$(fclocal completion zsh)"
compadd() {{ print -l -- "${{(P)argv[-1]}}"; }}
words=({line}) CURRENT=${{#words}}
_fclocal_completion
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fclocal sta", ["start"]),
        ("fclocal invoke resize-", ["resize-picture", "resize-video"]),
        ("fclocal invoke --wal", ["--walls"]),
        ("fclocal start other resize-v", ["resize-video"]),
        ("fclocal event show eventbridge-ra", ["eventbridge-rabbitmq"]),
        ("fclocal completion z", ["zsh"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_completes(shell_workshop, shell, line, expected):
    found = ask(shell_workshop, shell, {"bash": BASH, "fish": FISH}[shell].format(line=line))
    assert [word for word in found if word in expected] == expected and len(found) == len(expected)


def test_zsh_completes(shell_workshop):
    found = ask(shell_workshop, "zsh", ZSH.format(line="fclocal invoke resize-"))
    assert {"resize-picture", "resize-video"} <= set(found)


def test_completion_says_nothing_where_the_project_can_not_be_read(shell_workshop):
    shell_workshop.write({"s.yaml": "resources: ["})
    assert ask(shell_workshop, "bash", BASH.format(line="fclocal invoke resize-")) == []
