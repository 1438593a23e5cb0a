"""Custom runtimes that do not start: 412 with FC's codes and texts, by API and by URL (contract §1.7, §3.6, §4.3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contract.faces.faces_client import Answer, invoke, visit
from tests.contract.faces.faces_project import SERVER, custom, fc3
from tests.support.command import Running, free_port

# One for each caller: who has failed to start may still be ending when the next one comes.
OTHER_PORTS = {"invoke": free_port(), "visit": free_port()}
EXITS = "import sys\nprint('no database', flush=True)\nsys.exit(1)\n"
RESOURCES = {
    **{
        f"elsewhere-{name}": custom(f"elsewhere-{name}", environmentVariables={"LISTEN": str(port)})
        for name, port in OTHER_PORTS.items()
    },
    "exits": custom("exits", "exits.py"),
    "unhealthy": custom(
        "unhealthy", environmentVariables={"HEALTH": "500"},
        customRuntimeConfig={"healthCheckConfig": {"httpGetUrl": "/health"}},
    ),
    "refusing": custom(
        "refusing", environmentVariables={"INITIALIZE": "500"},
        instanceLifecycleConfig={"initializer": {"handler": "true", "timeout": 10}},
    ),
    "python": fc3("python", handler="nothing.handler", triggers=[custom("x")["props"]["triggers"][0]]),
}  # fmt: skip
FILES = {"code/server.py": SERVER, "code/exits.py": EXITS}
OPTIONS = ("--start-timeout", "3")
BY_API_AND_URL = pytest.mark.parametrize("call", [invoke, visit])
Caller = Callable[[Running, str], Answer]


@BY_API_AND_URL
def test_a_server_on_another_port_is_told_which_one_it_opened(emulator: Running, call: Caller) -> None:
    status, code, message = call(emulator, f"elsewhere-{call.__name__}").error
    assert (status, code) == (412, "FunctionNotStarted")
    assert message.startswith("Function instance health check failed on port 9000 in 3 seconds.")
    hint = "set customRuntimeConfig.port, or make it listen on 9000."
    assert f"It listens on port {OTHER_PORTS[call.__name__]}, not on 9000: {hint}" in message


@BY_API_AND_URL
def test_a_server_that_exits_is_told_with_its_last_words(emulator: Running, call: Caller) -> None:
    status, code, message = call(emulator, "exits").error
    assert (status, code) == (412, "CAExited")
    command = "with start command 'python3 /code/exits.py '"
    assert f"exited unexpectedly(code 1, message:operation not permitted) {command}" in message
    assert "no database" in message


@BY_API_AND_URL
def test_a_server_whose_health_check_fails(emulator: Running, call: Caller) -> None:
    text = "The function http server cannot be started. check function health failed with status code: 500 "
    assert call(emulator, "unhealthy").error == (412, "FunctionNotStarted", text)


def test_an_initializer_that_fails_is_an_outcome_by_api_and_502_by_url(emulator: Running) -> None:
    answer = invoke(emulator, "refusing")
    assert (answer.status, answer.headers["x-fc-error-type"]) == (200, "InitializationError")
    assert answer.json == {"errorMessage": "initializer answered with status code 500: no"}
    hidden = visit(emulator, "refusing")
    assert (hidden.status, hidden.body) == (502, b"Internal Server Error")


def test_a_handler_that_can_not_be_loaded_is_an_outcome_too(emulator: Running) -> None:
    answer = invoke(emulator, "python")
    assert (answer.status, answer.headers["x-fc-error-type"]) == (200, "UnhandledInvocationError")
    assert answer.json["errorType"] == "ImportModuleError"
    assert visit(emulator, "python").status == 502
