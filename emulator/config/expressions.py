"""The grammar of `${...}`: splits a text into literal pieces and expressions. Pure, and blind to what names mean."""

from __future__ import annotations

import re

from msgspec import Struct

_CALL = re.compile(r"([A-Za-z]\w*)\s*\((.*)\)\s*\Z", re.DOTALL)
_PATH = re.compile(r"[\w@$-]+(?:\.[\w@$/-]+|\[\d+\])*\Z")
_STEP = re.compile(r"[^.\[\]]+")
_BRACE = re.compile(r"[{}]")
MAX_NESTING = 16
MAX_LENGTH = 4096


class Literal(Struct, frozen=True):
    text: str


class Call(Struct, frozen=True):
    """A function call; its name is lower case, since edition 1 wrote `${Env(X)}`."""

    function: str
    arguments: tuple[Expression, ...]
    source: str


class Reference(Struct, frozen=True):
    """A dotted path such as `vars.region`."""

    path: tuple[str, ...]
    source: str


Expression = Literal | Call | Reference


def has_expression(text: str) -> bool:
    return "${" in text


def split(text: str) -> list[str | tuple[str]]:
    """Pieces of a text: literal ones as they are, the inner text of each `${...}` in a 1-tuple.

    `$${x}` is an escape for a literal `${x}`. Braces nest; what is not closed is literal.
    """
    pieces: list[str | tuple[str]] = []
    start = 0
    while (mark := text.find("${", start)) >= 0:
        end = _closing(text, mark + 2)
        if end < 0:
            break
        if mark > start and text[mark - 1] == "$":
            pieces.append(text[start : mark - 1] + text[mark : end + 1])
        else:
            pieces += [text[start:mark], (text[mark + 2 : end],)]
        start = end + 1
    pieces.append(text[start:])
    return [piece for piece in pieces if piece != ""]


def _closing(text: str, start: int) -> int:
    depth = 1
    for match in _BRACE.finditer(text, start):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.start()
    return -1


def parse(source: str, depth: int = 0) -> Expression | None:
    """One expression, without its `${}`; None where it is none of the known forms."""
    text = source.strip()
    if depth > MAX_NESTING or len(text) > MAX_LENGTH:
        return None
    if call := _CALL.match(text):
        arguments = [_argument(part, depth + 1) for part in _arguments(call[2])]
        return Call(call[1].lower(), tuple(arguments), text)
    if _PATH.match(text):
        return Reference(tuple(_STEP.findall(text)), text)
    return None


def _argument(text: str, depth: int) -> Expression:
    """Quoted text, a nested call, a nested `${...}`, or bare text as in `env(X)`."""
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"`":
        return Literal(text[1:-1])
    if text.startswith("${") and text.endswith("}"):
        return parse(text[2:-1], depth) or Literal(text)
    if _CALL.match(text):
        return parse(text, depth) or Literal(text)
    if _PATH.match(text) and text.split(".")[0] in ("vars", "this", "resources", "services"):
        return Reference(tuple(_STEP.findall(text)), text)
    return Literal(text)


def _arguments(text: str) -> list[str]:
    """Split at commas that stand outside of quotes and brackets."""
    parts: list[str] = []
    quote, depth, start = "", 0, 0
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"`":
            quote = c
        elif c in "({":
            depth += 1
        elif c in ")}":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return parts if text.strip() else []
