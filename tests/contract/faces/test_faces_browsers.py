"""A page in a browser can not drive the emulator, and SDK clients and function URLs still work (sandbox.md §6.2)."""

from __future__ import annotations

import pytest

from tests.contract.faces.faces_client import Answer, ask, visit
from tests.contract.faces.faces_project import SERVER, custom, fc3
from tests.support.command import Running

RESOURCES = {"web": custom("web"), "event": fc3("event")}
FILES = {"code/index.py": "def handler(event, context):\n    return b'ran'\n", "code/server.py": SERVER}
INVOKE = "/2023-03-30/functions/event/invocations"
STATUS = "/_fclocal/status"


def post(emulator: Running, host: str, **headers: str) -> Answer:
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(emulator, "POST", INVOKE, b"x", own, host=host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "anything.localhost", "[::1]", "http://127.0.0.1"])
def test_clients_that_are_no_browsers_pass_by_any_local_name(emulator: Running, host: str) -> None:
    assert post(emulator, host).body == b"ran"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.168.1.1", "127.0.0.1.nip.io"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(emulator: Running, host: str) -> None:
    for method, path in (("POST", INVOKE), ("GET", STATUS), ("GET", "/")):
        answer = ask(emulator, method, path, host=host)
        assert answer.error[:2] == (421, "HostNotAllowed")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_other_origins_may_not_invoke(emulator: Running, origin: str) -> None:
    assert post(emulator, "localhost", Origin=origin).error[:2] == (403, "OriginNotAllowed")
    assert ask(emulator, "GET", STATUS, headers={"Origin": origin}).error[:2] == (403, "OriginNotAllowed")


def test_a_form_of_another_site_may_not_invoke_either(emulator: Running) -> None:
    """A plain form has no Origin in old browsers, and Fetch metadata in new ones."""
    answer = post(emulator, "localhost", Sec_Fetch_Site="cross-site")
    assert answer.error[:2] == (403, "OriginNotAllowed")


def test_a_local_page_needs_the_token_of_the_endpoint_file_to_change_things(emulator: Running) -> None:
    page = {"Origin": f"http://localhost:{emulator.port}"}
    assert post(emulator, "localhost", **page).error[:2] == (401, "TokenRequired")
    assert post(emulator, "localhost", **page, x_fclocal_token="wrong").error[:2] == (401, "TokenRequired")
    token = emulator.endpoint["token"]
    assert len(token) >= 32
    assert post(emulator, "localhost", **page, x_fclocal_token=token).body == b"ran"
    assert ask(emulator, "GET", STATUS, headers=page).status == 200, "reading is open to it"
    assert token not in emulator.out + emulator.err


def test_function_urls_are_open_to_every_page_as_in_fc(emulator: Running) -> None:
    page = {"Origin": "https://any.example", "Sec-Fetch-Site": "cross-site"}
    assert visit(emulator, "web", method="POST", body=b"x", headers=page).status == 200
    assert ask(emulator, "POST", "/2016-08-15/proxy/_/web/", b"x", page).status == 200
