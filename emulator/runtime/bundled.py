"""Modules that FC ships in its images and this machine may lack: what bootstraps are told of them."""

from __future__ import annotations

import json

from emulator.runtime.spec import RuntimeSpec


def bundled_json(spec: RuntimeSpec) -> str:
    """The modules that FC ships, as bootstraps get them in `FCLOCAL_BUNDLED`: `{"import name": "package"}`."""
    return json.dumps(dict(spec.bundled), separators=(",", ":"))
