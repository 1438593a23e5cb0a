"""File URLs of an instance as the editor's, and back: `/code` inside is the function's folder on the host (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import quote

from emulator.debug.cdp_maps import rewritten
from emulator.model.launch import Copy, Mount

Message = dict[str, Any]

# Keys of the protocol that hold a URL: `url` of scripts, frames and breakpoints, the others of a script alone.
_URLS = frozenset({"url", "sourceURL"})
_SOURCE_MAP = "sourceMapURL"
# What V8 matches with URLs of its own: a breakpoint's pattern, and the patterns of files to step over.
_PATTERNS = frozenset({"urlRegex", "patterns"})
# Values of the program are left as they are, whatever they look like.
_VALUES = frozenset({"value", "unserializableValue"})
_SPECIAL = re.compile(r"[^\w]")


class UrlMap:
    """Both directions for one instance. `mounts` and `copies` are those of its launch; where walls can not mount, paths
    are equal and nothing changes."""

    def __init__(self, mounts: Iterable[Mount], copies: Iterable[Copy] = ()) -> None:
        known = {copy.target.rstrip("/"): str(copy.source) for copy in copies}
        known.update((mount.target.rstrip("/"), str(mount.files[0])) for mount in mounts)
        pairs = {inside: outside for inside, outside in known.items() if inside != outside}
        urls = {file_url(inside): file_url(outside) for inside, outside in pairs.items()}
        self._outward = _replacer(urls)
        self._inward = _replacer({outside: inside for inside, outside in urls.items()})
        self._sources = _replacer(pairs | urls)
        self._patterns = [
            (_any_spelling(outside), _as_pattern(inside))
            for inside, outside in sorted(pairs.items(), key=lambda pair: len(pair[1]), reverse=True)
        ]
        self.empty = not pairs

    def outward(self, message: Message) -> Message:
        """A message of the instance, with URLs of the host."""
        return message if self.empty else cast(Message, _walk(message, self._told))

    def inward(self, message: Message) -> Message:
        """A message of the editor, with URLs as the instance knows them."""
        return message if self.empty else cast(Message, _walk(message, self._asked))

    def _told(self, key: str, text: str) -> str:
        if key == _SOURCE_MAP:
            return rewritten(self._outward(text), self._sources)
        return self._outward(text) if key in _URLS else text

    def _asked(self, key: str, text: str) -> str:
        if key in _PATTERNS:
            return self.pattern(text)
        return self._inward(text) if key in _URLS else text

    def pattern(self, pattern: str) -> str:
        """A regular expression over the host's paths as one over the instance's."""
        for spelling, inside in self._patterns:
            pattern = spelling.sub(lambda _, inside=inside: inside, pattern)  # type: ignore[misc]
        return pattern


Rewrite = Callable[[str], str]


def _walk(value: Any, rewrite: Callable[[str, str], str], key: str = "") -> Any:
    """`value` with each text as `rewrite` has it, which is told under which key it stands."""
    if isinstance(value, str):
        return rewrite(key, value)
    if isinstance(value, dict):
        return {name: item if name in _VALUES else _walk(item, rewrite, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_walk(item, rewrite, key) for item in value]
    return value


def file_url(path: str) -> str:
    """As Node.js writes it: `url.pathToFileURL` leaves these characters alone."""
    return "file://" + quote(path, safe="/!$&'()*+,;=:@~-._[]^|")


def _replacer(prefixes: dict[str, str]) -> Rewrite:
    """Replaces the longest that fits: /code/vendor may be another mount than /code."""
    if not prefixes:
        return str
    longest = sorted(prefixes, key=len, reverse=True)
    pattern = re.compile(rf"(?:{'|'.join(map(re.escape, longest))})(?=/|$)")

    def rewrite(url: str) -> str:
        found = pattern.match(url)
        return prefixes[found[0]] + url[found.end() :] if found else url

    return rewrite


def _any_spelling(path: str) -> re.Pattern[str]:
    """Finds `path` in a pattern: each character may be escaped, percent-encoded, or one of a set with its capital."""
    spelled = []
    for char in path.rstrip("/"):
        plain = re.escape(char)
        ways = [plain, rf"\\{plain}"]
        if char.isalpha() and char.isascii():
            ways.append(rf"\[(?:{char.lower()}{char.upper()}|{char.upper()}{char.lower()})\]")
        encoded = quote(char, safe="")
        if encoded != char:
            ways.append(re.escape(encoded))
            # js-debug: `(?: |%20)`
            ways.append(rf"\(\?:{plain}\|{re.escape(encoded)}\)")
        spelled.append(f"(?:{'|'.join(ways)})")
    return re.compile("".join(spelled) + r"(?=\\?/|\$|\[|\.|$)")


def _as_pattern(path: str) -> str:
    return _SPECIAL.sub(lambda found: "\\" + found[0], path.rstrip("/"))
