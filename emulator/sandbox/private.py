"""A network of its own for an instance, which still reaches the host's localhost and the internet.

pasta and slirp4netns translate between a namespace and the host's own sockets, without privileges. Both need
/dev/net/tun. Either is attached to a namespace that exists already, before its program starts.

With pasta the host's localhost is localhost inside too: the ports on which the host listens when an instance starts
are listened on inside, but for those that the instance wants itself. slirp4netns shows it under another address.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Collection, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.sandbox import nsdoor
from emulator.sandbox.advice import install, lift
from emulator.sandbox.base import Finding
from emulator.sandbox.listeners import host_ports
from emulator.sandbox.network import NamespaceDialer, NamespaceHelper, open_network, release

# For a tool that hangs: on a machine that is busy a good one may take long, and a request waits for it.
_READY_SECONDS = 60.0
_PROBE_SECONDS = 10.0
_MESSAGE_BYTES = 4096
_PASTA, _SLIRP = "pasta", "slirp4netns"
# Where a program inside asks for names, if the host's own resolver listens on a loopback address.
_PASTA_DNS, _SLIRP_DNS = "169.254.1.1", "10.0.2.3"
# Listening inside takes two sockets a port, one for each version of IP.
_MAX_PORTS = 400
_TUN = Path("/dev/net/tun")
# The address of the host's localhost, and of the tool's resolver, as programs inside see them.
_INSIDE = {_PASTA: ("127.0.0.1", _PASTA_DNS), _SLIRP: ("10.0.2.2", _SLIRP_DNS)}


class Attachment:
    """One instance's way out. It ends with `aclose`, and with us, however we end.

    `hold` is what keeps the tool, `said` what it writes its complaints to: were that closed, a complaint would end it.
    """

    def __init__(self, hold: socket.socket, said: BinaryIO) -> None:
        self._hold = hold
        self._said = said

    async def aclose(self) -> None:
        """Returns when the tool has ended. May be called twice."""
        self._said.close()
        await release(self._hold)


class PrivateNetwork(Struct, frozen=True):
    """A tool that works here. `localhost` is the address under which programs inside find the host's localhost.

    `resolv_conf` is what /etc/resolv.conf must be inside; None where the host's own one will do. In `folder`, which is
    removed if we are killed, tools give their signs.
    """

    tool: str
    program: str
    localhost: str
    resolv_conf: str | None
    helper: NamespaceHelper
    folder: Path

    async def attach(self, pid: int, *, own_ports: Collection[int] = ()) -> Attachment:
        """Give the network namespace of `pid` its way out; returns when it is open.

        `own_ports` are left to the instance. `pid` may be in any user namespace below the network's owner. Raises
        `SandboxError` with the tool's own words.
        """
        try:
            namespace = open_network(pid)
        except OSError as error:
            raise SandboxError(f"the network of process {pid} can not be opened: {error.strerror}") from None
        try:
            return await self.attach_namespace(namespace, sorted(host_ports() - set(own_ports)))
        finally:
            os.close(namespace)

    async def attach_namespace(self, namespace: int, ports: Sequence[int]) -> Attachment:
        """As `attach`, by a descriptor of the namespace, with exactly these ports of the host's localhost."""
        with _Sign(self.folder) as sign:
            hold, said = await self._start(namespace, self._argv(str(sign.path), ports), sign)
            try:
                async with asyncio.timeout(_READY_SECONDS):
                    if not await sign.comes_before(hold):
                        raise SandboxError(f"{self.tool}: {_message(said)}")
            except BaseException as error:
                hold.close()
                said.close()
                if isinstance(error, TimeoutError):
                    raise SandboxError(f"{self.tool} was not ready after {_READY_SECONDS:.0f} s") from None
                raise
        return Attachment(hold, said)

    async def _start(self, namespace: int, argv: Sequence[str], sign: _Sign) -> tuple[socket.socket, BinaryIO]:
        # Non-blocking at both ends, so that a full pipe loses words and does not stop the tool.
        said, say = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        reading = os.fdopen(said, "rb", buffering=0)
        with os.fdopen(say, "wb"):
            try:
                hold, _ = await self.helper.ask(("attach", *argv), [namespace, say, sign.write_fd])
            except BaseException as error:
                reading.close()
                if isinstance(error, OSError):
                    raise SandboxError(f"{self.tool} could not be started: {error}") from None
                raise
        return hold, reading

    def _argv(self, sign: str, ports: Sequence[int]) -> tuple[str, ...]:
        if self.tool == _SLIRP:
            return (
                self.program, "--configure", "--mtu=65520", f"--ready-fd={nsdoor.INHERITED_FD}",
                "{pid}", "tap0",
            )  # fmt: skip
        forwarded = ",".join(map(str, ports[:_MAX_PORTS])) or "none"
        return (
            self.program, "--foreground", "--quiet", "--config-net", "--no-map-gw", "--pid", sign,
            # Not without need: answers of the host's name server would seem to come from this address too.
            *(("--dns-forward", _PASTA_DNS) if self.resolv_conf else ()),
            "-t", "none", "-u", "none", "-T", forwarded, "-U", "none",
            # As root it would become `nobody`, who may not enter our namespaces.
            *(("--runas", "0:0") if os.getuid() == 0 else ()),
            "{pid}",
        )  # fmt: skip


class PrivateProbe(Struct, frozen=True):
    """What was found: the network, if there is one, and lines for `fclocal doctor`."""

    network: PrivateNetwork | None
    findings: tuple[Finding, ...]


