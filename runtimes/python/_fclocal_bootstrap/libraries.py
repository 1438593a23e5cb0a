# -*- coding: utf-8 -*-
"""Arrays, tensors and tables in a post-mortem: their shape and a few elements, never their data."""

from __future__ import unicode_literals

import sys

from .texts import readable

FIRST_ELEMENTS = 8
FIRST_COLUMNS = 20
FIRST_ROWS = 3
# Kinds of numpy's dtypes whose elements are no objects.
PLAIN_KINDS = "biufcSUmM"


def reader(cls, module):
    """For a class of numpy, torch or pandas: a function of (value, limit) that gives a line and (name, path, value)
    of its children; None for any other class. Subclasses may run code of the user's, so they have none."""
    name = cls.__name__ if module.startswith(("numpy", "torch", "pandas.")) else ""
    if name == "ndarray" and cls is _class("numpy", "ndarray"):
        return array
    if module.startswith("torch") and issubclass(cls, _class("torch", "Tensor")):
        return tensor
    if module.startswith("pandas."):
        return {"DataFrame": table, "Series": column}.get(name)
    return None


def scalar(value):
    """One number of numpy's as a line; None for anything else."""
    cls = type(value)
    if issubclass(cls, _class("numpy", "generic")) and cls.__module__ == "numpy":
        return "%s(%s)" % (readable(cls.__name__), readable(repr(value.item())))
    return None


def _class(module, name):
    """A class of a module that is loaded already, or a tuple that no class is a subclass of."""
    return getattr(sys.modules.get(module), name, ())


def array(value, limit):
    children = [("shape", ".shape", tuple(value.shape)), ("dtype", ".dtype", readable(str(value.dtype)))]
    if limit and value.dtype.kind in PLAIN_KINDS and value.size:
        children.append(("first elements", "", value.flat[:FIRST_ELEMENTS].tolist()))
    return "shape=%s dtype=%s" % (tuple(value.shape), value.dtype), children


def tensor(value, limit):
    shape, dtype, device = tuple(value.shape), readable(str(value.dtype))[len("torch.") :], readable(str(value.device))
    children = [("shape", ".shape", shape), ("dtype", ".dtype", dtype), ("device", ".device", device)]
    children.append(("requires_grad", ".requires_grad", bool(value.requires_grad)))
    # What lies on an accelerator stays there: to fetch it would wait for all that is queued.
    if limit and device == "cpu" and value.is_contiguous() and value.numel():
        children.append(("first elements", "", value.detach().view(-1)[:FIRST_ELEMENTS].tolist()))
    return "shape=%s dtype=%s device=%s" % (shape, dtype, device), children


def table(value, limit):
    rows, columns = value.shape
    head = value.iloc[:FIRST_ROWS, :FIRST_COLUMNS]
    children = [("shape", ".shape", (rows, columns))]
    for index, name in enumerate(head.columns.tolist()):
        first = head.iloc[:, index]
        children.append((readable("%s" % (name,)), "", first.tolist() if limit else []))
    return "%d rows × %d columns" % (rows, columns), children


def column(value, limit):
    children = [("dtype", ".dtype", readable(str(value.dtype)))]
    if limit:
        children.append((readable("%s" % (value.name,)), "", value.iloc[:FIRST_ELEMENTS].tolist()))
    return "%d rows of %s" % (value.shape[0], value.dtype), children
