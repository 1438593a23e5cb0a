# -*- coding: utf-8 -*-
"""Makes the files of a forked instance as bubblewrap makes those of one that it starts: by the same options.

Sources are paths as the template sees them, targets lie below a root that is made here and entered at the end. What a
template can only read can not be written through another mount of it either: the kernel has locked that.
"""

import os

from . import rights

# What bubblewrap covers where it could be written, which for root it could.
_OF_THE_KERNEL = ("sys", "sysrq-trigger", "irq", "bus")


class Furnisher(object):
    def __init__(self, root):
        self._root = root
        self._mode = 0o755
        self._size = 0
        self._actions = {
            "--bind": self._bind,
            "--dev": self._devices,
            "--dev-bind-try": self._bind_where_there,
            "--dir": self._folder,
            "--perms": self._permissions,
            "--proc": self._processes,
            "--remount-ro": self._read_only,
            "--ro-bind": self._bind_read_only,
            "--ro-bind-try": self._bind_where_there,
            "--size": self._bytes,
            "--symlink": self._link,
            "--tmpfs": self._memory,
            "overlay": self._overlay,
        }

    def begin(self):
        rights.mount(None, "/", None, rights.MS_RECURSIVE | rights.MS_PRIVATE)
        rights.mount("tmpfs", self._root, "tmpfs", rights.MS_NO_SUID | rights.MS_NO_DEV, "mode=0755")

    def all(self, options):
        for words in options:
            self._actions[words[0]](*words[1:])

    def _permissions(self, mode):
        self._mode = int(mode, 8)

    def _bytes(self, size):
        self._size = int(size)

    def _take_mode(self):
        mode, self._mode = self._mode, 0o755
        return mode

    def _inside(self, target):
        return self._root + target if target != "/" else self._root

    def _folder(self, target):
        path, mode = self._inside(target), self._take_mode()
        if not os.path.isdir(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.mkdir(path)
            os.chmod(path, mode)

    def _link(self, points_to, target):
        path = self._inside(target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(points_to, path)

    def _place(self, target, like):
        """Somewhere to mount on: a folder where `like` is one, else a file."""
        path = self._inside(target)
        if os.path.lexists(path):
            return path
        if os.path.isdir(like):
            os.makedirs(path)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC | os.O_WRONLY, 0o666))
        return path

    def _bind(self, source, target):
        path = self._place(target, source)
        rights.mount(source, path, None, rights.MS_BIND | rights.MS_RECURSIVE)
        return path

    def _bind_read_only(self, source, target):
        self._bind(source, target)
        self._read_only(target)

    def _bind_where_there(self, source, target):
        if os.path.exists(source):
            self._bind(source, target)

    def _read_only(self, target):
        path = self._inside(target)
        flags = os.statvfs(path).f_flag
        if not flags & rights.MS_READ_ONLY:
            kept = flags & (rights.MS_NO_SUID | rights.MS_NO_DEV | rights.MS_NO_EXEC)
            rights.mount(None, path, None, rights.MS_REMOUNT | rights.MS_BIND | rights.MS_READ_ONLY | kept)

    def _memory(self, target):
        path = self._inside(target)
        os.makedirs(path, exist_ok=True)
        options = "mode=%o" % self._take_mode()
        if self._size:
            options += ",size=%d" % self._size
            self._size = 0
        rights.mount("tmpfs", path, "tmpfs", rights.MS_NO_SUID | rights.MS_NO_DEV, options)

    def _processes(self, target):
        path = self._inside(target)
        os.makedirs(path, exist_ok=True)
        rights.mount("proc", path, "proc", rights.MS_NO_SUID | rights.MS_NO_DEV | rights.MS_NO_EXEC)
        for name in _OF_THE_KERNEL:
            entry = "%s/%s" % (target, name)
            if os.access(self._inside(entry), os.W_OK):
                self._bind(self._inside(entry), entry)
                self._read_only(entry)

    def _devices(self, target):
        """The template's devices, but for what would be shared with others: terminals."""
        path = self._bind(target, target)
        options = "newinstance,ptmxmode=0666,mode=620"
        rights.mount("devpts", path + "/pts", "devpts", rights.MS_NO_SUID | rights.MS_NO_EXEC, options)

    def _overlay(self, target, upper, work, *lower):
        """No name in it needs to be escaped: `Overlay` on the other side says why."""
        path = self._inside(target)
        os.makedirs(path, exist_ok=True)
        options = "lowerdir=%s,upperdir=%s,workdir=%s,userxattr" % (":".join(lower), upper, work)
        rights.mount("overlay", path, "overlay", 0, options)
