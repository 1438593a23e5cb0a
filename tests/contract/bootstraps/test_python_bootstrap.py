"""What only the Python bootstrap does: stack dumps, and old syntax."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from bootstrap_harness import HERE, Bootstrap, Target
from bootstrap_vectors import message
from test_bootstraps import TARGETS

PYTHONS = [target for target in TARGETS if target.family.name == "python"]

every_python = pytest.mark.parametrize("target", PYTHONS, ids=str)


@every_python
def test_sigterm_shows_where_a_request_stands(target: Target, short_folder: Path) -> None:
    with Bootstrap(target, short_folder) as bootstrap:
        bootstrap.connect().send(message(bootstrap, "slow.waits"))
        bootstrap.wait_for_line("^waiting$")
        bootstrap.process.send_signal(signal.SIGTERM)
        assert bootstrap.process.wait(30) == 143
        text = "\n".join(bootstrap.log())
    assert re.match(r"Dumping stack trace after function timeout\nThread ", text)
    assert text.count("(most recent call last)") == 2
    assert f'File "{target.family.handlers}/slow.py"' in text
    assert "in waits" in text
    assert "in background" in text
    assert "_fclocal_bootstrap" not in text


@every_python
def test_a_child_that_user_code_ends_dies_of_it_and_says_nothing(target: Target, short_folder: Path) -> None:
    with Bootstrap(target, short_folder) as bootstrap:
        connection = bootstrap.connect()
        connection.send(message(bootstrap, "slow.ends_a_child"))
        answer = connection.receive()
        assert answer is not None and (answer.status, answer.body) == (200, b"%d" % signal.SIGTERM)
        assert "Dumping" not in "\n".join(bootstrap.log())


def test_the_bootstrap_is_readable_by_the_oldest_python() -> None:
    """The newest interpreter alone would not notice a newer syntax; where no 2.7 is installed this is what is left."""
    home = HERE.parents[2] / "runtimes" / "python"
    for path in [home / "bootstrap.py", *(home / "_fclocal_bootstrap").glob("*.py")]:
        text = path.read_text("utf-8")
        assert not re.search(r"\bf\"|\basync |\bawait |:=|\bnonlocal\b|yield from", text), path
        assert text.isascii() or text.startswith("# -*- coding: utf-8 -*-"), path
        assert len(text.splitlines()) <= 300, path
