"""Functions whose programs are in images that nobody prepared for a debugger, each built of a folder of its own."""

from __future__ import annotations

import contextlib
import sys
import uuid
from pathlib import Path
from typing import Any

import yaml

from emulator.sandbox.container.engine import Api
from tests.support.command import Workshop
from tests.support.images import bare_node, python_with_packages, site_packages, with_engine

# Not root, since images often are not; its number is nobody's here.
PYTHON_IMAGE = """
ARG BASE
FROM ${BASE}
ENV PYTHONPATH=/srv/own
WORKDIR /app
COPY . .
USER 12345:12345
CMD ["python3", "app.py"]
"""
NOTHING_COMPILED = "PYDEVD_LOAD_NATIVE_LIB=0 PYDEVD_USE_CYTHON=NO"
_ARCH = sys.implementation._multiarch
MUSL = {
    "musl.pth": "import sys; sys.implementation._multiarch = 'x86_64-linux-musl'\n",
    # What sysconfig looks for then.
    "_sysconfigdata__linux_x86_64-linux-musl.py": "from importlib import import_module\n"
    f"build_time_vars = import_module('_sysconfigdata__linux_{_ARCH}').build_time_vars\n",
}
NODE_IMAGE = """
ARG BASE
FROM ${BASE}
ENV NODE_OPTIONS=--no-deprecation
WORKDIR /srv/web
COPY app.js .
CMD ["node", "app.js"]
"""


class ContainerProject:
    """`settings` are sections of .fclocal.yaml."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self._props: dict[str, Any] = {}
        self._settings: dict[str, Any] = {}
        self.images: list[str] = []

    def python(self, name: str, code: str, timeout: int = 30, **settings: Any) -> None:
        self._function(name, "app.py", code, PYTHON_IMAGE, python_with_packages(), settings)
        self._props[name]["timeout"] = timeout

    def alpine(self, name: str, code: str) -> None:
        """As a Python of Alpine is to a debugger: nothing that debugpy has compiled can be loaded there."""
        image = PYTHON_IMAGE.replace("COPY", f"ENV {NOTHING_COMPILED}\nCOPY musl {site_packages()}/\nCOPY")
        self._function(name, "app.py", code, image, python_with_packages(), {})
        self.workshop.write({f"{name}/musl/{file}": text for file, text in MUSL.items()})

    def node(self, name: str, code: str, **settings: Any) -> None:
        self._function(name, "app.js", code, NODE_IMAGE, bare_node(), settings)

    def _function(self, name: str, file: str, code: str, image: str, base: str, settings: dict[str, Any]) -> None:
        self.workshop.write({f"{name}/{file}": code, f"{name}/Dockerfile": image})
        tag = f"fclocal-tests/debugged:{uuid.uuid4().hex}"
        self.images.append(tag)
        self._props[name] = {
            "runtime": "custom-container",
            "code": f"./{name}",
            "customContainerConfig": {"image": tag, "port": 9000},
        }
        self._settings[name] = {"buildArgs": {"BASE": base}, **settings}

    def elsewhere(self, name: str, of: str, **settings: Any) -> None:
        """A function of another one's image, which it finds at the engine: no Dockerfile tells of it."""
        self._props[name] = {**self._props[of], "code": f"./{name}"}
        self._settings[name] = settings

    def builtin(self, name: str, code: str, **props: Any) -> None:
        self.workshop.write({f"{name}/index.py": code})
        self._props[name] = {"handler": "index.handler", "code": f"./{name}", **props}

    def save(self) -> None:
        common = {"region": "cn-hangzhou", "cpu": 1, "memorySize": 1024, "timeout": 30}
        resources = {
            name: {"component": "fc3", "props": {**common, "functionName": name, **props}}
            for name, props in self._props.items()
        }
        project = {"edition": "3.0.0", "name": "images", "access": "default", "resources": resources}
        text = yaml.safe_dump(project, sort_keys=False)
        self.workshop.write({"s.yaml": text, ".fclocal.yaml": yaml.safe_dump({"functions": self._settings})})

    @property
    def live(self) -> Path:
        """A folder for `codeMounts`."""
        return self.workshop.root / "live"

    def file(self, function: str, name: str = "app.py") -> Path:
        return self.workshop.root / function / name

    def remove_images(self) -> None:
        async def remove(engine: Any) -> None:
            for tag in self.images:
                with contextlib.suppress(Exception):
                    await engine.call(Api.remove_image, tag, force=True)

        with_engine(remove)
