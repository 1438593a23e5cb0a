"""The events of `fclocal parity`: files of a folder, each one call."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from emulator.cli.call import Call, HttpCall
from emulator.cli.payload import read_event
from emulator.model.errors import UserError
from emulator.model.function import HTTP_METHODS, Place

# A request as editors' HTTP clients write it: `GET /path`, headers, an empty line, the body.
HTTP_SUFFIX = ".http"
_HEAD_END = re.compile(rb"\r?\n\r?\n")


class Sample(Struct, frozen=True):
    """One call, by the name of its file."""

    name: str
    call: Call


def read_samples(folder: Path) -> list[Sample]:
    """In the order of their names; hidden files and folders are no events. Raises `UserError`."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise UserError(
            f"the events can not be read: {error.strerror}", "name a folder by --events", Place(str(folder))
        ) from None
    if not files:
        raise UserError(
            "there is no event in this folder", f"fclocal event show oss > {folder}/oss.json", Place(str(folder))
        )
    return [Sample(path.name, _call(path)) for path in files]


def _call(path: Path) -> Call:
    data = read_event(None, str(path), from_stdin=False, tell=_silent)
    return http_call(data, Place(str(path))) if path.suffix == HTTP_SUFFIX else Call(event=data)


def http_call(data: bytes, place: Place) -> Call:
    """The request that a file describes. Raises `UserError` where it is none."""
    head, *rest = _HEAD_END.split(data, maxsplit=1)
    try:
        first, *lines = head.decode().strip().splitlines()
    except (ValueError, UnicodeDecodeError):
        raise _no_request("", place) from None
    words = first.split()
    if len(words) not in (2, 3) or words[0].upper() not in HTTP_METHODS or not words[1].startswith("/"):
        raise _no_request(first, place)
    headers = tuple(_header(line, place) for line in lines)
    return Call(event=rest[0] if rest else b"", http=HttpCall(words[1], words[0].upper(), headers))


def _header(line: str, place: Place) -> tuple[str, str]:
    name, found, value = line.partition(":")
    if not found or not name.strip() or " " in name.strip():
        raise UserError(f"{line!r} is no header", "write 'Name: value'", place)
    return name.strip(), value.strip()


def _no_request(line: str, place: Place) -> UserError:
    step = f"write such as 'POST /path' in the first line; a method is one of {', '.join(HTTP_METHODS)}"
    return UserError(f"{line!r} is no request", step, place)


def _silent(_: str) -> None:
    pass
