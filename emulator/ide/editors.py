"""The editors that fclocal knows, by the names that the command line has for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emulator.ide import helix, nvim, pycharm, vscode, zed
from emulator.ide.setup import Editor

EDITORS: Mapping[str, Editor] = MappingProxyType(
    {
        "vscode": vscode.EDITOR,
        "pycharm": pycharm.EDITOR,
        "nvim": nvim.EDITOR,
        "zed": zed.EDITOR,
        "helix": helix.EDITOR,
    }
)
