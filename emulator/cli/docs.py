"""Writes the pages of docs/ that are made from the code: `python -m emulator.cli.docs [FOLDER]`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_type_hints

import click

from emulator.cli.docs_limits import limits_markdown
from emulator.cli.docs_states import states_markdown
from emulator.cli.foreign import FOREIGN
from emulator.cli.main import CRASHED, INTERRUPTED, cli
from emulator.config.settings_docs import options_markdown
from emulator.model.coldstart import FileRead, PageCache
from emulator.model.events import EVENT_TYPES, KINDS, TracedImport, TracedPhase
from emulator.model.lifecycle import State
from emulator.triggers.samples import SAMPLES

COMMANDS_HEAD = """# Commands

Made from the commands themselves; `python -m emulator.cli.docs` writes it again. The options that are also variables
and file keys are explained in [options.md](options.md).

`python -m emulator` is the same as `fclocal`.
"""

CODES = f"""
## Exit codes

| code | meaning |
|---|---|
| 0 | done; `start` was stopped in good order |
| 1 | `invoke`, `coldstart`: the function failed, its error is on stdout. `coldstart`: the budget does not hold. \
`doctor`: something can be lifted. `parity`: differences. `sweep`: no size is enough |
| 2 | it was not done: wrong usage or project file, or FC refused the call. One message says what, where and what next |
| {CRASHED} | a fault of fclocal; `.fclocal/crash-*.txt` says what happened |
| {INTERRUPTED} | Ctrl-C; SIGTERM is 143, and a closed terminal 129. What the command made is gone. `start` is ended \
so by the second one; the first stops it in good order |

A disk that is full under the output is 2 too. A fault of fclocal while it answers a request ends nothing: it is kept in
such a file as well, and the caller gets 500 `InternalServerError`, whose message names the file.

## Running emulator

While `start` runs, `.fclocal/endpoint.json` beside the project file holds `url`, `port`, `pid`, `started` (tells the
process from a later one with the same pid), `functions` (name, API and HTTP host of each) and `pending` (those whose
images are not there yet). Only its owner may read
it. It is gone after the end; a file that a killed process left is not believed.
"""

EVENTS_HEAD = """# Events

Made from `emulator/model/events.py`; `python -m emulator.cli.docs` writes it again.

`fclocal start --json` prints one JSON object a line. The first has the kind `ready`: `url`, `port`, `functions`,
`pending` (functions whose images are not there yet), and
the same moment as `at` and as `time` (Unix seconds), so that the others can be dated. `at` is a monotonic clock in
seconds. `instance_id` and `request_id` are FC's; `function` is `service$function` for FC 2.
"""


def commands_markdown() -> str:
    """docs/commands.md."""
    parts = [COMMANDS_HEAD, *(_command(path, command) for path, command in walk()), _foreign(), CODES, _samples()]
    return "".join(parts)


def events_markdown() -> str:
    """docs/events.md."""
    parts = [EVENTS_HEAD]
    for kind in EVENT_TYPES:
        doc = inspect.cleandoc(vars(kind).get("__doc__") or "")
        text = f"\n{' '.join(doc.split())}\n" if doc else ""
        rows = [f"| `{name}` | {type_} |" for name, type_ in _fields(kind).items()]
        parts.append(f"\n## {KINDS[kind]}\n{text}\n| field | type |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "".join(parts)


def walk() -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name."""
    ctx = click.Context(cli, info_name="fclocal")
    for name in cli.list_commands(ctx):
        command = cli.get_command(ctx, name)
        if isinstance(command, click.Group):
            for below in command.list_commands(ctx):
                child = command.get_command(ctx, below)
                if child is not None:
                    yield f"fclocal {name} {below}", child
        elif command is not None:
            yield f"fclocal {name}", command


def _command(path: str, command: click.Command) -> str:
    ctx = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(ctx)])
    rows = [
        f"| {', '.join(f'`{name}`' for name in [*p.opts, *p.secondary_opts])} | {_metavar(p, ctx)} | {_cell(p.help)} |"
        for p in command.params
        if isinstance(p, click.Option) and not p.hidden
    ]
    options = "\n| option | value | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n" if rows else ""
    return f"\n## {path}\n\n```\n{usage}\n```\n\n{_prose(command.help or '')}\n{options}"


def _prose(help: str) -> str:
    """Help as Markdown: what click must not wrap is code."""
    blocks = inspect.cleandoc(help).split("\n\n")
    return "\n\n".join(f"```\n{b.removeprefix(MARK)}\n```" if b.startswith(MARK) else b for b in blocks)


MARK = "\b\n"
# As a reader of the JSON stream meets them; an enumeration is one of its words.
JSON_TYPES: Mapping[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    float | None: "number or null",
    tuple[str, ...]: "list of texts",
    tuple[TracedPhase, ...]: "list of lists",
    tuple[TracedImport, ...]: "list of lists",
    tuple[FileRead, ...]: "list of objects: `path`, `size`, `read`, `mapped`, `times`, `at_ms`, `busy_ms`, `cached`",
    tuple[tuple[str, int], ...]: "list of pairs: path, bytes",
    PageCache: "object with bytes: `size`, `before`, `after`, `mapped`, `unknown`; and how many `files`",
    State: "a [state](states.md)",
}


def _metavar(option: click.Option, ctx: click.Context) -> str:
    return "" if option.is_flag else f"`{_cell(option.make_metavar(ctx))}`"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def _foreign() -> str:
    rows = [f"| {', '.join(f'`{name}`' for name in flag.names)} | {flag.instead} |" for flag in FOREIGN]
    return (
        "\n## Flags of other tools\n\n"
        "`invoke` takes the flags of `s local invoke` and `s invoke`. These it refuses:\n\n"
        "| flag | what to do here |\n|---|---|\n" + "\n".join(rows) + "\n"
    )


def _samples() -> str:
    rows = [f"| `{sample.kind}` | {sample.title} |" for sample in SAMPLES.values()]
    return "\n## Sample events\n\n| kind | event |\n|---|---|\n" + "\n".join(rows) + "\n"


def _fields(kind: type) -> Mapping[str, str]:
    return {name: JSON_TYPES.get(type_) or type_.__name__ for name, type_ in get_type_hints(kind).items()}


PAGES = {
    "commands.md": commands_markdown,
    "events.md": events_markdown,
    "limits.md": limits_markdown,
    "options.md": options_markdown,
    "states.md": states_markdown,
}


def write(folder: Path) -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