async def probe_private(helper: NamespaceHelper, folder: Path, path: str | None = None) -> PrivateProbe:
    """Find a tool by using it: make a namespace, attach the tool, and connect from inside to a port of the host.

    `folder` is one of ours, see `PrivateNetwork`; `path` is where to look for tools, like PATH, which it is by default.
    """
    places = path if path is not None else f"{os.environ.get('PATH', '')}:{os.defpath}"
    refused: list[str] = []
    for tool in _INSIDE:
        program = shutil.which(tool, path=places)
        if program is None:
            refused.append(f"{tool} is not installed")
            continue
        network = _network(tool, program, helper, folder)
        try:
            await asyncio.wait_for(_try(network), _PROBE_SECONDS)
        except (SandboxError, OSError, TimeoutError) as error:
            refused.append(str(error) or f"{tool} did not answer")
        else:
            return PrivateProbe(network, (_found(network),))
    return PrivateProbe(None, (_not_found(refused),))


def remember(probe: PrivateProbe, file: Path) -> None:
    """Write down what worked, for the next start: finding it takes longer than all the rest of a start."""
    if probe.network is not None:
        text = json.dumps(_circumstances(probe.network.tool, probe.network.program))
        with contextlib.suppress(OSError):
            file.write_text(text)


def recall(helper: NamespaceHelper, folder: Path, file: Path) -> PrivateProbe | None:
    """What worked at the last start, where nothing has changed that it depends on."""
    try:
        known = json.loads(file.read_bytes())
        tool = next(tool for tool in _INSIDE if shutil.which(tool))
        # Nothing in the file says what to run: it may have come with somebody's project.
        program = shutil.which(tool) or ""
        unchanged = known == _circumstances(tool, program)
    except (OSError, ValueError, StopIteration):
        return None
    network = _network(tool, program, helper, folder)
    return PrivateProbe(network, (_found(network),)) if unchanged else None


def _circumstances(tool: str, program: str) -> dict[str, object]:
    """Raises `OSError` where the program is gone."""
    found = Path(program).stat()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    usable = os.access(_TUN, os.R_OK | os.W_OK)
    return {
        "tool": tool,
        "program": program,
        "changed": found.st_mtime_ns,
        "boot": boot,
        "user": os.getuid(),
        "tun": usable,
    }


def _network(tool: str, program: str, helper: NamespaceHelper, folder: Path) -> PrivateNetwork:
    localhost, resolver = _INSIDE[tool]
    resolv_conf = inner_resolv_conf(_host_resolv_conf(), resolver)
    return PrivateNetwork(tool, program, localhost, resolv_conf, helper, folder)


def inner_resolv_conf(text: str, resolver: str) -> str | None:
    """/etc/resolv.conf for the inside, or None if the host's, whose `text` it is, can stay.

    A name server on the host's loopback (127.0.0.53 of systemd-resolved) can not be reached from inside as such: the
    tool hands on what is sent to `resolver`.
    """
    lines = [(line, line.split()) for line in text.splitlines()]
    servers = [words[1] for _, words in lines if words[:1] == ["nameserver"] and len(words) > 1]
    if not any(_is_loopback(server) for server in servers):
        return None
    others = [line for line, words in lines if words[:1] in (["search"], ["domain"], ["options"])]
    return "\n".join([f"nameserver {resolver}", *others, ""])


def _host_resolv_conf() -> str:
    try:
        return Path("/etc/resolv.conf").read_text(errors="replace")
    except OSError:
        return ""


async def _try(network: PrivateNetwork) -> None:
    room, (namespace,) = await network.helper.ask(("room",))
    inside = NamespaceDialer(network.helper, namespace)
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            attachment = await network.attach_namespace(namespace, [port])
            try:
                (await inside.dial(port, network.localhost)).close()
            finally:
                await attachment.aclose()
    finally:
        await inside.aclose()
        await release(room)


def _found(network: PrivateNetwork) -> Finding:
    if network.localhost == "127.0.0.1":
        return Finding("private network", network.tool, "reaches the host's localhost and the internet")
    return Finding(
        "private network",
        network.tool,
        f"reaches the internet; the host's localhost is {network.localhost} inside",
        f"{install('passt')} (its pasta shows it as localhost)",
        full=False,
    )


def _not_found(refused: Sequence[str]) -> Finding:
    reason = "; ".join(refused)
    if all(text.endswith("is not installed") for text in refused):
        return Finding("private network", "none", reason, install("passt"), full=False)
    return Finding("private network", "none", reason, _tun_advice() or lift("bwrap", reason), full=False)


def _tun_advice() -> str:
    if not _TUN.exists():
        return "sudo modprobe tun, or in a container add --device /dev/net/tun"
    return "" if os.access(_TUN, os.R_OK | os.W_OK) else f"sudo chmod 0666 {_TUN}"


class _Sign:
    """A named pipe in which a tool writes when it is ready: as its pid file, or through a descriptor."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"ready-{secrets.token_hex(6)}"

    def __enter__(self) -> _Sign:
        os.mkfifo(self.path, 0o600)
        self._read_fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        # Kept open here too, else the first writer that leaves would look like the sign.
        self.write_fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.write_fd)
        os.close(self._read_fd)
        self.path.unlink(missing_ok=True)

    async def comes_before(self, hold: socket.socket) -> bool:
        """Whether the sign came, and not the tool's end."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[bool] = loop.create_future()

        def tell(came: bool) -> None:
            if not ready.done():
                ready.set_result(came)

        loop.add_reader(self._read_fd, tell, True)
        loop.add_reader(hold, tell, False)
        try:
            return await ready
        finally:
            loop.remove_reader(self._read_fd)
            loop.remove_reader(hold)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _message(said: BinaryIO) -> str:
    """The tool's last words; pasta also complains about a missing system log, in lines that hide the reason."""
    lines = (said.read(_MESSAGE_BYTES) or b"").decode(errors="replace").splitlines()
    return "; ".join(line for line in lines if line and "syslog" not in line) or "it ended without a word"
