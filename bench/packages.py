"""The packages that measured functions import, as a layer."""

from __future__ import annotations

from pathlib import Path

from bench.context import Bench
from bench.editor import await_answer
from bench.interpreter import TELLS, interpreter
from bench.peers import Absent
from bench.servers.product import Product


def packages(bench: Bench) -> tuple[Path | None, str]:
    """The folder of the layer, for the interpreter that functions run on; or why it can not be had."""
    if not bench.sizes.packages:
        return None, "not in a quick run"
    with bench.starting(Product(handler=TELLS)) as it:
        await_answer(it)
        python = interpreter(it)
    try:
        return bench.store.install_layer(python), ""
    except Absent as reason:
        return None, str(reason)
