"""Where version managers put the interpreters of each language, as data; a language not named here is still found
on PATH and with asdf and mise."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct


class VersionHome(Struct, frozen=True):
    """A folder with one sub-folder for each version. `variable` names the environment variable that moves it.

    `pattern` is globbed under it; the sub-folder is the first `*`, and its name tells the version.
    """

    manager: str
    variable: str
    default: str
    pattern: str


class Language(Struct, frozen=True):
    """`files` are the interpreter's own names beside the version (`python3.10`). `companions` are programs that come
    with it, and the module of it that runs each ("" where it is a file beside it)."""

    files: tuple[str, ...]
    homes: tuple[VersionHome, ...]
    advice: str
    companions: Mapping[str, str]


def _asdf_and_mise(plugin: str, command: str) -> tuple[VersionHome, ...]:
    return (
        VersionHome("asdf", "ASDF_DATA_DIR", "~/.asdf", f"installs/{plugin}/*/bin/{command}"),
        VersionHome("mise", "MISE_DATA_DIR", "~/.local/share/mise", f"installs/{command}/*/bin/{command}"),
    )


PYTHON = Language(
    files=("python",),
    homes=(
        VersionHome("pyenv", "PYENV_ROOT", "~/.pyenv", "versions/*/bin/python"),
        VersionHome("uv", "UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python", "*/bin/python"),
        *_asdf_and_mise("python", "python"),
    ),
    advice="`uv python install {version}` or `pyenv install {version}` brings the right one",
    companions=MappingProxyType({"pip": "pip", "pip3": "pip"}),
)
NODE = Language(
    files=("node", "nodejs"),
    homes=(
        VersionHome("nvm", "NVM_DIR", "~/.nvm", "versions/node/*/bin/node"),
        VersionHome("fnm", "FNM_DIR", "~/.local/share/fnm", "node-versions/*/installation/bin/node"),
        VersionHome("volta", "VOLTA_HOME", "~/.volta", "tools/image/node/*/bin/node"),
        *_asdf_and_mise("nodejs", "node"),
    ),
    advice="`nvm install {version}` or `fnm install {version}` brings the right one",
    companions=MappingProxyType({"npm": "", "npx": "", "corepack": ""}),
)


def language(command: str) -> Language:
    """What is known of the language whose interpreter is called `command`."""
    match command:
        case "python":
            return PYTHON
        case "node":
            return NODE
    return Language(
        files=(command,),
        homes=_asdf_and_mise(command, command),
        advice=f"`mise install {command}@{{version}}` brings the right one",
        companions=MappingProxyType({}),
    )
