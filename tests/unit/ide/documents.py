"""Random JSON with comments, as people write it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

LEAVES = st.none() | st.booleans() | st.integers(-9, 99999) | st.floats(-10, 10) | st.text(max_size=6)
NAMES = st.sampled_from(["name", "type", "configurations", "tasks", "version", "é", 'a"b'])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
COMMENT_TEXT = st.text(st.characters(exclude_characters="\r\n*", exclude_categories=["Cs"]), max_size=8)


@st.composite
def trivia(draw: st.DrawFn, line_break: str) -> str:
    """Blanks and comments that may stand between any two parts."""
    line = st.builds(lambda text: f"// {text}{line_break}", COMMENT_TEXT)
    block = st.builds(lambda text, more: f"/*{text}{more}*/", COMMENT_TEXT, st.sampled_from(["", line_break, "{,]"]))
    blank = st.sampled_from([" ", "  ", "\t", line_break, line_break + "    ", line_break + "\t"])
    return "".join(draw(st.lists(blank | blank | line | block, max_size=3)))


@st.composite
def written(draw: st.DrawFn, value: Any, line_break: str) -> str:
    """The value as text."""
    blank = trivia(line_break)
    if isinstance(value, dict):
        pieces = [
            f"{json.dumps(name, ensure_ascii=draw(st.booleans()))}{draw(blank)}:{draw(blank)}"
            f"{draw(written(inner, line_break))}"
            for name, inner in value.items()
        ]
        opening, closing = "{}"
    elif isinstance(value, list):
        pieces = [draw(written(inner, line_break)) for inner in value]
        opening, closing = "[]"
    else:
        return json.dumps(value)
    inside = draw(blank) + ",".join(f"{draw(blank)}{piece}{draw(blank)}" for piece in pieces)
    if pieces and draw(st.booleans()):
        inside += "," + draw(blank)
    return opening + inside + closing


@st.composite
def documents(draw: st.DrawFn, values: st.SearchStrategy[Any] = VALUES) -> tuple[str, Any]:
    """A file and what it means; `configurations` of the root is often an array of objects with names."""
    value = draw(values)
    line_break = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    mark = draw(st.sampled_from(["", "", "\ufeff"]))
    return mark + draw(trivia(line_break)) + draw(written(value, line_break)) + draw(trivia(line_break)), value


ENTRIES = st.fixed_dictionaries(
    {"name": st.sampled_from(["ours", "a", "b"])}, optional={"port": LEAVES, "type": VALUES}
)
LAUNCH_FILES = documents(
    st.fixed_dictionaries({}, optional={"version": LEAVES, "configurations": st.lists(ENTRIES | VALUES, max_size=4)})
)
