"""A diary on NAS: it outlives the instance, and every instance sees the same file."""

import os
from pathlib import Path

DIARY = Path(os.environ["DIARY_FOLDER"], "diary.txt")


def handler(event, context):
    entry = event.decode("utf-8").strip()
    if not entry:
        raise ValueError("an entry needs a text")
    with DIARY.open("a", encoding="utf-8") as file:
        file.write(entry + "\n")
    return {"entries": DIARY.read_text(encoding="utf-8").splitlines()}
