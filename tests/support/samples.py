"""The samples, copied and built outside of the checkout, and what an invocation of them prints."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.pandas_standin import pandas_standin
from tests.support.command import ROOT, Workshop

# What pip and npm say where there is no index to be reached, or where they are not installed at all.
UNREACHABLE = re.compile(
    r"Failed to establish a new connection|Temporary failure in name resolution|Network is unreachable|"
    r"Connection refused|ReadTimeoutError|ConnectTimeoutError|SSLError|"
    r"\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT)\b|No module named pip|npm: not found"
)
PRODUCTS = ("python", "3rd-packages", "node_modules", "__pycache__", "*.joblib", "model.bin")


def build_environ() -> dict[str, str]:
    """pip and npm need the proxies, certificates and indexes that are set for them."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def build(project: Workshop) -> subprocess.CompletedProcess[str]:
    """`fclocal build`; skips where what the project needs can not be downloaded here."""
    done = project.run("build", env={**build_environ(), **project.env})
    if done.returncode and (reason := UNREACHABLE.search(done.stderr)):
        pytest.skip(f"the packages of {project.root.name} can not be had here: {reason[0]}")
    assert done.returncode == 0, done.stderr
    return done


class Shelf:
    """A copy of each sample, made and built once for all tests of a session."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built: dict[str, Workshop] = {}

    def copy(self, name: str, to: Path) -> Workshop:
        """As it is in the repository: nothing is built."""
        shutil.copytree(ROOT / "samples" / name, to, ignore=_products)
        return Workshop(to)

    def take(self, name: str) -> Workshop:
        """A built copy."""
        if name not in self._built:
            sample = self.copy(name, self._folder / name)
            if (sample.root / "Dockerfile").exists():
                from tests.support.images import python_with_nvml, python_with_packages  # asks for an engine

                # As a user without a registry would: another base, by a build argument.
                base = python_with_nvml if name == "gpu-torch" else python_with_packages
                sample.env["FCLOCAL_BUILD_ARGS"] = json.dumps({"BASE": base()})
                if name == "gpu-torch":
                    self._bring_torch(sample)
            if name == "coldstart-causes":
                sample.env.update(pandas_standin(self._folder / "wheels"))
            build(sample)
            self._built[name] = sample
        return self._built[name]

    def close(self) -> None:
        """Remove the images that were made on the way."""
        for sample in self._built.values():
            if (sample.root / "Dockerfile").exists():
                from tests.support.engine import remove_image

                for image in re.findall(r"^\s*image: (\S+)$", (sample.root / "s.yaml").read_text(), re.MULTILINE):
                    remove_image(image)

    def _bring_torch(self, sample: Workshop) -> None:
        from tests.support.images import torch_in

        packages = torch_in(self._folder / "torch")
        own = {"codeMounts": {"/packages": str(packages)}, "environment": {"PYTHONPATH": "/packages"}}
        (sample.root / ".fclocal.yaml").write_text(json.dumps({"functions": {"gpu-xor": own}}))


def _products(folder: str, names: list[str]) -> set[str]:
    """Left behind in the checkout by whoever tried a sample there. Of `.fclocal` only the layers are the sample's."""
    if Path(folder).name == ".fclocal":
        return set(names) - {"layers"}
    if ".fclocal" in Path(folder).parts:
        return set()
    return {name for name in names if any(map(Path(name).match, PRODUCTS))}


def invoked(sample: Workshop, *args: str, input: bytes | None = None) -> str:
    """The result of an invocation that succeeds; its log has FC's lines."""
    done = sample.run("invoke", *args, input=input)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^FC Invoke Start RequestId: (\S+)$(?s:.*)^FC Invoke End RequestId: \1$", done.stderr, re.M)
    assert re.search(r"^Duration: .* Memory Size: \d+ MB, Max Memory Used: [\d.]+ MB", done.stderr, re.M)
    return done.stdout


def failed(sample: Workshop, *args: str) -> dict[str, Any]:
    """FC's error body of an invocation that fails."""
    done = sample.run("invoke", *args)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Error: Unhandled function error" in done.stderr
    return json.loads(done.stdout)
