"""`fclocal clock`: the platform's own timers, without waiting for them."""

from __future__ import annotations

import json
import shutil

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


def test_what_is_no_duration_is_refused(workshop: Workshop):
    for words, said in ((("advance", "6"), "unit"), (("advance",), "missing"), (("back", "6m"), "advance")):
        done = workshop.run("clock", *words)
        assert done.returncode == 2 and said in done.stderr, done.stderr
