"""A reload that keeps what a module has loaded: how long it takes, and whether it is the same afterwards."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.context import Bench
from bench.editor import FIRST_VERSION, REST_SECONDS, Editor, edited
from bench.findings import Findings, Goal, Sense, Table, median
from bench.packages import packages
from bench.servers.product import Product

LIMIT_MS = 300.0
HANDLER = """\
{imports}
VERSION = {version}
MODEL = {model}


def handler(event, context):
    return "%d %d" % (VERSION, {address})
"""
OPTIONS = "functions:\n  echo:\n    reload: keep\n"


@dataclass(frozen=True, slots=True)
class Model:
    """Something large that a module makes, and an expression that tells where in memory it is."""

    name: str
    imports: str
    model: str
    address: str
    is_packaged: bool = True

    def text(self, version: int, size: int) -> str:
        model = self.model.format(size=size)
        return HANDLER.format(imports=self.imports, model=model, address=self.address, version=version)


IN_A_BYTEARRAY = "ctypes.addressof(ctypes.c_char.from_buffer(MODEL))"
MODELS = (
    Model("bytearray", "import ctypes", 'bytearray(b"x") * {size}', IN_A_BYTEARRAY, is_packaged=False),
    Model("torch tensor", "import torch", "torch.ones({size}, dtype=torch.uint8)", "MODEL.data_ptr()"),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """How long each save took, and after how many the model was another one."""

    model: Model
    taken_ms: Sequence[float]
    remade: int


def measure(bench: Bench) -> Findings:
    """One model after the other."""
    layer, absent = packages(bench)
    kept = [_kept(bench, model, layer) for model in MODELS if layer is not None or not model.is_packaged]
    rows = [[it.model.name, f"{median(it.taken_ms):.1f}", f"{max(it.taken_ms):.1f}", f"{it.remade}"] for it in kept]
    rows += [[model.name, f"no figure: {absent}"] for model in _missing(kept)]
    title = f"Reload that keeps {bench.sizes.model_mb} MiB, save to first new answer"
    figures = {
        it.model.name: {"p50_ms": median(it.taken_ms), "max_ms": max(it.taken_ms), "remade": it.remade} for it in kept
    }
    table = Table(title, ["model", "p50 ms", "max ms", "made anew"], rows)
    return Findings([table], [*_goals(bench, kept, absent)], figures)


def _kept(bench: Bench, model: Model, layer: Path | None) -> Kept:
    size = bench.sizes.model_mb << 20

    def text(version: int) -> str:
        return model.text(version, size)

    product = Product(
        handler=text(FIRST_VERSION),
        layer=layer if model.is_packaged else None,
        memory_mb=2 * bench.sizes.model_mb + 1024,
        options=OPTIONS,
        flags=("--json",),
    )
    bench.say(f"keep: {bench.sizes.model_mb} MiB, {model.name}")
    with edited(bench, product, text) as editor:
        places, taken = [_place(editor)], []
        for _ in range(bench.sizes.saves):
            taken.append(editor.save())
            places.append(_place(editor))
            time.sleep(REST_SECONDS)
    return Kept(model, taken, sum(one != other for one, other in itertools.pairwise(places)))


def _place(editor: Editor) -> str:
    return editor.ask().split()[1]


def _missing(kept: Sequence[Kept]) -> list[Model]:
    there = {it.model.name for it in kept}
    return [model for model in MODELS if model.name not in there]


def _goals(bench: Bench, kept: Sequence[Kept], absent: str) -> Iterator[Goal]:
    text = f"ms of a reload that keeps {bench.sizes.model_mb} MiB, {{}}"
    for it in kept:
        yield Goal(_goal_name(it.model), text.format(it.model.name), Sense.AT_MOST, LIMIT_MS, median(it.taken_ms))
    for model in _missing(kept):
        yield Goal(_goal_name(model), text.format(model.name), Sense.AT_MOST, LIMIT_MS, None, absent)
    remade = float(sum(it.remade for it in kept))
    yield Goal("keep.remade", "reloads that made the model anew", Sense.AT_MOST, 0, remade)


def _goal_name(model: Model) -> str:
    return f"keep.{model.name.replace(' ', '_')}"
