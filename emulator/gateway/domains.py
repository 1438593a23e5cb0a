"""Which function a host and path lead to: `<function>.localhost`, proxy paths, and the routes of custom domains.

Sources: runtime-contract.md §3.3, §3.11, platform.md §8. Everything here is a pure function of the project.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote

from msgspec import Struct

from emulator.model.errors import DomainRouteNotFound
from emulator.model.function import LATEST, CustomDomain, FunctionName, Route

PROXY_PREFIX = "/2016-08-15/proxy/"
LOCALHOST = ".localhost"


class ProxyTarget(Struct, frozen=True):
    """A proxy path, taken apart. `base_path` is the raw prefix, `rest` the raw path that follows it."""

    name: FunctionName
    qualifier: str
    base_path: str
    rest: str


def proxy_target(raw_path: str) -> ProxyTarget | None:
    """Read `/2016-08-15/proxy/<service>[.<qualifier>]/<function>/…`; None for any other path.

    A function of FC 3 has no service: `_` stands for it, and `service$function` is one segment's worth of name.
    """
    if not raw_path.startswith(PROXY_PREFIX):
        return None
    service, _, behind = raw_path[len(PROXY_PREFIX) :].partition("/")
    function, slash, rest = behind.partition("/")
    if not service or not function:
        return None
    base = f"{PROXY_PREFIX}{service}/{function}"
    bare, _, qualifier = unquote(service).partition(".")
    name = FunctionName(unquote(function), "" if bare == "_" else bare)
    return ProxyTarget(name, qualifier or LATEST, base, slash + rest or "/")


def url_labels(names: Iterable[FunctionName]) -> dict[str, FunctionName]:
    """`<label>.localhost` of each function. Names that become the same label are told apart by a number."""
    labels: dict[str, FunctionName] = {}
    for name in names:
        label, number = name.label, 1
        while label in labels:
            number += 1
            label = f"{name.label}-{number}"
        labels[label] = name
    return labels


def function_of_host(host: str, labels: Mapping[str, FunctionName]) -> FunctionName | None:
    """The function of `<function>.localhost`; `host` is lower case and without port."""
    return labels.get(host.removesuffix(LOCALHOST)) if host.endswith(LOCALHOST) else None


def find_domain(domains: Sequence[CustomDomain], host: str) -> CustomDomain | None:
    """The custom domain of a host name: an exact one wins over `*.`, which stands for one label."""
    wildcard = "*." + host.partition(".")[2]
    found = None
    for domain in domains:
        name = domain.name.lower()
        if name == host:
            return domain
        if name == wildcard:
            found = domain
    return found


def find_route(domain: CustomDomain, path: str) -> Route:
    """The route of a path: an equal one, else the longest `…/*` prefix. Raises `DomainRouteNotFound`."""
    best: Route | None = None
    for route in domain.routes:
        if route.path == path:
            return route
        fits = route.path.endswith("*") and path.startswith(route.path[:-1])
        if fits and (best is None or len(route.path) > len(best.path)):
            best = route
    if best is None:
        raise DomainRouteNotFound(domain.name, path)
    return best
