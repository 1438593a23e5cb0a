# -*- coding: utf-8 -*-
"""Values as bounded trees of texts, without running a line of the user's code.

No `__repr__`, no property, no `__len__` of a user's class is called: it could fail, take for ever, or query a database.
Builtin containers are read by the methods of the builtin type, objects by what lies in their `__dict__` and slots.
"""

from __future__ import unicode_literals

import itertools
import sys
import time
import types
from collections import deque

from . import libraries
from .redaction import ALWAYS, HIDDEN, PERHAPS
from .texts import readable

PY2 = sys.version_info[0] == 2
TEXT = type("")
INTEGERS = (int,) if not PY2 else (int, type(sys.maxsize + 1))
NUMBERS = INTEGERS + (float, complex)
clock = time.time if PY2 else time.monotonic
# Of this thread, where Python tells (from 3.7 on), else of the process: on a busy machine the time of other programs
# would cut off what is to be seen.
effort = getattr(time, "thread_time", None) or getattr(time, "process_time", None) or time.clock

# How many entries of a container are shown, by how deep it lies.
ENTRIES = (50, 20, 10, 5)
TEXT_CHARS = 1000
TAIL_CHARS = 100
HEAD_BYTES = 200
KEY_CHARS = 80
LARGEST_INTEGER_BITS = 4096

# Their `repr` is the standard library's own and asks no other object.
PLAIN_MODULES = frozenset(
    "datetime decimal _decimal uuid fractions pathlib pathlib._local zoneinfo ipaddress re _sre"
    " _io threading _thread thread".split()
)
PLAIN_TYPES = (type(Ellipsis), type(NotImplemented), range)
ENUM_MAKERS = ("EnumMeta", "EnumType")
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, type)
# A coroutine and its code, by what its kind calls that.
ROUTINES = tuple(
    (getattr(types, name), code)
    for name, code in (("GeneratorType", "gi_code"), ("CoroutineType", "cr_code"), ("AsyncGeneratorType", "ag_code"))
    if hasattr(types, name)
)


