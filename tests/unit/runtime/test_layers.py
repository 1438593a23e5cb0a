"""Several layers are one /opt, whatever the walls can do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.model.function import Layer, Revision
from emulator.runtime.compose import ComposeRequest, compose
from emulator.runtime.spec import RuntimeSpec


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Layer, ...]:
    made = []
    for name in ("upper", "lower"):
        folder = tmp_path / name
        (folder / "python").mkdir(parents=True)
        (folder / "same").write_text(name)
        (folder / "python" / f"{name}.py").write_text(name)
        made.append(Layer(f"acs:fc:::layers/{name}/versions/1", folder))
    return tuple(made)


def opt(made: Revision, spec: RuntimeSpec, request: ComposeRequest) -> tuple[Path, ...]:
    (mount,) = (mount for mount in compose(made, spec, request).launch.mounts if mount.target == "/opt")
    return mount.sources


def test_walls_with_overlays_merge_them(
    revision: Callable[..., Revision],
    spec: Callable[[str], RuntimeSpec],
    request_for: Callable[..., ComposeRequest],
    layers: tuple[Layer, ...],
) -> None:
    sources = opt(revision(layers=layers), spec("python3.10"), request_for())
    assert sources == tuple(layer.path for layer in layers)


def test_for_other_walls_they_are_merged_beforehand(
    revision: Callable[..., Revision],
    spec: Callable[[str], RuntimeSpec],
    request_for: Callable[..., ComposeRequest],
    layers: tuple[Layer, ...],
) -> None:
    (merged,) = opt(revision(layers=layers), spec("python3.10"), request_for(overlays=False))
    assert (merged / "same").read_text() == "upper"
    assert sorted(path.name for path in (merged / "python").iterdir()) == ["lower.py", "upper.py"]
