"""Trigger authentication by JWT. Imported only where a project asks for it: the cryptography behind it is large.

Sources: runtime-contract.md §9.3, platform.md §4.2, and FC's page on JWT for HTTP triggers. FC's own tool writes
`tokenLookup` and `claimPassBy` as one text, also where the project file has a list of mappings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from msgspec import Struct

from emulator.gateway.arrival import Arrival
from emulator.gateway.auth import mappings
from emulator.model.errors import AccessDenied, Unauthorized
from emulator.triggers.http import header_value

# Of keys that were declared with their private half, which FC advises against; only the public one is used.
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
# Only the signature and the times decide: FC has no setting for audience and issuer.
_OPTIONS: Any = {"verify_aud": False, "verify_iss": False, "verify_sub": False, "verify_jti": False}


class Lookup(Struct, frozen=True):
    """Where a token may be: `header:Authorization:Bearer`, `cookie:name`, `query:name`, `form:name`."""

    position: str
    name: str
    prefix: str = ""

    def cut(self, value: str) -> str | None:
        """The token without the prefix, which must be there; None where it is not."""
        if value[: len(self.prefix)].lower() != self.prefix.lower():
            return None
        return value[len(self.prefix) :].strip() or None


class Passing(Struct, frozen=True):
    """A claim that the function gets as a header, a cookie, or a field of the query or of the form."""

    position: str
    claim: str
    name: str


class JwtCheck(Struct, frozen=True):
    """Lets requests in whose token one of the keys signed."""

    keys: Mapping[str, jwt.PyJWK]
    lookups: tuple[Lookup, ...]
    passings: tuple[Passing, ...]
    only: tuple[str, ...] = ()
    free: tuple[str, ...] = ()

    async def __call__(self, arrival: Arrival) -> Arrival:
        if not self._concerns(arrival.path):
            return arrival
        arrival, tokens = await self._tokens(arrival)
        if not tokens:
            raise Unauthorized("the jwt token is missing")
        claims = next((found for token in tokens if (found := self._claims(token)) is not None), None)
        if claims is None:
            raise AccessDenied("invalid or expired jwt")
        for passing in self.passings:
            arrival = await _pass(arrival, passing, claims)
        return arrival

    def _concerns(self, path: str) -> bool:
        if self.only:
            return any(_fits(pattern, path) for pattern in self.only)
        return not any(_fits(pattern, path) for pattern in self.free)

    async def _tokens(self, arrival: Arrival) -> tuple[Arrival, list[str]]:
        tokens = []
        for lookup in self.lookups:
            if lookup.position == "form":
                arrival, pairs = await arrival.form()
                value = dict(pairs).get(lookup.name)
            elif lookup.position == "cookie":
                value = arrival.cookie(lookup.name)
            elif lookup.position == "query":
                value = arrival.query(lookup.name)
            else:
                value = arrival.header(lookup.name)
            token = lookup.cut(value) if value is not None else None
            if token is not None:
                tokens.append(token)
        return arrival, tokens

    def _claims(self, token: str) -> Mapping[str, Any] | None:
        """The claims of a sound token. Its `kid` names the key; without one, the key without `kid` is meant."""
        try:
            key = self.keys.get(str(jwt.get_unverified_header(token).get("kid") or ""))
            if key is None:
                return None
            claims: Mapping[str, Any] = jwt.decode(token, key, algorithms=[key.algorithm_name], options=_OPTIONS)
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        return claims


def jwt_check(config: Mapping[str, Any], tell: Callable[[str], None]) -> JwtCheck:
    """The check that an `authConfig` describes; its keys are in lower case. `tell` hears what can not be used."""
    jwks = config.get("jwks")
    keys: dict[str, jwt.PyJWK] = {}
    for number, data in enumerate(mappings(jwks.get("keys") if isinstance(jwks, Mapping) else None)):
        kid = str(data.get("kid") or "")
        try:
            keys[kid] = jwt.PyJWK({k: v for k, v in data.items() if k not in PRIVATE})
        except (jwt.PyJWTError, ValueError, TypeError):
            # What the library says would show the key.
            tell(f"key {number} {f'(kid `{kid}`) ' if kid else ''}of the JWKS can not be used: no token of it passes")
    if not keys:
        tell("the JWKS has no key that can be used: every request is refused")
    return JwtCheck(
        keys,
        tuple(_lookup(item) for item in _items(config.get("tokenlookup"))),
        tuple(passing for item in _items(config.get("claimpassby")) if (passing := _passing(item)) is not None),
        _texts(config.get("blacklist")),
        _texts(config.get("whitelist")),
    )


def _items(value: object) -> list[str | Mapping[str, Any]]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [item for item in value if isinstance(item, str | Mapping)] if isinstance(value, list | tuple) else []


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()


def _lookup(item: str | Mapping[str, Any]) -> Lookup:
    if isinstance(item, str):
        position, name, prefix = (*item.split(":", 2), "", "")[:3]
        return Lookup(position, name, prefix)
    return Lookup(*(str(item.get(key) or "") for key in ("readPosition", "parameterName", "prefix")))


def _passing(item: str | Mapping[str, Any]) -> Passing | None:
    if isinstance(item, str):
        position, claim, name = (*item.split(":", 2), "", "")[:3]
    else:
        keys = ("mappingParameterPosition", "claimName", "mappingParameterName")
        position, claim, name = (str(item.get(key) or "") for key in keys)
    # FC's tool writes `query::` where nothing is to be passed.
    return Passing(position, claim, name or claim) if claim else None


def _fits(pattern: str, path: str) -> bool:
    """Equal, or a prefix where the pattern ends in `*`: `/login/*` is not `/login`."""
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


async def _pass(arrival: Arrival, passing: Passing, claims: Mapping[str, Any]) -> Arrival:
    claim = claims.get(passing.claim)
    text = claim if claim is None or isinstance(claim, str) else json.dumps(claim, ensure_ascii=False)
    if passing.position == "header":
        return arrival.with_header(passing.name, None if text is None else header_value(text))
    if passing.position == "cookie":
        return arrival.with_cookie(passing.name, text)
    if passing.position == "form":
        return await arrival.with_form(passing.name, text)
    return arrival.with_query(passing.name, text)
