"""What a build of a function consists of: its pre-deploy steps, else what the manifests beside its code ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from emulator.model.function import BuildStep, Function
from emulator.runtime.spec import Manifest, RuntimeSpec

# What the usual commands leave behind, as (command, folder or file that tells it ran, how deep it may lie).
PRODUCTS = (
    (re.compile(r"\bpip[\d.]*\s+install\b"), "*.dist-info"),
    (re.compile(r"\b(?:npm|cnpm|pnpm)\s+(?:i|ci|install)\b|\byarn\b(?!\s+(?:run|build|start))"), "node_modules"),
)
DEPTHS = ("", "*/", "*/*/")


def build_steps(function: Function, spec: RuntimeSpec | None) -> tuple[BuildStep, ...]:
    """The commands in their order. `spec` is None for a runtime that is not emulated, whose manifests nobody knows."""
    if not function.build:
        return tuple(_by_manifests(function, spec))
    return tuple(_expanded(function, spec))


def missing_variables(function: Function, spec: RuntimeSpec | None) -> dict[str, str]:
    """Variables without which the function does not see what a build by manifests has installed."""
    if function.build and not any(step.by_manifest for step in function.build):
        return {}
    wanted = {name: value for manifest in _manifests(function, spec) for name, value in manifest.env.items()}
    return {name: value for name, value in wanted.items() if value not in function.environment.get(name, "")}


def build_hint(function: Function) -> str:
    """Which commands were not run, for the message that something they make is missing; "" without any."""
    if not function.build:
        return ""
    commands = ", ".join(f"`{step.run}`" for step in function.build)
    return f"Not run: {commands} (actions: pre-deploy); `--build` runs it"


def missing_products(function: Function, spec: RuntimeSpec, code: Path) -> str | None:
    """A notice where a step was evidently never run in this checkout, else None.

    Layers may hold all that a manifest lists, so nothing is said of manifests where there are any.
    """
    if not function.build and function.layers:
        return None
    missed = [step for step in build_steps(function, spec) if _evidently_not_run(step, function, code)]
    if not missed:
        return None
    where = f"{missed[0].place}: " if missed[0].place else ""
    commands = ", ".join(f"`{step.run}`" for step in missed)
    whose = " of actions: pre-deploy" if function.build else ""
    return f"{where}{commands}{whose} was not run, and what it makes is missing; `--build` runs it"


def _expanded(function: Function, spec: RuntimeSpec | None) -> Iterator[BuildStep]:
    for step in function.build:
        if step.by_manifest:
            yield from (replace(found, place=step.place) for found in _by_manifests(function, spec))
        else:
            yield step


def _by_manifests(function: Function, spec: RuntimeSpec | None) -> Iterator[BuildStep]:
    if function.code is not None:
        for manifest in _manifests(function, spec):
            yield BuildStep(manifest.run, function.code)


def _manifests(function: Function, spec: RuntimeSpec | None) -> Iterator[Manifest]:
    """Those that lie beside the code and list something. An archive is ready as it is."""
    if spec is None or function.code is None or not function.code.is_dir():
        return
    for manifest in spec.manifests:
        try:
            text = (function.code / manifest.file).read_text("utf-8", "replace")
        except OSError:
            continue
        if manifest.asks.search(text):
            yield manifest


def _evidently_not_run(step: BuildStep, function: Function, code: Path) -> bool:
    patterns = [product for command, product in PRODUCTS if command.search(step.run)]
    if patterns:
        return not any(_exists(folder, product) for product in patterns for folder in {step.path, code})
    return not function.is_custom and not _handler_exists(function, code)


def _exists(folder: Path, pattern: str) -> bool:
    return any(True for depth in DEPTHS for _ in folder.glob(depth + pattern))


def _handler_exists(function: Function, code: Path) -> bool:
    """Whether there is a file or folder for the handler `dir/module.function`, in whatever language."""
    module = function.handler.partition("::")[0].rpartition(".")[0]
    names = {module, module.replace(".", "/")} - {""}
    return not names or any(True for name in names for _ in (code / name).parent.glob(f"{Path(name).name}*"))
