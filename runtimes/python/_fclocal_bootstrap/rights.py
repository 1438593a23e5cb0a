# -*- coding: utf-8 -*-
"""What a forked instance asks of the kernel to be walled: namespaces, mounts, and the end of all its rights.

Only templates and what is forked from them load this. Python 3 only.
"""

import ctypes
import fcntl
import os
import struct
import sys

import _socket

MS_READ_ONLY, MS_NO_SUID, MS_NO_DEV, MS_NO_EXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_RECURSIVE, MS_PRIVATE = 32, 4096, 16384, 1 << 18
DETACH = 2
NEW_FILES, NEW_GROUPS, NEW_NAME, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NETWORK = (
    0x00020000,
    0x02000000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
SET_FILE_CAPABILITIES = 31

_PARENT_DIES, _SET_SECCOMP, _DROP_BOUND, _SUBREAPER, _NO_NEW_RIGHTS, _AMBIENT = 1, 22, 24, 36, 38, 47
_FILTER, _CLEAR_ALL = 2, 4
_CAP_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_SET_INTERFACE_FLAGS, _UP, _RUNNING = 0x8914, 0x1, 0x40
# The same numbers on every processor.
_PIDFD_OPEN, _LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 434, 444, 446
# Landlock's right to make block devices, which nobody without capabilities has anyway; from ABI 6 on, scopes.
_MAKE_BLOCK, _SCOPES, _SCOPE_ABI = 1 << 11, 3, 6


# Holds on to the interpreter's lock: nobody else is to run in between.
LIBC = ctypes.PyDLL(None, use_errno=True)


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (what, os.strerror(number)))
    return result


def unshare(flags):
    check(LIBC.unshare(flags), "unshare")


def enter(fd):
    check(LIBC.setns(fd, 0), "setns")


def mount(source, target, kind, flags, options=None):
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, options)]
    result = LIBC.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    check(result, "mount %s on %s" % (source or kind or "nothing", target))


def change_root(folder, pivot_root):
    """`folder`, a mount, becomes the root, and the old one is gone; `pivot_root` is the number of that call."""
    os.chdir(folder)
    check(LIBC.syscall(ctypes.c_long(pivot_root), b".", b"."), "pivot_root")
    check(LIBC.umount2(b".", DETACH), "umount")
    os.chdir("/")


def bring_up_loopback():
    """In a new network namespace, as bubblewrap does it (netdevice(7))."""
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        fcntl.ioctl(probe.fileno(), _SET_INTERFACE_FLAGS, struct.pack("16sH14x", b"lo", _UP | _RUNNING))
    finally:
        probe.close()


def set_host_name(name):
    raw = os.fsencode(name)
    check(LIBC.sethostname(raw, len(raw)), "sethostname")


def new_user(more=0, inside=None):
    """A user namespace of its own, in which it has the numbers `inside`, else the same as outside, and all rights over
    what is new."""
    uid, gid = os.getuid(), os.getgid()
    new_uid, new_gid = inside or (uid, gid)
    unshare(NEW_USER | more)
    write("/proc/self/uid_map", "%d %d 1" % (new_uid, uid))
    # Who has no right over groups outside may not leave groups inside (user_namespaces(7)).
    write("/proc/self/setgroups", "deny")
    write("/proc/self/gid_map", "%d %d 1" % (new_gid, gid))


def write(path, text):
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode("ascii"))
    finally:
        os.close(fd)


def drop_bound(kept=None):
    """What is executed from now on gets no capability but `kept`."""
    for number in range(_LAST_CAPABILITY + 1):
        if number != kept and LIBC.prctl(_DROP_BOUND, number, 0, 0, 0) != 0:
            break


def drop_capabilities(kept=None):
    drop_bound(kept)
    mask = 0 if kept is None else 1 << kept
    header = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0)
    check(LIBC.capset(header, (ctypes.c_uint32 * 6)(mask, mask, 0, 0, 0, 0)), "capset")
    LIBC.prctl(_AMBIENT, _CLEAR_ALL, 0, 0, 0)


def no_new_rights():
    check(LIBC.prctl(_NO_NEW_RIGHTS, 1, 0, 0, 0), "prctl")


def set_filter(code):
    """A program of classic BPF."""
    program = Program(len(code) // 8, code)
    check(LIBC.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(program), 0, 0), "seccomp")


def die_with_parent():
    check(LIBC.prctl(_PARENT_DIES, 9, 0, 0, 0), "prctl")


def adopt_orphans():
    check(LIBC.prctl(_SUBREAPER, 1, 0, 0, 0), "prctl")


def own_domain():
    """One more domain of Landlock: siblings that were forked from one template can not reach each other by it."""
    abi = LIBC.syscall(ctypes.c_long(_LANDLOCK_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint(1))
    handled = (ctypes.c_uint64 * 3)(_MAKE_BLOCK, 0, _SCOPES if abi >= _SCOPE_ABI else 0)
    size = ctypes.c_size_t(ctypes.sizeof(handled))
    ruleset = check(LIBC.syscall(ctypes.c_long(_LANDLOCK_CREATE), handled, size, ctypes.c_uint(0)), "landlock")
    try:
        check(LIBC.syscall(ctypes.c_long(_LANDLOCK_RESTRICT), ruleset, ctypes.c_uint(0)), "landlock")
    finally:
        os.close(ruleset)


def pidfd(pid):
    if sys.version_info >= (3, 9):
        return os.pidfd_open(pid)
    return check(LIBC.syscall(ctypes.c_long(_PIDFD_OPEN), pid, ctypes.c_uint(0)), "pidfd_open")


def show_environment(environ):
    """/proc/self/environ as it would be, had this process been started with `environ`, where there is room for it.

    The variables themselves must be elsewhere by now: see `template.take_environment`.
    """
    with open("/proc/self/stat", "rb") as source:
        fields = source.read().rpartition(b")")[2].split()
    begin, end = int(fields[47]), int(fields[48])
    text = b"".join(b"%s=%s\0" % (os.fsencode(name), os.fsencode(value)) for name, value in environ.items())
    if begin and len(text) <= end - begin:
        ctypes.memmove(begin, text + bytes(end - begin - len(text)), end - begin)
