"""What a Dockerfile says of the image that it would make."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.config.dockerfile import Instruction, describe, instructions, read
from emulator.model.image import Copied, Image


def image(text: str, **args: str) -> Image:
    return describe(text, "app:v1", args).image


def test_instructions_have_their_first_line_and_no_comments() -> None:
    text = """# syntax=docker/dockerfile:1
# a comment
FROM python:3.11

RUN apt-get update && \\
    # in between
    apt-get install -y curl
run <<EOF
FROM nothing
EOF
CMD ["python", "app.py"]
"""
    assert list(instructions(text)) == [
        Instruction("FROM", "python:3.11", 3),
        Instruction("RUN", "apt-get update && apt-get install -y curl", 5),
        Instruction("RUN", "<<EOF", 8),
        Instruction("CMD", '["python", "app.py"]', 11),
    ]


def test_another_escape_character() -> None:
    text = "# escape=`\nFROM base\nCMD python `\n  app.py\n"
    assert image(text).command == ("/bin/sh", "-c", "python app.py")


def test_the_command_is_json_or_for_a_shell() -> None:
    assert image('FROM x\nCMD ["gunicorn", "app:app"]').command == ("gunicorn", "app:app")
    assert image("FROM x\nCMD gunicorn app:$APP").command == ("/bin/sh", "-c", "gunicorn app:$APP")
    assert image('FROM x\nSHELL ["/bin/bash", "-c"]\nENTRYPOINT exec top').entrypoint == ("/bin/bash", "-c", "exec top")
    assert image("FROM x\nCMD one\nCMD two").command == ("/bin/sh", "-c", "two")


def test_an_entrypoint_drops_the_command_that_it_was_not_made_for() -> None:
    inherited = 'FROM a AS base\nCMD ["one"]\nFROM base\nENTRYPOINT ["two"]'
    assert (image(inherited).entrypoint, image(inherited).command) == (("two",), ())
    own = 'FROM a\nCMD ["one"]\nENTRYPOINT ["two"]'
    assert (image(own).entrypoint, image(own).command) == (("two",), ("one",))


def test_arguments_and_variables() -> None:
    text = """ARG BASE=python:3.11-slim
FROM ${BASE} AS app
ARG PORT=8000
ARG UNSET
ENV PORT=$PORT NAME="two words" EMPTY=${UNSET:-none} SET=${PORT:+yes} PRICE=\\$5
ENV OLD form of it
ENV PATH=/venv/bin:$PATH
WORKDIR /srv
WORKDIR ${NAME}
USER app:$PORT
"""
    found = describe(text, "app:v1", {"BASE": "local/python:3.12", "PORT": "9000"})
    assert found.base == "local/python:3.12"
    assert dict(found.image.environment) == {
        "PORT": "9000",
        "NAME": "two words",
        "EMPTY": "none",
        "SET": "yes",
        "PRICE": "$5",
        "OLD": "form of it",
        "PATH": "/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    assert (found.image.workdir, found.image.user) == ("/srv/two words", "app:9000")


def test_the_last_stage_counts_with_what_it_begins_with() -> None:
    text = """FROM golang AS build
WORKDIR /src
COPY . .
ENV STAGE=build
FROM alpine AS base
ENV STAGE=base
WORKDIR /app
FROM base
COPY --from=build /src/main /app/main
COPY --chown=app templates /app/templates/
CMD ["/app/main"]
"""
    found = describe(text, "app:v1", {})
    assert (found.base, found.image.workdir, dict(found.image.environment)) == ("alpine", "/app", {"STAGE": "base"})
    assert found.copied == (Copied("main", "/app/main", True), Copied("templates", "/app/templates/"))


@pytest.mark.parametrize(
    ("first", "then", "copied"),
    [
        ("COPY . .", "COPY --from=build /src /app", [Copied("", "/app", True)]),
        ("COPY . .", "COPY --from=build /src/web ./web", [Copied("web", "/app/web", True)]),
        ("COPY . .", "COPY --from=build / /all", [Copied("", "/all/src", True)]),
        ("COPY main.py pkg ./", "COPY --from=build /src .", [Copied(it, "/app/", True) for it in ("main.py", "pkg")]),
        ("COPY . .", "COPY --from=build /src/main.py .", [Copied("main.py", "/app/", True)]),
        ("COPY . .", "COPY --from=build /usr/lib/x /usr/lib/x", []),
    ],
)
def test_what_comes_through_another_stage(first: str, then: str, copied: list[Copied]) -> None:
    text = f"FROM x AS build\nWORKDIR /src\n{first}\nFROM y\nWORKDIR /app\n{then}\n"
    assert list(describe(text, "app:v1", {}).copied) == copied


@pytest.mark.parametrize(
    ("line", "copied"),
    [
        ("COPY . .", [Copied("", "/app")]),
        ("COPY ./ /srv/", [Copied("", "/srv")]),
        ("COPY app.py model.pkl ./", [Copied("app.py", "/app/"), Copied("model.pkl", "/app/")]),
        ('COPY ["my file.py", "/app/main.py"]', [Copied("my file.py", "/app/main.py")]),
        ("COPY requirements.txt /tmp/requirements.txt", [Copied("requirements.txt", "/tmp/requirements.txt")]),
        ("ADD src /app/src", [Copied("src", "/app/src")]),
        ("ADD https://example.com/x.tar.gz /x", []),
        ("COPY --from=0 /a /b", []),
        ("COPY ../secrets /b", [Copied("secrets", "/b")]),
    ],
)
def test_what_is_copied(line: str, copied: list[Copied]) -> None:
    assert list(describe(f"FROM x\nWORKDIR /app\n{line}\n", "app:v1", {}).copied) == copied


def test_nothing_and_nonsense() -> None:
    assert describe("", "app:v1", {}).image == Image("app:v1")
    assert describe('ENV\nFROM\nCMD [broken\nCOPY\nENV "a', "app:v1", {}).image.command[:2] == ("/bin/sh", "-c")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    (tmp_path / "Dockerfile").write_bytes(b"\xef\xbb\xbfFROM x\n")
    assert read(tmp_path) == "FROM x\n"
