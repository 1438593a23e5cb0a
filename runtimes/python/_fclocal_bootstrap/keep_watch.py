# -*- coding: utf-8 -*-
"""Notes which of the user's code objects a step executes: by sys.monitoring, or by sys.settrace before Python 3.12."""

import sys

TOOL = "fclocal keep"


def make_watch(codes, stack):
    """`codes` are the user's code objects by id, `stack` the steps that run, the innermost last."""
    return Monitoring(codes, stack) if hasattr(sys, "monitoring") else Tracing(codes, stack)


class Monitoring(object):
    """Costs other people's code one event each, since they are switched off where they happened."""

    def __init__(self, codes, stack):
        self._codes = codes
        self._stack = stack
        self._tool = None
        self._depth = 0

    def _claim(self):
        for tool in (4, 3):
            if sys.monitoring.get_tool(tool) in (None, TOOL):
                if sys.monitoring.get_tool(tool) is None:
                    sys.monitoring.use_tool_id(tool, TOOL)
                events = sys.monitoring.events
                sys.monitoring.register_callback(tool, events.PY_START, self._started)
                sys.monitoring.register_callback(tool, events.PY_RESUME, self._started)
                return tool
        return None

    def _started(self, code, offset):
        key = id(code)
        if key not in self._codes:
            return sys.monitoring.DISABLE
        if self._stack:
            self._stack[-1].ran.add(key)
        return None

    def begin(self, step):
        if self._tool is None:
            self._tool = self._claim()
        if self._tool is None:
            step.opaque = True
            return
        self._depth += 1
        if self._depth == 1:
            events = sys.monitoring.events
            sys.monitoring.set_events(self._tool, events.PY_START | events.PY_RESUME)

    def end(self, step):
        if self._tool is None:
            return
        self._depth -= 1
        if self._depth == 0:
            sys.monitoring.set_events(self._tool, 0)


class Tracing(object):
    """Calls are traced, or profiled where a debugger traces already, which takes several times as long. Where somebody
    profiles as well, a step is opaque."""

    def __init__(self, codes, stack):
        self._codes = codes
        self._stack = stack
        self._trace = self._called
        self._before = []

    def _called(self, frame, event, argument):
        if event == "call":
            key = id(frame.f_code)
            if key in self._codes and self._stack:
                self._stack[-1].ran.add(key)

    def begin(self, step):
        # Whatever an import loads takes its steps itself; other people's modules are not worth the time.
        wanted = None if step.kind == "import" else self._trace
        for get, put in ((sys.gettrace, sys.settrace), (sys.getprofile, sys.setprofile)):
            before = get()
            if before is None or before is self._trace:
                self._before.append((get, put, before))
                put(wanted)
                return
        self._before.append(None)
        step.opaque = True

    def end(self, step):
        taken = self._before.pop()
        if taken is None:
            return
        get, put, before = taken
        if get() in (None, self._trace):
            put(before)
        else:
            step.opaque = True
