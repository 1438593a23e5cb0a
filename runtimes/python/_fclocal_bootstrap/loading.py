# -*- coding: utf-8 -*-
"""Handler strings and their functions; a failure to load is FC's error object (runtime-contract.md §2.2)."""

import os
import sys

from .texts import message_of, readable


class LoadError(Exception):
    """`body` is FC's error object; `cause` the user's exception behind it, if there is one, and its `traceback`."""

    def __init__(self, kind, message, trace=None, cause=None):
        Exception.__init__(self, message)
        self.body = [("errorMessage", message), ("errorType", kind)]
        if trace is not None:
            self.body.append(("stackTrace", trace))
        self.cause = cause
        # It is made where the cause was caught; 2.7 keeps it nowhere else.
        self.traceback = sys.exc_info()[2]


class Handlers(object):
    """Functions by handler string; each is loaded at its first use and kept for the instance's life."""

    def __init__(self, code):
        self._code = code
        self._functions = {}

    def get(self, handler):
        function = self._functions.get(handler)
        if function is None:
            function = self._functions[handler] = self._load(handler)
        return function

    def forget(self):
        """Modules may hold other functions now."""
        self._functions.clear()

    def _load(self, handler):
        module_name, dot, name = handler.rpartition(".")
        if not dot or not module_name or not name:
            raise LoadError("InvalidHandleName", "Invalid handler '%s'" % handler)
        module = self._import(module_name)
        function = getattr(module, name, None)
        if function is None:
            raise LoadError("HandlerNotFound", "Handler '%s' is missing on module '%s'" % (name, module_name))
        return function

    def _import(self, name):
        folder, slash, dotted = name.rpartition("/")
        if slash:
            path = os.path.join(self._code, folder.lstrip("/"))
            if path not in sys.path:
                sys.path.insert(0, path)
        try:
            __import__(dotted)
        except ImportError as error:
            # FC's list holds the last line of the traceback only.
            raise LoadError("ImportModuleError", "Unable to import module '%s'" % name, _last_line(error), error)
        except SyntaxError as error:
            raise LoadError("UserCodeSyntaxError", "Syntax error in module '%s'" % name, _syntax(error), error)
        except Exception as error:
            from . import errors

            trace = [part for frame in errors.frames(sys.exc_info()[2]) for part in frame] + _last_line(error)
            raise LoadError("UserCodeError", "Module initialization error: '%s'" % message_of(error), trace, error)
        return sys.modules[dotted]


def _last_line(error):
    return ["%s: %s" % (type(error).__name__, message_of(error))]


def _syntax(error):
    parts = []
    if error.filename:
        parts.append('File "%s"' % error.filename)
    if error.lineno:
        parts.append("line %d" % error.lineno)
    if error.text:
        parts.append(readable(error.text.strip()))
    return parts + ["%s: %s" % (type(error).__name__, error.msg)]
