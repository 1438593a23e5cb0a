"""PyCharm and its siblings: steps for Python, and a run configuration for Node."""

from __future__ import annotations

import re
from functools import partial
from pathlib import PurePosixPath
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from emulator.ide.problems import Unreadable, at
from emulator.ide.setup import HOST, INVOKE, Editor, FileEdit, Plan, Setup

FOLDER = PurePosixPath(".idea/runConfigurations")
_PORT = re.compile(r'(?<=\sport=)("[^"]*"|\'[^\']*\')')
_OPENING = re.compile(r"<configuration\b[^>]*>")

NODE = """\
<component name="ProjectRunConfigurationManager">
  <configuration default="false" name={name} type="ChromiumRemoteDebugType" factoryName="Chromium Remote" \
port="{port}" restartOnDisconnect="true">
    <method v="2" />
  </configuration>
</component>
"""


def put_node(setup: Setup, text: str) -> str:
    """A new file, or the port in an existing one. Raises `Unreadable`."""
    if not text.strip("\ufeff \t\r\n"):
        return text + NODE.format(name=quoteattr(setup.name("Node (all functions)")), port=setup.ports.node)
    try:
        ElementTree.fromstring(text.lstrip("\ufeff"))  # noqa: S314 - is only looked at; expat has no external entities
    except ElementTree.ParseError as error:
        line, column = error.position
        raise Unreadable(line, column + 1, "is no XML that can be read") from None
    opening = _OPENING.search(text)
    port = _PORT.search(text, opening.start(), opening.end()) if opening else None
    if port is None:
        raise at(text, opening.start() if opening else 0, "there is no `port` in this run configuration")
    return text[: port.start()] + f'"{setup.ports.node}"' + text[port.end() :]


def plan(setup: Setup) -> Plan:
    """PyCharm's type id for `Attach to DAP` is not documented, so that its configuration is made by hand, once."""
    name = re.sub(r"\W+", "_", setup.name("Node (all functions)")).strip("_")
    edits = (FileEdit(FOLDER / f"{name}.xml", partial(put_node, setup)),) if setup.has_node else ()
    attach = (
        "Run › Edit Configurations › + › Attach to DAP (PyCharm 2025.3 or later)",
        f"Remote address: {HOST}:{setup.ports.python}. Leave the remote project path empty: fclocal maps the paths",
        "set a breakpoint, and start that configuration by Debug",
    )
    node = ("for Node: choose the configuration that was written, and start it by Debug",)
    return Plan(
        edits,
        (
            "start the emulator: fclocal start",
            *(attach if setup.has_python else ()),
            *(node if setup.has_node else ()),
            INVOKE,
        ),
    )


EDITOR = Editor("PyCharm", ".idea", plan)
