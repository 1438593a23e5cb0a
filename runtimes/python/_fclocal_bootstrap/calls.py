# -*- coding: utf-8 -*-
"""From a request to an answer: which function runs with which arguments, and how its result is written."""

import os
import sys

from . import context, control, standard
from .loading import Handlers, LoadError

PY2 = sys.version_info[0] == 2
TEXT = str if not PY2 else type("".decode("ascii"))
INDENTED = frozenset(["python2.7", "python3", "python3.9"])

# Walls without a pid namespace find processes that left their session by this entry of their environment.
WALLS_MARK = "FCLOCAL_RUN"

HANDLER_HEADERS = {
    "/invoke": "x-fc-function-handler",
    "/http-invoke": "x-fc-function-handler",
    "/initialize": "x-fc-function-initializer",
    "/pre-stop": "x-fc-instance-lifecycle-pre-stop-handler",
    "/pre-freeze": "x-fc-instance-lifecycle-pre-freeze-handler",
}

RESULT = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
PLAIN = b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
ERROR = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nx-fc-status: 404\r\n"
    b"x-fc-error-type: UnhandledInvocationError\r\nContent-Length: %d\r\n\r\n"
)


class Calls(object):
    """Answers requests. `settings` are the FCLOCAL_* variables, already taken out of the environment.

    `recorder` is the channel that is told of each exception, `loads` notes how modules are loaded; None where nobody
    wants to know.
    """

    def __init__(self, settings, code, recorder=None, loads=None):
        self._recorder = recorder
        self._loads = loads
        self.runtime = settings.get("FCLOCAL_RUNTIME", "python3")
        self.concurrent = int(settings.get("FCLOCAL_CONCURRENCY") or 1) > 1
        self._bundled = settings.get("FCLOCAL_BUNDLED", "")
        self._indented = self.runtime in INDENTED
        self._style = context.FLAT if self.runtime == "python3.12" else context.LEGACY
        self.handlers = Handlers(code)

    def answer(self, request):
        """(head, body). Only `Exception` is caught: `sys.exit()` in a handler ends the process, as in FC."""
        standard.current.begin(request.id)
        plan = request.shape.plan
        if plan is None:
            path = request.headers.get("x-fc-control-path") or request.target.partition("?")[0]
            if path == "/patch" and self._loads is not None:
                return self._patch(request.body)
            if path not in HANDLER_HEADERS:
                return plain("200 OK" if path == "/ready" else "400 Bad Request")
            plan = self._plan(request, path)
        run, handler, maker, fields = plan
        try:
            result = run(self.handlers.get(handler), request, maker(fields, request.id))
        except LoadError as error:
            control.failing(error.cause or error)
            if error.cause is not None:
                self._record(request, error.cause, error.traceback)
            result = self._failure(error.body, error.cause)
        except Exception as error:
            control.failing(error)
            from . import errors

            self._record(request, error, sys.exc_info()[2])
            result = self._failure(errors.exception_body(error, sys.exc_info()[2]), error)
        except BaseException as error:
            self._record(request, error, sys.exc_info()[2])
            raise
        standard.flush()
        return result

    def _plan(self, request, path):
        """What stays the same for all requests with this head: kept with it."""
        handler = request.headers.get(HANDLER_HEADERS[path], "")
        if not PY2:
            handler = handler.encode("latin-1").decode("utf-8", "replace")
        maker, fields = context.context_maker(self._style, request.headers, handler, self.concurrent)
        if path == "/invoke":
            run = self._invoke
        elif path == "/http-invoke":
            from . import wsgi

            run = wsgi.run
        elif path == "/initialize" and self._loads is not None:
            run = self._initialize
        else:
            run = self._hook
        request.shape.plan = run, handler, maker, fields
        return request.shape.plan

    def _invoke(self, function, request, fc_context):
        body = self._serialise(function(request.body, fc_context))
        return RESULT % len(body), body

    def _hook(self, function, request, fc_context):
        function(fc_context)
        return RESULT % 0, b""

    def _initialize(self, function, request, fc_context):
        self._loads.initialize(function, fc_context)
        return RESULT % 0, b""

    def _patch(self, body):
        """On the thread that would load the function in a new instance, and after what came before it."""
        keep = standard.isolated(__import__, __package__ + ".keep", None, None, ["patch"])
        body = keep.patch(self._loads, self.handlers, body)
        standard.flush()
        return RESULT % len(body), body

    def _serialise(self, value):
        if isinstance(value, bytes):
            return value
        if isinstance(value, TEXT):
            return value.encode("utf-8")
        return self._json(value, sort=True)

    def _json(self, value, sort):
        """UNCONFIRMED above 3.9: compact there (runtime-contract.md §2.2)."""
        import json

        options = {"indent": 4, "sort_keys": sort} if self._indented else {}
        text = json.dumps(value, default=plain_value, **options)
        return text if PY2 else text.encode("utf-8")

    def _failure(self, body, cause):
        data = self._json(ordered(body), sort=False)
        standard.log_error(data if PY2 else data.decode("utf-8"))
        self._explain(cause)
        return ERROR % len(data), data

    def _record(self, request, error, traceback):
        """Whatever goes wrong here, the caller gets the answer."""
        if self._recorder is None:
            return
        try:
            control.module("postmortem").record(self._recorder, request, error, traceback)
        except Exception:
            pass

    def _explain(self, cause):
        if isinstance(cause, ImportError) and self._bundled:
            import json

            from . import errors

            line = errors.hint(cause, json.loads(self._bundled), self.runtime)
            if line:
                standard.write(line)


def ordered(pairs):
    if sys.version_info >= (3, 6):
        return dict(pairs)
    from collections import OrderedDict

    return OrderedDict(pairs)


def plain(status):
    body = status.encode("ascii")
    return PLAIN % (body, len(body)), body


def plain_value(value):
    """What json.dumps can not write by itself (runtime-contract.md §2.2)."""
    decimal, datetime = sys.modules.get("decimal"), sys.modules.get("datetime")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return float(value)
    if datetime is not None and isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if hasattr(value, "to_json"):
        return value.to_json()
    raise TypeError("%r is not JSON serializable" % (value,))


def take_settings():
    """FCLOCAL_* leave the environment, and of FC's own variables only the documented ones stay (§7.3)."""
    kept = frozenset(
        "FC_FUNC_CODE_PATH FC_FUNCTION_MEMORY_SIZE FC_RUNTIME_VERSION FC_ACCOUNT_ID FC_FUNCTION_HANDLER"
        " FC_FUNCTION_NAME FC_SERVICE_NAME FC_VER_ID FC_FUNCTION_VERSION FC_QUALIFIER FC_REGION FC_INSTANCE_ID"
        " FC_SNAPSHOT_FLAG".split()
    )
    settings = {}
    for name in list(os.environ):
        if name == WALLS_MARK:
            continue
        if name.startswith("FCLOCAL_"):
            settings[name] = os.environ.pop(name)
        elif name.startswith(("FC_", "_FC_")) and name not in kept:
            del os.environ[name]
    return settings
