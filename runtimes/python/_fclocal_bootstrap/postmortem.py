# -*- coding: utf-8 -*-
"""What is left of a failure when its process is gone: exceptions, frames with their variables, threads, source.

Imported when something has failed, or the emulator asks what hangs. It works for `SECONDS` at most: somebody waits.
"""

from __future__ import unicode_literals

import io
import os
import sys
from collections import deque

from . import redaction
from .control import _thread
from .snapshot import FUNCTIONS, Snapshot, class_name, clock
from .texts import message_of, readable

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PY2 = sys.version_info[0] == 2

SECONDS = 0.03
NODES = 4000
# A recursion that has no end has a thousand frames that say the same.
OUTER_FRAMES = 10
INNER_FRAMES = 40
LIBRARY_NODES = 40
LIBRARY_DEPTH = 2
CHAIN = 10
MOST_A_SECOND = 10
GROUP = 5
MESSAGE_CHARS = 10000
THREADS = 50
NOTES = 10
# Files of the user's are kept whole up to this size, of others some lines around each frame.
FILE_CHARS = 128 * 1024
ALL_CHARS = 512 * 1024
LINES_AROUND = 15
INSTALLED = ("site-packages", "dist-packages", "3rd-packages")


# When the last ones were recorded: a function that fails all the time shall not do nothing else.
recorded = deque(maxlen=MOST_A_SECOND)


def record(channel, request, error, traceback):
    """Tell the emulator of an exception that nobody in user code caught, before the answer does."""
    now = clock()
    if len(recorded) == MOST_A_SECOND and now - recorded[0] < 1:
        return
    recorded.append(now)
    channel.tell({"event": "exception", "request": request.id, "dump": of_exception(error, traceback, [request])})


def of_exception(error, traceback, requests):
    """An exception as the emulator keeps it; what `requests` carry as secrets is hidden everywhere."""
    report = Report(requests)
    chain = report.chain(error, traceback)
    threads = report.threads(_thread.get_ident())
    threads.insert(0, report.thread(_thread.get_ident(), None, True))
    return report.result(chain, threads)


def dump(channel, order):
    """The command `dump`: where every thread stands now. Our own, which answers this, is left out."""
    if not PY2:
        # A loop that is busy gives the interpreter away every five milliseconds; it is about to be ended.
        sys.setswitchinterval(1e-5)
    report = Report(_requests(), order.get("code"))
    return report.result([], report.threads(_thread.get_ident(), channel.main))


class Report(object):
    """Collects one report; its frames are innermost first. What the user wrote lies below `code`."""

    def __init__(self, requests, code=None):
        named = list(os.environ.items())
        for request in requests:
            named.extend(request.headers.items())
        known = redaction.secrets_of((readable(name), readable(value)) for name, value in named)
        self._redaction = redaction.Redaction(known)
        self._snapshot = Snapshot(self._redaction, SECONDS, NODES)
        self._code = str(code or os.environ.get("FC_FUNC_CODE_PATH", "/code/")).rstrip("/") + "/"
        self._lines = {}

    def result(self, chain, threads):
        return {
            "python": "%d.%d.%d" % tuple(sys.version_info[:3]),
            "exceptions": chain,
            "threads": threads,
            "sources": self._sources(),
            "complete": not self._snapshot.is_over,
        }

    # --- exceptions ---

    def chain(self, error, traceback):
        """The exception that arrived first, then what it came from, as Python prints them in the other order."""
        found, seen, relation = [], set(), ""
        while error is not None and id(error) not in seen and len(found) < CHAIN:
            seen.add(id(error))
            found.append(self.exception(error, traceback, relation, 0))
            relation = "cause"
            after = getattr(error, "__cause__", None)
            if after is None and not getattr(error, "__suppress_context__", False):
                relation, after = "context", getattr(error, "__context__", None)
            error, traceback = after, getattr(after, "__traceback__", None)
        return found

    def exception(self, error, traceback, relation, deep):
        made = {
            "type": class_name(type(error)),
            "message": self._redaction.text(message_of(error)[:MESSAGE_CHARS]),
            "relation": relation,
            "frames": self.frames(_frames_of(traceback)),
        }
        notes = getattr(error, "__notes__", None)
        if type(notes) is list:
            made["notes"] = [self._redaction.text(note[:MESSAGE_CHARS]) for note in notes[:NOTES] if type(note) is str]
        members = getattr(error, "exceptions", None) if "ExceptionGroup" in type(error).__name__ else None
        if type(members) is tuple and deep < 2:
            made["group"] = [
                self.exception(member, member.__traceback__, "group", deep + 1) for member in members[:GROUP]
            ]
        # What the exception itself carries, such as the answer that was refused.
        made["value"] = self._snapshot.variable(type(error).__name__, error, nodes=60, depth=2)
        return made

    # --- threads ---

    def threads(self, own, main=None):
        """Every thread but `own` that runs user code or a library."""
        found = []
        for ident, frame in list(sys._current_frames().items())[:THREADS]:
            if ident != own:
                thread = self.thread(ident, frame, ident == main)
                if thread["frames"]:
                    found.append(thread)
        found.sort(key=lambda thread: not thread["current"])
        return found

    def thread(self, ident, frame, current):
        request = _request_of(frame)
        stack = []
        while frame is not None:
            stack.append((frame, frame.f_lineno))
            frame = frame.f_back
        name = _thread_names().get(ident) or ("MainThread" if current else "Thread-%d" % ident)
        return {
            "name": name,
            "current": current,
            "request": request.id if request is not None else "",
            "frames": self.frames(stack),
        }

    # --- frames ---

    def frames(self, stack):
        """`stack` is (frame, line) from the innermost; ours and the import system's are left out."""
        shown = [pair for pair in stack if not _is_hidden(pair[0].f_code.co_filename)]
        if len(shown) <= INNER_FRAMES + OUTER_FRAMES:
            return [self.frame(*pair) for pair in shown]
        inner, outer = shown[:INNER_FRAMES], shown[-OUTER_FRAMES:]
        made = [self.frame(*pair) for pair in inner + outer]
        made[INNER_FRAMES]["omitted"] = len(shown) - INNER_FRAMES - OUTER_FRAMES
        return made

    def frame(self, frame, line):
        code = frame.f_code
        file = readable(code.co_filename)
        library = self._is_library(file)
        self._lines.setdefault(file, (library, set()))[1].add(line or 0)
        return {
            "file": file,
            "line": line or 0,
            "function": readable(getattr(code, "co_qualname", code.co_name)),
            "library": library,
            "locals": self._variables(_locals(frame), library),
            "globals": [] if library else self._variables(_used_globals(frame), library),
        }

    def _variables(self, pairs, library):
        made = []
        for name, value in pairs:
            if self._snapshot.is_over:
                break
            budget = {"nodes": LIBRARY_NODES, "depth": LIBRARY_DEPTH} if library else {}
            made.append(self._snapshot.variable(name, value, **budget))
        return made

    def _is_library(self, file):
        return not file.startswith(self._code) or any(part in file for part in INSTALLED)

    # --- source ---

    def _sources(self):
        """File -> [[first line, text], …]: whole, or the lines around its frames."""
        found, room = {}, ALL_CHARS
        for file, (library, numbers) in sorted(self._lines.items(), key=lambda item: item[1][0]):
            lines = _lines_of(file)
            if not lines:
                continue
            whole = not library and sum(map(len, lines)) <= min(FILE_CHARS, room)
            spans = [(1, len(lines))] if whole else _spans(numbers, len(lines))
            pieces = []
            for first, last in spans:
                text = self._redaction.source("".join(lines[first - 1 : last]))
                room -= len(text)
                if room > 0:
                    pieces.append([first, text])
            found[file] = pieces
        return found


