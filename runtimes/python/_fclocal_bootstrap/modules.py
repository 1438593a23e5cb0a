# -*- coding: utf-8 -*-
"""Which modules an instance has loaded, and what they changed for others: what a template is made after."""

import os
import sys

from . import standard

# Ours, and the debugger's, which come by other ways.
NOT_TOLD = ("_fclocal_bootstrap", "debugpy", "pydevd", "_pydev", "pydev", "pydevconsole")


def told(channel, args):
    """`modules`: name and file (none for those without) in the order of their import; `path`; folders of the
    interpreter; and the environment's variables that are not as they were at the start."""
    if not hasattr(sys, "implementation"):
        return {}  # 2.7
    found = []
    for name in _names():
        module = sys.modules.get(name)
        if name == "__main__" or name in standard.preloaded or name.startswith(NOT_TOLD):
            continue
        spec = getattr(module, "__dict__", {}).get("__spec__")
        # One that is known by another name too can not be imported by that.
        if spec is not None and spec.name == name:
            found.append([name, spec.origin if spec.has_location else None])
    return {
        "modules": found,
        "path": [entry for entry in sys.path if isinstance(entry, str)],
        "prefixes": sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, standard.LIBRARY}),
        "environ": _changed(),
    }


def _names():
    """In the order of their import; in a fork only what came after it. To look at the others would copy the memory that
    they share with the template."""
    names = []
    try:
        for name in reversed(sys.modules) if standard.newest else ():
            if (name, id(sys.modules[name])) == standard.newest:
                return names[::-1]
            names.append(name)
    except (KeyError, RuntimeError):
        pass  # somebody just imports
    return list(sys.modules)


def _changed():
    with open("/proc/self/environ", "rb") as source:
        entries = source.read().split(b"\0")
    before = dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)
    now = {os.fsencode(name): os.fsencode(value) for name, value in os.environ.items()}
    return {os.fsdecode(n): os.fsdecode(v) for n, v in now.items() if before.get(n) != v and n != b"LC_CTYPE"}
