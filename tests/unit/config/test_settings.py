"""Options of the emulator: three ways to give them, one definition, errors with their place."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from emulator.config.settings import OPTIONS, Settings, apply_to_project, check_functions, load_settings
from emulator.config.settings_docs import options_markdown
from emulator.model.errors import ConfigError
from emulator.model.function import Function, FunctionName, Project

ROOT = Path(__file__).parents[3]


def write(root: Path, text: str) -> None:
    (root / ".fclocal.yaml").write_text(text, encoding="utf-8")


def failure(root: Path, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(root, {}, env)
    return str(caught.value)


def test_defaults(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {}, {})
    assert (settings.host, settings.port, settings.walls) == ("127.0.0.1", 7788, "auto")
    assert settings.state_dir == tmp_path / ".fclocal"


def test_every_field_but_the_sections_is_an_option_with_help() -> None:
    asked_for_by_us = {"trace_reads", "trace_usage"}
    assert set(OPTIONS) == {f.name for f in fields(Settings)} - {"functions"} - asked_for_by_us
    assert all(option.help.endswith(".") for option in OPTIONS.values())


def test_flag_wins_over_variable_wins_over_file(tmp_path: Path) -> None:
    write(tmp_path, "port: 1001\nkeep_alive: 11\nwalls: plain\n")
    settings = load_settings(
        tmp_path, {"port": 1003, "keep_alive": None}, {"FCLOCAL_PORT": "1002", "FCLOCAL_KEEP_ALIVE": "12"}
    )
    assert (settings.port, settings.keep_alive, settings.walls) == (1003, 12.0, "plain")


def test_a_key_may_have_dashes(tmp_path: Path) -> None:
    write(tmp_path, "queue-timeout: 2.5\n")
    assert load_settings(tmp_path, {}, {}).queue_timeout == 2.5


def test_paths_start_where_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "project", "runtimes_dir: more\n")
    assert load_settings(tmp_path / "project", {}, {}).runtimes_dir == tmp_path / "project" / "more"
    from_env = load_settings(tmp_path / "project", {}, {"FCLOCAL_RUNTIMES_DIR": "more", "FCLOCAL_STATE_DIR": "state"})
    assert (from_env.runtimes_dir, from_env.state_dir) == (tmp_path / "more", tmp_path / "state")


@pytest.mark.parametrize("text", ["true", "yes", "ON", "1"])
def test_switches_read_words(tmp_path: Path, text: str) -> None:
    assert load_settings(tmp_path, {}, {"FCLOCAL_STRICT": text}).strict is True


def test_switch_off(tmp_path: Path) -> None:
    write(tmp_path, "freeze: no\n")
    assert load_settings(tmp_path, {}, {}).freeze is False


def test_variables_for_all_and_for_one_function(tmp_path: Path) -> None:
    write(
        tmp_path,
        "environment: {STAGE: local, N: 010, ON: true}\nfunctions:\n  hello:\n    environment: {STAGE: mine}\n",
    )
    settings = load_settings(tmp_path, {}, {})
    assert settings.environment_of(FunctionName("hello")) == {"STAGE": "mine", "N": "010", "ON": "true"}
    assert settings.environment_of(FunctionName("other"))["STAGE"] == "local"
    assert settings.environment_of(FunctionName("hello", "svc"))["STAGE"] == "mine"


def test_variables_reach_the_functions_and_win(tmp_path: Path) -> None:
    write(tmp_path, "functions: {hello: {environment: {B: mine}}}\n")
    hello = Function(FunctionName("hello"), "python3.10", environment={"A": "1", "B": "2"})
    project = Project(tmp_path, None, (hello,))
    changed = apply_to_project(load_settings(tmp_path, {}, {}), project)
    assert changed.functions[0].environment == {"A": "1", "B": "mine"}


def test_a_section_of_an_unknown_function(tmp_path: Path) -> None:
    write(tmp_path, "functions: {helo: {environment: {B: mine}}}\n")
    project = Project(tmp_path, None, (Function(FunctionName("hello"), "python3.10"),))
    with pytest.raises(ConfigError, match="did you mean hello"):
        check_functions(load_settings(tmp_path, {}, {}), project)


def test_environment_variable_takes_json(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {}, {"FCLOCAL_ENVIRONMENT": '{"A": "1,2"}'})
    assert settings.environment == {"A": "1,2"}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("host: 0.0.0.0\nprot: 1\n", 2, "did you mean port?"),
        ("port: 99999\n", 1, "from 0 to 65535"),
        ("\nport: true\n", 2, "give a whole number"),
        ("keep_alive: -1\n", 1, "of at least 0"),
        ("keep_alive: .inf\n", 1, "can not be inf"),
        ("walls: docker\n", 1, "auto, process, container, bwrap, landlock, plain"),
        ("strict: maybe\n", 1, "use true or false"),
        ("environment: [A]\n", 1, "must be a map"),
        ("environment: {A: {B: C}}\n", 1, "has no text"),
        ("environment: {A-B: x}\n", 1, "not the name of a variable"),
        ("functions:\n  f:\n    wals: plain\n", 3, "unknown key 'wals'"),
        ("functions:\n  f: 3\n", 2, "a map is expected"),
        ("functions: [f]\n", 1, "a map is expected"),
        ("port: 1\nport: 2\n", 2, "written twice"),
        ("port: [1\n", 2, "is not valid YAML"),
        ("host: !!python/object:os.system x\n", 1, "is not allowed"),
        ("port: &a [1]\n", 1, "give a whole number"),
        ("account_id: \n", 1, "give a text"),
    ],
)
def test_wrong_files_name_line_and_next_step(tmp_path: Path, text: str, line: int, says: str) -> None:
    write(tmp_path, text)
    message = failure(tmp_path)
    assert message.startswith(f".fclocal.yaml:{line}: ")
    assert says in message


def test_a_list_is_no_settings_file(tmp_path: Path) -> None:
    write(tmp_path, "- port\n")
    assert "a map is expected" in failure(tmp_path)


def test_an_empty_file_is_fine(tmp_path: Path) -> None:
    write(tmp_path, "# nothing yet\n")
    assert load_settings(tmp_path, {}, {}).port == 7788


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a: " + b"[" * 5000, b"port: 1 #" + b"#" * 2_000_000, b"a: 'x\n"])
def test_hostile_files_end_in_one_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / ".fclocal.yaml").write_bytes(data)
    assert failure(tmp_path).startswith(".fclocal.yaml")


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / ".fclocal.yaml").mkdir()
    assert "this is a folder" in failure(tmp_path)


def test_wrong_variable_value_names_the_variable(tmp_path: Path) -> None:
    assert failure(tmp_path, FCLOCAL_PORT="x").startswith("FCLOCAL_PORT: port can not be 'x'")


def test_misspelt_variable(tmp_path: Path) -> None:
    assert "did you mean PORT?" in failure(tmp_path, FCLOCAL_PROT="1")


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {}, {"FCLOCAL_RELEASE_JOB": "7", "PATH": "/bin"}) == load_settings(tmp_path, {}, {})


def test_docs_list_every_option_as_it_is() -> None:
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert page == options_markdown(), "run: python -m emulator.cli.docs"
    assert all(f"`{o.flag}`" in page and f"`{o.variable}`" in page for o in OPTIONS.values())
