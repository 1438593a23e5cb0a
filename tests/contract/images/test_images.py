"""Images of a real engine: built by a Dockerfile, pulled, made of this machine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.model.errors import SandboxError
from emulator.model.function import Place
from emulator.sandbox.container.builds import BuildFailed, Context, Recipe, build
from emulator.sandbox.container.engine import Api, Engine
from emulator.sandbox.container.labels import MADE_OF
from emulator.sandbox.container.store import Stored, find, pull, remove, split
from tests.support.engine import asked, needs_engine
from tests.support.images import bare_python, with_engine
from tests.support.registry import registry

pytestmark = needs_engine


@pytest.fixture
def tag() -> Iterator[str]:
    name = f"fclocal-tests/built:{uuid.uuid4().hex[:12]}"
    yield name
    with asked() as api:
        for image in api.images(name, quiet=True):
            api.remove_image(image, force=True)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def built(folder: Path, tag: str, **args: str) -> tuple[Stored, list[str]]:
    lines: list[str] = []
    recipe = Recipe(folder, tag, {"BASE": bare_python(), **args})
    return with_engine(lambda engine: build(engine, recipe, lines.append)), lines


def in_container(image: str, *argv: str) -> str:
    with asked() as api:
        made = api.create_container(image, [*argv], host_config=api.create_host_config(network_mode="none"))
        try:
            api.start(made)
            code = api.wait(made)["StatusCode"]
            text = api.logs(made).decode()
        finally:
            api.remove_container(made, force=True)
    assert code == 0, text
    return text


def test_what_a_build_makes_is_known_with_what_it_was_made_of(tmp_path: Path, tag: str) -> None:
    (tmp_path / ".fclocal").mkdir()
    (tmp_path / ".fclocal" / "endpoint.json").write_text("a token")
    write(tmp_path, app_py="print(1)", notes_md="x", README_md="y")
    (tmp_path / ".dockerignore").write_text("# what nobody needs\n*.md\n!README.md\n")
    (tmp_path / "Dockerfile").write_text(
        'ARG BASE\nFROM ${BASE}\nARG WHO=nobody\nENV WHO=${WHO} A="b c"\nUSER 1000\nWORKDIR /app\nCOPY . .\n'
        'RUN echo "hello $WHO"\nENTRYPOINT ["python", "-u"]\nCMD ["app.py"]\n'
    )
    stored, lines = built(tmp_path, tag, WHO="me")
    image = stored.image
    assert (image.reference, image.entrypoint, image.command) == (tag, ("python", "-u"), ("app.py",))
    assert (image.workdir, image.user, image.architecture) == ("/app", "1000", "amd64")
    assert (image.environment["WHO"], image.environment["A"]) == ("me", "b c")
    assert "/usr/local/bin" in image.environment["PATH"]
    assert stored.labels[MADE_OF] == Context(tmp_path).digest({"BASE": bare_python(), "WHO": "me"})
    assert "hello me" in lines and (lines[0], lines[-1]) == ("Step 1/10 : ARG BASE", 'Step 10/10 : CMD ["app.py"]')
    seen = in_container(tag, "-c", "import os; print(sorted(os.listdir('/app')))")
    assert seen.strip() == str([".dockerignore", "Dockerfile", "README.md", "app.py"])


def test_where_a_build_failed(tmp_path: Path, tag: str) -> None:
    (tmp_path / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n\n# twice\nRUN echo before && \\\n    exit 3\n")
    with pytest.raises(BuildFailed) as failed:
        built(tmp_path, tag)
    assert failed.value.place == Place(os.path.relpath(tmp_path / "Dockerfile"), 5)
    assert "`RUN echo before &&     exit 3`: The command" in failed.value.message
    assert "returned a non-zero code: 3" in failed.value.message and failed.value.output.endswith("before")
    (tmp_path / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nRUNN echo\n")
    with pytest.raises(BuildFailed, match="unknown instruction: RUNN") as failed:
        built(tmp_path, tag)
    assert failed.value.place is not None and failed.value.place.line == 3
    (tmp_path / "Dockerfile").write_text("FROM 127.0.0.1:1/base\n")
    with pytest.raises(BuildFailed, match="connection refused") as failed:
        built(tmp_path, tag)
    assert "name a base that is here by `buildArgs`" in failed.value.next_step
    (tmp_path / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nRUN --mount=type=cache,target=/x true\n")
    with pytest.raises(BuildFailed) as failed:
        built(tmp_path, tag)
    assert f"docker build -t {tag} {tmp_path}" in failed.value.next_step


def test_a_build_that_is_given_up_ends(tmp_path: Path, tag: str) -> None:
    mark, base = uuid.uuid4().hex, bare_python()
    (tmp_path / "Dockerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\nRUN echo begun; sleep 600; echo {mark}\n")

    async def give_up(engine: Engine) -> None:
        begun = asyncio.Event()

        def tell(line: str) -> None:
            if line == "begun":
                begun.set()

        task = asyncio.ensure_future(build(engine, Recipe(tmp_path, tag, {"BASE": base}), tell))
        await begun.wait()
        assert await running(engine)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        while await running(engine):
            await asyncio.sleep(0.05)

    async def running(engine: Engine) -> bool:
        return any(mark in it["Command"] for it in await engine.call(Api.containers, all=True))

    with_engine(lambda engine: asyncio.wait_for(give_up(engine), 60))


def test_the_digest_is_of_what_takes_part(tmp_path: Path) -> None:
    write(tmp_path, Dockerfile="FROM x", app_py="1", notes_md="1", _dockerignore="*.md")
    context = Context(tmp_path)
    before = context.digest({})
    assert context.digest({"A": "1"}) != before
    (tmp_path / "notes.md").write_text("2")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "app.pyc").write_text("2")
    assert context.digest({}) == before
    (tmp_path / "app.py").chmod(0o755)
    changed = context.digest({})
    assert changed != before
    (tmp_path / "app.py").write_text("2")
    assert context.digest({}) not in (before, changed)


def test_a_pull_from_a_registry(tag: str) -> None:
    config = {"Cmd": ["/hello"], "Env": ["A=b"], "WorkingDir": "/srv"}
    with registry({"hello": b"x"}, config) as there:
        name, lines = f"{there.name}/{tag}", []
        stored = with_engine(lambda engine: pull(engine, name, lines.append))
        assert (stored.image.command, stored.image.workdir, dict(stored.image.environment)) == (
            ("/hello",),
            "/srv",
            {"A": "b"},
        )
        assert lines[0] == f"pulling {name}"
        with asked() as api:
            api.remove_image(name)
        assert with_engine(lambda engine: find(engine, name)) is None
        assert with_engine(lambda engine: remove(engine, stored.image.id))


def test_what_can_not_be_pulled() -> None:
    with pytest.raises(
        SandboxError, match=r"The image 127.0.0.1:1/none:v1 is not here and can not be pulled: .*refused"
    ) as failed:
        with_engine(lambda engine: pull(engine, "127.0.0.1:1/none:v1", lambda _: None))
    assert "docker load" in failed.value.next_step


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("app", ("app", "latest")),
        ("team/app:v1", ("team/app", "v1")),
        ("localhost:5000/app", ("localhost:5000/app", "latest")),
        ("localhost:5000/app:v1", ("localhost:5000/app", "v1")),
        (f"app@sha256:{'0' * 64}", ("app", f"sha256:{'0' * 64}")),
    ],
)
def test_repository_and_tag(reference: str, parts: tuple[str, str]) -> None:
    assert split(reference) == parts


def test_an_image_of_this_machine_has_its_interpreter_and_pip() -> None:
    code = "import ctypes, json, sqlite3, ssl, sys; print(json.dumps(sys.version_info[:2]))"
    assert json.loads(in_container(bare_python(), "python3", "-c", code)) == [*sys.version_info[:2]]
    assert "pip" in in_container(bare_python(), "sh", "-c", "pip --version && id && ls /tmp")
