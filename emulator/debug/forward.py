"""Which ids a request of the editor's carries, and which a debugger's answer (pure)."""

from __future__ import annotations

from typing import Any

from emulator.debug.ids import Ids
from emulator.debug.process import Process

Json = dict[str, Any]


class NotThere(Exception):
    """A request is about something that there is not any more."""


class Exchange:
    """Translates between the editor's ids and those of every process."""

    def __init__(self) -> None:
        self.threads: Ids[Process] = Ids()
        self._frames: Ids[Process] = Ids()
        self._variables: Ids[Process] = Ids()
        self._sources: Ids[Process] = Ids()
        self._targets: Ids[Process] = Ids()

    def inward(self, arguments: Json) -> tuple[Process | None, Json]:
        """Whom a request is for (None: nobody in particular), and its arguments as that process knows them.

        Raises `NotThere`.
        """
        given = dict(arguments)
        owner = None
        for key, ids in (
            ("threadId", self.threads),
            ("frameId", self._frames),
            ("variablesReference", self._variables),
            ("sourceReference", self._sources),
            ("targetId", self._targets),
        ):
            if not given.get(key):
                continue
            found = ids.inner(given[key])
            if found is None:
                raise NotThere(_gone(key))
            owner, given[key] = found
        source = given.get("source")
        if isinstance(source, dict) and source.get("sourceReference"):
            found = self._sources.inner(source["sourceReference"])
            if found is None:
                raise NotThere(_gone("sourceReference"))
            owner, given["source"] = found[0], {**source, "sourceReference": found[1]}
        return owner, given

    def outward(self, process: Process, body: Json) -> Json:
        """A debugger's answer as the editor may see it."""
        told = dict(body)
        for key, ids in (("stackFrames", self._frames), ("targets", self._targets)):
            if isinstance(told.get(key), list):
                told[key] = [self._item(process, item, "id", ids) for item in told[key]]
        for key in ("scopes", "variables"):
            if isinstance(told.get(key), list):
                told[key] = [self._item(process, item, "variablesReference", self._variables) for item in told[key]]
        whole: Json = self._item(process, told, "variablesReference", self._variables)
        return whole

    def _item(self, process: Process, item: Any, key: str, ids: Ids[Process]) -> Any:
        if not isinstance(item, dict):
            return item
        told = dict(item)
        if isinstance(told.get(key), int) and (told[key] or key == "id"):
            told[key] = ids.outer(process, told[key])
        source = told.get("source")
        if isinstance(source, dict) and isinstance(source.get("path"), str):
            told["source"] = source = {**source, "path": process.on_host(source["path"])}
        if isinstance(source, dict) and source.get("sourceReference"):
            told["source"] = {**source, "sourceReference": self._sources.outer(process, source["sourceReference"])}
        return told

    def runs(self, process: Process) -> None:
        """No thread of it stands: its frames and variables are no more."""
        for ids in (self._frames, self._variables, self._targets):
            ids.drop(process)

    def forget(self, process: Process) -> None:
        self.runs(process)
        self._sources.drop(process)
        self.threads.drop(process)


def _gone(key: str) -> str:
    if key == "threadId":
        return "the thread, or its instance, has ended"
    return "this is no longer there: the instance has run on, or ended"
