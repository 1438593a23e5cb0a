"""Between a save and its revision nobody gets an answer: whoever asks knows, and waits as long as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from emulator.config.settings import Settings
from emulator.dispatch.deployments import Deployments
from emulator.journal.crashes import CrashFiles
from emulator.journal.journal import Journal
from emulator.model.errors import ConfigError, UserError
from emulator.model.events import Event, RevisionRefused
from emulator.model.function import Function, FunctionName, Place, Project
from emulator.registry.registry import Registry
from emulator.reload import reloader
from emulator.reload.home import Read
from emulator.reload.reloader import Reloader
from emulator.runtime.interpreters import Interpreter
from emulator.runtime.spec import Catalog

HELLO, OTHER = FunctionName("hello"), FunctionName("other")


class House:
    """An emulator without walls: a project of two functions, whose revisions are made and never run."""

    writes_code = False

    def __init__(self, root: Path, quiet: float) -> None:
        for name in ("hello", "other"):
            (root / name).mkdir()
            (root / name / "index.py").write_text("x = 1\n")
        (root / ".fclocal").mkdir()
        (root / "s.yaml").write_text("")
        functions = tuple(Function(name, "python3.10", code=root / name.name) for name in (HELLO, OTHER))
        self.root = root
        self.settings = Settings()
        self.project = Project(root, root / "s.yaml", functions, sources=(root / "s.yaml",))
        self.next: Project | UserError = self.project
        self.journal = Journal()
        self.events = self.journal.subscribe()
        self.registry = Registry(root / ".fclocal", self.journal)
        self.deployments = Deployments(self.registry, Catalog.of(None), self.journal, CrashFiles(root / ".fclocal"))
        for function in functions:
            self.registry.deploy(function)
        self.reloader = Reloader(self, self.registry, self.journal, root / ".fclocal", quiet)

    def read(self) -> Read:
        if isinstance(self.next, UserError):
            raise self.next
        return Read(self.settings, self.next)

    def know(self, read: Read) -> None:
        self.project = read.project

    async def build(self, function: Function, command: str, sink: Callable[[bytes], None]) -> None:
        raise AssertionError("nothing is built here")

    def interpreter_of(self, function: Function, command: str) -> Interpreter | None:
        return None

    def number(self, name: FunctionName = HELLO) -> int:
        return self.registry.resolve(name).number

    def save(self, text: str, file: str = "hello/index.py") -> None:
        (self.root / file).write_text(text)

    def refusals(self) -> list[Event]:
        return [event for event in self.events.take() if isinstance(event, RevisionRefused)]


@asynccontextmanager
async def house(root: Path, quiet: float = 0.001) -> AsyncIterator[House]:
    house = House(root.resolve(), quiet)
    house.reloader.start()
    await house.reloader.watching(30)
    await settled(house)
    async with asyncio.timeout(30):
        try:
            yield house
        finally:
            await house.reloader.aclose()


async def settled(house: House) -> None:
    """What was saved before anybody watched is taken over, too."""
    house.save("x = 1\n", "other/index.py")
    await house.reloader.refreshed(OTHER)


def test_a_save_is_known_before_the_loop_has_heard_of_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as it:
            for number in range(2, 50):
                assert it.reloader.fresh(HELLO)
                it.save(f"x = {number:03}\n")
                assert not it.reloader.fresh(HELLO)
                assert it.reloader.fresh(OTHER)
                await it.reloader.refreshed(HELLO)
                assert it.number() == number
            assert it.number(OTHER) == 1

    asyncio.run(main())


def test_a_save_while_another_is_taken_over_is_waited_for_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as it:
            waiting = []
            for number in range(20):
                it.save(f"x = {number}\n")
                waiting.append(asyncio.ensure_future(it.reloader.refreshed(HELLO)))
                await asyncio.sleep(0.001)
            await asyncio.gather(*waiting)
            package = it.registry.contents.fingerprint(it.project.functions[0], known=True)
            assert it.registry.resolve(HELLO).fingerprint == package.revision
            assert it.registry.contents.look(it.root / "hello") == set()

    asyncio.run(main())


def test_a_burst_is_one_change(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path, quiet=0.2) as it:
            for number in range(100):
                it.save("", f"hello/new{number}.py")
            await it.reloader.refreshed(HELLO)
            assert it.number() == 2

    asyncio.run(main())


def test_changes_without_a_pause_are_taken_over_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path, quiet=3600) as it:
            it.save("x = 2\n")
            await it.reloader.refreshed(HELLO)
            assert it.number() == 2

    # The settling in `house` waits for the longest burst as well.
    asyncio.run(main())


def test_all_functions_wait_while_the_project_is_read(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as it:
            hello, other = it.project.functions
            it.next = replace(it.project, functions=(replace(hello, timeout=9.0), other))
            it.save("changed", "s.yaml")
            assert not it.reloader.fresh(HELLO) and not it.reloader.fresh(OTHER)
            assert not it.reloader.fresh(FunctionName("new"))
            await it.reloader.refreshed(OTHER)
            assert (it.number(HELLO), it.number(OTHER)) == (2, 1)
            assert it.registry.resolve(HELLO).function.timeout == 9

    asyncio.run(main())


def test_a_project_that_can_not_be_read_stays_what_it_was(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as it:
            it.next = ConfigError("is no YAML", place=Place("s.yaml", 3))
            it.save("changed", "s.yaml")
            await it.reloader.refreshed(HELLO)
            assert [(event.place, event.message) for event in it.refusals()] == [("s.yaml:3", "is no YAML")]
            assert it.number() == 1

    asyncio.run(main())


def test_nobody_waits_for_ever_for_a_change_that_can_not_be_taken_over(tmp_path: Path) -> None:
    """A fault of ours is told, and the next change is taken over as if it had not been."""

    async def main() -> None:
        async with house(tmp_path) as it:
            look, it.registry.contents.look = it.registry.contents.look, None
            it.save("x = 2\n")
            await it.reloader.refreshed(HELLO)
            assert it.number() == 1
            it.registry.contents.look = look
            it.save("x = 3\n")
            await it.reloader.refreshed(HELLO)
            assert it.number() == 2
            assert [*(it.root / ".fclocal").glob("crash-*.txt")] != []

    asyncio.run(main())


def test_who_waits_shortens_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reloader, "LONGEST_BURST_SECONDS", 3600)
    monkeypatch.setattr(reloader, "WAITED_SHARE", 0.0)

    async def main() -> None:
        async with house(tmp_path, quiet=3600) as it:
            it.save("x = 2\n")
            await it.reloader.refreshed(HELLO)
            assert it.number() == 2

    asyncio.run(main())
