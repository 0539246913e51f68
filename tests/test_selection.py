from pathlib import Path

import pandas as pd
import pytest

from core.runs import read_predictions
from dashboard.selection import choose, count_by, order
from tests.handwritten import CLASS_NAMES, write_run


@pytest.fixture
def predictions(tmp_path: Path) -> pd.DataFrame:
    run = write_run(tmp_path / "runs", tmp_path / "data")
    return read_predictions(run.path / "predictions.csv", 3)


def letters(photos: pd.DataFrame) -> str:
    return "".join(Path(image).stem for image in photos["image"])


def test_without_conditions_every_photo_is_chosen(predictions: pd.DataFrame) -> None:
    assert letters(choose(predictions)) == "abcdefg"


def test_errors_are_photos_whose_prediction_is_not_their_label(predictions: pd.DataFrame) -> None:
    assert letters(choose(predictions, outcome="Errors")) == "bdf"
    assert letters(choose(predictions, outcome="Correct")) == "aceg"


def test_conditions_add_up(predictions: pd.DataFrame) -> None:
    assert letters(choose(predictions, outcome="Errors", split="val")) == "bd"
    assert letters(choose(predictions, outcome="Errors", split="val", true_label=2)) == "d"
    assert letters(choose(predictions, outcome="Errors", predicted_label=1, true_label=0)) == "b"


def test_class_zero_is_a_condition_and_not_any(predictions: pd.DataFrame) -> None:
    assert letters(choose(predictions, true_label=0)) == "abe"


def test_bounds_of_the_confidence_belong_to_the_range(predictions: pd.DataFrame) -> None:
    assert letters(choose(predictions, confidence=(0.6, 0.8))) == "bcg"


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("Highest loss", "dbfgcae"),
        ("Lowest loss", "eacgfbd"),
        ("Most confident", "edacgbf"),
        ("Least confident", "fbgcade"),
        ("Name", "abcdefg"),
    ],
)
def test_orders(predictions: pd.DataFrame, by: str, expected: str) -> None:
    assert letters(order(predictions, by)) == expected  # type: ignore[arg-type]


def test_ties_are_in_order_of_name(predictions: pd.DataFrame) -> None:
    assert letters(order(predictions.assign(loss=1.0), "Highest loss")) == "abcdefg"


def test_counts_name_absent_classes_too(predictions: pd.DataFrame) -> None:
    photos = choose(predictions, true_label=2)
    assert count_by(photos, "true_label", CLASS_NAMES) == {"nobody": 0, "everybody": 0, "somebody": 2}
