"""What the files of every editor are made from, and what is to be done with a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

from emulator.config.debug_ports import DebugPorts

HOST = "127.0.0.1"
# The last step, whichever the editor.
INVOKE = "call the function, in a terminal by: fclocal invoke"


class Setup(Struct, frozen=True):
    """One project in one workspace of an editor.

    `folder` is the project's, relative to the workspace (`.` for the workspace itself). `command` starts fclocal, and
    `template` names the project file where it is not the one that fclocal finds by itself. `stop` asks for an emulator
    that ends with the debug session.
    """

    folder: PurePosixPath
    ports: DebugPorts
    command: tuple[str, ...]
    has_python: bool = True
    has_node: bool = False
    template: str = ""
    stop: bool = False

    def name(self, what: str) -> str:
        """The name of an entry; where the project is not the workspace, it tells the project from its neighbours."""
        return f"FC: {what}" if self.folder == PurePosixPath() else f"FC: {what} ({self.folder})"

    @property
    def python_name(self) -> str:
        return self.name("Python (all functions)")

    @property
    def python_attach(self) -> dict[str, Any]:
        """For debugpy, as VS Code has named its settings. No `pathMappings`: the router maps the paths of each instance
        by itself."""
        return {"request": "attach", "connect": {"host": HOST, "port": self.ports.python}, "justMyCode": True}

    def arguments(self, *words: str) -> list[str]:
        """The arguments of `command` for a command of fclocal on this project."""
        return [*self.command[1:], *words, *(("--template", self.template) if self.template else ())]


class FileEdit(Struct, frozen=True):
    """A file, relative to the workspace, and what becomes of its text; `edit` raises `Unreadable`."""

    path: PurePosixPath
    edit: Callable[[str], str]


class Plan(Struct, frozen=True):
    """What one editor needs: its files, and what is left for the person to do, step by step."""

    edits: tuple[FileEdit, ...]
    steps: tuple[str, ...]


class Editor(Struct, frozen=True):
    """An editor by its name; `folder` is where it keeps files beside a project, and shows where its workspace is."""

    title: str
    folder: str
    plan: Callable[[Setup], Plan]


def workspace_of(project: Path, editor_folder: str, home: Path) -> Path:
    """The nearest folder, `project` or above, that the editor or git calls its own; else `project`.

    The home folder is none: editors keep their own settings there under the same names.
    """
    for folder in (project, *project.parents):
        if folder == home:
            break
        if (folder / editor_folder).is_dir() or (folder / ".git").exists():
            return folder
    return project
