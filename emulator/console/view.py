"""What the pages show of functions, settings and this machine: plain data, without what is secret."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from emulator import __version__
from emulator.config.settings import OPTIONS
from emulator.console.host import Host
from emulator.debug.postmortem.redact import HIDDEN, Redaction, redaction
from emulator.instance.instance import Instance
from emulator.model.function import Function, FunctionName, Trigger
from emulator.sandbox.base import Finding

Labels = Callable[[Iterable[FunctionName]], Mapping[str, FunctionName]]
# What the pages show by their own names; the rest of `Function` is shown as it is, where it is not the default.
SHOWN_APART = {
    *("name", "runtime", "api", "handler", "code", "place", "walls", "keep", "layers", "triggers", "environment"),
    *("memory_mb", "cpu", "disk_mb", "timeout", "instance_concurrency"),
}
_PLAIN = Function(FunctionName(""), "")


def state(host: Host, labels: Labels) -> dict[str, Any]:
    """Everything but what happens."""
    project = host.project
    hide = redaction({}, _secrets(host))
    names = {name: label for label, name in labels(function.name for function in project.functions).items()}
    return {
        "version": __version__,
        "python": platform.python_version(),
        "machine": platform.platform(),
        "url": host.url,
        "port": host.port,
        "debug_port": host.debug_port,
        "debug_node_port": host.debug_node_port,
        "project": {
            "file": str(project.file or ""),
            "root": str(project.root),
            "problems": [str(problem) for problem in project.problems],
            "domains": [domain.name for domain in project.domains],
        },
        "functions": [_function(host, function, names[function.name], hide) for function in project.functions],
        "instances": [_instance(each) for each in host.engine.scheduler.instances()],
        "settings": _settings(host, hide),
        "findings": [_finding(finding) for finding in host.walls.findings()],
    }


def _function(host: Host, function: Function, label: str, hide: Redaction) -> dict[str, Any]:
    revision = host.engine.registry.latest(function.name)
    name = str(function.name)
    return {
        "name": name,
        "service": function.name.service,
        "api": function.api.value,
        "runtime": function.runtime,
        "handler": function.handler,
        "is_custom": function.is_custom,
        "memory_mb": function.memory_mb,
        "cpu": function.cpu,
        "disk_mb": function.disk_mb,
        "timeout": function.timeout,
        "concurrency": function.instance_concurrency,
        "walls": host.walls.rung(function.walls),
        "host": f"{label}.localhost" if function.http_trigger is not None else "",
        "code": str(function.code or ""),
        "place": str(function.place or ""),
        "triggers": [_trigger(trigger) for trigger in function.triggers],
        "environment": {key: _shown(hide, key, value) for key, value in function.environment.items()},
        "layers": [layer.arn for layer in function.layers],
        "more": _more(function, hide),
        "revision": revision and {"number": revision.number, "fingerprint": revision.fingerprint},
        "refused": host.refused.get(name, ""),
    }


def _trigger(trigger: Trigger) -> dict[str, Any]:
    """Its configuration stays out: what it has for authentication is nobody's business here. `when` is that of a timer;
    one that never comes has none."""
    shown = {"name": trigger.name, "type": trigger.type.value, "qualifier": trigger.qualifier}
    is_http = trigger.type.value == "http"
    when = str(trigger.config.get("cronExpression")) if trigger.schedule is not None else ""
    own = {"methods": trigger.methods if is_http else (), "auth": trigger.auth_type if is_http else ""}
    return {**shown, **own, "when": when}


def _more(function: Function, hide: Redaction) -> dict[str, str]:
    """Whatever else was declared, as text."""
    more = {}
    for name in Function.__struct_fields__:
        value = getattr(function, name)
        if name not in SHOWN_APART and value != getattr(_PLAIN, name):
            more[name] = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return {name: hide.text(text) for name, text in more.items()}


def _instance(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "function": instance.function,
        "revision": instance.revision.number,
        "state": instance.state.value,
        "since": instance.since,
        "in_flight": instance.in_flight,
        "paused": instance.paused,
    }


def _settings(host: Host, hide: Redaction) -> list[dict[str, Any]]:
    shown = []
    for option in OPTIONS.values():
        value = getattr(host.settings, option.name)
        if isinstance(value, Mapping):
            value = "\n".join(f"{key}={_shown(hide, key, text)}" for key, text in value.items())
        given = value != option.default and not (value == "" and isinstance(option.default, Mapping))
        text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
        shown.append(
            {"name": option.name, "value": str(text if text is not None else ""), "given": given, "help": option.help}
            | {"unit": option.unit}
        )
    return shown


def _finding(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in ("topic", "state", "detail", "lift", "full")}


def _secrets(host: Host) -> list[str]:
    account = host.engine.account
    return [host.token, account.access_key_secret, account.security_token]


def _shown(hide: Redaction, name: str, value: str) -> str:
    """The value of a variable, unless its name or its form says that it is secret."""
    return HIDDEN if hide.hides_text(hide.level(name), value) else hide.text(value)
