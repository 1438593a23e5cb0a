"""The texts of the pages: both languages say everything that is asked for, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import emulator.console

STATIC = Path(emulator.console.__file__).with_name("static")
# Those that the pages put together, by their beginnings.
MADE = re.compile(r"`([a-z]+(?:\.[a-z]+)*\.)\$\{")
ASKED = re.compile(r'\bt\("([^"]+)"')


def texts(language: str) -> dict[str, str]:
    lines = (STATIC / "lang" / f"{language}.js").read_text(encoding="utf-8").splitlines()
    pairs = [json.loads("{" + line.strip().rstrip(",") + "}") for line in lines if line.startswith("  ")]
    assert len(pairs) > 100
    return {key: value for pair in pairs for key, value in pair.items()}


def scripts() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in (STATIC / "js").rglob("*.js"))


def test_both_languages_have_the_same_texts_with_the_same_places():
    english, chinese = texts("en"), texts("zh")
    assert english.keys() == chinese.keys()
    places = re.compile(r"\{\w+\}")
    for key, text in english.items():
        assert text and chinese[key], key
        assert sorted(places.findall(text)) == sorted(places.findall(chinese[key])), key


def test_every_text_is_there_and_is_used():
    source, known = scripts(), texts("en").keys()
    assert set(ASKED.findall(source)) <= known
    begun = tuple(MADE.findall(source))
    quoted = set(re.findall(r'"([\w.]+)"', source))
    assert [key for key in known if key not in quoted and not key.startswith(begun)] == []
