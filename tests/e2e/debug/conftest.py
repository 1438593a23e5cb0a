"""One started emulator for each Python that can be debugged, and an editor that attaches to it anew in each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from node_project import NodeProject

from tests.e2e.debug.debug_functions import write_functions
from tests.support.command import Running, Workshop
from tests.support.dap_client import DapClient
from tests.support.debug_project import Calls, DebugProject, calls, pythons


@pytest.fixture(scope="module", params=pythons())
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DebugProject:
    made = DebugProject(Workshop(tmp_path_factory.mktemp("debug")), request.param)
    write_functions(made)
    return made


@pytest.fixture(scope="module")
def running(project: DebugProject) -> Iterator[Running]:
    with project.workshop.started("--json", *project.arguments) as started:
        yield started


@pytest.fixture
def invoke(running: Running) -> Iterator[Calls]:
    with calls(running) as made:
        yield made


@pytest.fixture
def editor(running: Running, invoke: Calls) -> Iterator[DapClient]:
    """Not attached yet. It is gone before the calls are waited for, so that none of them stands for ever."""
    with DapClient(int(running.endpoint["debug_port"])) as client:
        yield client


@pytest.fixture
def node(workshop: Workshop) -> NodeProject:
    return NodeProject(workshop)