class Snapshot(object):
    """Makes trees until it has worked for `seconds` or `nodes` are made; what comes later is named and not shown.

    A node is a dict: `type`; `text`, or `form` (list, tuple, set, dict, object) with `children` and their `count`;
    `redacted`. A child has `name`, and `path`: what is written behind its parent's expression to reach it.
    """

    def __init__(self, redaction, seconds, nodes):
        self.redaction = redaction
        self._until = effort() + seconds
        self._left = nodes

    @property
    def is_over(self):
        return self._left <= 0 or effort() > self._until

    def variable(self, name, value, nodes=400, depth=len(ENTRIES)):
        """The tree of one variable, of at most `nodes` nodes. Breadth first: what lies near is worth more."""
        name = readable(name)
        root = {"name": name, "path": name}
        waiting = deque([(root, value, self.redaction.level(name), 0)])
        left = min(nodes, self._left)
        while waiting:
            node, value, level, deep = waiting.popleft()
            if left <= 0 or effort() > self._until:
                node.update(type=class_name(type(value)), text="…", cut=True)
                continue
            left -= 1
            self._left -= 1
            try:
                for name, path, child, own in self._fill(node, value, level, ENTRIES[deep] if deep < depth else 0):
                    entry = {"name": name, "path": path}
                    node.setdefault("children", []).append(entry)
                    waiting.append((entry, child, own, deep + 1))
            except Exception as error:  # such as a dict that another thread changes
                node.update(type=class_name(type(value)), text="<%s while it was read>" % type(error).__name__)
        return root

    def _fill(self, node, value, level, limit):
        """One node; what comes back are its children: (name, path, value, level of secrecy)."""
        cls = type(value)
        node["type"] = class_name(cls)
        if value is None or cls is bool or (cls in NUMBERS and level < ALWAYS):
            node["text"] = number(value)
        elif issubclass(cls, (TEXT, bytes, bytearray)):
            self._text(node, value, level)
        elif issubclass(cls, FUNCTIONS):
            node["text"] = named(value)
        elif level > PERHAPS and not (level < ALWAYS and only_numbers(value)) and not is_empty(value):
            self._hide(node)
        else:
            line = in_one_line(value)
            if line is None:
                return self._children(node, value, level, limit)
            node["text"] = self.redaction.text(shortened(line))
        return ()

    def _hide(self, node):
        node["text"] = HIDDEN
        node["redacted"] = True

    def _text(self, node, value, level):
        """Subclasses of str may have changed anything, so the methods of str itself are called."""
        base = next(base for base in (TEXT, bytes, bytearray) if issubclass(type(value), base))
        length = base.__len__(value)
        # A secret must be seen before it is cut in two, so more is looked at than is shown.
        head = base.__getitem__(value, slice(0, 4 * TEXT_CHARS))
        if self.redaction.hides_text(level, head):
            self._hide(node)
            return
        if base is TEXT:
            tail = base.__getitem__(value, slice(length - TAIL_CHARS, length)) if length > 4 * TEXT_CHARS else ""
            node["text"] = quoted(shortened(self.redaction.text(head), self.redaction.text(tail)))
            whole = length <= TEXT_CHARS
        else:
            shown = self.redaction.text(bytes(head).decode("latin-1"))
            node["text"] = ("" if PY2 else "b") + quoted(shown[:HEAD_BYTES]) + "…" * (length > HEAD_BYTES)
            whole = length <= HEAD_BYTES
        if not whole:
            node["length"] = length

    def _children(self, node, value, level, limit):
        cls = type(value)
        for base, read in READERS:
            if issubclass(cls, base):
                return read(self, node, value, level, limit)
        found = libraries.reader(cls, module_name(cls))
        if found is not None:
            return self._library(node, found, value, level, limit)
        return self._object(node, value, level, limit)

    def _library(self, node, read, value, level, limit):
        line, children = read(value, limit)
        node.update(form="object", text=line)
        for name, path, child in children:
            yield name, path, child, max(level, self.redaction.level(name))

    def _sequence(self, node, value, level, limit):
        base = next(base for base in (list, tuple, deque) if issubclass(type(value), base))
        count = base.__len__(value)
        fields = type.__getattribute__(type(value), str("__dict__")).get("_fields")
        is_named = base is tuple and type(fields) is tuple and len(fields) == count
        node.update(form="object" if is_named else "tuple" if base is tuple else "list", count=count)
        for index, item in enumerate(itertools.islice(base.__iter__(value), limit)):
            if is_named:
                name = readable(fields[index])
                yield name, "." + name, item, max(level, self.redaction.level(name))
            else:
                yield "%d" % index, "[%d]" % index, item, level

    def _set(self, node, value, level, limit):
        base = set if issubclass(type(value), set) else frozenset
        node.update(form="set", count=base.__len__(value))
        for index, item in enumerate(itertools.islice(base.__iter__(value), limit)):
            yield "%d" % index, "", item, level

    def _dict(self, node, value, level, limit):
        node.update(form="dict", count=dict.__len__(value))
        items = dict.iteritems(value) if PY2 else iter(dict.items(value))
        for key, item in itertools.islice(items, limit):
            cls, own = type(key), level
            if cls is TEXT or cls is bytes:
                plain = readable(key[:KEY_CHARS])
                own = max(level, self.redaction.level(plain))
                # A key may itself be a secret: it is looked at as any text.
                name = quoted(self.redaction.text(plain))
            else:
                name = number(key) if cls in NUMBERS or cls is bool else "<%s>" % class_name(cls)
            yield name, "[%s]" % name, item, own

    def _object(self, node, value, level, limit):
        found = attributes(value)
        node.update(form="object", count=len(found))
        if issubclass(type(value), BaseException):
            yield "args", ".args", BaseException.args.__get__(value), level
        elif not found:
            node["text"] = "<%s object>" % node["type"]
        for name, item in found[:limit]:
            yield name, "." + name, item, max(level, self.redaction.level(name))


