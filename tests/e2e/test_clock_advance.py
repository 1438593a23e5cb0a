"""`fclocal clock`: the platform's own timers, without waiting for them."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.support.command import ROOT, Workshop


def test_six_minutes_pass_and_the_instance_is_gone_with_its_prestop_run(workshop: Workshop):
    shutil.copytree(ROOT / "samples" / "lifecycle", workshop.root, dirs_exist_ok=True)
    with workshop.started("--json", "counter") as emulator:
        assert emulator.call("counter", "1")[0] == 200
        shown = json.loads(workshop.run("clock", "--json").stdout)
        assert (shown["ahead"], shown["happened"]) == (0.0, [])
        done = workshop.run("clock", "advance", "6m")
        assert done.returncode == 0, done.stderr
        assert "6m ahead" in done.stdout and "1 instance reclaimed" in done.stdout
        emulator.until_state("stopped")
        kinds = [(e["kind"], e.get("hook") or e.get("after")) for e in emulator.events()]
        assert kinds.index(("hook_ended", "PreStop")) < kinds.index(("instance_moved", "stopped"))
        assert emulator.call("counter", "1")[0] == 200
        assert json.loads(workshop.run("clock", "--json").stdout)["ahead"] == 360.0
    refused = workshop.run("clock", "advance", "6m")
    assert refused.returncode == 2 and "fclocal start" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("advance", "6"), "'6' is no duration: write a number and its unit"),
        (("advance", "abc"), "'abc' is no duration"),
        (("advance", ""), "a duration is missing"),
        (("advance",), "is missing"),
        (("back", "6m"), "there is no `fclocal clock back`"),
        (("advance", "-6m"), "the clock only moves ahead, and not by -6m"),
        (("advance", "-.5h", "--json"), "the clock only moves ahead, and not by -.5h"),
        (("advance", "--", "-6m"), "the clock only moves ahead, and not by -6m"),
        (("advance", "0s"), "the clock only moves ahead, and not by 0s"),
    ],
)
def test_what_is_no_duration_is_refused(workshop: Workshop, words: tuple[str, ...], said: str):
    done = workshop.run("clock", *words)
    assert done.returncode == 2 and said in done.stderr and "fclocal clock advance 6m" in done.stderr, done.stderr


def test_an_option_that_there_is_not_is_still_told(workshop: Workshop):
    done = workshop.run("clock", "advance", "6m", "-x")
    assert done.returncode == 2 and "No such option" in done.stderr
