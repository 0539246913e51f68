import dataclasses
import json
from pathlib import Path

import pytest

from core.config import (
    DEMO_OPTIONS,
    PRESETS,
    PROJECT_DIR,
    TrainConfig,
    config_from_json,
    config_from_options,
    default_runs_dir,
    flag,
)
from core.errors import UserError


def test_every_default_is_valid() -> None:
    config = TrainConfig()
    assert (config.weights, config.head, config.image_size) == ("imagenet", "gap", 320)
    assert config.data == PROJECT_DIR / "data" / "MaskDataset"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("class_names", ("one",)),
        ("class_names", ("one", "one")),
        ("class_names", ("one", "")),
        ("class_names", ("one", "two\nlines")),
        ("class_names", ("one", "\udcff")),
        ("class_names", ("one", "true \\ predicted", "two")),
        ("weights", "\udcff"),
        ("data", Path("\udcff")),
        ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
        ("validation_fraction", float("nan")),
        ("folds", 2),
        ("folds", -1),
        ("folds", 21),
        ("split_seed", -1),
        ("split_seed", 2**32),
        ("split_seed", 10**23),
        ("name", ""),
        ("name", ".hidden"),
        ("name", "-x"),
        ("name", "../elsewhere"),
        ("name", "a b"),
        ("name", "x" * 101),
        ("seed", -1),
        ("seed", 2**32),
        ("preset", "fastest"),
        ("image_size", 31),
        ("image_size", 1025),
        ("resize", "stretch"),
        ("head", "attention"),
        ("hidden_units", 0),
        ("hidden_units", 100_000_000_000),
        ("cache_limit", -1.0),
        ("cache_limit", float("inf")),
        ("precision", "float64"),
        ("augment", -1),
        ("augment", 101),
        ("class_weights", "rare"),
        ("fine_tune", "block3"),
        ("fine_tune_epochs", 0),
        ("fine_tune_learning_rate", 0.0),
        ("dropout", -0.1),
        ("dropout", 1.0),
        ("epochs", 0),
        ("batch_size", 0),
        ("batch_size", 10**30),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("patience", 0),
    ],
)
def test_a_value_outside_its_range_is_refused_with_the_options_name(name: str, value: object) -> None:
    with pytest.raises(UserError, match=f"^Expected {flag(name)} to be .*; found .*") as caught:
        config_from_options({name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_size", 32),
        ("image_size", 1024),
        ("dropout", 0.0),
        ("seed", 2**32 - 1),
        ("split_seed", 2**32 - 1),
        ("name", "x" * 100),
    ],
)
def test_the_ends_of_a_range_belong_to_it(name: str, value: object) -> None:
    assert getattr(config_from_options({name: value}), name) == value


def test_it_cannot_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().epochs = 3  # type: ignore[misc]


def test_as_json_it_holds_every_option_and_absolute_paths() -> None:
    values = json.loads(json.dumps(TrainConfig(data=Path("here")).to_json()))
    assert values["data"] == str(Path("here").resolve())
    assert set(values) == {field.name for field in dataclasses.fields(TrainConfig)}


def test_a_preset_changes_defaults_and_gives_way_to_options_that_are_given() -> None:
    assert config_from_options({"preset": "fast"}).image_size == 224
    assert config_from_options({"preset": "best", "image_size": 64}).image_size == 64
    assert config_from_options({"preset": "best"}).augment > config_from_options({}).augment


def test_every_preset_is_valid_and_the_default_one_says_nothing_new() -> None:
    assert [config_from_options({"preset": name}).preset for name in PRESETS] == ["fast", "default", "best"]
    assert config_from_options({}) == config_from_options({"preset": "default"}) == TrainConfig()


def test_the_demo_needs_no_network() -> None:
    config = config_from_options({"demo": True})
    assert (config.weights, config.data) == ("random", DEMO_OPTIONS["data"])


def test_options_that_are_given_win_over_the_demos() -> None:
    config = config_from_options({"demo": True, "weights": "imagenet", "head": "gap"})
    assert (config.weights, config.head) == ("imagenet", "gap")
    assert config.image_size == DEMO_OPTIONS["image_size"]


def test_runs_live_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASKBOARD_RUNS", str(tmp_path))
    assert default_runs_dir() == TrainConfig().runs_dir == tmp_path


def test_runs_live_beside_train_py_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASKBOARD_RUNS")
    assert default_runs_dir() == PROJECT_DIR / "runs"
    assert (PROJECT_DIR / "train.py").is_file()


def test_a_run_s_options_are_read_back_as_they_were(tmp_path: Path) -> None:
    config = config_from_options(
        {
            "data": tmp_path,
            "class_names": ("a", "b"),
            "weights": str(tmp_path / "w.h5"),
            "reviews": tmp_path / "r.jsonl",
        }
    )
    assert config_from_json(json.loads(json.dumps(config.to_json()))) == config


def test_options_that_an_older_version_did_not_know_have_their_defaults() -> None:
    values = TrainConfig(folds=5).to_json()
    del values["naive_split"]
    assert config_from_json(values).naive_split is False
    with pytest.raises(UserError, match="Expected the options of a training; found 'colour'"):
        config_from_json(values | {"colour": 1})


def test_a_file_of_weights_is_found_from_any_folder() -> None:
    assert TrainConfig(weights="mine.h5").to_json()["weights"] == str(Path("mine.h5").resolve())
    assert TrainConfig(weights="random").to_json()["weights"] == "random"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", "ten"),
        ("epochs", 1.5),
        ("epochs", True),
        ("learning_rate", None),
        ("learning_rate", [1]),
        ("weights", 1),
        ("weights", None),
        ("reviews", ["a"]),
        ("no_cache", "x"),
        ("class_names", "abc"),
        ("class_names", ["a", 5]),
    ],
)
def test_an_option_of_another_kind_in_a_run_is_named(name: str, value: object) -> None:
    with pytest.raises(UserError, match=f"Expected another value of the option {name}"):
        config_from_json(TrainConfig().to_json() | {name: value})


@pytest.mark.parametrize("name", ["learning_rate", "cache_limit"])
def test_an_integer_that_is_too_large_for_a_float_in_a_run_is_named_and_not_spelt_out(name: str) -> None:
    with pytest.raises(
        UserError, match=f"Expected another value of the option {name} in the run; found 10+\\.\\.\\.\\.$"
    ):
        config_from_json(TrainConfig().to_json() | {name: 10**400})
