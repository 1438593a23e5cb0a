"""Neovim with nvim-dap in it, without a screen: what a person types is sent to it, and what is shown is read back."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.command import ROOT, eventually

# `make e2e-nvim` puts nvim-dap there. It is GPL, so it is no part of this repository.
FETCHED = ROOT / "build" / "nvim-dap"
VARIABLE = "FCLOCAL_TEST_NVIM_DAP"
LOG_CHARACTERS = 8000
# Threads as nvim-dap knows them, and the place that its cursor and its sign `DapStopped` show.
SHOWN = """
local session = require("dap").session()
if not session then return vim.empty_dict() end
local threads = {}
for id, thread in pairs(session.threads) do
  local focus = id == session.stopped_thread_id
  table.insert(threads, { name = thread.name, stopped = thread.stopped or false, focus = focus })
end
local signs = vim.fn.sign_getplaced("%", { group = session.sign_group })[1].signs
return {
  initialized = session.initialized, threads = threads, sign = (signs[1] or {}).lnum or 0,
  file = vim.api.nvim_buf_get_name(0), line = vim.api.nvim_win_get_cursor(0)[1],
}
"""
VARIABLES = """
local frame = (require("dap").session() or {}).current_frame or {}
local found = vim.empty_dict()
for _, scope in pairs(frame.scopes or {}) do
  for name, variable in pairs(scope.variables or {}) do found[name] = found[name] or variable.value end
end
return found
"""

COUNT = "require('dap').listeners.after.setBreakpoints.test = function() vim.g.told = (vim.g.told or 0) + 1 end"
TOLD = "return vim.g.told or 0"


def nvim_dap() -> Path:
    """The plug-in's folder; skips the test where it or Neovim is missing."""
    if shutil.which("nvim") is None:
        pytest.skip("Neovim is not here: `apt-get install neovim`, or whatever your system has")
    for folder in (os.environ.get(VARIABLE), FETCHED):
        if folder and (Path(folder) / "lua" / "dap.lua").exists():
            return Path(folder)
    pytest.skip(f"nvim-dap is not here: `make e2e-nvim` fetches it; or {VARIABLE} names its folder")


class Nvim:
    """One Neovim; `--embed` makes its stdin and stdout a MessagePack-RPC connection."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._numbers = itertools.count(1)

    def call(self, method: str, *arguments: Any) -> Any:
        """One method of Neovim's API. Nothing is ever sent unasked, so the next message is the answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(msgspec.msgpack.encode([0, next(self._numbers), method, arguments]))
        self._process.stdin.flush()
        answer = b""
        while True:
            more = os.read(self._process.stdout.fileno(), 65536)
            assert more, f"Neovim ended: {self._process.wait()}"
            answer += more
            with contextlib.suppress(msgspec.DecodeError):
                _kind, _number, error, result = msgspec.msgpack.decode(answer)
                assert error is None, error
                return result

    def type(self, command: str) -> None:
        """What a person types after a colon."""
        self.call("nvim_command", command)

    def lua(self, code: str) -> Any:
        return self.call("nvim_exec_lua", code, [])

    def messages(self) -> str:
        """Everything that was told at the bottom of the screen."""
        return str(self.call("nvim_exec", "messages", True))

    def attached(self) -> None:
        eventually(lambda: self.lua(SHOWN).get("initialized"), self._trouble)

    def stop(self, name: str, line: int) -> Mapping[str, Any]:
        """Wait until a thread whose name begins so is the one in focus, and the cursor and the arrow are in `line`."""

        def look() -> Mapping[str, Any]:
            shown: dict[str, Any] = self.lua(SHOWN)
            focus = [thread for thread in shown.get("threads", ()) if thread["focus"]]
            there = focus and focus[0]["name"].startswith(name) and shown["line"] == shown["sign"] == line
            return shown if there else {}

        found: Mapping[str, Any] = eventually(look, lambda: f"a stop of {name} in line {line}: {self._trouble()}")
        return found

    @contextlib.contextmanager
    def telling_breakpoints(self) -> Iterator[None]:
        """What is done in it makes nvim-dap send breakpoints; wait until they are answered."""
        self.lua(COUNT)
        before = self.lua(TOLD)
        yield
        eventually(lambda: self.lua(TOLD) > before, lambda: f"an answer to breakpoints: {self._trouble()}")

    def variable(self, name: str) -> str:
        return str(eventually(lambda: self.lua(VARIABLES).get(name), lambda: f"{name}: {self._trouble()}"))

    def _trouble(self) -> str:
        """What a failed test shows: nvim-dap's own log has every message that went either way."""
        log = Path(self.call("nvim_call_function", "stdpath", ["cache"]), "dap.log")
        return f"{self.lua(SHOWN)}\n{self.messages()}\n{log.read_text(errors='replace')[-LOG_CHARACTERS:]}"

    def quit(self) -> None:
        """As a person does it; nvim-dap disconnects on the way out."""
        with contextlib.suppress(AssertionError):
            self.type("qall!")
        self._process.wait()

    def crash(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def nvim(folder: Path, home: Path, environ: Mapping[str, str]) -> Iterator[Nvim]:
    """Started in `folder` by somebody whose only plug-in is nvim-dap, and whose files are below `home`."""
    plugins = home / "share" / "nvim" / "site" / "pack" / "debug" / "start"
    plugins.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (plugins / "nvim-dap").symlink_to(nvim_dap())
    own = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "CACHE", "STATE")}
    with subprocess.Popen(
        ["nvim", "--headless", "--embed", "-n"],
        cwd=folder,
        env={**environ, **own, "XDG_DATA_HOME": str(home / "share")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        editor = Nvim(process)
        try:
            editor.type("DapSetLogLevel TRACE")
            yield editor
        finally:
            editor.crash()
