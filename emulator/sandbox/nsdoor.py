"""The program that goes into instances' namespaces for us. Only the standard library.

Whoever enters a user namespace can not come back, so each request is served by a fork: of this small process, since
forking the emulator would be slow and unsafe. Requests come through the unix socket at descriptor 0, with descriptors;
when that ends, so do we and everything we started.

| request | descriptors | answer |
|---|---|---|
| `sockets` COUNT | reply, namespace | that many unconnected TCP sockets of the namespace, or a text |
| `attach` ARGV… | reply, namespace, stderr, inherited | `ok` or a text; ARGV runs till the reply socket is closed |
| `room` | reply | a new network namespace, which lives till the reply socket is closed, or a text |
| `mount` (ACTION TARGET DETAIL)… | reply, namespace | `ok` or a text; it is done to the files that are seen there |
| `bring` FOLDER (ACTION TARGET DETAIL)… | reply, namespace | the same for root; DETAIL is as seen here, from FOLDER |

In ARGV `{pid}` stands for a process inside the namespace and the user namespace that owns it. `inherited` is 3 in ARGV.
ACTION is `overlay` (DETAIL: its options), `bind` (its source), `cover` (an empty folder), `read-only`, or `drop`, which
takes away a mount with all that is mounted on it, and the folder where it was. `bring` knows the first three.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn

DOOR_FD, INHERITED_FD = 0, 3
MAX_SOCKETS = 200
_NS_GET_USERNS = 0xB701
_PR_SET_PDEATHSIG = 1
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_READ_ONLY, _MS_NO_SUID, _MS_NO_DEV, _MS_NO_EXEC = 1, 2, 4, 8
_MS_REMOUNT, _MS_BIND, _MS_RECURSIVE, _MNT_DETACH = 32, 4096, 16384, 2
# The mounts that are made apart from where they will be seen (Linux 5.2): one number each for all processors.
_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT = 428, 429, 430, 431, 432
_CLONE_TREE, _CLOSE_ON_EXEC, _AT_RECURSIVE, _FROM_DESCRIPTOR = 1, 1, 0x8000, 4
_SET_STRING, _CREATE, _HERE = 1, 6, -100
_REQUEST_BYTES, _MAX_FDS, _MAX_DESCRIPTOR = 65536, 4, 1024


def main() -> None:
    _die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that nobody has to wait for the forks
    door = socket.socket(fileno=DOOR_FD)
    while True:
        request, fds, _, _ = socket.recv_fds(door, _REQUEST_BYTES, _MAX_FDS)
        if not request:
            return
        if os.fork() == 0:
            door.close()
            _serve(request.decode("utf-8", "surrogateescape").split("\0"), fds)
        for fd in fds:
            os.close(fd)


def _serve(words: list[str], fds: list[int]) -> NoReturn:
    reply = socket.socket(fileno=fds[0])
    try:
        match words[0]:
            case "sockets":
                _make_sockets(reply, fds[1], int(words[1]))
            case "attach":
                _attach(reply, words[1:], namespace=fds[1], stderr=fds[2], inherited=fds[3])
            case "room":
                _make_room(reply)
            case "mount":
                _mount(reply, words[1:], namespace=fds[1])
            case "bring":
                _bring(reply, words[1], words[2:], namespace=fds[1])
    except OSError as error:
        with contextlib.suppress(OSError):  # who asked may be gone
            reply.send(str(error).encode())
    os._exit(0)


def _make_sockets(reply: socket.socket, namespace: int, count: int) -> None:
    """A socket belongs for ever to the network that it was made in, so connecting can be left to the emulator."""
    _enter(namespace)
    made = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    socket.send_fds(reply, [b"ok"], [each.fileno() for each in made])


def _make_room(reply: socket.socket) -> None:
    uid, gid = os.getuid(), os.getgid()
    _check(_libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(fd, text.encode())
        os.close(fd)
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    socket.send_fds(reply, [b"ok"], [namespace])
    reply.recv(1)


def _mount(reply: socket.socket, words: list[str], *, namespace: int) -> None:
    owner = fcntl.ioctl(namespace, _NS_GET_USERNS)
    _check(_libc().setns(owner, _CLONE_NEWUSER), "setns user")
    _check(_libc().setns(namespace, _CLONE_NEWNS), "setns mnt")
    for action, target, detail in zip(*[iter(words)] * 3, strict=True):
        try:
            _change_files(action, target, detail)
        except OSError as error:
            raise OSError(error.errno, f"{action} {target}: {error.strerror}") from None
    reply.send(b"ok")


def _bring(reply: socket.socket, folder: str, words: list[str], *, namespace: int) -> None:
    """Mounts are made here, where their sources are seen, and moved to where nothing of those is."""
    _new_files("overlay")  # so that asking for nothing tells whether it could be done
    os.chdir(folder)
    wanted = [*zip(*[iter(words)] * 3, strict=True)]
    made = [_apart(action, detail) for action, _, detail in wanted]
    _check(_libc().setns(namespace, _CLONE_NEWNS), "setns mnt")
    for (action, target, _), mount in zip(wanted, made, strict=True):
        if action == "bind":
            _make_place(target, is_folder=stat.S_ISDIR(os.fstat(mount).st_mode))
        _system_call(_MOVE_MOUNT, mount, b"", _HERE, os.fsencode(target), _FROM_DESCRIPTOR, what=f"{action} {target}")
    reply.send(b"ok")


def _apart(action: str, detail: str) -> int:
    """A mount that is nowhere yet."""
    if action == "bind":
        flags = _CLONE_TREE | _AT_RECURSIVE | os.O_CLOEXEC
        return _system_call(_OPEN_TREE, _HERE, os.fsencode(detail), flags, what=f"bind {detail}")
    kind, options = ("tmpfs", "mode=0755") if action == "cover" else ("overlay", detail)
    files = _new_files(kind)
    for option in options.split(","):
        name, _, value = option.partition("=")
        _system_call(_FSCONFIG, files, _SET_STRING, name.encode(), os.fsencode(value), 0, what=f"{kind} {option}")
    _system_call(_FSCONFIG, files, _CREATE, None, None, 0, what=f"{kind} {options}")
    flags = _MS_NO_SUID | _MS_NO_DEV if action == "cover" else 0
    return _system_call(_FSMOUNT, files, _CLOSE_ON_EXEC, flags, what=f"mount {kind}")


def _new_files(kind: str) -> int:
    return _system_call(_FSOPEN, kind.encode(), _CLOSE_ON_EXEC, what=f"fsopen {kind}")


def _system_call(number: int, *words: int | bytes | None, what: str) -> int:
    longs = [ctypes.c_long(word) if isinstance(word, int) else word for word in words]
    result: int = _libc().syscall(ctypes.c_long(number), *longs)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def _change_files(action: str, target: str, detail: str) -> None:
    match action:
        case "overlay":
            _call_mount("overlay", target, "overlay", 0, detail)
        case "bind":
            _make_place(target, is_folder=os.path.isdir(detail))  # noqa: PTH112 (pathlib costs 4 ms)
            _call_mount(detail, target, None, _MS_BIND | _MS_RECURSIVE, None)
        case "cover":
            _call_mount("tmpfs", target, "tmpfs", _MS_NO_SUID | _MS_NO_DEV, "mode=0755")
        case "read-only":
            kept = os.statvfs(target).f_flag & (_MS_NO_SUID | _MS_NO_DEV | _MS_NO_EXEC)
            _call_mount(None, target, None, _MS_REMOUNT | _MS_BIND | _MS_READ_ONLY | kept, None)
        case "drop":
            _check(_libc().umount2(os.fsencode(target), _MNT_DETACH), "umount")
            os.rmdir(target)  # noqa: PTH106


def _make_place(target: str, *, is_folder: bool) -> None:
    """Somewhere to mount on, as bubblewrap makes it: a folder where a folder is mounted, else a file."""
    if is_folder:
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
        return
    os.makedirs(target.rpartition("/")[0], exist_ok=True)  # noqa: PTH103
    os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC | os.O_WRONLY, 0o666))


def _call_mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, options)]
    _check(_libc().mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), "mount")


def _attach(reply: socket.socket, argv: list[str], *, namespace: int, stderr: int, inherited: int) -> None:
    """Keeps two children: one that only stands inside, and the tool, which finds its way by that one's pid.

    Tools look at /proc/PID/ns, and of the instance's own processes none fits: they may be in an inner user namespace
    which does not own the network (bubblewrap --disable-userns).
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    children = [_stand_inside(namespace)]
    try:
        children.append(_run([word.replace("{pid}", str(children[0])) for word in argv], stderr, inherited))
        reply.send(b"ok")
        os.close(stderr)
        os.close(inherited)
        _wait_for_end(reply, children[1])
    finally:
        for pid in reversed(children):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _stand_inside(namespace: int) -> int:
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _die_with_parent()
            _enter(namespace)
            os.write(tell, b"+")
        except OSError as error:
            os.write(tell, str(error).encode())
        _close_from(0)
        signal.pause()
        os._exit(0)
    os.close(tell)
    text = os.read(told, 4096)
    os.close(told)
    if text != b"+":
        os.kill(pid, signal.SIGKILL)
        raise OSError(text.decode())
    return pid


