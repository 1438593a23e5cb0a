"""One browser and one emulator for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from playwright.sync_api import Browser, Page

from tests.contract.faces.faces_project import SERVER, custom, fc3
from tests.support import browser as browsers
from tests.support.command import Meeting, Running, Workshop
from tests.support.console_page import console

HANDLER = '''
import json, socket, threading

def initialize(context):
    print("opening the model")

def handler(event, context):
    asked = json.loads(event)
    print("asked for " + asked.get("name", "nothing"))
    if "meet" in asked:
        with socket.create_connection(("127.0.0.1", asked["meet"])) as sock:
            sock.sendall(b"here\\n")
            sock.makefile().readline()
    if asked.get("thread"):
        threading.Thread(target=threading.Event().wait, name="poller", daemon=True).start()
    if asked.get("fail"):
        raise ValueError("as asked")
    return {"hello": asked.get("name", "")}
'''
RESOURCES = {
    "hello": fc3(
        "hello",
        instanceLifecycleConfig={"initializer": {"handler": "index.initialize", "timeout": 30}},
        environmentVariables={"MODEL": "small", "DB_PASSWORD": "hunter2-is-secret"},
    ),
    "web": custom("web"),
}


@pytest.fixture(scope="module")
def meeting() -> Iterator[Meeting]:
    place = Meeting()
    yield place
    place.close()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory, meeting: Meeting) -> Iterator[Running]:
    workshop = Workshop(tmp_path_factory.mktemp("console"))
    project = {"edition": "3.0.0", "name": "console", "access": "default", "resources": RESOURCES}
    files = {"code/index.py": HANDLER, "code/server.py": SERVER}
    workshop.write({"s.yaml": yaml.safe_dump(project, sort_keys=False), **files})
    with workshop.started("--json") as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsers.chromium() as launched:
        yield launched


@pytest.fixture
def page(chromium: Browser, emulator: Running) -> Iterator[Page]:
    with console(chromium, emulator) as opened:
        yield opened
