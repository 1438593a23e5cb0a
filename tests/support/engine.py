"""The container engine of this machine, as a test looks at it."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
from collections.abc import Iterator

import docker
import pytest

from emulator.sandbox.container.engine import engine_urls


@functools.cache
def why_no_engine() -> str:
    """Why there are no containers here; empty where there are."""
    urls = engine_urls(os.environ)
    if not urls:
        return "no container engine is here"
    try:
        with asked():
            return ""
    except docker.errors.DockerException as error:
        return f"no container engine answers: {error}"


@contextlib.contextmanager
def asked() -> Iterator[docker.APIClient]:
    api = docker.APIClient(base_url=engine_urls(os.environ)[0], version="auto")
    api.headers["Connection"] = "close"
    try:
        yield api
    finally:
        api.close()


def containers_of(run: str) -> list[str]:
    """Names of the containers that one run of an emulator has."""
    with asked() as api:
        found = api.containers(all=True, filters={"label": f"fclocal.run={run}"})
        return [container["Names"][0].lstrip("/") for container in found]


def bridge_address() -> str:
    """This machine, as containers on the engine's bridge see it."""
    with asked() as api:
        [config, *_] = api.inspect_network("bridge")["IPAM"]["Config"]
    # Docker tells only a gateway that somebody has chosen.
    return str(config.get("Gateway") or next(ipaddress.ip_network(config["Subnet"]).hosts()))


def remove_image(name: str) -> None:
    """An image that a test has made, if it has."""
    with asked() as api, contextlib.suppress(docker.errors.ImageNotFound):
        api.remove_image(name, force=True)


needs_engine = pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
