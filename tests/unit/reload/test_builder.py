"""When a build command runs again: for edits while it runs, and for what it may have made itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from emulator.model.errors import UserError
from emulator.model.function import Function, FunctionName
from emulator.reload.builder import MOST_ROUNDS, Builder

HELLO = Function(FunctionName("hello"), "custom")
Step = Callable[["Sources"], Awaitable[None]]


class Sources:
    def __init__(self) -> None:
        self.stirred = asyncio.Event()
        self.paths: set[str] = set()

    def change(self, *paths: str) -> None:
        self.paths.update(paths)
        self.stirred.set()

    def changed(self) -> set[str]:
        paths, self.paths = self.paths, set()
        return paths

    async def quiet(self) -> None:
        await asyncio.sleep(0)


class Runs:
    """What the command does, run by run; the last step is repeated."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps
        self.count = self.ended = 0
        self.sources: Sources

    async def __call__(self, function: Function, command: str, sink: Callable[[bytes], None]) -> None:
        step = self.steps[min(self.count, len(self.steps) - 1)]
        self.count += 1
        sink(f"run {self.count}".encode())
        await step(self.sources)
        self.ended += 1


def build(runs: Runs, *edits: str) -> tuple[Builder, list[str]]:
    """One build after the other, each because of one edited path; their errors."""

    async def main() -> tuple[Builder, list[str]]:
        builder, errors = Builder(runs), []
        for path in edits:
            runs.sources = Sources()
            async with asyncio.timeout(10):
                errors.append((await builder.build("make", HELLO, {path}, runs.sources)).error)
        return builder, errors

    return asyncio.run(main())


async def nothing(sources: Sources) -> None:
    pass


async def writes_a_product(sources: Sources) -> None:
    sources.change("/out/app.bin")


async def fails(sources: Sources) -> None:
    raise UserError("the build step `make` ended with exit code 2")


def test_a_command_that_changes_no_sources_runs_once() -> None:
    runs = Runs(nothing)
    _, errors = build(runs, "/src/a.c", "/src/b.c")
    assert (runs.count, errors) == (2, ["", ""])


def test_a_product_is_learned_by_a_second_run_and_none_afterwards() -> None:
    runs = Runs(writes_a_product)
    builder, errors = build(runs, "/src/a.c", "/src/a.c", "/src/b.c")
    assert (runs.count, errors) == (4, ["", "", ""])
    assert not builder.is_source("make", "/out/app.bin")
    assert builder.is_source("make", "/src/a.c")


def test_an_edit_meanwhile_ends_the_run_and_begins_another() -> None:
    async def edited(sources: Sources) -> None:
        sources.change("/src/a.c")
        await asyncio.Event().wait()

    runs = Runs(edited, nothing)
    _, errors = build(runs, "/src/a.c")
    assert (runs.count, runs.ended, errors) == (2, 1, [""])


def test_a_new_file_that_looks_like_a_source_is_never_taken_for_a_product() -> None:
    async def generates(sources: Sources) -> None:
        sources.change("/src/generated.c")

    runs = Runs(generates)
    builder, _ = build(runs, "/src/a.c")
    assert runs.count == MOST_ROUNDS
    assert builder.is_source("make", "/src/generated.c")


def test_what_changes_with_every_run_does_not_run_it_for_ever() -> None:
    """Somebody edited a product by hand: it is known as a source, and the command writes it each time."""

    async def writes(sources: Sources) -> None:
        sources.change("/out/app.bin")
        for _ in range(5):
            await asyncio.sleep(0)

    runs = Runs(writes)
    builder, errors = build(runs, "/out/app.bin")
    assert errors == [""] and runs.count <= 3 * MOST_ROUNDS
    assert not builder.is_source("make", "/out/app.bin")


def test_a_failure_ends_it_and_the_next_edit_tries_again() -> None:
    runs = Runs(fails, nothing)
    _, errors = build(runs, "/src/a.c", "/src/a.c")
    assert errors == ["the build step `make` ended with exit code 2", ""]
