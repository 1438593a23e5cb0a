# -*- coding: utf-8 -*-
"""FC's error object of an exception, and our hint about a module that FC would have."""

import os
import sys

from . import standard
from .texts import message_of, readable

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def frames(tb):
    """Each frame as FC writes it: `File "…"`, `line n`, `in name`, source; without ours and the import system's."""
    import traceback

    rows = []
    for name, line, function, text in [tuple(row)[:4] for row in standard.isolated(traceback.extract_tb, tb)]:
        if name.startswith(HOME + os.sep) or name.startswith("<frozen importlib"):
            continue
        row = ['File "%s"' % name, "line %d" % line, "in %s" % function]
        rows.append(row + [readable(text)] if text else row)
    return rows


def exception_body(error, tb):
    return [("errorMessage", message_of(error)), ("errorType", type(error).__name__), ("stackTrace", frames(tb))]


def hint(error, bundled, runtime):
    """One line for a missing module that FC's runtime ships, or None. `bundled`: import name -> what installs it."""
    if not isinstance(error, ImportError) or not bundled:
        return None
    missing = getattr(error, "name", None) or str(error).replace("No module named", "").strip(" '\"")
    module = missing.partition(".")[0]
    package = bundled.get(module)
    if package is None:
        return None
    return (
        "fclocal: module '%s' ships with Function Compute's %s and is not installed here."
        " Install it with: %s -m pip install %s\n" % (module, runtime, interpreter(), package)
    )


def interpreter():
    """The path that a user can type: a virtual environment's own, else what a link inside the walls points to."""
    if getattr(sys, "base_prefix", sys.prefix) != sys.prefix:
        return sys.executable
    return os.path.realpath(sys.executable)
