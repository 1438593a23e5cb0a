# -*- coding: utf-8 -*-
"""Whether what a template has loaded can be forked: by what it holds, and by a fork that does something with it."""

import os
import sys

SECONDS = 20
GPUS = ("/dev/nvidia", "/dev/kfd", "/dev/dri/", "/dev/dxg")
SIZE = 256


class State(object):
    """Threads, processes and descriptors, and which of them came since."""

    def __init__(self):
        self._descriptors = set(_descriptors())

    def new(self):
        """What a fork would not have, or would share; nothing where there is none."""
        import _thread

        if _thread._count() > 0:
            return "started a thread (%s), which no fork would have" % _threads()
        if _children():
            return "started a process"
        for number, target in _descriptors().items():
            if number not in self._descriptors:
                what = _shared(target)
                if what:
                    return what
        return ""


def _threads():
    threading = sys.modules.get("threading")
    names = [it.name for it in threading.enumerate()[1:]] if threading is not None else []
    return ", ".join(names) or "without a name"


def _children():
    try:
        for task in os.listdir("/proc/self/task"):
            with open("/proc/self/task/%s/children" % task) as source:
                if source.read().split():
                    return True
    except (IOError, OSError):
        pass
    return False


def _descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            pass
    return found


def _shared(target):
    if target.startswith("socket:"):
        return "opened a connection"
    if target.startswith(GPUS):
        return "has begun to use a GPU (%s), which no fork could go on with" % target
    if target.startswith(("pipe:", "anon_inode:")):
        return "opened a %s, which all forks would share" % target.partition("[")[0].rstrip(":")
    return ""


def refusal():
    """Why a fork of this process does not live; nothing where it does."""
    import select

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _try(writing)
    os.close(writing)
    said, poll = b"", select.poll()
    poll.register(reading, select.POLLIN)
    hangs = False
    while True:
        if not poll.poll(SECONDS * 1000):
            hangs = True
            break
        piece = os.read(reading, 4096)
        if not piece:
            break
        said += piece
    os.close(reading)
    if hangs:
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    last = said.decode("utf-8", "replace").splitlines()[-1:] or ["fork"]
    if hangs:
        return "a fork of it hangs in %s" % last[0]
    return "" if status == 0 else "a fork of it fails in %s" % last[0]


def _try(writing):
    try:
        for name, trial in (("numpy", _numpy), ("torch", _torch), ("OpenMP", _openmp)):
            os.write(writing, (name + "\n").encode())
            trial()
    except BaseException as error:
        os.write(writing, ("%s: %s" % (name, str(error).replace("\n", " "))).encode("utf-8", "replace"))
        os._exit(1)
    os._exit(0)


def _numpy():
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        some = numpy.ones((SIZE, SIZE))
        numpy.dot(some, some)


def _torch():
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if getattr(torch.cuda, "_is_in_bad_fork", bool)():
        raise RuntimeError("its GPU, which was used before the fork")
    torch.mm(torch.ones(SIZE, SIZE), torch.ones(SIZE, SIZE))
    some = torch.ones(4, requires_grad=True)
    (some * some).sum().backward()


def _openmp():
    """A pool of threads that was alive before the fork is waited for in vain. Each thread frees nothing at all."""
    import ctypes

    with open("/proc/self/maps") as source:
        paths = sorted({line.split()[-1] for line in source if "libgomp" in line})
    free = ctypes.cast(ctypes.CDLL(None).free, ctypes.c_void_p)
    for path in paths:
        ctypes.CDLL(path).GOMP_parallel(free, None, 2, 0)
