"""What a program in an image is given for a debugger, and which files of the host are known to be in there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.debug.cdp_urls import UrlMap
from emulator.debug.paths import as_on_host, is_seen, path_mappings
from emulator.model.image import Copied, Image
from emulator.model.launch import Copy
from emulator.model.program import CodeMount, CustomContainer
from emulator.runtime.compose import ComposeRequest, Composition
from emulator.runtime.container import compose_container
from emulator.runtime.debugging import DebugLink

IMAGE = Image(
    "app:v1",
    id="sha256:1",
    command=("python3", "app.py"),
    workdir="/app",
    environment={"PATH": "/usr/bin", "PYTHONPATH": "/srv/own", "NODE_OPTIONS": "--no-deprecation"},
)


@pytest.fixture
def composed(
    revision: Callable[..., Any], spec: Callable[..., Any], request_for: Callable[..., ComposeRequest], code: Path
) -> Callable[..., Composition]:
    (code / "lib").mkdir()
    (code / "app.py").touch()

    def make(copied: tuple[Copied, ...] = (), **fields: Any) -> Composition:
        container = CustomContainer("app:v1", context=code if copied else None, resolved=IMAGE, copied=copied)
        # A distribution's own debugpy, below what images have of their own.
        debug = DebugLink(code / "debug.sock", "token", attach=True, debugpy=Path("/usr/lib/debugpy"), in_image=True)
        made = revision("custom-container", custom_container=container, **fields)
        return compose_container(made, spec("custom-container"), request_for(debug=debug))

    return make


def test_what_a_debugger_needs_is_mounted_beside_what_the_image_has(composed: Callable[..., Composition]) -> None:
    launch = composed((Copied("app.py", "/app/"),)).launch
    mounts = {mount.target: mount.sources[0] for mount in launch.mounts}
    assert mounts["/var/fc/debug/debugpy"] == Path("/usr/lib/debugpy") and launch.links == ()
    assert launch.env["PYTHONPATH"] == "/var/fc/runtime/python/injected:/srv/own"
    assert launch.env["NODE_OPTIONS"] == "--no-deprecation --require=/var/fc/debug/nodejs/preload.js"
    assert "FCLOCAL_POSTMORTEM" not in launch.env


def test_copies_go_by_the_dockerfile_where_nothing_covers_them(
    composed: Callable[..., Composition], code: Path
) -> None:
    copied = (Copied("app.py", "/app/"), Copied("lib", "/app/lib"), Copied("absent", "/app/absent"))
    live = code.parent / "live"
    live.mkdir()
    made = composed(copied, code_mounts=(CodeMount(live, "/app/lib"),))
    assert made.launch.copies == (Copy(code / "app.py", "/app/app.py"),)
    assert path_mappings(made.launch) == [
        {"localRoot": f"{live}/", "remoteRoot": "/app/lib/"},
        {"localRoot": str(code / "app.py"), "remoteRoot": "/app/app.py"},
    ]
    assert is_seen(str(code / "app.py"), made.launch) and is_seen(str(live / "new.py"), made.launch)
    assert not is_seen(str(code / "lib/old.py"), made.launch), "it is covered"
    assert not is_seen("/usr/lib/python3/x.py", made.launch), "the image has its own"
    assert as_on_host("/app/app.py", made.launch) == str(code / "app.py")
    assert made.notices == ()


def test_a_source_map_says_what_no_dockerfile_does(composed: Callable[..., Composition], code: Path) -> None:
    made = composed(source_map=(CodeMount(code, "/srv/app"),))
    urls = UrlMap(made.launch.mounts, made.launch.copies)
    assert urls.inward({"url": f"file://{code}/a.js"}) == {"url": "file:///srv/app/a.js"}
    assert urls.outward({"url": "file:///srv/app/a.js"}) == {"url": f"file://{code}/a.js"}
    assert not any(mount.target == "/srv/app" for mount in made.launch.mounts) and made.notices == ()


def test_an_image_of_which_nothing_is_known_here_is_told(composed: Callable[..., Composition]) -> None:
    assert [notice for notice in composed().notices if "sourceMap" in notice]
    gone = composed(source_map=(CodeMount(Path("/gone"), "/app"),))
    assert gone.notices == ("the folder /gone of sourceMap of function hello is not there",)
