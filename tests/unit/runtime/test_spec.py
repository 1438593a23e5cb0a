"""A runtime is a folder: what `runtime.toml` may say, and how a mistake in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.model.errors import ConfigError
from emulator.runtime.bundled import bundled_json
from emulator.runtime.spec import Catalog, Kind, builtin_dir
from tests.unit.runtime.conftest import PYTHON_TOML


def load(tmp_path: Path, text: str, name: str = "mine") -> Catalog:
    folder = tmp_path / "extra" / name
    folder.mkdir(parents=True)
    (folder / "runtime.toml").write_text(text)
    return Catalog.load([folder.parent])


def test_every_shipped_runtime_loads() -> None:
    catalog = Catalog.load([builtin_dir()])
    assert {"custom", "custom.debian10", "custom.debian11", "custom.debian12"} <= catalog.specs.keys()


def test_a_custom_runtime_is_a_program_that_gets_requests_raw() -> None:
    spec = Catalog.load([builtin_dir()]).find("custom.debian10")
    assert (spec.kind, spec.debian, spec.search_paths) == (Kind.PROGRAM, 10, False)
    assert spec.interpreter is None
    folders = {tool.directory for tool in spec.tools}
    assert {"/var/fc/lang/python3.10/bin", "/var/fc/lang/nodejs20/bin", "/var/fc/lang/nodejs18/bin"} <= folders


def test_templates_are_filled_for_each_id(tmp_path: Path) -> None:
    catalog = load(tmp_path, PYTHON_TOML)
    spec = catalog.find("python3.9")
    assert spec.interpreter is not None
    assert spec.interpreter.lang_dir == "/var/fc/lang/python3.9/bin"
    assert spec.interpreter.links == ("python3.9", "python3", "python")
    assert spec.interpreter.argv == ("{interpreter}", "-u", "{home}/bootstrap.py")
    assert spec.env["PYTHONPATH"] == "/code:/opt/python/lib/python3.9/site-packages:/opt/python"
    assert spec.home == tmp_path / "extra" / "mine"
    assert (spec.debian, catalog.find("python3.12").debian) == (0, 11)


def test_an_unknown_runtime_names_the_nearest_and_all() -> None:
    with pytest.raises(ConfigError) as caught:
        Catalog.load([builtin_dir()]).find("custom.debain10")
    assert "runtime 'custom.debain10' is not emulated" in str(caught.value)
    assert "did you mean custom.debian10?" in str(caught.value)
    assert "custom.debian12" in caught.value.next_step


def test_a_runtime_of_a_later_folder_replaces_a_shipped_one(tmp_path: Path) -> None:
    toml = 'kind = "program"\n[names]\n"custom" = ""\n'
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "runtime.toml").write_text(toml)
    catalog = Catalog.load([builtin_dir(), tmp_path])
    assert catalog.find("custom").home == folder
    assert catalog.find("custom.debian10").home == builtin_dir() / "custom"


def test_one_id_twice_in_one_folder_is_refused(tmp_path: Path) -> None:
    load(tmp_path, PYTHON_TOML, "one")
    with pytest.raises(ConfigError, match="is declared in"):
        load(tmp_path, PYTHON_TOML, "two")


def test_a_runtimes_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a folder of runtimes"):
        Catalog.load([tmp_path / "absent"])


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ('kind = "bootstrap"', 'kind = "boot"', 2, """'kind' must be "bootstrap" or "program\""""),
        ('kind = "bootstrap"', 'kind = "program"', 6, "'python3.9': a runtime is called custom… where the user's own"),
        ('"python3.9" = "3.9"', 'custom = ""', 6, "'custom': a runtime is called custom…"),
        ('kind = "bootstrap"', "kind = 3", 2, "'kind' must be a text"),
        ("search_paths = true", 'search_paths = "yes"', 3, "'search_paths' must be true or false"),
        ("search_paths = true", "serch_paths = true", 3, "unknown key 'serch_paths', did you mean 'search_paths'?"),
        ('command = "python"', 'comand = "python"', 13, "'interpreter.command' is missing"),
        ('command = "python"', 'command = "python"\nimage = "x"', 15, "unknown key 'interpreter.image'"),
        ("{home}/bootstrap.py", "{hom}/bootstrap.py", 17, "'interpreter.argv' has {hom}; known are {interpreter}"),
        ('links = ["python{version}", "python3", "python"]', "links = []", 16, "'interpreter.links' must be a list"),
        ('"python3.12" = 11', '"python3.12" = "11"', None, "'debian.python3.12' must be a whole number"),
        ('"python3.12" = 11', '"python3.13" = 11', 11, "[debian] or [images]: 'python3.13' is not in [names]"),
        ('[bundled."python3.10"]', '[bundled."python3"]', 22, "[bundled] names 'python3', which is not in [names]"),
        ('oss2 = "oss2"', "oss2 = true", 24, "'bundled.python3.10.oss2' must be a text"),
        ('"python3.9" = "3.9"', '"python3.9" = 3.9', 6, "'names.python3.9' must be a text"),
        ("[names]", "[names", 5, "not TOML"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, line: int | None, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, PYTHON_TOML.replace(old, new, 1))
    assert text in caught.value.message
    assert caught.value.place is not None
    assert caught.value.place.file.endswith("extra/mine/runtime.toml")
    if line is not None:
        assert caught.value.place.line == line


def test_a_bootstrap_needs_an_interpreter(tmp_path: Path) -> None:
    toml = 'kind = "bootstrap"\n[names]\nx = ""\n'
    with pytest.raises(ConfigError, match="needs an \\[interpreter\\] table"):
        load(tmp_path, toml)


def test_a_tool_must_belong_to_an_id(tmp_path: Path) -> None:
    toml = 'kind = "program"\n[names]\ncustom-x = ""\n[[tools]]\nids = ["y"]\ncommand = "ruby"\nlinks = ["ruby"]\n'
    with pytest.raises(ConfigError, match="'y' is not in \\[names\\]"):
        load(tmp_path, toml)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "runtime.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        Catalog.load([tmp_path])


def test_bootstraps_are_told_which_modules_fc_ships(tmp_path: Path) -> None:
    catalog = load(tmp_path, PYTHON_TOML)
    assert bundled_json(catalog.find("python3.10")) == '{"requests":"requests==2.28.1","oss2":"oss2"}'
    assert bundled_json(catalog.find("python3.9")) == "{}"


@pytest.mark.parametrize(
    ("runtime", "wanted"),
    [("custom", True), ("custom.debian10", True), ("custom.debian11", False), ("custom.debian12", False),
     ("python3.12", True), ("python3", True), ("nodejs20", True)],
)  # fmt: skip
def test_new_custom_images_get_no_token_header(runtime: str, wanted: bool) -> None:
    assert Catalog.load([builtin_dir()]).find(runtime).token_header is wanted
