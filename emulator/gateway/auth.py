"""Authentication of HTTP triggers and custom domains, and of InvokeFunction where that is asked for.

Types and texts: runtime-contract.md §9.3, platform.md §4.2. The statuses are UNCONFIRMED for jwt, bearer and basic:
401 where credentials are missing and 403 where they are wrong, as recommended there.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct
from starlette.types import Scope

from emulator.gateway.arrival import Arrival
from emulator.gateway.guard import shows_token
from emulator.gateway.signature import Signed, signed_digest, verify
from emulator.journal.journal import Journal
from emulator.model.clock import Clock
from emulator.model.errors import AccessDenied, Unauthorized
from emulator.model.function import Revision

Check = Callable[[Arrival], Awaitable[Arrival]]
# Checks are kept for this many revisions and domains; more of them only empty the memory.
REMEMBERED = 1000


class AuthRule(Struct, frozen=True):
    """`authType` of a trigger or a custom domain, and its `authConfig` (a domain's `authInfo`), parsed."""

    type: str
    config: Mapping[str, Any]

    @classmethod
    def read(cls, auth_type: object, config: object) -> AuthRule:
        """`config` may be JSON text. Its keys are compared without case: FC's own examples have `JWKS` and `jwks`."""
        if isinstance(config, str):
            try:
                config = json.loads(config)
            except (ValueError, RecursionError):
                config = None
        fields = config if isinstance(config, Mapping) else {}
        return cls(str(auth_type or "function").lower(), {str(key).lower(): value for key, value in fields.items()})


class Auth:
    """Lets requests in. `keys` are the access keys that are known here, id → secret; `token` stands for any of them."""

    def __init__(
        self, keys: Mapping[str, str], token: str, journal: Journal, clock: Clock, *, verify_signatures: bool
    ) -> None:
        self._keys = keys
        self._token = token.encode()
        self._journal = journal
        self._clock = clock
        self._strict = verify_signatures
        self._checks: dict[tuple[Revision, str], Check | None] = {}

    def check_invocation(self, scope: Scope) -> str:
        """InvokeFunction is always signed in FC; here any key will do, unless signatures are to be verified.

        The SHA-256 that the signature says of the body, in hex, to be compared by whoever reads it; empty for none.
        """
        return signed_digest(scope["headers"]) if self._strict and self._verify(scope) else ""

    def _verify(self, scope: Scope) -> bool:
        if shows_token(scope["headers"], self._token):
            return True
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        query: bytes = scope.get("query_string", b"")
        path = raw_path.partition(b"?")[0].decode("latin-1")
        signed = Signed(scope["method"], path, query.decode("latin-1"), scope["headers"])
        return verify(signed, self._keys, self._clock.time(), strict=self._strict)

    def check_of(self, revision: Revision, domain: str, domain_auth: Mapping[str, Any]) -> Check | None:
        """What a request has to pass; None where everybody may come in. A domain's own rule goes before the trigger's,
        which holds where the domain has none."""
        key = (revision, domain)
        if key not in self._checks:
            if len(self._checks) >= REMEMBERED:
                self._checks.clear()
            self._checks[key] = self._make(revision, domain_auth)
        return self._checks[key]

    def _make(self, revision: Revision, domain_auth: Mapping[str, Any]) -> Check | None:
        function, trigger = revision.function, revision.function.http_trigger
        if domain_auth.get("authType"):
            rule = AuthRule.read(domain_auth["authType"], domain_auth.get("authInfo"))
        elif trigger is not None:
            rule = AuthRule.read(trigger.auth_type, trigger.config.get("authConfig"))
        else:
            return None

        def tell(text: str) -> None:
            self._journal.notice(f"authentication by {rule.type}: {text}", level="warning", function=str(function.name))

        match rule.type:
            case "anonymous":
                return None
            case "jwt":
                from emulator.gateway.jwt_check import jwt_check

                return jwt_check(rule.config, tell)
            case "bearer":
                return BearerCheck(_tokens(rule.config))
            case "basic":
                return BasicCheck(_users(rule.config))
            case _:
                return SignatureCheck(self._verify, tell)


class SignatureCheck:
    """`function`: a signature has to be there. One by a key that is not known here can not be checked, and passes."""

    def __init__(self, verify_scope: Callable[[Scope], bool], tell: Callable[[str], None]) -> None:
        self._verify = verify_scope
        self._tell = tell

    async def __call__(self, arrival: Arrival) -> Arrival:
        if not self._verify(arrival.scope):
            self._tell("a request was signed by a key that is not known here, so its signature was not checked")
        return arrival


class BearerCheck(Struct, frozen=True):
    tokens: tuple[bytes, ...]

    async def __call__(self, arrival: Arrival) -> Arrival:
        given = arrival.header("authorization")
        if not given:
            raise Unauthorized("Authorization header is expected but missing")
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not _is_one_of(token.strip().encode("latin-1"), self.tokens):
            raise AccessDenied("access denied due to invalid bearer token")
        return arrival


class BasicCheck(Struct, frozen=True):
    users: tuple[bytes, ...]
    """Each as `name:password`."""

    async def __call__(self, arrival: Arrival) -> Arrival:
        given = arrival.header("authorization")
        if not given:
            raise Unauthorized("authorization require")
        scheme, _, text = given.partition(" ")
        if scheme.lower() != "basic":
            raise AccessDenied("Authorization header must start with Basic")
        try:
            user = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            user = b""
        if not _is_one_of(user, self.users):
            raise AccessDenied("authorization require")
        return arrival


def _is_one_of(given: bytes, known: tuple[bytes, ...]) -> bool:
    """Compares with each, whichever fits, so that the time it takes tells nothing."""
    return sum(hmac.compare_digest(given, each) for each in known) > 0


def _tokens(config: Mapping[str, Any]) -> tuple[bytes, ...]:
    """`tokens: [{tokenName, tokenData, enable}]`."""
    found = []
    for item in mappings(config.get("tokens")):
        if item.get("tokenData") and str(item.get("enable", True)).lower() == "true":
            found.append(str(item["tokenData"]).encode("utf-8"))
    return tuple(found)


def _users(config: Mapping[str, Any]) -> tuple[bytes, ...]:
    """`users: [{username, password}]`; how FC writes the keys is UNCONFIRMED."""
    found = []
    for item in mappings(config.get("users")):
        fields = {str(key).lower(): str(value) for key, value in item.items()}
        name = fields.get("username") or fields.get("name")
        if name and fields.get("password"):
            found.append(f"{name}:{fields['password']}".encode())
    return tuple(found)


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The mappings of a list, whatever a project file has in its place."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []
