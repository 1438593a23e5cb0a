"""What FC says when the program of a custom runtime can not start (runtime-contract.md §4.3)."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.model.errors import StartFailed
from emulator.model.function import Api, BuildStep, Revision
from emulator.model.program import CustomRuntime
from emulator.runtime.compose import ComposeRequest, Composition, compose
from emulator.runtime.spec import RuntimeSpec
from tests.unit.runtime.conftest import write_script

Start = Callable[..., Composition]


@pytest.fixture
def start(
    revision: Callable[..., Revision],
    spec: Callable[[str], RuntimeSpec],
    request_for: Callable[..., ComposeRequest],
) -> Start:
    def compose_custom(*command: str, mounts: bool = True, **fields: object) -> Composition:
        made = revision("custom.debian10", custom_runtime=CustomRuntime(command), **fields)
        return compose(made, spec("custom.debian10"), request_for(mounts=mounts))

    return compose_custom


def refusal(start: Start, *command: str, **fields: object) -> StartFailed:
    with pytest.raises(StartFailed) as caught:
        start(*command, **fields)
    assert caught.value.status == 412
    return caught.value


def test_nothing_configured_is_the_bootstrap(start: Start, code: Path) -> None:
    write_script(code / "bootstrap", "#!/bin/bash\nexec sleep 1\n")
    launch = start().launch
    assert (launch.argv, launch.cwd, launch.display) == (("/code/bootstrap",), "/code", "/code/bootstrap ")


@pytest.mark.parametrize("mounts", [True, False])
def test_no_bootstrap(start: Start, code: Path, mounts: bool) -> None:
    error = refusal(start, mounts=mounts)
    assert error.code == "FunctionNotStarted"
    assert error.message.startswith(
        "The function cannot be started. Failed to start function instance. "
        "Error: the file /code/bootstrap is not exist"
    )
    assert f"There is no {code}/bootstrap" in error.message


def test_the_steps_that_would_make_the_bootstrap_are_named(start: Start, code: Path) -> None:
    error = refusal(start, build=(BuildStep("go build -o bootstrap", code),))
    assert "Not run: `go build -o bootstrap` (actions: pre-deploy); `--build` runs it" in error.message


@pytest.mark.parametrize("mounts", [True, False])
def test_a_bootstrap_without_x_bit(start: Start, code: Path, mounts: bool) -> None:
    (code / "bootstrap").write_text("#!/bin/bash\n")
    error = refusal(start, mounts=mounts)
    assert error.code == "CAExited"
    assert error.message.startswith(
        "The function cannot be started. Function instance exited unexpectedly(code 13, message:permission denied) "
        "with start command '/code/bootstrap '."
    )
    assert f"`chmod +x {code}/bootstrap`" in error.message


def test_fc2_has_its_own_words_for_it(start: Start, code: Path) -> None:
    (code / "bootstrap").write_text("#!/bin/bash\n")
    error = refusal(start, api=Api.FC2)
    assert error.code == "CAFilePermission"
    assert error.message.startswith(
        "The CA process cannot be started due to bootstrap file don't have execute permissions"
    )


def test_a_link_to_nowhere(start: Start, code: Path) -> None:
    (code / "bootstrap").symlink_to("target/release/bootstrap")
    assert "is a link to nowhere" in refusal(start).message


def test_a_folder_is_no_program(start: Start, code: Path) -> None:
    (code / "bootstrap").mkdir()
    assert "is a folder" in refusal(start).message


@pytest.mark.parametrize("command", ["./start.sh", "bin/start", "/code/start"])
def test_a_file_of_the_code_that_is_missing(start: Start, command: str) -> None:
    error = refusal(start, command, "-v")
    assert error.code == "CAExited"
    assert (
        f"exited unexpectedly(code 2, message:no such file or directory) with start command '{command} -v '."
        in error.message
    )


@pytest.mark.parametrize("mounts", [True, False])
def test_a_command_that_is_nowhere(start: Start, mounts: bool) -> None:
    error = refusal(start, "no-such-server", "--port", "9000", mounts=mounts)
    assert "with start command 'no-such-server --port 9000 '." in error.message
    assert "'no-such-server' is neither in /" in error.message


def test_a_bare_word_may_be_a_file_of_the_code(start: Start, code: Path) -> None:
    write_script(code / "server", "#!/bin/sh\n")
    assert start("server", "-v").launch.argv == ("/code/server", "-v")
    (code / "server").chmod(0o644)
    assert "code 13" in refusal(start, "server").message


def test_programs_of_the_system_of_the_code_and_of_layers_are_found(start: Start, code: Path, tmp_path: Path) -> None:
    write_script(code / "bin/mine", "#!/bin/sh\n")
    path = {"environment": {"PATH": "/code/bin:/usr/bin:/bin"}}
    assert start("sh", "-c", "true").launch.argv == ("sh", "-c", "true")
    assert start("mine", **path).launch.argv == ("mine",)
    assert start("/bin/sh").launch.argv == ("/bin/sh",)


def test_the_interpreters_of_fcs_image_are_found(start: Start) -> None:
    for command in ("python3", "python3.10", "node", "/var/fc/lang/python3.10/bin/python3"):
        assert start(command, "app.py").launch.argv == (command, "app.py")


def test_what_can_not_be_known_is_left_to_the_start(start: Start) -> None:
    assert start("/tmp/made-later").launch.argv == ("/tmp/made-later",)
    made = start("made-later", environment={"PATH": "/tmp/bin:/usr/bin"})
    assert made.launch.argv == ("made-later",)


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + machine.to_bytes(2, "little") + bytes(44)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"#!/bin/bash\r\necho hi\r\n", "has Windows line ends"),
        (b"echo hi\n", "does not begin with #!"),
        (b"", "is empty"),
        (b"MZ\x90\x00", "is a program for Windows"),
        (b"\xcf\xfa\xed\xfe\x07", "is a program for macOS"),
        (elf(0x28), "is built for arm, and Function Compute runs x86_64"),
    ],
)
def test_files_that_the_kernel_will_refuse_are_explained(start: Start, code: Path, content: bytes, words: str) -> None:
    (code / "bootstrap").write_bytes(content)
    (code / "bootstrap").chmod(0o755)
    notices = [notice for notice in start().notices if notice.startswith("/code/bootstrap")]
    assert len(notices) == 1
    assert words in notices[0]


def test_a_program_of_this_machine_needs_no_words(start: Start, code: Path) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("only x86_64 programs run both here and in Function Compute")
    (code / "bootstrap").write_bytes(Path("/bin/true").read_bytes())
    (code / "bootstrap").chmod(0o755)
    assert start().notices == ()
    write_script(code / "bootstrap", "#!/bin/sh\n")
    assert start().notices == ()


def test_messages_have_no_trailing_space_before_the_bracket(start: Start) -> None:
    assert not re.search(r"\s\)", refusal(start).message)
