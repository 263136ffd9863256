import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.commands.evaluate.settings import CHOICES, DEFAULT_METHODS, Settings, resolve_settings
from deeper.errors import UserError
from deeper.evaluation.methods import HISTORY_ONLY, METHODS, ROLES


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text('users = 7\nrounds = 2\nmethods = ["refine"]\n', "utf-8")
    return path


def test_flags_win_over_the_file_over_the_preset_over_the_defaults(config: Path) -> None:
    preset = {"users": 5, "rounds": 3, "calibration_users": 6}
    settings = resolve_settings(config, {"rounds": "1"}, preset)
    assert (settings.rounds, settings.users, settings.calibration_users) == (1, 7, 6)
    assert settings.seed == Settings().seed
    assert settings.methods == ("refine",)
    assert resolve_settings(None, {}, preset) == Settings(**preset)
    assert resolve_settings(None, {}) == Settings()


def test_every_method_can_be_chosen_but_the_one_that_comes_with_history() -> None:
    assert set(CHOICES) == set(METHODS) - {HISTORY_ONLY}


def test_all_methods_run_by_default_but_the_described_control() -> None:
    assert Settings().methods == DEFAULT_METHODS
    assert set(CHOICES) - set(DEFAULT_METHODS) == {"described"}
    assert Settings(methods=("described", "refine")).methods == ("refine", "described")
    assert Settings.model_fields["methods"].description.endswith("Default: all but described.")


def test_lists_have_one_order_and_no_repeats() -> None:
    settings = Settings(methods=("user_median", "frozen", "refine", "frozen"), roles=("current",))
    assert settings.methods == ("refine", "frozen", "user_median")
    assert settings.roles == ("future", "current"), "the held-out role is always there"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("users = 0", "users: Input should be greater than or equal to 1"),
        ('users = "many"', "users: Input should be a valid integer"),
        ("users = 2.5", "users: Input should be a valid integer"),
        ('methods = ["refine", "magic"]', "methods: unknown method magic; choose from refine"),
        ("methods = []", "methods: no method is given"),
        ('methods = "refine"', "methods: Input should be a valid tuple"),
        ('roles = ["past"]', "roles: unknown role past; choose from future, current, previous"),
        ('readout = "tarot"', "readout: Input should be 'auto', 'distribution' or 'structured'"),
        ('prediction = "guess"', "prediction: Input should be 'persona' or 'history'"),
        ("search_n = -1", "search_n: Input should be greater than or equal to 0"),
        ("seed = -1", "seed: Input should be greater than or equal to 0"),
        ("usres = 3", "usres: there is no such setting; did you mean users? Choose from data, ratings"),
        ("[users]\nmany = 3", "users: Input should be a valid integer"),
    ],
)
def test_a_bad_value_is_named_with_its_file(config: Path, text: str, message: str) -> None:
    config.write_text(text, "utf-8")
    with pytest.raises(UserError) as caught:
        resolve_settings(config, {})
    assert f"{config}: {message}" in str(caught.value)
    assert caught.value.do


def test_a_bad_flag_is_not_blamed_on_the_file(config: Path) -> None:
    with pytest.raises(UserError) as caught:
        resolve_settings(config, {"users": "0"})
    assert str(caught.value).startswith("users: Input should be")
    assert str(config) not in str(caught.value)


def test_all_bad_values_are_named_at_once(config: Path) -> None:
    config.write_text("users = 0\nrounds = -1\n", "utf-8")
    with pytest.raises(UserError, match=r"users: .*; .*rounds: .*seed: "):
        resolve_settings(config, {"seed": "x"})


@pytest.mark.parametrize("content", [b"users = ", b"users: 3", b"\xff\xfe\x00", "users = 3 # café".encode("latin-1")])
def test_a_file_that_is_no_toml_is_named(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    with pytest.raises(UserError, match="not a TOML file that can be read") as caught:
        resolve_settings(config, {})
    assert str(caught.value).startswith(f"{config}: ")
    assert "init-config" in caught.value.do


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such configuration file") as caught:
        resolve_settings(tmp_path / "none.toml", {})
    assert "init-config" in caught.value.do
    with pytest.raises(UserError, match="not a TOML file that can be read"):
        resolve_settings(tmp_path, {})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "data": st.text(st.characters(codec="utf-8", exclude_characters="\x7f")),
            "domains": st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]))),
            "users": st.integers(1, 10**6),
            "methods": st.lists(st.sampled_from(CHOICES), min_size=1),
            "roles": st.lists(st.sampled_from(ROLES)),
            "readout": st.sampled_from(["distribution", "structured"]),
            "calibration": st.sampled_from(["auto", "on", "off"]),
            "policy_adapter": st.text(st.characters(codec="utf-8", exclude_characters="\x7f")),
            "predictor_adapter": st.sampled_from(["", "runs/mine", "C:\\adapters\\mine", "org/lora"]),
            "seed": st.integers(0, 2**31 - 1),
        },
    ),
    st.booleans(),
)
def test_settings_survive_their_own_toml(values: dict[str, Any], comments: bool) -> None:
    settings = Settings(**values)
    assert Settings(**tomllib.loads(settings.to_toml(comments))) == settings


def test_a_commented_file_explains_every_setting() -> None:
    lines = Settings().to_toml(comments=True).splitlines()
    for name, field in Settings.model_fields.items():
        at = next(i for i, line in enumerate(lines) if line.startswith(f"{name} = "))
        assert lines[at - 1] == f"# {field.description}"
