# -*- coding: utf-8 -*-
"""Listens where FCLOCAL_ENDPOINT says and serves: one loop on the main thread, or a thread for each connection."""

import os
import select
import sys
import time

from . import control, standard
from .calls import Calls, plain, take_settings
from .wire import BadRequest, Connection

PY2 = sys.version_info[0] == 2
if PY2:
    import signal
    import socket
else:
    # `socket` and `signal` load enum, selectors and more: 6 ms of each cold start, for names that are not needed.
    import _signal as signal
    import _socket as socket

START_FAILED = 129  # runtime-contract.md §2.2
TERMINATED = 143
now = getattr(time, "monotonic", time.time)


def run(began):
    """`began` is when this process began to be an instance."""
    endpoint = os.environ.get("FCLOCAL_ENDPOINT", "fd:3")
    try:
        listener = listen(endpoint)
    except (IOError, OSError, ValueError) as error:
        sys.stderr.write("fclocal: cannot listen on %s: %s\n" % (endpoint, error))
        sys.exit(START_FAILED)
    if "FCLOCAL_PARKED" in os.environ:
        from . import parked

        parked.wait(lambda: accepted(listener))
        began = now()
    settings = take_settings()
    code = os.environ.get("FC_FUNC_CODE_PATH", "/code").rstrip("/") or "/"
    standard.guard()
    channel = control.start(settings)
    recorder = None
    if channel is not None and settings.get("FCLOCAL_POSTMORTEM"):
        channel.watch_crashes()
        recorder = channel
    extend_path(code, settings)
    server = Server(listener, Calls(settings, code, recorder, loads_of(settings, code)))
    signal.signal(signal.SIGTERM, server.terminate)
    name = "python3" if not PY2 else "python2.7"
    standard.write("FunctionCompute %s runtime inited.\n" % name)
    if settings.get("FCLOCAL_LAZY") and not PY2:
        from . import lazily

        lazily.install(settings["FCLOCAL_LAZY"].split(","))
    if channel is not None and settings.get("FCLOCAL_TRACE"):
        server.watched(channel, began, settings["FCLOCAL_TRACE"])
    server.serve()


def loads_of(settings, code):
    """What notes how modules are loaded, for functions with `reload: keep`."""
    if not settings.get("FCLOCAL_KEEP") or PY2:
        return None
    from . import keep_load

    return keep_load.install(code)


def extend_path(code, settings):
    """/code, then layers, then the interpreter's own (runtime-contract.md §2.2, §7.4)."""
    layers = settings.get("FCLOCAL_LAYERS", "/opt")
    runtime = settings.get("FCLOCAL_RUNTIME", "")
    own = "python%d.%d" % sys.version_info[:2]
    named = {"python3": "python3.6"}.get(runtime, runtime or own)
    added = [code]
    # A layer is built for the runtime's version, even where another interpreter stands in for it.
    for version in (named, own) if named != own else (own,):
        added.append("%s/python/lib/%s/site-packages" % (layers, version))
    added.append(layers + "/python")
    sys.path[:] = added + [entry for entry in sys.path if entry not in added]


def listen(endpoint):
    kind, _, where = endpoint.partition(":")
    if kind == "fd":
        sock = adopt(int(where))
    elif kind == "unix":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # The emulator connects from outside of the walls, often as another user.
        mask = os.umask(0)
        try:
            sock.bind(where)
        finally:
            os.umask(mask)
        sock.listen(64)
    elif kind == "tcp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", int(where)))
        sock.listen(64)
    else:
        raise ValueError("not fd:N, unix:PATH or tcp:PORT")
    return sock


def adopt(number):
    """The inherited socket, hidden from the processes that user code starts."""
    if PY2:
        sock = socket.fromfd(number, socket.AF_UNIX, socket.SOCK_STREAM)
        os.close(number)
        close_on_exec(sock)
    else:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, number)
        os.set_inheritable(number, False)
    sock.setblocking(True)
    return sock


def close_on_exec(sock):
    import fcntl

    fcntl.fcntl(sock.fileno(), fcntl.F_SETFD, fcntl.fcntl(sock.fileno(), fcntl.F_GETFD) | fcntl.FD_CLOEXEC)


