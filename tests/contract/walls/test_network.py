"""Ways into and out of network namespaces, for this user and for an ordinary one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from network_scenarios import SCENARIOS
from walls_scenario import SYSTEM_PYTHON
from walls_users import run_scenario

from emulator.sandbox.private import inner_resolv_conf

SCRIPT = Path(__file__).with_name("network_scenarios.py")
WITH_A_TOOL = [
    name for name in SCENARIOS if "private" in name or "port_of" in name or "ends_its" in name or "outlives" in name
]

pytestmark = [
    pytest.mark.isolation,
    pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason=f"{SYSTEM_PYTHON} is missing"),
]
users = pytest.mark.parametrize("ordinary", [False, True], ids=["this-user", "ordinary-user"])


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that an ordinary user can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="fclocal-test-"))
    os.chmod(folder, 0o755)
    (folder / "tun").mkdir()
    (folder / "bin").mkdir()
    yield folder
    shutil.rmtree(folder)


@users
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in WITH_A_TOOL])
def test_network(name: str, ordinary: bool) -> None:
    run_scenario(SCRIPT, [name], ordinary=ordinary)


@users
@pytest.mark.parametrize("tool", ["pasta", "slirp4netns"])
@pytest.mark.parametrize("name", WITH_A_TOOL)
def test_private_network(name: str, tool: str, ordinary: bool, place: Path) -> None:
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"{tool} is not installed")
    (place / "bin" / tool).symlink_to(program)
    run_scenario(SCRIPT, [name, str(place / "bin")], ordinary=ordinary, tun=place / "tun")


def test_a_resolver_that_can_be_reached_from_inside_stays() -> None:
    assert inner_resolv_conf("nameserver 192.0.2.1\n", "169.254.1.1") is None
    assert inner_resolv_conf("", "169.254.1.1") is None
    assert inner_resolv_conf("nameserver\nnameserver what\n", "169.254.1.1") is None


def test_a_resolver_on_the_hosts_loopback_is_replaced() -> None:
    text = "# by systemd-resolved\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n\nnameserver 192.0.2.1\n"
    assert inner_resolv_conf(text, "169.254.1.1") == "nameserver 169.254.1.1\noptions edns0 trust-ad\nsearch lan\n"
    assert inner_resolv_conf("nameserver ::1\n", "10.0.2.3") == "nameserver 10.0.2.3\n"
