# -*- coding: utf-8 -*-
"""What a trace tells the emulator: loaded when the first answer was sent, and run beside what comes next.

Written by hand, since few functions need `json`, which takes 3 ms to load.
"""

import os
import sys

from . import trace
from .texts import readable

try:
    from _json import encode_basestring_ascii as quoted
except ImportError:
    from json import dumps as quoted

CLOCK = "unix" if trace.PY2 else "monotonic"
OURS = __name__.partition(".")[0]
PROBES, ROUNDS = 100, 5


def tell(found):
    """Sends the event `trace` (docs/bootstrap-protocol.md)."""
    parts = [
        '"event":"trace"',
        '"clock":"%s"' % CLOCK,
        '"phases":[%s]' % ",".join("[%s,%.7f,%.7f]" % (text(name), begin, end) for name, begin, end in found.phases),
        '"imports":[%s]' % ",".join(map(line, rows(found.imports.entries))),
        '"more":%d' % found.imports.more,
        '"record_seconds":%.9f' % cost_of_a_record(),
    ]
    if found.usage is not None:
        parts += ['"%s":[%s]' % (key, ",".join(map(text, names))) for key, names in found.usage.told().items()]
    parts.append('"now":%.7f' % trace.now())
    found.channel.send(("{%s}\n" % ",".join(parts)).encode("ascii"))


def asked(channel, order):
    """The same of a program that is not ours, which has answered by now: nothing is noted from here on."""
    imports = channel.imports
    if imports is None:
        return {}
    imports.remove()
    told = [[readable(value) if isinstance(value, bytes) else value for value in row] for row in rows(imports.entries)]
    return {
        "clock": CLOCK,
        "phases": [("measuring",) + imports.installing] if imports.installing else [],
        "imports": told,
        "more": imports.more,
        "record_seconds": cost_of_a_record(),
        "now": trace.now(),
    }


def rows(entries):
    """(name, parent, begin, end, compiled, file, size, failed) of each; `parent` is its place in this list, or -1."""
    kept = [entry for entry in entries if entry.end and entry.name and entry.name.partition(".")[0] != OURS]
    places = {id(entry): place for place, entry in enumerate(kept)}
    for entry in kept:
        file = file_of(entry.name)
        parent = places.get(id(entry.parent), -1)
        yield entry.name, parent, entry.begin, entry.end, entry.compiled, file, size_of(file), entry.failed


def line(row):
    name, parent, begin, end, compiled, file, size, failed = row
    told = (text(name), parent, begin, end, compiled, text(file), size, "true" if failed else "false")
    return "[%s,%d,%.7f,%.7f,%.7f,%s,%d,%s]" % told


def text(value):
    return str(quoted(readable(value)))


def file_of(name):
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    if spec is not None:
        return (spec.origin or "") if spec.has_location else ""
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else ""


def size_of(file):
    try:
        return os.stat(file).st_size if file else 0
    except (OSError, ValueError):
        return 0


def cost_of_a_record():
    """Seconds, measured by records of nothing: the least of some rounds, since others run beside us."""
    if trace.PY2:
        from . import trace_two

    best = 1.0
    for _ in range(ROUNDS):
        imports = trace.Imports()
        if trace.PY2:
            watch = trace_two.Watch(imports)
            call = lambda name: watch.ended(watch.begun(name, None, None, 0))  # noqa: E731
        else:
            hook = imports.hook(lambda name, import_: None)
            call = lambda name: hook(name, None)  # noqa: E731
        begin = trace.now()
        for _ in range(PROBES):
            call("no.such.module")
        best = min(best, (trace.now() - begin) / PROBES)
    return best
