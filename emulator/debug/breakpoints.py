"""What the editor wants to stop at, kept for every debugger that is yet to come."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from emulator.debug.edits import moved
from emulator.debug.lines import source_of, unknown, verify

Json = dict[str, Any]


class FileBreakpoints(Struct):
    """Those of one file: `asked` by the editor for lines of `text`, which the file was then; our ids; `specs` and
    `shown` as they are in the text that was `seen` last, and what the editor has `heard` of them.

    When the file is edited they go along with the code, and have `followed`: editors move their own marks too, in their
    own time, so that none must be told of a line until it tells us.
    """

    source: Json
    asked: Sequence[Json]
    ids: Sequence[int]
    text: str
    specs: Sequence[Json] = ()
    shown: list[Json] = field(default_factory=list)
    heard: Sequence[Json] = ()
    seen: str = ""
    followed: bool = False

    @property
    def is_inside(self) -> bool:
        """The editor has the file from an instance, and its path is one of the image's."""
        return bool(self.source.get("sourceReference"))

    def follow(self, path: str) -> None:
        """Go along with the code if it has moved since."""
        text = "" if self.is_inside else source_of(path)
        if text and text != self.seen:
            self.seen, self.followed = text, bool(self.text) and text != self.text
            lines = [int(spec.get("line", 0)) for spec in self.asked]
            now = moved(self.text, text, lines) if self.followed else lines
            self.specs = [{**spec, "line": line} for spec, line in zip(self.asked, now, strict=True)]
            self.verify(path)

    def verify(self, path: str) -> None:
        lines = [int(spec.get("line", 0)) for spec in self.specs]
        self.shown = [
            {"id": number, "verified": found.verified, "line": found.line, "source": self.source}
            | ({"message": found.message} if found.message else {})
            for number, found in zip(self.ids, unknown(lines) if self.is_inside else verify(path, lines), strict=True)
        ]

    def wanted(self) -> list[Json]:
        """As a debugger is to set them: where the editor was told that they are, since each moves them its own way."""
        found = zip(self.specs, self.shown, strict=True)
        return [{**spec, "line": shown["line"]} if shown["verified"] else spec for spec, shown in found]

    def note(self, answers: Sequence[object]) -> Mapping[int, int]:
        """Take in what a debugger made of them; its ids, each with ours. A breakpoint that one instance has stopped
        at, or could, is not grey because another has not loaded the file."""
        ids: dict[int, int] = {}
        for index, answer in zip(range(len(self.ids)), answers, strict=False):
            if not isinstance(answer, dict):
                continue
            if isinstance(answer.get("id"), int):
                ids[answer["id"]] = self.ids[index]
            if answer.get("verified"):
                line = answer.get("line", self.shown[index]["line"])
                self.shown[index] = {"id": self.ids[index], "verified": True, "line": line, "source": self.source}
        return ids


class Breakpoints:
    """`functions` and `exceptions` are the arguments of the requests that set them, None while nobody has."""

    def __init__(self) -> None:
        self._files: dict[str, FileBreakpoints] = {}
        self.functions: Json | None = None
        self.exceptions: Json | None = None
        self._numbers = itertools.count(1)

    def clear(self) -> None:
        self._files.clear()
        self.functions = self.exceptions = None

    def set_file(self, path: str, arguments: Json) -> FileBreakpoints:
        """All breakpoints of a file, in the place of those before."""
        asked = [spec for spec in arguments.get("breakpoints") or () if isinstance(spec, dict)]
        made = FileBreakpoints(arguments["source"], asked, [next(self._numbers) for _ in asked], source_of(path))
        made.specs, made.seen = asked, made.text
        made.verify(path)
        made.heard = list(made.shown)
        if asked:
            self._files[path] = made
        else:
            self._files.pop(path, None)
        return made

    @property
    def files(self) -> Mapping[str, FileBreakpoints]:
        """By path, as the files are now."""
        for path, entry in self._files.items():
            entry.follow(path)
        return self._files

    def verify_again(self) -> list[Json]:
        """Files may have changed: what an editor should be told of, which is not where the code went."""
        changed: list[Json] = []
        for entry in self.files.values():
            pairs = zip(entry.shown, entry.heard, strict=True)
            changed += [shown for shown, heard in pairs if _state(shown) != _state(heard)]
            entry.heard = list(entry.shown)
        return changed

    def told(self, shown: Json) -> Json:
        """What an editor is to hear of a breakpoint."""
        if not any(entry.followed and shown.get("id") in entry.ids for entry in self._files.values()):
            return shown
        return {key: value for key, value in shown.items() if key in ("id", "verified", "message")}

    def set_functions(self, arguments: Json) -> list[Json]:
        self.functions = arguments
        return [{"id": next(self._numbers), "verified": True} for _ in arguments.get("breakpoints") or ()]


def _state(shown: Json) -> tuple[object, object]:
    return shown["verified"], shown.get("message")
