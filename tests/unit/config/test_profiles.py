"""Profiles and the options that they bundle: what can be written, what wins, and what errors say."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.config.profiles import OF_PROFILES, read_profiles
from emulator.config.settings import OPTIONS, Settings, apply_to_project, load_settings
from emulator.model.errors import ConfigError
from emulator.model.function import Function, FunctionName, Place, Project
from emulator.model.speed import Speed, read_speed

ROOT = Path(__file__).parents[3]
MB = 1024 * 1024
HERE = Place("here")


@pytest.mark.parametrize(
    ("text", "speed", "shown"),
    [
        ("150MB/s", Speed(150 * MB), "150MB/s"),
        ("100MB/s,2ms", Speed(100 * MB, 0.002), "100MB/s,2ms"),
        (" 1.5 GB/s , 100ms", Speed(1536 * MB, 0.1), "1536MB/s,100ms"),
        ("512KiB/s", Speed(512 * 1024), "0.5MB/s"),
    ],
)
def test_a_speed_is_a_rate_and_perhaps_a_latency(text: str, speed: Speed, shown: str) -> None:
    assert read_speed(text) == speed
    assert str(speed) == shown


@pytest.mark.parametrize("text", ["", "100", "100MB", "0MB/s", "-1MB/s", "100MB/s,", "100MB/s,2", "fast", "1MB/s,2h"])
def test_what_is_no_speed_is_refused_with_an_example(tmp_path: Path, text: str) -> None:
    (tmp_path / ".fclocal.yaml").write_text(f"port: 1\nnas: '{text}'\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path, {}, {})
    assert ".fclocal.yaml:2" in str(caught.value)
    assert "nas can not be" in str(caught.value)


def test_a_transfer_takes_its_latency_and_its_bytes() -> None:
    assert Speed(100 * MB, 0.5).seconds(200 * MB) == pytest.approx(2.5)


def test_nothing_is_like_the_cloud_unless_somebody_says_so(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {}, {})
    assert settings.conditions is None
    assert settings.starts == "auto"


def test_what_is_like_the_cloud_is_so_at_a_real_start_alone() -> None:
    assert Settings(cache="cold", cold="fast").starts == "faithful"


def test_every_shipped_profile_can_be_used_and_says_what_it_is(tmp_path: Path) -> None:
    shipped = read_profiles()
    assert shipped.date
    assert {"fc-cpu", "fc-gpu"} <= shipped.profiles.keys()
    for name, profile in shipped.profiles.items():
        assert profile.about
        settings = load_settings(tmp_path, {"profile": name}, {})
        assert settings.conditions is not None
        assert settings.cache == "cold"
        for option, value in profile.options.items():
            assert getattr(settings, option) == OPTIONS[option].read(value.value, HERE)


def test_single_options_win_over_the_profile_wherever_they_are_said(tmp_path: Path) -> None:
    (tmp_path / ".fclocal.yaml").write_text("profile: fc-cpu\ncache: keep\n")
    settings = load_settings(tmp_path, {"nas": read_speed("off")}, {"FCLOCAL_DISK": "1MB/s"})
    assert settings.conditions is not None
    assert (settings.conditions.cache, settings.conditions.nas) == ("keep", None)
    assert settings.disk == Speed(1 * MB)
    assert settings.code_download is not None


def test_a_file_of_ones_own_takes_the_place_of_those_that_are_shipped(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('date = "2026-01-01"\n[ours]\nnas = { value = "7MB/s", source = "measured" }\n')
    (tmp_path / ".fclocal.yaml").write_text("profile: ours\nprofiles: mine.toml\n")
    assert load_settings(tmp_path, {}, {}).nas == Speed(7 * MB)
    assert read_profiles(tmp_path / "mine.toml").profiles["ours"].options["nas"].source == "measured"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[ours]\ncpu = '1'\n", "unknown option 'cpu'"),
        ("[ours]\nnas = 3\n", "has no value"),
        ("[ours\n", "can not be read"),
        ("ours = 1\n", "is no table"),
        ("[theirs]\n", "there is no profile 'ours'"),
        ("[ours]\nnas = 'quick'\n", "mine.toml [ours]"),
    ],
)
def test_what_is_wrong_in_such_a_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path, {"profile": "ours", "profiles": tmp_path / "mine.toml"}, {})
    assert told in str(caught.value)


def test_the_page_has_each_profile_as_it_is_and_says_what_is_an_estimate() -> None:
    page = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    for name, profile in read_profiles().profiles.items():
        values = [profile.options[option] for option in OF_PROFILES]
        cells = [it.value if it.source or it.value == "cold" else f"{it.value} (estimate)" for it in values]
        assert f"| `{name}` | {' | '.join(cells)} |\n" in page


def test_what_profiles_set_are_options() -> None:
    assert set(OF_PROFILES) <= OPTIONS.keys()


def test_cpu_takes_the_place_of_each_functions_own() -> None:
    project = Project(Path("/p"), None, (Function(FunctionName("f"), "python3.10", cpu=2.0),))
    assert [f.cpu for f in apply_to_project(Settings(cpu=0.5), project).functions] == [0.5]
    assert [f.cpu for f in apply_to_project(Settings(), project).functions] == [2.0]
