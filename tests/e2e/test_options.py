"""What the emulator's options say reaches the functions."""

from __future__ import annotations

import json

import pytest

from tests.support.command import Workshop

CODE = """
import os

def handler(event, context):
    names = {"context": context}
    exec(event.decode(), globals(), names)
    return names["result"]
"""
SHOWN = "result = [context.account_id, os.environ['FC_ACCOUNT_ID'], os.environ['MINE'], os.environ.get('STAGE')]"


def test_one_account_everywhere(workshop: Workshop) -> None:
    workshop.project(CODE, hello={"environmentVariables": {"MINE": "acs:fc:${config('AccountID')}:x"}})
    done = workshop.run("invoke", "-e", SHOWN, "--account-id", "4242")
    assert json.loads(done.stdout) == ["4242", "4242", "acs:fc:4242:x", None], done.stderr
    workshop.write({".fclocal.yaml": "account_id: '77'\nenvironment: {STAGE: file, MINE: all}\n"})
    done = workshop.run("invoke", "-e", SHOWN, "--environment", "STAGE=flag")
    assert json.loads(done.stdout) == ["77", "77", "all", "flag"], done.stderr


def test_variables_of_one_function_win(workshop: Workshop) -> None:
    workshop.project(CODE, hello={}, other={})
    workshop.write(
        {".fclocal.yaml": "environment: {MINE: all}\nfunctions:\n  other:\n    environment: {MINE: 'its own'}\n"}
    )
    assert json.loads(workshop.run("invoke", "hello", "-e", SHOWN).stdout)[2] == "all"
    assert json.loads(workshop.run("invoke", "other", "-e", SHOWN).stdout)[2] == "its own"


@pytest.mark.parametrize(("flag", "code"), [("--limits", 1), ("--no-limits", 0)])
def test_limits_can_be_lifted(workshop: Workshop, flag: str, code: int) -> None:
    workshop.project(CODE, hello={"memorySize": 128})
    done = workshop.run("invoke", "-e", "a = bytearray(300 << 20); import time; time.sleep(1); result = 'fits'", flag)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("fits" in done.stdout) == (code == 0)
    assert "Memory Size: 128 MB" in done.stderr, "what the function is told does not change"


def test_strict_makes_the_code_read_only(workshop: Workshop) -> None:
    workshop.project(CODE, hello={})
    event = "open('/code/new', 'w'); result = 'written'"
    assert workshop.run("invoke", "-e", event, "--walls", "bwrap").stdout == "written"
    done = workshop.run("invoke", "-e", event, "--walls", "bwrap", "--strict")
    assert (done.returncode, json.loads(done.stdout)["errorType"]) == (1, "OSError")
