"""`.fclocal/endpoint.json` is believed only when the very process that wrote it lives."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest

from emulator.cli.endpoint import (
    ENDPOINT_FILE,
    process_started,
    read_endpoint,
    remove_endpoint,
    this_endpoint,
    write_endpoint,
)
from emulator.cli.served import Served

HELLO = Served("hello", "fc3", "hello.localhost")


@pytest.fixture
def here(tmp_path):
    endpoint = this_endpoint("http://127.0.0.1:1234", 1234, (HELLO,), "secret")
    return tmp_path, write_endpoint(tmp_path, endpoint), endpoint


def test_it_comes_back_as_it_was_written_and_only_its_owner_reads_it(here):
    folder, path, endpoint = here
    assert read_endpoint(folder) == endpoint
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in folder.iterdir() if entry.name.startswith(".endpoint")] == []


@pytest.mark.parametrize(
    "change",
    [
        {"started": "1"},
        {"pid": 0},
        {"pid": -1},
        {"pid": "1"},
        {"port": "1234"},
        {"url": None},
        {"functions": [{"name": "x"}]},
        {"functions": "x"},
        {"pending": [1]},
        {"pending": 1},
        {"unknown": 1},
    ],
)
def test_a_file_that_somebody_else_made_is_not_believed(here, change):
    folder, path, _ = here
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert read_endpoint(folder) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_what_is_no_endpoint_at_all_is_none(tmp_path, text):
    (tmp_path / ENDPOINT_FILE).write_text(text)
    assert read_endpoint(tmp_path) is None


def test_a_zombie_is_dead():
    with subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert process_started(process.pid) == ""
    assert process_started(os.getpid()) != ""


def test_only_ones_own_file_or_a_dead_one_is_removed(here):
    folder, path, _ = here
    remove_endpoint(folder, os.getpid() + 1)
    assert path.exists()
    remove_endpoint(folder, os.getpid())
    assert not path.exists()
    path.write_text("{}")
    remove_endpoint(folder, os.getpid() + 1)
    assert not path.exists()


@pytest.mark.parametrize(
    ("served", "qualifier", "path"),
    [
        (Served("hello", "fc3"), "", "/2023-03-30/functions/hello/invocations"),
        (Served("hello", "fc3"), "prod", "/2023-03-30/functions/hello/invocations?qualifier=prod"),
        (Served("shop$pay", "fc2"), "", "/2016-08-15/services/shop/functions/pay/invocations"),
        (Served("shop$pay", "fc2"), "prod", "/2016-08-15/services/shop.prod/functions/pay/invocations"),
    ],
)
def test_a_function_is_invoked_in_its_own_api(served, qualifier, path):
    assert served.invoke_path(qualifier) == path
