"""All of debugging, put together: what instances talk to, and the ports that editors attach to."""

from __future__ import annotations

from pathlib import Path

from emulator.config.debug_ports import debug_ports, other_debug_ports
from emulator.debug.names import Names
from emulator.debug.node import NodeSide
from emulator.debug.options import DebugOptions
from emulator.debug.python import PythonSide
from emulator.debug.sides import Sides
from emulator.instance.control import Switchboard
from emulator.instance.debugger import Debugger
from emulator.journal.journal import Journal
from emulator.model.errors import UserError


class Desk:
    """`debugger` is what instances tell. Nothing is loaded for an editor before one comes."""

    def __init__(self, switchboard: Switchboard, journal: Journal, options: DebugOptions) -> None:
        self.names = Names()
        self._journal = journal
        self._python = PythonSide(switchboard, journal, self.names, options)
        self._node = NodeSide(switchboard, self.names, options)
        self.debugger: Debugger = Sides([self._python, self._node])

    @property
    def port(self) -> int:
        """Where editors attach to Python; 0 before `open`."""
        return self._python.port

    @property
    def node_port(self) -> int:
        """Where editors attach to Node.js; 0 before `open`."""
        return self._node.port

    async def open(self, state_dir: Path, port: int, node_port: int) -> None:
        """Listen on these ports, or where one is 0 on that which is kept for this project. Raises `UserError`."""
        if port and node_port:
            await self._listen(port, node_port)
            return
        kept = debug_ports(state_dir)
        try:
            await self._listen(port or kept.python, node_port or kept.node)
        except UserError as taken:
            if port or node_port:
                raise
            other = other_debug_ports(state_dir)
            await self._listen(other.python, other.node)
            self._journal.notice(
                f"{taken.message}, so editors attach to {other.python} from now on, and to {other.node} for Node.js: "
                "write their configuration again, by fclocal ide"
            )

    async def _listen(self, port: int, node_port: int) -> None:
        """Both, or none."""
        try:
            self._node.listen(node_port)
        except OSError as error:
            raise _taken(node_port, error, "--debug-node-port") from error
        try:
            await self._python.listen(port)
        except OSError as error:
            self._node.stop_listening()
            raise _taken(port, error, "--debug-port") from error

    async def aclose(self) -> None:
        await self._node.aclose()
        await self._python.aclose()


def _taken(port: int, error: OSError, option: str) -> UserError:
    return UserError(f"the debug port {port} can not be used: {error.strerror}", f"choose another one by {option}")
