"""One table says what is secret, for the instance and for the emulator."""

from __future__ import annotations

import json

import pytest

from emulator.debug.postmortem.bundle import Dump, Event, Failure, Frame, PostMortem, Request, Value
from emulator.debug.postmortem.redact import HIDDEN, event_of, redact, redaction

NOTHING, PERHAPS, TEXT, ALWAYS = range(4)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("password", ALWAYS),
        ("db_passwd", ALWAYS),
        ("userPassword2", ALWAYS),
        ("clientSecret", ALWAYS),
        ("credentials", ALWAYS),
        ("api_key", ALWAYS),
        ("apiKey", ALWAYS),
        ("X-API-KEY", ALWAYS),
        ("accessKeyId", ALWAYS),
        ("accessKeySecret", ALWAYS),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", ALWAYS),
        ("x-fc-access-key-id", ALWAYS),
        ("private_key", ALWAYS),
        ("securityToken", TEXT),
        ("x-fc-security-token", TEXT),
        ("token", TEXT),
        ("max_tokens", TEXT),
        ("accesstoken", TEXT),
        ("Authorization", TEXT),
        ("auth", TEXT),
        ("Set-Cookie", TEXT),
        ("session_key", TEXT),
        ("pwd", TEXT),
        ("ak", TEXT),
        ("key", PERHAPS),
        ("object_key", PERHAPS),
        ("primaryKey", PERHAPS),
        ("author", NOTHING),
        ("tokenizer", NOTHING),
        ("keyboard", NOTHING),
        ("monkey", NOTHING),
        ("message", NOTHING),
        ("", NOTHING),
        ("名字", NOTHING),
    ],
)
def test_a_name_says_how_secret_its_value_is(name, level):
    assert redaction({}, ()).level(name) == level


@pytest.mark.parametrize(
    ("level", "text", "hidden"),
    [
        (ALWAYS, "x", True),
        (TEXT, "x", True),
        (TEXT, "", False),
        (PERHAPS, "images/2024/cat-picture.png", False),
        (PERHAPS, "order-12", False),
        (PERHAPS, "k9f8s7d6f5g4h3j2k1l0", True),
        (NOTHING, "k9f8s7d6f5g4h3j2k1l0", False),
    ],
)
def test_what_a_level_hides(level, text, hidden):
    assert redaction({}, ()).hides_text(level, text) is hidden


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mysql://app:s3cr3t@db:3306/shop", f"mysql://app:{HIDDEN}@db:3306/shop"),
        ("redis://:s3cr3t@cache/0", f"redis://:{HIDDEN}@cache/0"),
        ("https://x/y?a=1&access_token=abc&b=2", f"https://x/y?a=1&access_token={HIDDEN}&b=2"),
        ("https://oss/x?Signature=abc%3D&Expires=1", f"https://oss/x?Signature={HIDDEN}&Expires=1"),
        ("Authorization: Bearer abcdefgh.ijk", f"Authorization: Bearer {HIDDEN}"),
        ("Cookie: a=b; c=d", f"Cookie: {HIDDEN}"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", f"got {HIDDEN}"),
        ("id LTAI5tAbCdEfGhIjKlMn.", f"id {HIDDEN}."),
        ("AKIAABCDEFGHIJKLMNOP", HIDDEN),
        ("ghp_" + "a1" * 18, HIDDEN),
        ("password=hunter2, user=bob", f"password={HIDDEN}, user=bob"),
        ('{"api_key": "abc", "n": 1}', f'{{"api_key": "{HIDDEN}", "n": 1}}'),
        ("secret: 'abc'", f"secret: '{HIDDEN}'"),
        ("Server=db;Password=abc;Database=x", f"Server=db;Password={HIDDEN};Database=x"),
        ('"{\\"password\\": \\"abc\\"}"', f'"{{\\"password\\": \\"{HIDDEN}\\"}}"'),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", None),
        ("the token is invalid", "the token is invalid"),
        ("max_tokens=100 tokens=5", "max_tokens=100 tokens=5"),
        ("http://localhost:8080/path", "http://localhost:8080/path"),
        ("KeyError: 'name'", "KeyError: 'name'"),
    ],
)
def test_texts_lose_what_looks_like_a_secret(text, shown):
    found = redaction({}, ()).text(text)
    assert found == shown if shown is not None else "abc" not in found


def test_source_keeps_its_code_and_its_lines():
    code = 'token = get_token(event)\npassword = "hunter2"\nkey: str = env.get("API_KEY", "abc")\n'
    hidden = f'token = get_token(event)\npassword = "{HIDDEN}"\nkey: str = env.get("API_KEY", "{HIDDEN}")\n'
    assert redaction({}, ()).source(code) == hidden


def test_secrets_of_the_environment_are_hidden_wherever_they_stand():
    hide = redaction(
        {"DB_PASSWORD": "correct horse", "MODE": "battery", "KEY_FILE": "/code/k.pem", "MAX_TOKENS": "100000"},
        ["staple1"],
    )
    assert (
        hide.text("correct horse battery staple1 /code/k.pem 100000") == f"{HIDDEN} battery {HIDDEN} /code/k.pem 100000"
    )


def test_hostile_texts_do_not_take_for_ever():
    hide = redaction({}, ())
    for piece in ("a", "token", "://", "eyJ", "-----BEGIN PRIVATE KEY-----", "&token", "password\\", "auth: ", "sk-a"):
        hide.text(piece * (20_000 // len(piece)))


def test_the_emulator_believes_no_instance():
    secret = Value("password", "password", "str", "'hunter2'")
    key = Value("'api_key'", "['api_key']", "str", "'abc'")
    frame = Frame(
        "/code/index.py", 1, "handler", locals=[secret, Value("d", "d", "dict", form="dict", count=1, children=[key])]
    )
    bundle = PostMortem(
        id="r",
        at=0.0,
        kind="exception",
        function="hello",
        what="ValueError: token=abc \ud800",
        log=["password=abc"],
        event=Event('{"password": 5, "a": [{"token": "t"}], "n": 1, "credentials": {"id": "x"}}', 10),
        request=Request("GET", "/?token=abc", [("authorization", "Basic abc"), ("accept", "*/*")]),
        dump=Dump(
            exceptions=[Failure("E", "secret='abc'", frames=[frame])],
            sources={"/code/index.py": [(1, 'token = "abc"')]},
        ),
    )
    shown = json.dumps(
        redact(bundle, redaction({}, ())), default=lambda it: {n: getattr(it, n) for n in it.__struct_fields__}
    )
    assert "hunter2" not in shown and "abc" not in shown
    assert json.loads(bundle.event.text) == {
        "password": HIDDEN,
        "a": [{"token": HIDDEN}],
        "n": 1,
        "credentials": {"id": HIDDEN},
    }
    assert bundle.request.headers[1] == ("accept", "*/*")
    assert secret.redacted and key.redacted


def test_an_event_is_kept_as_far_as_it_can_be_redacted():
    assert event_of(b'{"a": 1}') == Event('{"a": 1}', 8)
    assert event_of(b"") == Event("", 0)
    assert event_of(b"\xff\x00\x01") == Event("", 3)
    large = event_of("é".encode() * 40_000)
    assert large.is_cut and large.size == 80_000 and set(large.text) == {"é"}
