"""`provisionConfig` and `scalingConfig` as the model's `Provision` (platform.md §6.2); FC takes one of them."""

from __future__ import annotations

from emulator.config.section import Section
from emulator.model.provision import Provision, ScheduledAction

# What FC does by figures that it measures of a function. Nothing is measured for it here.
BY_METRICS = ("targetTrackingPolicies", "horizontalScalingPolicies")


def provision(section: Section) -> Provision:
    """What is not understood of it is told and left out."""
    own, scaling = section.section("provisionConfig"), section.section("scalingConfig")
    target = own.whole("defaultTarget" if own.has("defaultTarget") else "target")
    least = scaling.whole("minInstances")
    found = [_action(entry) for entry in own.sections("scheduledActions")]
    found += [_action(entry) for entry in scaling.sections("scheduledPolicies")]
    for group, key in zip((own, scaling), BY_METRICS, strict=True):
        if any(True for _ in group.sections(key)):
            group.warn(key, f"{group.name(key)} changes nothing here: instances are not counted by metrics")
    return Provision(max(0, target or 0, least or 0), tuple(it for it in found if it is not None))


def _action(entry: Section) -> ScheduledAction | None:
    from emulator.config.schedules import check_zone, read_action, read_moment  # few projects have a schedule

    name, zone = entry.text("name"), entry.text("timeZone") or "UTC"
    target = entry.whole("target")
    if target is None:
        entry.warn("target", f"scheduled action `{name}` has no `target`, so it is left out")
        return None
    key = "timeZone"
    try:
        check_zone(zone)
        key = "scheduleExpression"
        schedule = read_action(entry.text(key), zone)
        bounds = []
        for key in ("startTime", "endTime"):
            bounds.append(read_moment(entry.text(key), zone) if entry.text(key) else None)
    except ValueError as error:
        entry.warn(key, f"`{key}` of scheduled action `{name}`: {error}; the action is left out")
        return None
    start, end = bounds
    if start is not None and end is not None and start >= end:
        entry.warn("endTime", f"scheduled action `{name}` ends before it begins, so it never comes")
    return ScheduledAction(name, max(0, target), schedule, start, end)
