# -*- coding: utf-8 -*-
"""Tells PyTorch, when a program imports it, how much of a card is the instance's (Python 3.6 and later).

Nothing is done to a program that does not import it, and nothing of CUDA is begun: PyTorch runs what is queued when
the program itself first needs the card. The user's own limit, in PyTorch's variable or by the same call later, wins.
"""

import importlib.util
import os
import sys

NAME = "torch"
# The option of the variable that does the same.
OPTION = "per_process_memory_fraction"
VARIABLES = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF")


class Finder(object):
    """Stands before the interpreter's own, until it has been asked for PyTorch once."""

    def __init__(self, fraction):
        self._fraction = fraction

    def find_spec(self, name, path=None, target=None):
        if name != NAME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            _then(spec.loader, self._fraction)
        return spec


def _then(loader, fraction):
    execute = loader.exec_module

    def exec_module(module):
        execute(module)
        limit(module, fraction)

    loader.exec_module = exec_module


def limit(torch, fraction):
    """Of each card that this process sees; older releases than 1.8 can not be told."""
    cuda = getattr(torch, "cuda", None)
    later = getattr(cuda, "_lazy_call", None)
    if later is None or not hasattr(cuda, "set_per_process_memory_fraction"):
        return

    def tell():
        for card in range(cuda.device_count()):
            cuda.set_per_process_memory_fraction(fraction, card)

    later(tell)


def install(fraction):
    if not any(OPTION in os.environ.get(name, "") for name in VARIABLES):
        sys.meta_path.insert(0, Finder(fraction))
