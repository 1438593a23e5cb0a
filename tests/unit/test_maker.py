"""The birth of an instance: what its walls are given, and what is given back where it can not be born."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from emulator.instance.control import Switchboard
from emulator.instance.deadlines import Deadlines
from emulator.instance.debugger import NoDebugger
from emulator.instance.instance import Instance
from emulator.instance.maker import InstanceMaker, MakerOptions
from emulator.instance.templates import TemplateOptions, Templates
from emulator.journal.journal import Journal
from emulator.model.errors import StartFailed
from emulator.model.function import Account, Api, Function, FunctionName, Hook, Revision
from emulator.model.launch import Network
from emulator.model.program import CustomRuntime
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.spec import Catalog
from emulator.sandbox.housing import Housing
from tests.support.fake_walls import FakeWalls, echo


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "bootstrap").write_text("#!/bin/sh\n")
    (folder / "bootstrap").chmod(0o755)
    return folder


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


class Births:
    """A maker over walls without a process; what it made is gone when it is left."""

    def __init__(self, state_dir: Path, debugger: NoDebugger | None = None, **options: Any) -> None:
        settings = replace(MakerOptions(Account("42"), state_dir, Network.HOST, strict=False, limits=True), **options)
        self.walls = FakeWalls(echo)
        self.switchboard = Switchboard()
        self.maker = InstanceMaker(
            Housing(self.walls),
            Catalog.of(None),
            Interpreters(os.environ),
            Journal(),
            settings,
            self.switchboard,
            debugger or NoDebugger(),
            Templates(Journal(), TemplateOptions()),
        )
        self._runner = asyncio.Runner()
        self._made: list[Instance] = []

    def __enter__(self) -> Births:
        return self

    def __exit__(self, *_: object) -> None:
        for instance in self._made:
            self.maker.release(instance)
            self._runner.run(instance.sandbox.aclose())
        self._runner.close()

    def of(self, revision: Revision) -> Instance:
        async def made() -> Instance:
            return await self.maker.make(
                revision, capacity=1, provisioned=False, deadlines=Deadlines(30), changed=lambda instance: None
            )

        instance = self._runner.run(made())
        self._made.append(instance)
        return instance


def custom(code: Path | None, port: int = 9000, **fields: Any) -> Revision:
    program = CustomRuntime(port=port)
    function = Function(FunctionName("fn"), "custom.debian10", code=code, custom_runtime=program, **fields)
    return Revision(function, 1, "f", code)


def test_a_birth_that_fails_gives_its_port_back(tmp_path: Path, code: Path, port: int) -> None:
    (tmp_path / "empty").mkdir()
    with Births(tmp_path) as births:
        for _ in range(3):
            with pytest.raises(StartFailed):
                births.of(custom(tmp_path / "empty", port))
        instance = births.of(custom(code, port))
        assert instance.sandbox.launch.env["FC_SERVER_PORT"] == str(port)
        assert births.of(custom(code, port)).sandbox.launch.env["FC_SERVER_PORT"] != str(port)
        births.maker.release(instance)
        assert births.of(custom(code, port)).sandbox.launch.env["FC_SERVER_PORT"] == str(port)


class Attached(NoDebugger):
    """Somebody does."""

    def expect(self, instance_id: str, revision: Revision) -> bool:
        return True


@pytest.mark.parametrize(
    ("alone", "debugger", "trace", "asked"),
    [
        (False, None, "1", "1"),
        (True, None, "1", "modules"),
        (True, Attached(), "1", "1"),
        (True, None, "usage", "usage"),
        (True, None, "", None),
    ],
)
def test_the_text_of_modules_is_changed_only_where_a_cold_start_is_measured(
    tmp_path: Path, code: Path, alone: bool, debugger: NoDebugger | None, trace: str, asked: str | None
) -> None:
    revision = Revision(Function(FunctionName("fn"), "python3.10", code=code, handler="index.handler"), 1, "f", code)
    with Births(tmp_path, debugger, trace=trace) as births:
        births.switchboard.path = tmp_path / "debug.sock"  # as if it listened there
        launch = births.of(replace(revision, alone=alone)).sandbox.launch
    assert launch.env.get("FCLOCAL_TRACE") == asked


@pytest.mark.parametrize("limits", [True, False])
def test_limits_are_an_option(tmp_path: Path, code: Path, limits: bool) -> None:
    with Births(tmp_path, limits=limits) as births:
        launch = births.of(custom(code, memory_mb=256, cpu=0.5)).sandbox.launch
    wanted = (256, 0.5, 512) if limits else (None, None, None)
    assert (launch.memory_mb, launch.cpu, launch.disk_mb) == wanted
    assert launch.env["FC_FUNCTION_MEMORY_SIZE"] == "256"


@pytest.mark.parametrize(("runtime", "sent"), [("custom.debian10", True), ("custom.debian11", False)])
def test_requests_carry_the_token_where_the_image_has_it_in_headers(
    tmp_path: Path, code: Path, runtime: str, sent: bool
) -> None:
    revision = custom(code)
    revision = replace(revision, function=replace(revision.function, runtime=runtime))
    with Births(tmp_path) as births:
        head = births.of(revision).heads.control("POST", "/initialize", "1-2-3")
    assert b"x-fc-access-key-secret: local-access-key-secret\r\n" in head
    assert (b"x-fc-security-token: local-security-token\r\n" in head) == sent
    assert b"x-fc-account-id: 42\r\n" in head


def test_names_of_handlers_are_utf8_on_the_wire(tmp_path: Path, code: Path) -> None:
    revision = custom(code, handler="函数.handler", api=Api.FC2, initializer=Hook("函数.início\r\nx-evil: 1"))
    with Births(tmp_path) as births:
        head = births.of(revision).heads.control("POST", "/initialize", "1-2-3")
    assert "x-fc-function-handler: 函数.handler\r\n".encode() in head
    assert "x-fc-function-initializer: 函数.início  x-evil: 1\r\n".encode() in head
