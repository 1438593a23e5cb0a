"""What walls are given for a custom-container function: in its image, and without one on the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.model.errors import ConfigError, UserError
from emulator.model.function import MountKind, RemoteMount, Revision
from emulator.model.image import Copied, Image
from emulator.model.launch import Access, Launch, Mount, TcpEndpoint
from emulator.model.program import CodeMount, CustomContainer
from emulator.runtime.compose import ComposeRequest
from emulator.runtime.container import compose_container
from emulator.runtime.images import offline_image, runtime_images
from emulator.runtime.spec import Catalog, RuntimeSpec

IMAGE = Image(
    "app:v1",
    id="sha256:1",
    entrypoint=("python",),
    command=("app.py",),
    environment={"PATH": "/venv/bin:/bin", "LANG": "C", "FC_REGION": "mars"},
    workdir="/srv/app",
    user="www:www",
)
Make = Callable[..., Revision]
Ask = Callable[..., ComposeRequest]
Find = Callable[[str], RuntimeSpec]
Compose = Callable[..., Launch]


@pytest.fixture
def composed(revision: Make, spec: Find, request_for: Ask) -> Compose:
    def make(container: CustomContainer, request: dict[str, object] | None = None, **fields: object) -> Launch:
        made = revision("custom-container", custom_container=container, **fields)
        return compose_container(made, spec("custom-container"), request_for(**(request or {}))).launch

    return make


def in_image(**fields: object) -> CustomContainer:
    return CustomContainer(**{"image": "app:v1", "resolved": IMAGE, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "argv"),
    [
        ({}, ("python", "app.py")),
        ({"command": ("other.py",)}, ("python", "other.py")),
        ({"entrypoint": ("node",)}, ("node",)),
        ({"entrypoint": ("node",), "command": ("x.js",)}, ("node", "x.js")),
    ],
)
def test_what_starts_it(composed: Compose, fields: dict[str, object], argv: tuple[str, ...]) -> None:
    """An entrypoint of the project's drops the image's command too, as engines have it."""
    launch = composed(in_image(**fields))
    assert (launch.argv, launch.display) == (argv, f"{' '.join(argv)} ")


def test_the_image_is_what_it_is_and_fc_adds_its_own(composed: Compose) -> None:
    launch = composed(in_image(port=8000), environment={"LANG": "zh", "FC_MINE": "x"})
    assert (launch.image, launch.cwd, launch.endpoint) == ("sha256:1", "/srv/app", TcpEndpoint(8000))
    assert (launch.env["PATH"], launch.env["LANG"], launch.env["FC_REGION"]) == ("/venv/bin:/bin", "zh", "cn-hangzhou")
    assert launch.env["FC_CUSTOM_LISTEN_PORT"] == "8000" and "FC_MINE" not in launch.env
    assert not {"HOME", "TZ", "PYTHONPATH"} & launch.env.keys(), "the image's own"
    assert (launch.uid, launch.gid) == (0, 0), "the engine heeds USER, whose name is known in the image alone"
    assert launch.mounts == () and launch.memory_mb == 512


def test_folders_over_the_image(composed: Compose, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    nas = RemoteMount(MountKind.NAS, "host:/data", "/mnt/data")
    mounts = (CodeMount(tmp_path / "src", "/srv/app/src"),)
    launch = composed(in_image(), code_mounts=mounts, mounts=(nas,))
    assert launch.mounts[0] == Mount((tmp_path / "src",), "/srv/app/src", Access.OVERLAY)
    assert (launch.mounts[1].target, launch.mounts[1].access) == ("/mnt/data", Access.WRITE)
    assert composed(in_image(), {"strict": True}, code_mounts=mounts).mounts[0].access is Access.READ
    with pytest.raises(ConfigError, match="of codeMounts of function hello is not there"):
        composed(in_image(), code_mounts=(CodeMount(tmp_path / "nothing", "/x"),))


def test_on_the_host_what_is_copied_lies_where_the_image_has_it(composed: Compose, tmp_path: Path) -> None:
    for name in ("app.py", "templates/index.html", "main.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    described = Image(
        "app:v1", command=("/bin/sh", "-c", "exec x"), environment={"A": "/app/x"}, workdir="/app", user="7"
    )
    copied = (Copied("*.py", "/app/"), Copied("templates", "/app/templates"), Copied("main.cfg", "/etc/main.cfg"))
    launch = composed(in_image(resolved=described, context=tmp_path, copied=(*copied, Copied("gone", "/app/gone"))))
    found = {mount.target: (mount.sources[0].name, mount.access) for mount in launch.mounts}
    assert found["/app/app.py"] == ("app.py", Access.READ)
    assert found["/app/templates"] == ("templates", Access.OVERLAY)
    assert found["/etc/main.cfg"] == ("main.cfg", Access.READ) and "/app/gone" not in found
    assert (launch.image, launch.cwd, launch.uid, launch.env["A"]) == ("", "/app", 7, "/app/x")
    # Nothing is copied that is known: the folder itself stands for it.
    launch = composed(in_image(resolved=described, context=tmp_path))
    assert Mount((tmp_path,), "/app", Access.OVERLAY) in launch.mounts


def test_on_the_host_nothing_lies_over_what_is_the_hosts(composed: Compose, tmp_path: Path) -> None:
    described = Image("app:v1", command=("/bin/sh", "/usr/src/app/run.sh"), workdir="/usr/src/app")
    launch = composed(in_image(resolved=described, context=tmp_path, copied=(Copied("", "/usr/src/app"),)))
    assert Mount((tmp_path,), "/srv/usr/src/app", Access.OVERLAY) in launch.mounts
    assert (launch.argv, launch.cwd) == (("/bin/sh", "/srv/usr/src/app/run.sh"), "/srv/usr/src/app")


def test_on_the_host_a_copy_never_leaves_the_folder(composed: Compose, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "link").symlink_to(tmp_path)
    described = Image("app:v1", command=("/bin/sh",))
    container = in_image(resolved=described, context=tmp_path / "context", copied=(Copied("link", "/app"),))
    assert not any(mount.target == "/app" for mount in composed(container).mounts)


def test_what_can_not_be_started(composed: Compose) -> None:
    with pytest.raises(ConfigError, match="names no image"):
        composed(CustomContainer(""))
    with pytest.raises(UserError, match="nothing says how the image app:v1 of function hello is started"):
        composed(CustomContainer("app:v1", resolved=Image("app:v1")))
    with pytest.raises(UserError, match="`no-such-program`, which starts the image app:v1, is not on this machine"):
        composed(CustomContainer("app:v1", entrypoint=("no-such-program",), resolved=Image("app:v1")))


def test_the_images_of_a_runtime_are_the_official_one_before_ours() -> None:
    spec = Catalog.of(None).find("python3")
    assert runtime_images(spec) == ("aliyunfc/runtime-python3.6:3.1.0", "fclocal/runtime:python3")
    assert runtime_images(spec, "example.com/")[0] == "example.com/aliyunfc/runtime-python3.6:3.1.0"
    assert offline_image(spec) == "fclocal/runtime:python3"
