"""Interpreters are found where people install them, and never through a shim."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from emulator.model.errors import UserError
from emulator.runtime.interpreters import Interpreters, dotted, parse_version
from tests.unit.runtime.conftest import fake_binary, fake_interpreter, write_script


def finder(home: Path, path: str = "", **more: str) -> Interpreters:
    return Interpreters({"HOME": str(home), "PATH": path, **more})


@pytest.mark.parametrize(
    ("folder", "command", "version", "variable"),
    [
        (".pyenv/versions/3.10.13/bin/python", "python", "3.10", ("PYENV_ROOT", 3)),
        (".local/share/uv/python/cpython-3.10.13-linux/bin/python", "python", "3.10", ("UV_PYTHON_INSTALL_DIR", 2)),
        (".asdf/installs/python/3.10.13/bin/python", "python", "3.10", ("ASDF_DATA_DIR", 4)),
        (".local/share/mise/installs/python/3.10.13/bin/python", "python", "3.10", ("MISE_DATA_DIR", 4)),
        (".nvm/versions/node/v18.19.0/bin/node", "node", "18", ("NVM_DIR", 4)),
        (".asdf/installs/nodejs/18.19.0/bin/node", "node", "18", ("ASDF_DATA_DIR", 4)),
        (".local/share/mise/installs/node/18.19.0/bin/node", "node", "18", ("MISE_DATA_DIR", 4)),
        (".local/share/fnm/node-versions/v18.19.0/installation/bin/node", "node", "18", ("FNM_DIR", 4)),
        (".volta/tools/image/node/18.19.0/bin/node", "node", "18", ("VOLTA_HOME", 5)),
        (".asdf/installs/ruby/3.2.2/bin/ruby", "ruby", "3.2", ("ASDF_DATA_DIR", 4)),
    ],
)  # fmt: skip
def test_version_managers(
    tmp_path: Path, home: Path, folder: str, command: str, version: str, variable: tuple[str, int]
) -> None:
    file = fake_interpreter(home / folder, "not asked")
    found = finder(home).find(command, version)
    assert (found.path, found.prefix, found.exact) == (file, file.parent.parent, True)
    # The same tree elsewhere, named by the manager's own variable.
    name, depth = variable
    moved = tmp_path / "elsewhere"
    file.parents[depth].rename(moved)
    found = finder(home, **{name: str(moved)}).find(command, version)
    assert found.path == moved / file.relative_to(file.parents[depth])


def test_names_of_folders_that_are_no_version_are_not_trusted(home: Path) -> None:
    fake_interpreter(home / ".pyenv/versions/miniconda3-4.7/bin/python", "Python 3.8.1")
    fake_interpreter(home / ".pyenv/versions/work/bin/python", "Python 3.9.2")
    fake_interpreter(home / ".pyenv/versions/broken/bin/python", "no version here")
    interpreters = finder(home)
    assert interpreters.find("python", "3.8").version == "3.8.1"
    assert interpreters.find("python", "3.9").version == "3.9.2"


def test_the_binary_is_asked_once_until_it_changes(home: Path, tmp_path: Path) -> None:
    tally = tmp_path / "tally"
    text = f"#!/bin/sh\necho x >> {tally}\necho Python {{}}\n"
    file = write_script(home / ".pyenv/versions/work/bin/python", text.format("3.9.1"))
    interpreters = finder(home)
    for _ in range(3):
        assert interpreters.find("python", "3.9").version == "3.9.1"
    assert tally.read_text() == "x\n"
    file.write_text(text.format("3.9.2"))
    os.utime(file, ns=(1, 1))
    fake_interpreter(home / ".pyenv/versions/3.7.1/bin/python", "")
    assert interpreters.find("python", "3.9").version == "3.9.2"


def test_what_is_installed_later_is_seen(home: Path) -> None:
    (home / ".pyenv/versions").mkdir(parents=True)
    interpreters = finder(home)
    assert interpreters.seek("python", "3.10") is None
    fake_interpreter(home / ".pyenv/versions/3.10.1/bin/python", "")
    assert interpreters.find("python", "3.10").version == "3.10.1"


def install(home: Path, *versions: str) -> Interpreters:
    for version in versions:
        fake_interpreter(home / f".pyenv/versions/{version}/bin/python", "")
    return finder(home)


@pytest.mark.parametrize(
    ("installed", "wanted", "chosen"),
    [
        (("3.9.1", "3.10.2", "3.10.13", "3.12.0"), "3.10", "3.10.13"),
        (("3.9.1", "3.11.9", "3.11.2", "3.13.0"), "3.10", "3.11.9"),
        (("3.7.1", "3.9.1", "3.8.4"), "3.10", "3.9.1"),
        (("2.7.18", "3.6.1"), "2.7", "2.7.18"),
    ],
)
def test_exact_then_newer_then_older(home: Path, installed: tuple[str, ...], wanted: str, chosen: str) -> None:
    found = install(home, *installed).find("python", wanted)
    assert found.version == chosen
    assert found.exact == chosen.startswith(wanted)


def test_another_major_version_of_python_never_stands_in(home: Path) -> None:
    interpreters = install(home, "3.6.1", "3.10.1")
    assert interpreters.seek("python", "2.7") is None
    with pytest.raises(UserError) as caught:
        interpreters.find("python", "2.7")
    assert caught.value.message == "python2.7 is needed, and no python of a near version is installed"
    assert "`uv python install 2.7` or `pyenv install 2.7`" in caught.value.next_step


def test_any_node_stands_in_for_another(home: Path) -> None:
    for version in ("v16.1.0", "v20.1.0", "v22.3.0"):
        fake_interpreter(home / f".nvm/versions/node/{version}/bin/node", "")
    interpreters = finder(home)
    assert interpreters.find("node", "18").version == "20.1.0"
    assert interpreters.find("node", "24").version == "22.3.0"
    assert interpreters.find("node", "4").version == "16.1.0"
    assert interpreters.find("node", "").version == "22.3.0"


def test_the_notice_says_what_is_used_and_what_brings_the_right_one(home: Path) -> None:
    interpreters = install(home, "3.11.7")
    used = interpreters.find("python", "3.10")
    assert interpreters.notice("python", "3.10", used) == (
        f"python3.10 was asked for, 3.11.7 is used ({used.path}); "
        "`uv python install 3.10` or `pyenv install 3.10` brings the right one"
    )


def test_no_interpreter_at_all(home: Path) -> None:
    with pytest.raises(UserError) as caught:
        finder(home).find("node", "20")
    assert caught.value.message == "node 20 is needed, and no node of a near version is installed"
    assert "nvm install 20" in caught.value.next_step


def test_binaries_on_path_with_and_without_version(home: Path, tmp_path: Path) -> None:
    plain = fake_binary(tmp_path / "usr/bin/python3.9")
    (tmp_path / "usr/bin/python3").symlink_to("python3.9")
    fake_binary(tmp_path / "usr/bin/python3-config")
    fake_binary(tmp_path / "usr/bin/pythonista")
    found = finder(home, str(tmp_path / "usr/bin")).find("python", "3.9")
    assert (found.path, found.version, found.prefix) == (plain, "3.9", tmp_path / "usr")


def test_shims_are_no_interpreters(home: Path, tmp_path: Path) -> None:
    write_script(home / ".pyenv/shims/python3.10", "#!/bin/sh\necho Python 3.10.0\n")
    mise = fake_binary(home / ".local/bin/mise")
    (tmp_path / "shims").mkdir()
    (tmp_path / "shims/python3.10").symlink_to(mise)
    path = f"{home}/.pyenv/shims:{tmp_path}/shims"
    assert finder(home, path).seek("python", "3.10") is None


def test_an_interpreter_that_drags_the_home_along_is_not_used(home: Path) -> None:
    fake_binary(home / "bin/python3.10")
    fake_binary(home / ".local/bin/python3.10")
    assert finder(home, f"{home}/bin:{home}/.local/bin").seek("python", "3.10") is None


def test_a_broken_link_and_a_relative_path_do_no_harm(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3.10").symlink_to("absent")
    (tmp_path / "bin/python3.9").symlink_to("python3.9")
    assert finder(home, f"{tmp_path}/bin:.:bin:/absent").seek("python", "3.10") is None


def test_the_first_on_path_is_taken_if_no_version_is_wanted(home: Path, tmp_path: Path) -> None:
    fake_interpreter(home / ".pyenv/versions/3.13.0/bin/python", "")
    on_path = fake_binary(tmp_path / "usr/bin/python3.8")
    assert finder(home, str(tmp_path / "usr/bin")).find("python", "").path == on_path


@pytest.mark.parametrize("text", ["v18.19.0", "Python 18.19.0", "18.19.0\n"])
def test_versions_are_read(text: str) -> None:
    assert dotted(parse_version(text)) == "18.19.0"


def test_a_real_virtual_environment_leads_to_its_base(
    tmp_path: Path, home: Path, real_interpreters: Interpreters
) -> None:
    base = real_interpreters.seek("python", "3")
    if base is None:
        pytest.skip("no Python is installed where version managers or Debian put it")
    venv = tmp_path / "venv"
    subprocess.run([str(base.path), "-m", "venv", "--without-pip", "--copies", str(venv)], check=True, timeout=60)
    found = finder(home, str(venv / "bin")).find("python", "3")
    assert found.path == base.path


def test_real_interpreters_tell_the_version_that_was_found(real_interpreters: Interpreters) -> None:
    found = [real_interpreters.seek("python", version) for version in ("2.7", "3.6", "3.10", "3.12")]
    present = [one for one in found if one is not None]
    if not present:
        pytest.skip("no Python is installed where version managers or Debian put it")
    for one in present:
        code = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
        said = subprocess.run([str(one.path), "-c", code], capture_output=True, text=True, check=True, timeout=60)
        assert said.stdout.strip().startswith(one.version)
        assert one.path.is_relative_to(one.prefix)
