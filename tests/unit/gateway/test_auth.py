"""Who is let in by each `authType`, and what the function then gets (runtime-contract.md §9.3)."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from emulator.gateway.arrival import Arrival
from emulator.gateway.auth import Auth
from emulator.journal.journal import Journal
from emulator.model.clock import SystemClock
from emulator.model.errors import FCError
from emulator.model.events import Notice
from emulator.model.function import EMPTY, Function, FunctionName, Revision, Trigger, TriggerType

SECRET = "a secret of thirty-two characters or more, for every HMAC that there is"
RSA = rsa.generate_private_key(65537, 2048)
PRIVATE: dict[str, Any] = {
    "RS256": RSA, "RS512": RSA, "PS384": RSA, "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()), "EdDSA": ed25519.Ed25519PrivateKey.generate(), "HS256": SECRET,
    "HS512": SECRET,
}  # fmt: skip


def jwk(alg: str, kid: str = "", *, private: bool = False) -> dict[str, Any]:
    key = PRIVATE[alg]
    public = key if isinstance(key, str) or private else key.public_key()
    made = jwt.get_algorithm_by_name(alg).to_jwk(public, as_dict=True)
    return {**made, "alg": alg, **({"kid": kid} if kid else {})}


def token(alg: str = "RS256", kid: str = "", **claims: Any) -> str:
    headers = {"kid": kid} if kid else None
    return jwt.encode({"exp": time.time() + 60, **claims}, PRIVATE[alg], alg, headers=headers)


def config(**more: Any) -> dict[str, Any]:
    return {"jwks": {"keys": [jwk("RS256")]}, "tokenLookup": "header:Authorization:Bearer", **more}


class Door:
    """A trigger, or a custom domain in front of one, and the requests that come to it."""

    def __init__(self, auth_type: str, auth: object = None, domain: Mapping[str, Any] = EMPTY) -> None:
        trigger = Trigger("http", TriggerType.HTTP, {"authType": auth_type, "authConfig": auth})
        self._revision = Revision(Function(FunctionName("f"), "custom", triggers=(trigger,)), 1, "f", None)
        self._domain = domain
        self._journal = Journal()
        self._reader = self._journal.subscribe()
        self._auth = Auth({"me": "my-secret"}, "the-token", self._journal, SystemClock(), verify_signatures=False)

    def come(
        self,
        headers: Mapping[str, str] = EMPTY,
        path: str = "/",
        query: str = "",
        body: bytes = b"",
        method: str = "GET",
    ) -> Arrival:
        scope = {
            "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        arrival = Arrival(scope, receive, path, f"{path}?{query}" if query else path)
        return asyncio.run(self._admit(arrival))

    async def _admit(self, arrival: Arrival) -> Arrival:
        check = self._auth.check_of(self._revision, "d" if self._domain else "", self._domain)
        return arrival if check is None else await check(arrival)

    def refused(self, *args: Any, **more: Any) -> tuple[int, str]:
        with pytest.raises(FCError) as caught:
            self.come(*args, **more)
        return caught.value.status, caught.value.message

    @property
    def told(self) -> list[str]:
        return [event.message for event in self._reader.take() if isinstance(event, Notice)]


def test_everybody_is_let_in_by_anonymous() -> None:
    assert Door("anonymous").come()


def test_function_is_what_fc_takes_where_nothing_is_said() -> None:
    assert Door("").refused() == (400, "required HTTP header Date was not specified")


def test_a_signature_by_another_key_passes_and_that_is_told() -> None:
    door = Door("function")
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    assert door.come({"Date": date, "Authorization": "FC somebody:" + base64.b64encode(b"x" * 32).decode()})
    assert len(door.told) == 1 and "somebody" not in str(door.told)
    status, message = door.refused({"Date": date, "Authorization": "FC me:" + base64.b64encode(b"x" * 32).decode()})
    assert status == 403 and message.startswith("The request signature we calculated does not match")


def test_the_emulators_own_token_stands_for_a_signature() -> None:
    door = Door("function")
    assert door.come({"x-fclocal-token": "the-token"})
    assert door.refused({"x-fclocal-token": "another"}) == (400, "required HTTP header Date was not specified")


BEARER = {"tokens": [{"tokenName": "a", "enable": True, "tokenData": "good"}, {"enable": False, "tokenData": "old"}]}


@pytest.mark.parametrize("auth", [BEARER, json.dumps(BEARER)])
def test_bearer(auth: object) -> None:
    door = Door("bearer", auth)
    assert door.come({"Authorization": "Bearer good"})
    assert door.refused() == (401, "Authorization header is expected but missing")
    for wrong in ("Bearer old", "Bearer goo", "Bearer ", "Basic good", "good"):
        assert door.refused({"Authorization": wrong}) == (403, "access denied due to invalid bearer token")


def test_bearer_without_tokens_lets_nobody_in() -> None:
    for broken in (None, "{", [], {"tokens": "good"}, {"tokens": [{"enable": True, "tokenData": ""}]}):
        assert Door("bearer", broken).refused({"Authorization": "Bearer good"})[0] == 403


def basic(user: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}


def test_basic() -> None:
    door = Door("basic", {"users": [{"username": "someone-by-name", "password": "Pa:ss 字"}]})
    assert door.come(basic("someone-by-name:Pa:ss 字"))
    assert door.refused() == (401, "authorization require")
    assert door.refused({"Authorization": "Bearer x"}) == (403, "Authorization header must start with Basic")
    for wrong in (basic("someone-by-name:"), basic("someone-by-name"), {"Authorization": "Basic %%%"}):
        assert door.refused(wrong) == (403, "authorization require")


def test_a_domains_own_rule_goes_before_the_triggers() -> None:
    opened = Door("bearer", BEARER, {"authType": "anonymous"})
    assert opened.come()
    closed = Door("anonymous", None, {"authType": "bearer", "authInfo": json.dumps(BEARER)})
    assert closed.come({"Authorization": "Bearer good"}) and closed.refused()[0] == 401
    assert Door("bearer", BEARER, {"authType": ""}).refused()[0] == 401


@pytest.mark.parametrize("alg", PRIVATE)
def test_jwt_of_every_algorithm(alg: str) -> None:
    door = Door("jwt", config(jwks={"keys": [jwk(alg)]}))
    good = token(alg, aud="anybody", iss="someone", sub=5)
    assert door.come({"Authorization": f"Bearer {good}"})
    broken = good[:-10] + ("AAAAA" if good[-10:-5] != "AAAAA" else "BBBBB") + good[-5:]
    assert door.refused({"Authorization": f"Bearer {broken}"}) == (403, "invalid or expired jwt")


def test_jwt_that_is_missing_expired_or_by_another_key() -> None:
    door = Door("jwt", config())
    assert door.refused() == (401, "the jwt token is missing")
    assert door.refused({"Authorization": token()}) == (401, "the jwt token is missing"), "the prefix belongs to it"
    for wrong in (
        token(exp=time.time() - 5),
        token(nbf=time.time() + 50),
        token(kid="k"),
        token("ES256"),
        "x",
        "a.b.c",
    ):
        assert door.refused({"Authorization": f"Bearer {wrong}"}) == (403, "invalid or expired jwt")
    unsigned = jwt.encode({"sub": "x"}, None, "none")
    assert door.refused({"Authorization": f"Bearer {unsigned}"})[0] == 403


def test_the_public_key_is_no_secret_of_hmac() -> None:
    """The classical attack: sign by HMAC with what everybody knows."""
    public = jwk("RS256")
    forged = jwt.encode({"sub": "root"}, public["n"] * 2, "HS256")
    assert Door("jwt", config()).refused({"Authorization": f"Bearer {forged}"})[0] == 403


def test_the_key_is_found_by_kid() -> None:
    door = Door("jwt", config(jwks={"keys": [jwk("RS256"), jwk("ES256", "two"), jwk("HS256", "three")]}))
    for good in (token(), token("ES256", "two"), token("HS256", "three")):
        assert door.come({"Authorization": f"bearer {good}"})
    assert door.refused({"Authorization": f"Bearer {token('ES256', 'three')}"})[0] == 403


def test_a_jwks_with_private_keys_and_names_in_capitals_as_in_fcs_examples() -> None:
    keys = {"keys": [jwk("RS256", private=True)]}
    door = Door("jwt", json.dumps({"JWKS": keys, "TokenLookup": "header:auth", "ClaimPassBy": "header:name:name"}))
    assert door.come({"auth": token(name="Jon")}).header("name") == "Jon"


def test_keys_that_can_not_be_used_are_told_without_showing_them() -> None:
    door = Door("jwt", config(jwks={"keys": [{"kty": "RSA", "n": "s3cret", "e": "AQAB", "alg": "RS999"}]}))
    assert door.refused({"Authorization": f"Bearer {token()}"})[0] == 403
    assert len(told := door.told) == 2 and "s3cret" not in str(told)


@pytest.mark.parametrize(
    "lookup",
    [
        "header:X-Token,cookie:session,query:t,form:f",
        [
            {"readPosition": "header", "parameterName": "X-Token"},
            {"readPosition": "cookie", "parameterName": "session"},
            {"readPosition": "query", "parameterName": "t"},
            "form:f",
        ],
    ],
)
def test_where_tokens_are_looked_for(lookup: object) -> None:
    door = Door("jwt", config(tokenLookup=lookup))
    good = token()
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert (
        door.come({"X-Token": good}) and door.come({"Cookie": f"a=1; session={good}"}) and door.come(query=f"t={good}")
    )
    arrival = door.come(form, body=f"f={good}&x=1".encode(), method="POST")
    assert asyncio.run(arrival.receive())["body"] == f"f={good}&x=1".encode(), "the function gets the body all the same"
    assert door.come({"X-Token": "stale", "Cookie": f"session={good}"}), "one good token is enough"
    assert door.refused({"Content-Type": "text/plain"}, body=f"f={good}".encode(), method="POST")[0] == 401


def test_claims_are_passed_on_in_place_of_the_clients_own() -> None:
    passing = "header:sub:X-User,query:uid:uid,cookie:name:who,form:n:n,header:none:X-None"
    door = Door("jwt", config(claimPassBy=passing))
    good = token(sub="me\r\nX-Evil: 1", uid="u&1", name="a;b", n={"k": 1})
    arrival = door.come(
        {
            "Authorization": f"Bearer {good}", "X-User": "root", "X-None": "root", "Cookie": "who=root; x=1",
            "Content-Type": "application/x-www-form-urlencoded", "Content-Length": "6",
        },
        path="/p", query="uid=root&a=1", body=b"n=root", method="POST",
    )  # fmt: skip
    assert (arrival.header("x-user"), arrival.header("x-none")) == ("me  X-Evil: 1", None)
    assert arrival.target == "/p?a=1&uid=u%261"
    assert arrival.header("cookie") == "x=1; who=a%3Bb"
    body = asyncio.run(arrival.receive())["body"]
    assert body == b"n=%7B%22k%22%3A+1%7D" and arrival.header("content-length") == str(len(body))


def test_claims_as_a_list_of_mappings() -> None:
    passing = [{"claimName": "sub", "mappingParameterName": "X-User", "mappingParameterPosition": "header"}]
    assert (
        Door("jwt", config(claimPassBy=passing)).come({"Authorization": f"Bearer {token(sub='me')}"}).header("x-user")
        == "me"
    )


@pytest.mark.parametrize(
    ("lists", "path", "asked"),
    [
        ({"whitelist": ["/a"]}, "/a", False),
        ({"whitelist": ["/a"]}, "/a/", True),
        ({"whitelist": ["/a/*"]}, "/a/b/c", False),
        ({"whitelist": ["/a/*"]}, "/a", True),
        ({"blacklist": ["/a"]}, "/a", True),
        ({"blacklist": ["/a"]}, "/b", False),
        ({"blacklist": ["/a/*"]}, "/a/b", True),
        ({"blacklist": ["/a/*"]}, "/a", False),
    ],
)
def test_paths_that_are_asked_for_a_token(lists: dict[str, list[str]], path: str, asked: bool) -> None:
    door = Door("jwt", config(**lists))
    assert door.refused(path=path)[0] == 401 if asked else door.come(path=path)
