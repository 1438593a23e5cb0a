"""Which interpreter the product's Python functions run on, as the machine knows it."""

from __future__ import annotations

import json
from pathlib import Path

from bench.servers.base import Running, ServerFailed

# The code of a function that tells.
TELLS = """\
import json
import sys


def handler(event, context):
    return json.dumps({"python": sys.executable, "prefix": sys.base_prefix, "version": list(sys.version_info[:2])})
"""


def interpreter(product: Running, path: str = "") -> Path:
    """Asks the function at `path`; where that interpreter lies outside of the walls. Raises `ServerFailed`."""
    said = json.loads(product.call("{}", path).text)
    version = ".".join(map(str, said["version"]))
    found = Path(said["prefix"]) / "bin" / f"python{version}"
    if not found.exists():
        raise ServerFailed(f"the function's interpreter {said['python']} is not found outside the walls at {found}")
    return found
