"""A function as callers reach it: what `endpoint.json` lists and `fclocal invoke` uses."""

from __future__ import annotations

from msgspec import Struct

from emulator.model.function import LATEST, Api, Function, FunctionName

# Of each API, where InvokeFunction is (platform.md §1.5).
FC2_INVOKE = "/2016-08-15/services/{service}{dot_qualifier}/functions/{name}/invocations"
FC3_INVOKE = "/2023-03-30/functions/{name}/invocations"


class Served(Struct, frozen=True):
    """`name` is in FC's form, `api` is `fc2` or `fc3`, `host` is the host name of its HTTP trigger, or empty."""

    name: str
    api: str
    host: str = ""

    def invoke_path(self, qualifier: str = "") -> str:
        """The path of InvokeFunction in the function's own API."""
        function = FunctionName.parse(self.name)
        if self.api == Api.FC2.value and function.service:
            dot = f".{qualifier}" if qualifier and qualifier != LATEST else ""
            return FC2_INVOKE.format(service=function.service, dot_qualifier=dot, name=function.name)
        query = f"?qualifier={qualifier}" if qualifier else ""
        return FC3_INVOKE.format(name=self.name) + query

    def url(self, port: int) -> str:
        """The address of its HTTP trigger, else the path of InvokeFunction."""
        return f"http://{self.host}:{port}/" if self.host else self.invoke_path()


def served(function: Function) -> Served:
    """How a function of a project is reached."""
    host = f"{function.name.label}.localhost" if function.http_trigger is not None else ""
    return Served(str(function.name), function.api.value, host)
