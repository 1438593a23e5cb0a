"""docs/options.md, made from the definition of the options."""

from __future__ import annotations

from pathlib import Path

from emulator.config.option import Option
from emulator.config.settings import OPTIONS
from emulator.config.settings_values import Kind

HEAD = """# Options

Made from `emulator/config/settings.py`; `python -m emulator.cli.docs` writes it again.

Every option can be given three ways. The first that is there wins: the flag, the variable, the key in
`.fclocal.yaml` beside the project file.

| flag | variable | key in `.fclocal.yaml` | default | takes | meaning |
|---|---|---|---|---|---|
"""

TAIL = """
A switch is `true` or `false`; its flag also has a `--no-` form. `--environment` takes `NAME=VALUE` and may be
repeated, `FCLOCAL_ENVIRONMENT` takes a JSON object; variables of all three come together. A relative path in
`.fclocal.yaml` starts at its folder. An unknown key is an error that names the line; so is an `FCLOCAL_*` variable
that is one slip away from a right one.

`.fclocal.yaml` may also say something of single functions: variables, which win over those for all; a `build` command
that `--build`, `fclocal build` and a change of sources run; whether a `reload` makes other instances (`restart`) or
lets the running ones `keep` what they have loaded ([keep.md](keep.md)); `walls`, processes or a container
([containers.md](containers.md)); the debugger of a program that is compiled
([debugging.md](debugging.md#custom-runtimes)):

```yaml
port: 9100
keep_alive: 60
environment:
  STAGE: local
functions:
  hello:
    environment:
      DATABASE_URL: postgresql://localhost/test
    build: make hello
  classify:
    reload: keep
    keep: [MODEL]
    walls: container
  web:
    debugger:
      command: dlv exec --headless --accept-multiclient --continue --listen=127.0.0.1:{port} /code/main
```
"""


def options_markdown() -> str:
    """The whole page."""
    return HEAD + "".join(_row(option) for option in OPTIONS.values()) + TAIL


def _row(option: Option) -> str:
    no_form = f", `--no-{option.name.replace('_', '-')}`" if option.kind is Kind.SWITCH else ""
    short = f"`{option.short}`, " if option.short else ""
    return (
        f"| {short}`{option.flag}`{no_form} | `{option.variable}` | `{option.name}` "
        f"| {_default(option)} | {_takes(option)} | {option.help} |\n"
    )


def _default(option: Option) -> str:
    match option.default:
        case bool() as value:
            return f"`{str(value).lower()}`"
        case float() as value:
            return f"`{value:g}`"
        case None:
            return "none"
        case Path() | str() | int() as value:
            return f"`{value}`"
        case _:
            return "none"


def _takes(option: Option) -> str:
    if option.choices:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    words = {
        Kind.SWITCH: "switch",
        Kind.INTEGER: "whole number",
        Kind.NUMBER: {"ms": "milliseconds", "s": "seconds"}.get(option.unit, "number"),
        Kind.PATH: "path",
        Kind.VARIABLES: "variables",
        Kind.SPEED: "`150MB/s`, `100MB/s,2ms`, `off`",
    }
    return words.get(option.kind, "text")
