# -*- coding: utf-8 -*-
"""Finds the user's modules, so that a recorder loads them; installed packages are left to the interpreter."""

import os

import _frozen_importlib_external as external
import _imp

MISSING = object()


def hook(recorder):
    """For sys.path_hooks: takes the folders of the user's code."""
    Loader.recorder = Finder.recorder = recorder
    details = (
        (external.ExtensionFileLoader, _imp.extension_suffixes()),
        (Loader, external.SOURCE_SUFFIXES),
        (external.SourcelessFileLoader, external.BYTECODE_SUFFIXES),
    )

    def finder(path):
        if not recorder.is_ours(path) or not os.path.isdir(path):
            raise ImportError("not a folder of the user's code", path=path)
        Finder.vendored.update(vendored(path))
        return Finder(path, *details)

    return finder


class Loader(external.SourceFileLoader):
    """Loads a module of the user through the recorder; never from a cache, whose text we would not know."""

    recorder = None

    def exec_module(self, module):
        self.recorder.load(module, self)

    def get_code(self, fullname):
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def get_data(self, path):
        text = self.recorder.sources.get(path, MISSING)
        if text is MISSING:
            return external.SourceFileLoader.get_data(self, path)
        if text is None:
            raise FileNotFoundError(2, "No such file", path)
        return text


class Finder(external.FileFinder):
    """Finds modules in a folder of the user's code. An overlay may go on showing a file that was replaced or deleted
    below it, so what the emulator sent of changed files comes first."""

    recorder = None
    # Names of packages that were installed into the code.
    vendored = set()

    def find_spec(self, fullname, target=None):
        spec = external.FileFinder.find_spec(self, fullname, target)
        sources = self.recorder.sources
        if spec is not None and sources.get(spec.origin, MISSING) is None:
            spec = None
        if spec is None and sources:
            spec = self._sent(fullname, sources)
        if spec is not None and fullname.partition(".")[0] in self.vendored and isinstance(spec.loader, Loader):
            spec.loader = external.SourceFileLoader(fullname, spec.origin)
        return spec

    def _sent(self, fullname, sources):
        base = os.path.join(self.path, fullname.rpartition(".")[2])
        for path, folders in ((os.path.join(base, "__init__.py"), [base]), (base + ".py", None)):
            if sources.get(path) is not None:
                return external.spec_from_file_location(
                    fullname, path, loader=Loader(fullname, path), submodule_search_locations=folders
                )
        return None


def vendored(folder):
    """Top-level names of packages that were installed into a folder: dependencies, though they lie in the code."""
    found = set()
    for entry in os.listdir(folder):
        if entry.endswith((".dist-info", ".egg-info")):
            found.update(_installed(os.path.join(folder, entry)))
    return found


def _installed(info):
    for name in ("top_level.txt", "RECORD"):
        try:
            with open(os.path.join(info, name), encoding="utf-8") as stream:
                return {_top(line) for line in stream} - {""}
        except (OSError, ValueError):
            continue
    return set()


def _top(line):
    name = line.strip().split(",")[0].split("/")[0]
    return name[:-3] if name.endswith(".py") else name
