"""Under which conditions cold starts of a function are measured, as a study has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emulator.coldstart.package import package_of
from emulator.coldstart.study import Conditions
from emulator.config.settings import OPTIONS, Settings
from emulator.config.settings_values import Kind
from emulator.model.function import Revision

# Where an emulator speaks and what it keeps changes no cold start, and how one comes is always the same here.
_NO_CONDITIONS = frozenset(
    {"host", "port", "json", "color", "log_level", "state_dir", "cold", "spares", "reload", "reload_debounce_ms",
     "build", "console", "prices", "postmortem", "postmortems_kept"}
)  # fmt: skip


def conditions_of(
    revision: Revision,
    settings: Settings,
    event: bytes,
    *,
    code: str = "",
    warm_up: bool = True,
    notes: Sequence[str] = (),
) -> Conditions:
    """`code` says which code it is, empty for the working tree. Looks at the disk for the size of it."""
    function = revision.function
    return Conditions(
        str(function.name),
        function.runtime,
        event,
        settings=chosen_settings(settings),
        memory_size_mb=function.memory_mb,
        cpu=function.cpu,
        code=code,
        fingerprint=revision.fingerprint,
        warm_up=warm_up,
        package=package_of(revision),
        notes=tuple(notes),
    )


def chosen_settings(settings: Settings) -> Mapping[str, str]:
    """The settings that are not as they are by themselves. Of variables only names: values may be secrets."""
    chosen = {}
    for name, option in OPTIONS.items():
        value = getattr(settings, name)
        if name not in _NO_CONDITIONS and value != option.default:
            chosen[name] = ", ".join(sorted(value)) if option.kind is Kind.VARIABLES else str(value)
    return chosen
