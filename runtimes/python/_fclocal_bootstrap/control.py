# -*- coding: utf-8 -*-
"""The control channel: dials the emulator, then a thread does what it is asked (docs/bootstrap-protocol.md).

Every instance has one, and few are ever asked anything: what a command needs is imported when it comes.
"""

import os
import sys

from . import dial

PY2 = sys.version_info[0] == 2
if PY2:
    import thread as _thread
else:
    import _thread

# Command -> its module in this package, and the function in it: takes and returns what JSON calls an object.
COMMANDS = {
    "attach": ("debug", "attach"),
    "dump": ("postmortem", "dump"),
    "answer": ("control", "answer"),
    "modules": ("modules", "told"),
    "left": ("left", "told"),
    "trace": ("trace_tell", "asked"),
}
PIECE = 65536
ANSWER_SECONDS = 30.0


class Channel(object):
    """The way to the emulator. `main` is the ident of the main thread, `home` the folder that holds debugpy, `rest`
    what was read already."""

    def __init__(self, sock, settings, main=None, rest=b""):
        self._sock = sock
        self._lock = _thread.allocate_lock()
        self._rest = rest
        self._asked = {}
        self.where = settings["FCLOCAL_DEBUG"]
        self.token = settings["FCLOCAL_DEBUG_TOKEN"]
        self.home = settings.get("FCLOCAL_DEBUG_HOME", "")
        self.main = main or _thread.get_ident()
        # What a program that is not ours has imported; None where nobody notes it.
        self.imports = None
        # Called when a debugger has been loaded.
        self.on_debugged = None

    def tell(self, event):
        """An event for the emulator; lost where that is gone."""
        self._send(event)

    def ask(self, event):
        """An event, and what the emulator answers to it; empty where it does not. For any thread but the channel's."""
        asked = Asked()
        number = event["ask"] = id(asked)
        self._asked[number] = asked
        self._send(event)
        asked.lock.acquire(True, ANSWER_SECONDS)
        del self._asked[number]
        return asked.answer

    def answered(self, number, answer):
        asked = self._asked.get(number)
        if asked is not None:
            asked.settle(answer)

    def _send(self, message):
        self.send(json_module().dumps(message).encode("utf-8") + b"\n")

    def send(self, data):
        """A line that is written already."""
        try:
            with self._lock:
                self._sock.sendall(data)
        except (IOError, OSError):
            pass

    def watch_crashes(self):
        """What kills the interpreter is written to the channel by C code, as text between its lines: which thread was
        where. The same for a signal, since code that never lets go of the interpreter answers no command."""
        try:
            import _signal
            import faulthandler
        except ImportError:
            return  # 2.7
        if not faulthandler.is_enabled():  # else the user has it write elsewhere
            faulthandler.enable(self._sock.fileno(), True)
            if hasattr(_signal, "SIGRTMAX"):
                faulthandler.register(_signal.SIGRTMAX - 1, self._sock.fileno(), True)

    def serve(self):
        """Reads and does commands until the emulator is gone."""
        while self.obey():
            pass
        for asked in list(self._asked.values()):
            asked.settle({})

    def obey(self):
        """Wait for one command and do it, in this thread; false where the emulator is gone."""
        while b"\n" not in self._rest:
            try:
                data = self._sock.recv(PIECE)
            except (IOError, OSError) as error:
                if error.errno == 4:  # EINTR, which 2.7 does not retry
                    continue
                return False
            if not data:
                return False
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        self._do(line)
        return True

    def _do(self, line):
        message = json_module().loads(line.decode("utf-8"))
        answer = {"id": message.pop("id", 0)}
        try:
            home, name = COMMANDS[message.pop("do", "")]
        except KeyError:
            answer["error"] = "this bootstrap does not know the command"
        else:
            try:
                answer["ok"] = getattr(module(home), name)(self, message) or {}
            except BaseException as error:
                answer["error"] = "%s: %s" % (type(error).__name__, error)
        self._send(answer)


