"""What is shown of a running function: its declaration, and where and how it runs."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.model.function import Function


@dataclass(frozen=True, slots=True)
class FunctionView:
    """`url` is where it is called: its HTTP trigger's address, or InvokeFunction's path. `walls` names the rung."""

    function: Function
    url: str
    walls: str
