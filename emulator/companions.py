"""What an emulator serves beside functions and FC's API; all of it is loaded and made when it is first asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from emulator.journal.observer import Observer

if TYPE_CHECKING:
    from emulator.coldstart.asked import LabDesk
    from emulator.console.app import Console
    from emulator.console.host import Host
    from emulator.gateway.admin import Action
    from emulator.gateway.cycle import App
    from emulator.journal.tracing import TraceExport
    from emulator.model.function import Project
    from emulator.triggers.timers import Timers

# OpenTelemetry's own variables for who collects traces
OTLP_VARIABLES = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"}


class Companions:
    """Of one emulator, whose `pages` are asked for before it serves."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._console: Console | None = None
        self._lab: LabDesk | None = None
        self._observer = Observer(host.journal, host.settings.prices, keeps=host.settings.console)
        self._traces: TraceExport | None = None
        self._timers: Timers | None = None

    def start(self) -> None:
        """The emulator serves. Raises `UserError` where what the settings ask for can not be had."""
        if self._host.settings.prices is not None:
            self._observer.counters()
        self._observer.start()
        if self._host.settings.otlp_endpoint or OTLP_VARIABLES & os.environ.keys():
            self._start_traces()
        if self._host.settings.timers:
            self._know_timers(self._host.project)
            self._host.on_project(self._know_timers)

    def _know_timers(self, project: Project) -> None:
        if self._timers is None:
            if all(trigger.schedule is None for function in project.functions for trigger in function.triggers):
                return
            from emulator.triggers.timers import Timers  # few projects have any

            self._timers = Timers(self._host.engine)
        self._timers.know(project)

    def _start_traces(self) -> None:
        from emulator.journal.tracing import TraceExport, can_export  # few emulators have anybody who collects them

        host, endpoint = self._host, self._host.settings.otlp_endpoint
        if can_export(endpoint):
            self._traces = TraceExport(host.journal, endpoint, host.project.region)
            self._traces.start()
            host.engine.traces = True

    def end_waiting(self) -> None:
        """The server is about to stop, and waits for what it answers: what has no end of its own ends here, and timers
        invoke nothing any more."""
        if self._timers is not None:
            self._timers.close()
        if self._console is not None:
            self._console.end_streams()

    async def aclose(self) -> None:
        """The last event was told. Whoever reads the journal closely is told the cost, too."""
        if self._traces is not None:
            await self._traces.aclose()
        await self._observer.aclose()
        if self._host.settings.log_level == "debug":
            self._host.journal.notice(self._cost_line(), level="debug")

    def pages(self) -> Mapping[str, Callable[[], App]]:
        """Applications by the first segment of their paths."""
        pages = {"_fclocal": self._make_admin, "_metrics": self._make_metrics}
        if self._host.settings.console:
            pages["_console"] = self._make_console
        return pages

    def actions(self) -> Mapping[str, Action]:
        """What other commands and our own pages may ask for."""
        return {
            "clock": self._clock,
            "cost": self._cost,
            "doctor": self._doctor,
            "metrics": self._metrics,
            "coldstart": lambda asked: self._lab_desk().measure(asked),
            "coldstart_studies": lambda asked: self._lab_desk().studies(asked),
            "coldstart_compare": lambda asked: self._lab_desk().compare(asked),
        }

    def _lab_desk(self) -> LabDesk:
        if self._lab is None:
            from emulator.coldstart.asked import LabDesk  # as above

            host = self._host
            self._lab = LabDesk(host.engine, host.settings, host.state_dir)
        return self._lab

    async def _clock(self, asked: Mapping[str, Any]) -> Any:
        from emulator.scenario.clock import asked_of_clock  # few emulators are asked for anything

        return await asked_of_clock(self._host.engine, asked)

    async def _doctor(self, asked: Mapping[str, Any]) -> Any:
        from emulator.console.doctor import diagnosis  # as above

        return await diagnosis(self._host.settings, self._host.project)

    def _make_admin(self) -> App:
        from emulator.gateway.admin import Admin  # as above

        return Admin(self._host.token, self.actions())

    def _make_console(self) -> App:
        from emulator.console.app import Console  # as above
        from emulator.gateway.domains import url_labels

        self._console = Console(self._host, self._observer, url_labels)
        return self._console

    def _make_metrics(self) -> App:
        from emulator.gateway.metrics import MetricsPage  # as above

        return MetricsPage(self._observer, self._host.journal.now, self._host.engine.scheduler.waiting)

    async def _metrics(self, asked: Mapping[str, Any]) -> Any:
        """Asked for `function` (all without) and `window` in seconds."""
        from emulator.journal.metrics_view import metrics_answer

        return metrics_answer(self._observer.counters().metrics, self._host.journal.now(), asked)

    async def _cost(self, asked: Mapping[str, Any]) -> Any:
        """Asked for `before`: CU of this month so far."""
        from emulator.journal.billing_view import cost_answer

        return cost_answer(self._observer.counters(), asked, self._host.journal.now())

    def _cost_line(self) -> str:
        from emulator.journal.billing_view import cost_line  # as above

        return cost_line(self._observer.counters(), self._host.journal.now())