def accept(listener):
    sock = accepted(listener)
    if listener.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # User code may have called socket.setdefaulttimeout().
    sock.setblocking(True)
    return Connection(sock)


def accepted(listener):
    """The next connection, hidden from the processes that user code starts."""
    if not PY2:
        return socket.socket(listener.family, listener.type, 0, listener._accept()[0])
    sock = listener.accept()[0]
    close_on_exec(sock)
    return sock


class Server(object):
    def __init__(self, listener, calls):
        self._listener = listener
        self._calls = calls
        # One entry per running request: append and pop are atomic where threads share it.
        self._busy = []
        self._pid = os.getpid()

    def watched(self, channel, began, what):
        """Until the first answer: how this start is spent is told to the emulator."""
        measured_from = now()
        from . import trace

        trace.Trace(channel, began, what == "usage").watch(self, self._calls, self._calls.handlers, measured_from)

    def serve(self):
        if self._calls.concurrent:
            self._serve_threads()
        else:
            self._serve_one_at_a_time()

    def _serve_one_at_a_time(self):
        """Handlers run on the main thread, as in FC. A second connection does not wait for the first to close."""
        poll = select.poll()
        waiting = self._listener.fileno()
        poll.register(waiting, select.POLLIN)
        connections = {}
        while True:
            for number, _ in self._ready(poll):
                if number == waiting:
                    connection = accept(self._listener)
                    connections[connection.fileno] = connection
                    poll.register(connection.fileno, select.POLLIN)
                    continue
                connection = connections[number]
                alive = self._one(connection)
                while alive and connection.buffered:
                    alive = self._one(connection)
                if not alive:
                    poll.unregister(number)
                    del connections[number]
                    connection.close()

    def _ready(self, poll):
        while True:
            try:
                return poll.poll()
            except select.error as error:
                if error.args[0] != 4:  # EINTR, which 2.7 does not retry
                    raise

    def _serve_threads(self):
        import threading

        standard.current.by_thread = threading.local()
        while True:
            connection = accept(self._listener)
            thread = threading.Thread(target=self._converse, args=(connection,), name="fc-request")
            thread.daemon = True
            thread.start()

    def _converse(self, connection):
        try:
            while self._one(connection):
                pass
            connection.close()
        except BaseException as error:
            # In a thread, sys.exit() would end the thread only; FC loses the instance.
            if not isinstance(error, SystemExit):
                sys.excepthook(*sys.exc_info())
            standard.flush()
            os._exit(exit_code(error))

    def _one(self, connection):
        """Serves one request; true when the connection may be used again."""
        try:
            request = connection.read()
        except BadRequest as error:
            head, body = plain("400 Bad Request")
            connection.send(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), body)
            sys.stderr.write("fclocal: refused a malformed request: %s\n" % error)
            return False
        if request is None:
            return False
        self._busy.append(request.id)
        head, body = self._calls.answer(request)
        self._busy.pop()
        if not request.keep:
            head = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        return connection.send(head, body) and request.keep

    def terminate(self, number, frame):
        """SIGTERM while a request runs is its timeout: show where it stands (runtime-contract.md §2.2)."""
        if os.getpid() != self._pid:  # a process that user code forked, such as a worker of a pool that it ends
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        standard.flush()
        if self._busy:
            # Not through sys.stdout: the signal may have come in the middle of a write to it.
            os.write(1, stacks().encode("utf-8", "replace") if not PY2 else stacks())
        os._exit(TERMINATED)


def exit_code(error):
    """What the interpreter would exit with."""
    if not isinstance(error, SystemExit):
        return 1
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 255
    sys.stderr.write("%s\n" % error.code)
    return 1


def stacks():
    import traceback

    from .errors import HOME

    lines = ["Dumping stack trace after function timeout\n"]
    for ident, frame in sys._current_frames().items():
        rows = [row for row in traceback.extract_stack(frame) if not tuple(row)[0].startswith(HOME)]
        lines.append("Thread %d (most recent call last):\n" % ident)
        lines.extend(traceback.format_list(rows))
    return "".join(lines)