def _frames_of(traceback):
    stack = []
    while traceback is not None:
        stack.append((traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    return stack[::-1]


def _requests():
    """Those that run now."""
    found = [_request_of(frame) for frame in sys._current_frames().values()]
    return [request for request in found if request is not None]


def _request_of(frame):
    """The request that a thread works on: what our own frame below the handler has been given."""
    while frame is not None:
        if frame.f_code.co_name == "answer" and _is_ours(frame.f_code.co_filename):
            return frame.f_locals.get("request")
        frame = frame.f_back
    return None


def _is_ours(file):
    return file.startswith(HOME + os.sep)


def _is_hidden(file):
    return _is_ours(file) or file.startswith("<frozen importlib")


def _thread_names():
    threading = sys.modules.get("threading")
    names = {}
    for ident, thread in list(getattr(threading, "_active", {}).items()):
        name = getattr(thread, "_name", None) or getattr(thread, "_Thread__name", "")
        names[ident] = readable(name) if isinstance(name, (str, bytes)) else ""
    return names


def _locals(frame):
    """Of a module's own frame these are its globals, most of them what it has imported and defined."""
    pairs = list(frame.f_locals.items())
    if frame.f_locals is frame.f_globals or frame.f_code.co_name == "<module>":
        return [pair for pair in pairs if _is_data(*pair)]
    if PY2:  # has no order
        order = frame.f_code.co_varnames
        pairs.sort(key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order))
    # `.0` is what a comprehension goes through.
    return [(name, value) for name, value in pairs if not name.startswith(("__", "."))]


def _used_globals(frame):
    """The globals that the function's code names, if they hold data."""
    if frame.f_code.co_name == "<module>":
        return []
    names = frame.f_globals
    pairs = [(name, names[name]) for name in frame.f_code.co_names if name in names]
    return [pair for pair in pairs if _is_data(*pair)]


def _is_data(name, value):
    return not name.startswith("__") and not issubclass(type(value), FUNCTIONS)


def _lines_of(file):
    """Not by linecache, which takes longer to load than all else here takes; so what lies in a zip has no source."""
    try:
        with io.open(file, encoding="utf-8", errors="replace") as source:
            return source.readlines()
    except (IOError, OSError, ValueError):
        return []


def _spans(numbers, count):
    """[(first, last)] around each of the line numbers, those that touch as one."""
    spans = []
    for number in sorted(numbers):
        first, last = max(1, number - LINES_AROUND), min(count, number + LINES_AROUND)
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], last)
        elif first <= last:
            spans.append((first, last))
    return spans
