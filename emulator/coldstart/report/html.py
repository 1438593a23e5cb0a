"""The report as one page of HTML that opens offline: no server, no request to anybody.

The page's policy forbids everything but its own script and style, by their digests: names of modules and files come
from a function, and are data wherever they end up.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from importlib.resources import files

import msgspec

from emulator.coldstart.compare import Comparison
from emulator.coldstart.evidence import Advice
from emulator.coldstart.report.payload import Side, payload

# In the order in which they need each other.
SCRIPTS = ("words.js", "dom.js", "data.js", "tables.js", "waterfall.js", "flame.js", "sections.js", "main.js")
# They are modules, each of which a browser or a test can load by itself; in the page they are one.
IMPORTS = re.compile(r"^import .*;\n", re.MULTILINE)
EXPORTS = re.compile(r"^export (?=const |function |class )", re.MULTILINE)
PLACES = re.compile(r"\{(policy|title|style|data|script)\}")


def html_report(
    sides: Sequence[Side],
    advice: Sequence[Advice] = (),
    comparison: Comparison | None = None,
) -> str:
    """The page of one side, or of two that were compared, the base first. `advice` is about the last one."""
    style, script = _asset("style.css"), _script()
    title = f"Cold start of {sides[-1].summary.typical_run.function}"
    parts = {
        "policy": _policy(style, script),
        "title": html.escape(title),
        "style": style,
        "data": embedded(msgspec.json.encode(payload(sides, advice, comparison)).decode()),
        "script": script,
    }
    return PLACES.sub(lambda place: parts[place[1]], _asset("page.html"))


def embedded(json: str) -> str:
    """JSON that can not end the element in which it stands, nor begin a comment there."""
    return json.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _policy(style: str, script: str) -> str:
    own = (f"{kind}-src 'sha256-{_digest(text)}'" for kind, text in (("style", style), ("script", script)))
    return "; ".join(["default-src 'none'", *own, "img-src data:", "base-uri 'none'", "form-action 'none'"])


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script() -> str:
    return "\n".join(EXPORTS.sub("", IMPORTS.sub("", _asset(name))) for name in SCRIPTS)


def _asset(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")
