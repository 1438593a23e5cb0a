"""Custom domains of fc3-domain, of `customDomain` (fc3), `customDomains` (fc) and Fun (platform.md §3.2.2, §8)."""

from __future__ import annotations

import re
from types import MappingProxyType

from emulator.config.section import Section
from emulator.config.tree import Json, Map, plain
from emulator.config.triggers import warn_of_closed_door
from emulator.model.function import LATEST, CustomDomain, FunctionName, RewriteRule, Route

# Stands in for `auto`, where FC would make a name below devsapp.net
AUTO_SUFFIX = "auto.localhost"
_HOST = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\Z")
RULES = (("exact", "equalRules"), ("wildcard", "wildcardRules"), ("regex", "regexRules"))
MAX_PATTERN = 1024


def domain(section: Section, routes: tuple[Route, ...], label: str) -> CustomDomain | None:
    """A domain with its routes; `label` names it where the file says `auto`."""
    name = section.text("domainName").strip().lower()
    if name in ("", "auto"):
        name = f"{FunctionName(label).label}.{AUTO_SUFFIX}"
        section.report.warn(f"domain `auto` has no name before a deployment; here it is `{name}`", section.map.place)
    elif not _HOST.match(name) or len(name) > 253:
        section.warn("domainName", f"`{name[:80]}` is no domain name; the domain is left out")
        return None
    if not routes:
        section.report.warn(f"domain `{name}` has no route", section.map.place)
    return CustomDomain(name, routes, MappingProxyType(_auth(section)), section.map.place)


def _auth(section: Section) -> dict[str, Json]:
    """The domain's own `authConfig`; without one, the triggers' hold."""
    if not section.has("authConfig"):
        return {}
    config = section.section("authConfig")
    warn_of_closed_door(config, config.text("authType").lower(), "authInfo")
    auth = plain(config.map)
    return auth if isinstance(auth, dict) else {}


def routes(section: Section, key: str, own: FunctionName | None = None) -> tuple[Route, ...]:
    """The routes of a list; in FC 2's component one that names no function or service means its `own`."""
    found: list[Route] = []
    service = own.service if own else ""
    for entry in section.sections(key):
        function = entry.text("functionName") or (own.name if own else "")
        if not function:
            entry.warn("functionName", f"route `{entry.text('path')}` names no function; it is left out")
            continue
        name = FunctionName.parse(function)
        found.append(route(entry, FunctionName(name.name, entry.text("serviceName") or name.service or service)))
    return tuple(found)


def route(entry: Section, function: FunctionName) -> Route:
    path = entry.text("path") or "/*"
    if not path.startswith("/"):
        entry.warn("path", f"route `{path}` must start with `/`; `/{path}` is used")
        path = f"/{path}"
    return Route(
        path=path,
        function=function,
        qualifier=entry.text("qualifier") or LATEST,
        methods=tuple(method.upper() for method in entry.texts("methods")),
        rewrites=_rewrites(entry.section("rewriteConfig")),
    )


def _rewrites(section: Section) -> tuple[RewriteRule, ...]:
    """Exact rules first, then wildcard, then regex: the order in which FC tries them."""
    found: list[RewriteRule] = []
    for kind, key in RULES:
        for entry in section.sections(key):
            match, replacement = entry.text("match"), entry.text("replacement")
            if not match or not _usable(entry, kind, match):
                continue
            found.append(RewriteRule(kind, match, replacement))
    return tuple(found)


def _usable(entry: Section, kind: str, match: str) -> bool:
    if len(match) > MAX_PATTERN:
        entry.warn("match", f"rewrite rule is longer than {MAX_PATTERN} characters; it is left out")
        return False
    if kind != "regex":
        return True
    try:
        re.compile(match)
    except (re.error, RecursionError, OverflowError) as error:
        entry.warn("match", f"rewrite rule `{match[:80]}` is no regular expression ({error}); it is left out")
        return False
    return True


def of_function(section: Section, function: FunctionName) -> CustomDomain | None:
    """`customDomain` among the props of a function: one domain with one route to it."""
    if not isinstance(section.map.get("customDomain"), Map):
        return None
    group = section.section("customDomain")
    return domain(group, (route(group.section("route"), function),), str(function))