class Asked(object):
    """A question to the emulator: its lock is held until there is an answer."""

    def __init__(self):
        self.answer = {}
        self.lock = _thread.allocate_lock()
        self.lock.acquire()

    def settle(self, answer):
        self.answer = answer
        try:
            self.lock.release()
        except (RuntimeError, _thread.error):
            pass  # nobody waits any longer


def answer(channel, order):
    """The emulator's answer to a question of ours."""
    channel.answered(order.pop("to"), order)


def json_module():
    """Where this thread is the first that needs it, it imports it as if there were no user code."""
    from . import standard

    return standard.isolated(__import__, "json")


def module(name):
    """Isolated, since it may be the first that needs something of the standard library."""
    from . import standard

    full = "%s.%s" % (__name__.rpartition(".")[0], name)
    standard.isolated(__import__, full)
    return sys.modules[full]


class Breakpoint(object):
    """`breakpoint()`: stops in the editor, and is passed where there is none. The interpreter's own would read commands
    from a stdin that nobody has."""

    def __init__(self, channel):
        self._channel = channel

    def __call__(self, *args, **kwargs):
        stop_or_pass(self._channel, sys._getframe(1))


def start_hidden(run):
    """`run` in a thread that no debugger sees: pydevd puts a function of its own in the place of the interpreter's.
    Where it is loaded already, it is told of the thread before that runs a line, from which it would learn of it."""
    start = getattr(_thread, "_original_start_new_thread", _thread.start_new_thread)
    if PY2 or "pydevd" not in sys.modules:
        start(run, ())
        return
    import _operator

    gate = _thread.allocate_lock()
    gate.acquire()
    # From 3.12 on, where each thread's first line is seen, all of this is C code.
    call = getattr(_operator, "call", lambda step: step())
    ident = start(list, (map(call, (gate.acquire, run)),))
    module("debug").hide_thread(ident)
    gate.release()


def stop_or_pass(channel, frame):
    """Ask for a debugger where there is none yet."""
    from . import debug

    if not debug.attached():
        channel.ask({"event": "breakpoint", "where": {"file": frame.f_code.co_filename, "line": frame.f_lineno}})
    if debug.attached():
        debug.stop_here(frame)


def failing(error):
    """A handler has failed. Where no debugger was ever loaded, this costs a look."""
    if "pydevd" in sys.modules and not PY2:
        from . import debug

        debug.show_failure(error)


def start(settings):
    """Dial where FCLOCAL_DEBUG says, and listen to what comes; None where there is nobody."""
    where, token = settings.get("FCLOCAL_DEBUG", ""), settings.get("FCLOCAL_DEBUG_TOKEN", "")
    if not where.startswith(("unix:", "tcp:")) or not token:
        return None
    try:
        sock = dial.connect(where)
        if PY2:
            import fcntl

            fcntl.fcntl(sock.fileno(), fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        # By hand: json is not loaded yet, and most functions never need it.
        hello = '{"hello": "%s", "pid": %d, "lang": "python", "version": "%d.%d.%d", "arch": "%s", "waits": %s%s}\n'
        arch = getattr(getattr(sys, "implementation", None), "_multiarch", "")
        waits = "true" if settings.get("FCLOCAL_DEBUG_ATTACH") else "false"
        traces = ', "traces": true' if settings.get("FCLOCAL_TRACE") else ""
        told = (token, os.getpid()) + tuple(sys.version_info[:3]) + (arch, waits, traces)
        sock.sendall((hello % told).encode("ascii"))
    except (IOError, OSError):
        return None  # the emulator has just ended, or can not be reached from here
    channel = Channel(sock, settings)
    if settings.get("FCLOCAL_DEBUG_ATTACH"):
        channel.obey()  # the debugger comes first, and in this thread
    if hasattr(sys, "breakpointhook") and "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = Breakpoint(channel)
    start_hidden(channel.serve)
    return channel
