# -*- coding: utf-8 -*-
"""Forks instances from what a template has loaded, and tells how each ended (docs/zygote.md)."""

import os
import sys

import _signal as signal
import _socket as socket

from . import instance, orders, pages, rights, standard

FAILED = 125


class Warden(object):
    """Forks instances, and tells how each ended.

    Behind namespaces it is a process that may make them, in a user namespace of its own.
    """

    def __init__(self, connection, order, environ):
        """`environ` is what imports have set, and would set again in each instance."""
        self._connection = connection
        self._order = order
        self._environ = environ
        self._walled = order["walled"]
        # By the main process of an instance: its channel, and the first process of its namespaces.
        self._instances = {}
        self._flags, self._home = _namespaces(order)

    def serve(self):
        """Returns in an instance."""
        signal.signal(signal.SIGCHLD, self._reap)
        while True:
            kind, fds = orders.receive(self._connection)
            if not kind:
                os._exit(0)
            # An end is not to be told before it is known whose it was.
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fds[0])
            if self._fork(channel, fds):
                return
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])

    def _fork(self, channel, fds):
        """True in the instance."""
        first = pid = 0
        try:
            if self._walled:
                rights.unshare(self._flags)
                first = self._first_process()
            pid = os.fork()
            if pid == 0:
                self._become(channel, fds)
                return True
            self._go_home()
            self._instances[pid] = channel, first
            self._introduce(channel, [it for it in (pid, first) if it])
        except Exception as error:
            self._go_home()
            if first and not pid:
                _kill(first)
            _complain(channel, error)
        for fd in fds[1:]:
            os.close(fd)
        return False

    def _go_home(self):
        for fd in self._home:
            rights.enter(fd)

    def _first_process(self):
        """Number 1 of the new namespaces, which takes children that lost their parents, and does nothing else."""
        sh, sleep = self._order["sh"], self._order["sleep"]
        script = 'trap "" CHLD; exec "$0" 2147483647'
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in range(3)]
            actions.append((os.POSIX_SPAWN_CLOSE, 3))
            return os.posix_spawn(sh, ["sh", "-c", script, sleep], {}, file_actions=actions, setsigmask=[])
        finally:
            os.close(null)

    def _introduce(self, channel, pids):
        fds = [rights.pidfd(pid) for pid in pids]
        try:
            orders.send(channel, b"p", fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _reap(self, number, frame):
        """One end after the other: a handler is interrupted by the next signal, and would take who is looked at."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        try:
            while self._reap_one():
                pass
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _reap_one(self):
        try:
            # Looked at before it is taken: until then its number, and its group's, can mean nobody else.
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        if found is None:
            return False
        self._end(found.si_pid)
        return True

    def _end(self, pid):
        channel, first = self._instances.pop(pid, (None, 0))
        if channel is not None and not first:
            _kill_group(pid)
        _, status = os.waitpid(pid, 0)
        if channel is None:
            return
        if first:
            _kill(first)
            try:
                os.waitpid(first, 0)
            except ChildProcessError:
                pass  # it was the one that somebody ended
        try:
            channel.send(b"x%d" % status)
        except OSError:
            pass
        channel.close()

    # --- in an instance ---

    def _become(self, channel, fds):
        try:
            os.setsid()
            self._leave_others()
            os.dup2(fds[1], 1)
            os.dup2(fds[1], 2)
            if len(fds) > 2:
                os.dup2(fds[2], 3)
            for fd in fds[1:]:
                os.close(fd)
            standard.isolated(self._build, channel)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
            _seed()
            channel.send(b"k")
            channel.close()
        except BaseException as error:
            _complain(channel, error)
            os._exit(FAILED)

    def _leave_others(self):
        self._connection.close()
        for other, _ in self._instances.values():
            other.close()
        self._instances.clear()

    def _build(self, channel):
        for fd in self._home:
            os.close(fd)
        parts = instance.parts(self._walled, self._environ)
        parts.prepare(orders.read(channel))
        order = orders.read(channel)
        while "pages" in order:
            pages.have(order["pages"])
            order = orders.read(channel)
        parts.finish(order)


def _namespaces(order):
    """Those that each instance gets: as flags, and our own, to come back to."""
    if not order["walled"]:
        return 0, []
    flags = rights.NEW_FILES | rights.NEW_PIDS | rights.NEW_IPC | rights.NEW_NAME
    names = ["mnt", "pid", "ipc", "uts"]
    if order["network"]:
        flags |= rights.NEW_NETWORK
        names.append("net")
    return flags, [os.open("/proc/self/ns/" + name, os.O_RDONLY | os.O_CLOEXEC) for name in names]


def _complain(channel, error):
    """To nobody where the emulator has let go of the instance meanwhile: the others must not end with it."""
    try:
        channel.send(("!%s" % error).encode("utf-8", "replace")[:4096])
    except OSError:
        pass


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


def _kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass


def _seed():
    """Its random numbers are another process's: Python's own are seeded anew by fork, numpy's are not."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()