READERS = (
    (dict, Snapshot._dict),
    ((list, tuple, deque), Snapshot._sequence),
    ((set, frozenset), Snapshot._set),
)


def in_one_line(value):
    """What the interpreter or its library shows in full in one line; None for everything else."""
    cls = type(value)
    for kind, code in ROUTINES:
        if cls is kind:
            return "<%s %s>" % (cls.__name__, getattr(value, code).co_name)
    if type(cls).__name__ in ENUM_MAKERS and "_name_" in getattr(value, "__dict__", ()):
        return "%s.%s" % (class_name(cls), value.__dict__["_name_"])
    if module_name(cls) in PLAIN_MODULES or cls in PLAIN_TYPES:
        return readable(repr(value))
    for base in NUMBERS:
        if issubclass(cls, base):
            return readable(base.__repr__(value))
    return libraries.scalar(value)


def attributes(value):
    """(name, value) of what lies in an object, without asking it."""
    cls = type(value)
    if PY2 and cls is types.InstanceType:
        return sorted((readable(name), item) for name, item in value.__dict__.items())
    own, slots, seen = [], [], set()
    for base in type.mro(cls):
        for name, descriptor in list(type.__getattribute__(base, str("__dict__")).items()):
            if name in seen or name == "__weakref__":
                continue
            seen.add(name)
            if name == "__dict__" and isinstance(descriptor, types.GetSetDescriptorType):
                content = descriptor.__get__(value, cls)
                own = [(readable(key), item) for key, item in list(content.items()) if isinstance(key, str)]
            elif isinstance(descriptor, types.MemberDescriptorType) and not name.startswith("__"):
                try:
                    slots.append((readable(name), descriptor.__get__(value, cls)))
                except AttributeError:
                    pass  # a slot without a value
    return own + slots


def class_name(cls):
    module = module_name(cls)
    name = readable(type.__getattribute__(cls, str("__name__")))
    return name if module in ("builtins", "__builtin__", "exceptions", "") else "%s.%s" % (module, name)


def module_name(cls):
    try:
        module = type.__getattribute__(cls, str("__module__"))
    except AttributeError:
        return ""
    return readable(module) if isinstance(module, (TEXT, bytes)) else ""


def named(value):
    """A function, method, class or module, by its name."""
    if isinstance(value, types.MethodType):
        return "<method %s>" % readable(getattr(value.__func__, "__name__", "?"))
    if isinstance(value, types.FunctionType):
        code = value.__code__
        return "<function %s, %s:%d>" % (readable(value.__name__), readable(code.co_filename), code.co_firstlineno)
    if isinstance(value, types.BuiltinFunctionType):
        return "<built-in function %s>" % readable(value.__name__)
    if isinstance(value, types.ModuleType):
        names = types.ModuleType.__getattribute__(value, str("__dict__"))
        return "<module %s>" % readable(names.get("__name__", "?"))
    return "<class %s>" % class_name(value)


def number(value):
    if type(value) in INTEGERS and value.bit_length() > LARGEST_INTEGER_BITS:
        return "<an integer of %d bits>" % value.bit_length()
    return readable(repr(value))


def only_numbers(value):
    """A builtin list or tuple of nothing but numbers, such as token ids."""
    return type(value) in (list, tuple) and all(type(item) in NUMBERS for item in value[: ENTRIES[0]])


def is_empty(value):
    return type(value) in (list, tuple, dict, set, frozenset) and len(value) == 0


def quoted(text):
    """As Python 3 writes it."""
    if not PY2:
        return repr(text)
    escapes = (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("\0", "\\x00"))
    for char, escape in escapes:
        text = text.replace(char, escape)
    return "'%s'" % text


def shortened(text, tail=""):
    if tail or len(text) > TEXT_CHARS:
        return text[: TEXT_CHARS - TAIL_CHARS] + "…" + (tail or text[-TAIL_CHARS:])
    return text
