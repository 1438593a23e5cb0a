"""Neovim: an adapter and a configuration for nvim-dap, in a file of our own beside the project."""

from __future__ import annotations

import json
from functools import partial
from pathlib import PurePosixPath

from emulator.ide.problems import at
from emulator.ide.setup import INVOKE, Editor, FileEdit, Plan, Setup

FILE = PurePosixPath(".nvim-dap.lua")
BEGIN, END = "-- fclocal begin: written again by `fclocal ide nvim --write`", "-- fclocal end"


def snippet(setup: Setup) -> str:
    """The block with its marks. nvim-dap starts `fclocal dap`, which starts the emulator where none runs."""
    project = "here" if setup.folder == PurePosixPath() else f"here .. {_text(f'/{setup.folder}')}"
    arguments = ", ".join(map(_text, setup.arguments("dap", "--start")))
    return "\n".join(
        [
            BEGIN,
            'local here = vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p:h")',
            'local dap = require("dap")',
            "dap.adapters.fclocal = {",
            '  type = "executable",',
            f"  command = {_text(setup.command[0])},",
            f"  args = {{ {arguments} }},",
            f"  options = {{ cwd = {project} }},",
            "}",
            f"local name = {_text(setup.python_name)}",
            "local others = vim.tbl_filter(function(c) return c.name ~= name end, dap.configurations.python or {})",
            'table.insert(others, { name = name, type = "fclocal", request = "attach", justMyCode = true })',
            "dap.configurations.python = others",
            # nvim-dap moves its signs with the text, and tells nobody (VS Code sends them again at each save).
            'vim.api.nvim_create_autocmd("BufWritePost", {',
            f"  group = vim.api.nvim_create_augroup({_text(setup.name('fclocal'))}, {{ clear = true }}),",
            "  callback = function(written)",
            "    local session = dap.session()",
            '    local breakpoints = require("dap.breakpoints").get(written.buf)',
            '    if session and session.config.type == "fclocal" then session:set_breakpoints(breakpoints) end',
            "  end,",
            "})",
            END,
        ]
    )


def _text(text: str) -> str:
    """A Lua string; JSON's escapes of what a path or a name may hold are Lua's as well."""
    return json.dumps(text, ensure_ascii=False)


def put_block(setup: Setup, text: str) -> str:
    """The text with our block in it; everything outside of the marks stays. Raises `Unreadable`."""
    line_break = "\r\n" if "\r\n" in text else "\n"
    block = snippet(setup).replace("\n", line_break)
    start, end = text.find(BEGIN), text.find(END)
    if start < 0 and end < 0:
        gap = line_break if text and not text.endswith("\n") else ""
        return f"{text}{gap}{block}{line_break}"
    if start < 0 or end < start:
        raise at(text, max(start, end), "one of the two marks of fclocal's block is missing")
    return text[:start] + block + text[end + len(END) :]


def plan(setup: Setup) -> Plan:
    """One file, which the person's own configuration may load."""
    return Plan(
        (FileEdit(FILE, partial(put_block, setup)),),
        (
            "install nvim-dap, where you have not",
            f"in Neovim run :luafile {FILE} (or load it in .nvim.lua, with `exrc` set)",
            "set a breakpoint: :DapToggleBreakpoint; then :DapContinue, which starts the emulator",
            INVOKE,
        ),
    )


EDITOR = Editor("Neovim", ".nvim", plan)