def _run(argv: list[str], stderr: int, inherited: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _die_with_parent()
            # pasta gives up at once where SIGPIPE is ignored, as Python has it.
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            null = os.open(os.devnull, os.O_RDWR)
            safe = [fcntl.fcntl(fd, fcntl.F_DUPFD, 64) for fd in (null, stderr, stderr, inherited)]
            for number, fd in enumerate(safe):
                os.dup2(fd, number)
            _close_from(INHERITED_FD + 1)
            os.execv(argv[0], argv)  # noqa: S606
        except OSError as error:
            os.write(2, f"{argv[0]}: {error}\n".encode())
        os._exit(127)
    return pid


def _wait_for_end(reply: socket.socket, tool: int) -> None:
    """Of either the tool, or the wish for it."""
    watched = select.poll()
    watched.register(reply.fileno(), select.POLLIN)
    watched.register(os.pidfd_open(tool), select.POLLIN)
    watched.poll()


def _enter(namespace: int) -> None:
    """Into the user namespace that owns the network, which gives the right to enter that."""
    owner = fcntl.ioctl(namespace, _NS_GET_USERNS)
    if not _same_file(owner, "/proc/self/ns/user"):
        _check(_libc().setns(owner, _CLONE_NEWUSER), "setns user")
    _check(_libc().setns(namespace, _CLONE_NEWNET), "setns net")
    os.close(owner)


def _same_file(fd: int, path: str) -> bool:
    ours, theirs = os.fstat(fd), os.stat(path)  # noqa: PTH116 (pathlib costs 4 ms)
    return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)


def _close_from(first: int) -> None:
    os.closerange(first, _MAX_DESCRIPTOR)


def _die_with_parent() -> None:
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    main()
