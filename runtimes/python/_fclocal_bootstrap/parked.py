# -*- coding: utf-8 -*-
"""A spare: started and walled ahead of time, it becomes an instance when it is assigned (docs/zygote.md).

All of ours is loaded, and nothing of the user's. The first connection is told `p`, and brings the order, a JSON object:
`env`, variables to set, `without`, names of those to remove, and `cwd`. It is answered by `k`, or by `!` and why not.
"""

import os
import sys

from . import standard

PY2 = sys.version_info[0] == 2
PIECE = 65536


def wait(accept):
    """Returns when this process is to be the instance. Ends with whoever leaves without having given an order."""
    standard.guard()
    ours = set(sys.modules)
    json = standard.isolated(__import__, "json")
    _load_parts()
    connection = accept()
    connection.sendall(b"p")
    text = _read(connection)
    if not text:
        os._exit(1)
    try:
        _take(json.loads(text.decode("utf-8")))
    except Exception as error:
        connection.sendall(("!%s" % error).encode("utf-8"))
        os._exit(1)
    _forget(set(sys.modules) - ours)
    connection.sendall(b"k")
    connection.close()


def _read(connection):
    parts = []
    while True:
        try:
            part = connection.recv(PIECE)
        except (IOError, OSError) as error:
            if error.errno == 4:  # EINTR, which 2.7 does not retry
                continue
            os._exit(1)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _take(order):
    for name in order["without"]:
        os.environ.pop(_native(name), None)
    for name, value in order["env"].items():
        os.environ[_native(name)] = _native(value)
    os.chdir(_native(order["cwd"]))
    # Folders that come with the code were not there, and are not looked for again.
    sys.path_importer_cache.clear()


def _native(text):
    return text.encode("utf-8") if PY2 else text


def _load_parts():
    """What the first request needs, and is there in every instance."""
    from . import context, errors, wire  # noqa: F401


def _forget(names):
    """What was loaded for the order alone: an import of it by user code must do what it does elsewhere."""
    if PY2:
        return  # every instance has them (`standard.guard`), and what is let go of is emptied there
    package = __name__.rpartition(".")[0] + "."
    for name in names:
        if not name.startswith(package):
            sys.modules.pop(name, None)
