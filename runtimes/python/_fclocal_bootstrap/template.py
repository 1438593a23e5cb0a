# -*- coding: utf-8 -*-
"""A template: an interpreter that has loaded what instances need, and from which they are forked (docs/zygote.md).

It imports, and never computes. Python 3 only. What it is asked comes on the connection that it accepts first; each
instance has a channel of its own to the emulator, see docs/zygote.md for what is said there.
"""

import os
import sys

import _socket as socket

from . import holes, server, standard  # noqa: F401 - a fork goes on in `server`

# What an instance that is started by itself has loaded by now.
BEFORE = frozenset(sys.modules)

# Of the order that it begins with, what is needed when it has loaded everything.
KEPT = ("walled", "network", "user", "sh", "sleep")
SAFE_FD = 64


def run():
    """Serves until its owner is gone. Returns in an instance, whose environment and walls are made."""
    standard.guard()
    standard.isolated(_load_parts)
    ours = {name for name in set(sys.modules) - BEFORE if not name.startswith(__package__)}
    from . import orders, warden

    connection = _accept()
    order = orders.read(connection)
    if order["walled"]:
        _settle()
    environ = _load(connection, order)
    ours.difference_update(order["known"])
    standard.preloaded.update(sys.modules.keys() - ours)
    # What a fork would let go of, it would first have to have for itself: thousands of names.
    order = {name: order[name] for name in KEPT if name in order}
    _keep_still()
    if order["walled"]:
        _make_home(connection, order)
    warden.Warden(connection, order, environ).serve()
    _forget(ours)
    name = next(reversed(sys.modules))
    standard.newest = name, id(sys.modules[name])


def _load(connection, order):
    """Loads what it is to load, and tells that. Returns what that has set in the environment."""
    from . import orders, preload, warden

    report = preload.load(order, BEFORE, lambda name: connection.sendall(("i%s\n" % name).encode()))
    connection.sendall(b"r" + orders.json_module().dumps(report).encode() + b"\n")
    if "names" not in report:
        os._exit(warden.FAILED)
    return report["environ"]


def _accept():
    """The one connection, out of the way of the numbers that an instance's descriptors have."""
    import fcntl

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, 3)
    found = socket.socket(listener.family, listener.type, 0, listener._accept()[0])
    found.setblocking(True)
    high = fcntl.fcntl(found.fileno(), fcntl.F_DUPFD_CLOEXEC, SAFE_FD)
    found.close()
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nothing, listener.detach(), inheritable=False)  # nothing that is imported gets number 3
    os.close(nothing)
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, high)


def _load_parts():
    """Whatever is needed in a fork is loaded before, so that its forks share it."""
    from . import furnish, instance, left, orders, pages, preload, probe, rights, trace, trace_tell, warden  # noqa: F401


def _settle():
    """With the rights that bubblewrap left for this: a view of processes that can be made again, then no rights.

    The right to set file capabilities stays, without which no user namespace below could have a root
    (user_namespaces(7)). Nothing is mounted here that would heed such capabilities.
    """
    from . import rights

    rights.mount("proc", "/proc", "proc", rights.MS_NO_SUID | rights.MS_NO_DEV | rights.MS_NO_EXEC)
    rights.no_new_rights()
    rights.drop_capabilities(kept=rights.SET_FILE_CAPABILITIES)


def _make_home(connection, order):
    """Goes on in a process that may make namespaces: the first in those of its own, in a user namespace below ours.

    The template proper has only to be there from now on. It could not do this itself, since libraries may have started
    threads in it; and a process can only come back to namespaces over which it has rights.
    """
    from . import rights

    rights.adopt_orphans()
    child = os.fork()
    if child:
        connection.close()
        while os.wait()[0] == child:
            pass
        os._exit(0)
    own = rights.NEW_FILES | rights.NEW_PIDS | rights.NEW_IPC | rights.NEW_NAME
    rights.new_user(own | (rights.NEW_NETWORK if order["network"] else 0), order["user"])
    if os.fork():
        os._exit(0)
    rights.drop_bound()
    rights.mount(None, "/", None, rights.MS_RECURSIVE | rights.MS_PRIVATE)


def _keep_still():
    """What is shared stays so as long as nobody touches it: the garbage collector would, and new objects in between."""
    import gc

    gc.collect()
    standard.fillers = holes.fill()
    gc.freeze()


def _forget(names):
    """What was loaded for our own sake: an import of it by user code must do what it does elsewhere."""
    for name in names:
        sys.modules.pop(name, None)
