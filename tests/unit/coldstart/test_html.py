"""The report's page as text: one file that needs nobody."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import emulator.coldstart.report.html as made
from emulator import __version__
from emulator.coldstart.compare import compare
from emulator.coldstart.report.payload import Side
from emulator.coldstart.report.sides import WARM_UP, side_of
from emulator.coldstart.study import Conditions, study_of
from emulator.coldstart.summary import KINDS, Summary, summarize
from emulator.model.coldstart import ColdStart
from tests.support.coldstarts import cold_start, several

ASSETS = Path(made.__file__).parent / "page"
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def summary(runs: list[ColdStart]) -> Summary:
    found = summarize(runs)
    assert found is not None
    return found


def page(*runs: ColdStart, name: str = "working tree") -> str:
    return made.html_report([Side(name, summary(list(runs) or several()))])


def test_it_loads_nothing():
    text = page()
    assert (
        re.findall(
            r"(?:src|href)=\"(?!data:)[^\"]*\"|url\(|@import|\bimport\(|https?://(?!www\.w3\.org/2000/svg)", text
        )
        == []
    )
    assert not re.search(r"^(?:import|export) ", text, re.MULTILINE)


def test_the_policy_allows_only_what_is_in_it():
    text = page()
    for kind, element in (("style", "<style>"), ("script", '<script type="module">')):
        content = text.split(element, 1)[1].split(f"</{kind}>", 1)[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_data_can_not_end_its_element_and_stays_the_same():
    hostile = "</script><!--\u2028{style}"
    found = DATA.findall(page(cold_start(function=hostile), name=hostile))
    assert len(found) == 1 and "<" not in found[0] and "\u2028" not in found[0]
    side = json.loads(found[0])["sides"][0]
    assert (side["name"], side["function"]) == (hostile, hostile)


def test_every_word_is_there_in_both_languages_and_used():
    words = (ASSETS / "words.js").read_text()
    english, chinese = (
        dict(re.findall(r"(?:^|,|\{)\s*(\w+): \"((?:[^\"\\]|\\.)*)\"", part, re.MULTILINE))
        for part in re.split(r"const (?:EN|ZH) = ", words)[1:]
    )
    assert english.keys() == chinese.keys() and len(english) > 50
    for key, text in english.items():
        assert text and chinese[key], key
        assert sorted(re.findall(r"\{\d\}", text)) == sorted(re.findall(r"\{\d\}", chinese[key])), key
    code = "".join(path.read_text() for path in ASSETS.glob("*.js") if path.name != "words.js")
    # Of what was measured, and of how, Python names the words.
    given = {"runtime", "measuredOn", "version", "machine", "limits", "event", "package_size", "package", "function"}
    given |= {*KINDS}
    assert {key for key in english.keys() - given if f'"{key}"' not in code} == set()


def test_all_scripts_of_the_folder_are_a_part_of_the_page():
    assert sorted(made.SCRIPTS) == sorted(path.name for path in ASSETS.glob("*.js"))


def test_two_studies_are_told_with_what_changed_for_certain_first():
    runs = [several(tuple(factor * (1 + n / 200) for n in range(10))) for factor in (1.0, 1.1)]
    found = compare(*runs, ("git:main", "this code"), paired=True)
    sides = [Side(name, summary(its)) for name, its in zip(("git:main", "this code"), runs, strict=True)]
    text = made.html_report(sides, (), found)
    told = json.loads(DATA.findall(text)[0])
    assert told["verdict"]["en"].startswith("this code is 10 % slower") and "慢 10 %" in told["verdict"]["zh"]
    assert [(it["kind"], it["name"], it["certain"]) for it in told["changes"][:2]] == [
        ("phase", "load", True),
        ("phase", "initializer", True),
    ]
    assert all(abs(it["grew"]["estimate"]) >= 1 for it in told["changes"])


def test_the_conditions_of_a_study_are_told_and_a_study_without_runs_is_no_side():
    conditions = Conditions("detect", "python3.10", b"{}", {"cache": "cold"}, 512, 0.5, notes=("All is quiet.",))
    side = side_of(study_of(conditions, (cold_start(),)), "this code")
    assert side is not None
    known = dict(side.conditions)
    assert (known["runtime"], known["limits"], known["version"]) == ("python3.10", "512 MB, 0.5 vCPU", __version__)
    assert known["event"].startswith("2 B, SHA-256 44136fa355b3")
    assert side.settings == (("cache", "cold"),) and side.notes == (WARM_UP, "All is quiet.")
    assert set(known) <= set(re.findall(r"(\w+): \"", (ASSETS / "words.js").read_text()))
    assert side_of(study_of(conditions, (cold_start(error="crashed"),), "crashed"), "this code") is None
