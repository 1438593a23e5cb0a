# -*- coding: utf-8 -*-
"""Loaded by the interpreter itself, before a custom runtime's program: dials the emulator as our bootstrap does.

Runs on Python 2.7 and 3.6+. What it costs is on the path of every Python process that the program starts, so all but
the connection is put off until somebody asks for something. The program sees neither the variables nor the folder;
what it starts itself inherits them.
"""

import os
import sys
import time

try:
    import _thread
except ImportError:
    import thread as _thread

HERE = os.path.dirname(os.path.abspath(__file__))
HOME = os.path.dirname(HERE)
NAMES = (
    "FCLOCAL_DEBUG",
    "FCLOCAL_DEBUG_TOKEN",
    "FCLOCAL_DEBUG_HOME",
    "FCLOCAL_DEBUG_ATTACH",
    "FCLOCAL_GPU_FRACTION",
    "FCLOCAL_TRACE",
)
now = getattr(time, "monotonic", time.time)
HELLO = '{"hello": "%s", "pid": %d, "lang": "python", "version": "%d.%d.%d", "arch": "%s", "waits": %s%s}\n'


class Forks(object):
    """A server's workers are forks of it: each dials by itself, and has a thread of its own."""

    def __init__(self, settings):
        self._settings = settings
        self._late = False
        os.register_at_fork(after_in_child=self._early)

    def debugged(self):
        """`threading` is loaded now. In a child it forgets every thread but one, so ours has to come after that, or a
        debugger would take it for the program's. Such hooks run in the order in which they were registered."""
        if not self._late:
            self._late = True
            os.register_at_fork(after_in_child=self._begin)

    def _early(self):
        if not self._late:
            self._begin()

    def _begin(self):
        begin(dict(self._settings, FCLOCAL_DEBUG_ATTACH=""), self)


class Dialled(object):
    """The connection of this process. `main` is the ident of its main thread."""

    def __init__(self, settings, forks):
        self.settings = settings
        self._forks = forks
        self.main = _thread.get_ident()
        self._channel = None
        self.sock = _connected(settings["FCLOCAL_DEBUG"])
        waits = "true" if self.waits else "false"
        arch = getattr(getattr(sys, "implementation", None), "_multiarch", "")
        traces = ', "traces": "asked"' if settings["FCLOCAL_TRACE"] else ""
        told = (settings["FCLOCAL_DEBUG_TOKEN"], os.getpid()) + tuple(sys.version_info[:3]) + (arch, waits, traces)
        self.sock.sendall((HELLO % told).encode("ascii"))

    @property
    def waits(self):
        return bool(self.settings.get("FCLOCAL_DEBUG_ATTACH"))

    def channel(self, rest=b""):
        """What does as it is asked; loaded when somebody asks."""
        if self._channel is None:
            control = _ours("control")
            self._channel = control.Channel(self.sock, self.settings, main=self.main, rest=rest)
            self._channel.imports = IMPORTS
            if self._forks is not None:
                self._channel.on_debugged = self._forks.debugged
        return self._channel

    def start(self):
        if "pydevd" in sys.modules:  # from which the thread is to be hidden
            _ours("control").start_hidden(self.channel().serve)
        else:
            _thread.start_new_thread(self.serve, ())

    def serve(self):
        data = self.sock.recv(65536)
        if data:
            self.channel(data).serve()

    def breakpoint(self, *args, **kwargs):
        _ours("control").stop_or_pass(self.channel(), sys._getframe(1))


def _connected(where):
    kind, _, path = where.partition(":")
    if kind != "unix":
        return _ours("dial").connect(where)
    import _socket  # and nothing else, for most programs are asked nothing

    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    sock.connect(path)
    return sock


def _ours(name):
    full = "_fclocal_bootstrap." + name
    if full not in sys.modules:
        sys.path.insert(0, HOME)
        try:
            __import__(full)
        finally:
            sys.path.remove(HOME)
    return sys.modules[full]


def begin(settings, forks=None):
    try:
        dialled = Dialled(settings, forks)
    except (ImportError, IOError, OSError, AttributeError):
        return  # the emulator has just ended
    if dialled.waits:
        if not hasattr(sys, "argv"):
            sys.argv = [""]  # set later; debuggers look at it when they are loaded
        dialled.channel().obey()
    if hasattr(sys, "breakpointhook") and "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = dialled.breakpoint
    dialled.start()


def taken():
    """Our variables, out of sight of the program and in those of the processes that it starts."""
    settings = {}
    for name in NAMES:
        settings[name] = os.environ.get(name, "")
        _hide(name)
    folders = [folder for folder in os.environ.get("PYTHONPATH", "").split(":") if folder and folder != HERE]
    _hide("PYTHONPATH")
    if folders and hasattr(os.environ, "_data"):
        os.environ._data[os.environ.encodekey("PYTHONPATH")] = os.environ.encodevalue(":".join(folders))
    return settings


def _hide(name):
    data = getattr(os.environ, "_data", None)
    if data is not None and hasattr(os.environ, "encodekey"):
        data.pop(os.environ.encodekey(name), None)


def imports_of(settings):
    """What notes the imports of this process, until it is asked for them; None where nobody will."""
    if not settings["FCLOCAL_TRACE"] or not settings["FCLOCAL_DEBUG_TOKEN"]:
        return None
    begin = now()
    imports = _ours("trace").Imports()
    imports.install()
    imports.installing = begin, now()
    return imports


def is_debugged_already():
    """A child of a debugged process: its debugger is on its command line, and dials by itself."""
    try:
        with open("/proc/self/cmdline", "rb") as file:
            return b"pydevd" in file.read()
    except (IOError, OSError):
        return False


def chain():
    """The program's own sitecustomize, if it has one."""
    ours = sys.modules.pop("sitecustomize", None)
    sys.path[:] = [entry for entry in sys.path if entry != HERE]
    try:
        import sitecustomize  # noqa: F401
    except ImportError as error:
        if getattr(error, "name", None) not in ("sitecustomize", None):
            raise
    finally:
        sys.modules.setdefault("sitecustomize", ours)


SETTINGS = taken()
IMPORTS = imports_of(SETTINGS)
if SETTINGS["FCLOCAL_DEBUG"] and SETTINGS["FCLOCAL_DEBUG_TOKEN"] and not is_debugged_already():
    begin(SETTINGS, Forks(SETTINGS) if hasattr(os, "register_at_fork") else None)
if SETTINGS["FCLOCAL_GPU_FRACTION"] and sys.version_info >= (3, 6):
    _ours("torch_limit").install(float(SETTINGS["FCLOCAL_GPU_FRACTION"]))
chain()
