"""Modules that FC ships in its images and this machine may lack: what bootstraps are told, and what users are."""

from __future__ import annotations

import json

from emulator.runtime.spec import RuntimeSpec


def bundled_json(spec: RuntimeSpec) -> str:
    """The modules that FC ships, as bootstraps get them in `FCLOCAL_BUNDLED`: `{"import name": "package"}`."""
    return json.dumps(dict(spec.bundled), separators=(",", ":"))


def explain_missing(spec: RuntimeSpec, module: str) -> str | None:
    """Why `module` is there in FC and not here, and what brings it; None where FC does not ship it either.

    A sub-module (`oss2.models`, `@alicloud/fc2/lib`) is explained by the package that holds it.
    """
    for name in _holders(module):
        package = spec.bundled.get(name)
        if package:
            return (
                f"Function Compute's {spec.id} runtime ships '{name}', this machine's interpreter does not: "
                f"install {package} beside the function's code, or into the interpreter"
            )
    return None


def _holders(module: str) -> tuple[str, ...]:
    parts = module.split("/")
    scoped = "/".join(parts[:2]) if module.startswith("@") else parts[0]
    return tuple(dict.fromkeys((module, scoped, scoped.split(".")[0])))
