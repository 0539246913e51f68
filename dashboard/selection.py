"""Choosing and ordering rows of a predictions table; pandas only."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

Outcome = Literal["Errors", "Correct", "All"]
Order = Literal["Highest loss", "Lowest loss", "Most confident", "Least confident", "Name"]

OUTCOMES: tuple[Outcome, ...] = ("Errors", "Correct", "All")
_SORTING: dict[Order, tuple[str, bool]] = {
    "Highest loss": ("loss", False),
    "Lowest loss": ("loss", True),
    "Most confident": ("confidence", False),
    "Least confident": ("confidence", True),
    "Name": ("image", True),
}
ORDERS: tuple[Order, ...] = tuple(_SORTING)


def choose(
    predictions: pd.DataFrame,
    *,
    outcome: Outcome = "All",
    split: str | None = None,
    true_label: int | None = None,
    predicted_label: int | None = None,
    confidence: tuple[float, float] = (0.0, 1.0),
) -> pd.DataFrame:
    """Rows that meet every condition; None means any."""
    keep = predictions["confidence"].between(*confidence)
    is_correct = predictions["true_label"] == predictions["predicted_label"]
    if outcome != "All":
        keep &= is_correct == (outcome == "Correct")
    for column, value in (("split", split), ("true_label", true_label), ("predicted_label", predicted_label)):
        if value is not None:
            keep &= predictions[column] == value
    return predictions[keep]


def order(predictions: pd.DataFrame, by: Order) -> pd.DataFrame:
    """Rows in the order that a person asked for; ties by name."""
    column, ascending = _SORTING[by]
    return predictions.sort_values([column, "image"], ascending=[ascending, True], ignore_index=True)


def count_by(predictions: pd.DataFrame, column: str, class_names: Sequence[str]) -> dict[str, int]:
    """Number of rows per class name, in class order, absent classes included."""
    counts = predictions[column].value_counts()
    return {name: int(counts.get(label, 0)) for label, name in enumerate(class_names)}
