"""The version of the installed package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def emulator_version() -> str:
    """As in pyproject.toml; from a bare checkout there is none."""
    try:
        return version("fclocal")
    except PackageNotFoundError:
        return "unknown"
