"""Trigger declarations in FC 3 shape as the model's triggers (platform.md §4)."""

from __future__ import annotations

from types import MappingProxyType

from emulator.config.checks import nearest
from emulator.config.section import Section
from emulator.config.tree import Json, Map, plain
from emulator.model import limits
from emulator.model.function import HTTP_METHODS, LATEST, Trigger, TriggerType
from emulator.model.schedules import Cron, Every

AUTH_TYPES = ("anonymous", "function", "jwt", "basic", "bearer")
# What each of them can not do without, and who is let in then: nobody
NEEDED = {"jwt": "jwks", "basic": "users", "bearer": "tokens"}
TYPES = {t.value: t for t in TriggerType}


def triggers(section: Section) -> tuple[Trigger, ...]:
    """The triggers of a function; those that are not understood are told and left out."""
    found: list[Trigger] = []
    names: set[str] = set()
    for number, entry in enumerate(section.sections("triggers")):
        trigger = _trigger(entry, number)
        if trigger is None:
            continue
        if trigger.name in names:
            entry.warn("triggerName", f"two triggers are named `{trigger.name}`; FC keeps one of them")
        names.add(trigger.name)
        found.append(trigger)
    if len(found) > limits.MAX_TRIGGERS:
        section.warn("triggers", f"there are {len(found)} triggers, but FC takes {limits.MAX_TRIGGERS} per function")
    return tuple(_one_http_each(section, found))


def _one_http_each(section: Section, found: list[Trigger]) -> list[Trigger]:
    """FC takes one HTTP trigger per version or alias (platform.md §4.1)."""
    kept: list[Trigger] = []
    seen: set[str] = set()
    for trigger in found:
        if trigger.type is TriggerType.HTTP:
            if trigger.qualifier in seen:
                section.report.warn(
                    f"`{trigger.name}` is a second HTTP trigger of `{trigger.qualifier}`, which FC refuses; left out",
                    trigger.place,
                )
                continue
            seen.add(trigger.qualifier)
        kept.append(trigger)
    return kept


def _trigger(entry: Section, number: int) -> Trigger | None:
    kind = _type(entry)
    if kind is None:
        return None
    config = _config(entry, kind)
    return Trigger(
        name=entry.text("triggerName") or (f"{kind.value}Trigger" if number == 0 else f"{kind.value}Trigger{number}"),
        type=kind,
        config=MappingProxyType(config),
        qualifier=entry.text("qualifier") or LATEST,
        place=entry.map.place,
        schedule=_schedule(entry.section("triggerConfig")) if kind is TriggerType.TIMER else None,
    )


def _schedule(config: Section) -> Every | Cron | None:
    """Of a timer; None where it never comes. What holds where `enable` is absent is UNCONFIRMED (platform.md §4.3): who
    declares a timer wants it."""
    expression = config.text("cronExpression")
    if not expression:
        config.warn("cronExpression", "a timer trigger needs `cronExpression`, such as `@every 5m`")
        return None
    from emulator.config.schedules import read_timer  # few projects have a schedule

    try:
        schedule = read_timer(expression)
    except ValueError as error:
        config.warn("cronExpression", f"`cronExpression`: {error}; this timer never comes")
        return None
    return schedule if config.flag("enable", True) else None


def _type(entry: Section) -> TriggerType | None:
    word = entry.text("triggerType")
    if word in TYPES:
        return TYPES[word]
    near = nearest(word, TYPES) if word else ""
    if near:
        entry.warn("triggerType", f"`triggerType` is `{word}`, which FC does not know; it is read as `{near}`")
        return TYPES[near]
    entry.warn(
        "triggerType" if word else "",
        f"trigger type `{word}` is none of FC's ({', '.join(TYPES)}); the trigger is left out",
    )
    return None


def _config(entry: Section, kind: TriggerType) -> dict[str, Json]:
    section = entry.section("triggerConfig")
    config = plain(section.map)
    fields = config if isinstance(config, dict) else {}
    if kind is TriggerType.HTTP:
        return _http(section, fields)
    if kind is TriggerType.TIMER and "payload" in fields:
        node = section.map.get("payload")
        fields["payload"] = section.text("payload") if not isinstance(node, Map) else fields["payload"]
    return fields


def warn_of_closed_door(section: Section, auth_type: str, key: str) -> None:
    """`authConfig` of a trigger, or a domain's `authInfo`, must hold what its `authType` compares with."""
    needed = NEEDED.get(auth_type)
    if needed is not None and needed not in {name.lower() for name in section.section(key).map.entries}:
        section.warn(key, f"`authType: {auth_type}` needs `{needed}` in `{key}`; without it every request is refused")


def _http(section: Section, fields: dict[str, Json]) -> dict[str, Json]:
    auth = section.text("authType").lower()
    if auth and auth not in AUTH_TYPES:
        near = nearest(auth, dict.fromkeys(AUTH_TYPES)) or "function"
        section.warn("authType", f"`authType` is `{auth}`, which FC does not know; it is read as `{near}`")
        auth = near
    if auth:
        fields["authType"] = auth
    warn_of_closed_door(section, auth, "authConfig")
    methods = [method.upper() for method in section.texts("methods")]
    for method in methods:
        if method not in HTTP_METHODS:
            section.warn("methods", f"HTTP method `{method}` is none of FC's ({', '.join(HTTP_METHODS)})")
    if methods:
        fields["methods"] = [*methods]
    if section.has("authConfig"):
        fields["authConfig"] = plain(section.section("authConfig").map)
    return fields
