# -*- coding: utf-8 -*-
"""From a fork to an instance: its files, its environment, its limits, and then no rights any more.

`prepare` is done ahead of time in an instance that is parked, `finish` when it is given its code.
"""

import os
import resource

from . import furnish, rights


def parts(walled, environ):
    """`environ` is what the imports of the template have set there."""
    return Walled(environ) if walled else Plain(environ)


class Plain(object):
    """Where the template's own walls, if there are any, hold its forks too."""

    def __init__(self, environ):
        self._environ = environ

    def prepare(self, order):
        if order["domain"]:
            rights.own_domain()
        rights.die_with_parent()

    def finish(self, order):
        self._finish(order)

    def _finish(self, order):
        take_environment(order["env"])
        os.environ.update(self._environ)
        if order["file_kb"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_kb"] * 1024, order["file_kb"] * 1024))
        os.chdir(order["cwd"])
        if order["filter"]:
            rights.set_filter(bytes.fromhex(order["filter"]))


class Walled(Plain):
    """Behind namespaces that its parent has just made."""

    def prepare(self, order):
        self._furnisher = furnish.Furnisher(order["root"])
        self._furnisher.begin()
        self._furnisher.all(order["options"])
        if order["network"]:
            rights.bring_up_loopback()

    def finish(self, order):
        self._furnisher.all(order["options"])
        kernel = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        rights.change_root(order["root"], order["pivot_root"])
        rights.set_host_name(order["hostname"])
        try:
            rights.unshare(rights.NEW_GROUPS)
        except OSError:
            pass
        # Its own user namespace, so that what it starts is counted for it alone; and none below that.
        rights.new_user()
        _write_below(kernel, "sys/user/max_user_namespaces", b"0")
        os.close(kernel)
        rights.drop_capabilities()
        rights.no_new_rights()
        self._finish(order)


def _write_below(folder, path, text):
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)


def take_environment(environ):
    """As if this process had been started with it, for itself and for whoever looks at it from outside."""
    os.environ.clear()
    os.environ.update(environ)
    rights.show_environment(environ)
