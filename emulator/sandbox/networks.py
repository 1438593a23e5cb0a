"""Instances with a network of their own: what this machine can give, and one instance's way in and out."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.model.launch import Launch, Network, TcpEndpoint
from emulator.sandbox.base import Finding
from emulator.sandbox.network import NamespaceDialer, NamespaceHelper
from emulator.sandbox.private import Attachment, PrivateNetwork

_NO_NAMESPACES = "these walls give no network of its own to an instance"
_NO_NAMESPACES_LIFT = "start with --walls bwrap"
# Told already as the step down to such walls.
NO_NAMESPACES = Finding("private network", "none", _NO_NAMESPACES, _NO_NAMESPACES_LIFT)


class Networks(Struct, frozen=True):
    """`own` is true where the walls can give an instance its own network; `private` is then its way out, if any.

    `findings` tell why there is none.
    """

    helper: NamespaceHelper
    own: bool = False
    private: PrivateNetwork | None = None
    findings: Sequence[Finding] = ()

    def require(self, network: Network) -> None:
        """Raises `SandboxError` where instances can not have this network, with what would lift it."""
        if network is not Network.HOST and not self.own:
            raise SandboxError(f"--network {network.value}: {_NO_NAMESPACES}", _NO_NAMESPACES_LIFT)
        if network is Network.PRIVATE and self.private is None:
            reason = "; ".join(finding.detail for finding in self.findings) or "it was not looked for"
            lift = next((finding.lift for finding in self.findings if finding.lift), "")
            raise SandboxError(f"A private network can not be had here: {reason}", lift)

    async def enter(self, launch: Launch, pid: int) -> OwnNetwork | None:
        """Open the network of `pid` before its program runs; None where that is the host's.

        Raises `OSError` or `SandboxError`.
        """
        if launch.network is Network.HOST:
            return None
        own_ports = [launch.endpoint.port] if isinstance(launch.endpoint, TcpEndpoint) else []
        dialer = NamespaceDialer.of(self.helper, pid)
        try:
            attachment = None
            if launch.network is Network.PRIVATE and self.private is not None:
                attachment = await self.private.attach(pid, own_ports=own_ports)
        except BaseException:
            await dialer.aclose()
            raise
        return OwnNetwork(dialer, attachment)

    async def aclose(self) -> None:
        await self.helper.aclose()


class OwnNetwork:
    """One instance's network. Without an attachment there is no way out of it."""

    def __init__(self, dialer: NamespaceDialer, attachment: Attachment | None) -> None:
        self._dialer = dialer
        self._attachment = attachment

    async def dial(self, port: int) -> socket.socket:
        """A connected, non-blocking socket to 127.0.0.1 inside. Raises `OSError`."""
        return await self._dialer.dial(port)

    async def aclose(self) -> None:
        """May be called twice."""
        await self._dialer.aclose()
        if self._attachment is not None:
            await self._attachment.aclose()
