import math

import numpy as np
import pandas as pd
import pytest

from core.evaluation import predictions_table
from core.ranking import average_precision, precision_recall_curve, roc_auc, roc_curve


def of_one_class(is_positive: list[bool], scores: list[float]) -> pd.DataFrame:
    """Predictions of two classes, of which class 1 has these probabilities."""
    labels, positive = np.array(is_positive, dtype=int), np.array(scores, dtype=float)
    images = [f"{i}.jpg" for i in range(len(labels))]
    return predictions_table(images, ["val"] * len(labels), labels, np.column_stack([1 - positive, positive]))


def random_predictions(n: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    is_positive = random.random(n) < 0.3
    return of_one_class(is_positive.tolist(), random.beta(2 + 2 * is_positive, 3).tolist())


# Positive, negative, positive, negative from the highest probability to the lowest.
FOUR = of_one_class([True, False, True, False], [0.9, 0.8, 0.3, 0.1])


def test_the_roc_of_a_hand_made_case() -> None:
    curve = roc_curve(FOUR, 1)
    assert curve.to_numpy().tolist() == [
        [0, 0, math.inf],
        [0, 0.5, 0.9],
        [0.5, 0.5, 0.8],
        [0.5, 1, 0.3],
        [1, 1, 0.1],
    ]
    assert list(curve.columns) == ["false_positive_rate", "true_positive_rate", "threshold"]
    assert roc_auc(FOUR, 1) == 0.75


def test_the_precision_recall_curve_of_a_hand_made_case() -> None:
    curve = precision_recall_curve(FOUR, 1)
    assert list(curve.columns) == ["recall", "precision", "threshold"]
    assert curve.to_numpy() == pytest.approx(
        np.array([[0, 1, math.inf], [0.5, 1, 0.9], [0.5, 0.5, 0.8], [1, 2 / 3, 0.3], [1, 0.5, 0.1]])
    )
    assert average_precision(FOUR, 1) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_each_class_is_ranked_by_its_own_probability() -> None:
    labels = np.array([0, 1, 2, 2])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.2, 0.5, 0.3], [0.1, 0.7, 0.2]])
    table = predictions_table([*"abcd"], ["val"] * 4, labels, probabilities)
    assert [roc_auc(table, label) for label in range(3)] == pytest.approx([1, 1 / 3, 5 / 8])


@pytest.mark.parametrize(("scores", "area"), [([0.9, 0.8, 0.2], 1.0), ([0.1, 0.2, 0.9], 0.0)])
def test_a_perfect_and_a_reversed_ranking(scores: list[float], area: float) -> None:
    assert roc_auc(of_one_class([True, True, False], scores), 1) == area


@pytest.mark.parametrize("labels", [[], [True], [False], [True, True], [False, False]])
def test_a_class_that_is_absent_or_the_only_one_has_no_curve(labels: list[bool]) -> None:
    table = of_one_class(labels, [0.5] * len(labels))
    assert math.isnan(roc_auc(table, 1))
    assert math.isnan(average_precision(table, 1))
    assert roc_curve(table, 1).empty
    assert precision_recall_curve(table, 1).empty
    assert list(roc_curve(table, 1).columns) == list(roc_curve(FOUR, 1).columns)
    assert list(precision_recall_curve(table, 1).columns) == list(precision_recall_curve(FOUR, 1).columns)


def test_the_curves_of_many_photos_have_few_points_and_both_ends() -> None:
    table = random_predictions(100_000)
    roc, precision_recall = roc_curve(table, 1), precision_recall_curve(table, 1)
    assert 100 < len(roc) <= 500
    assert 100 < len(precision_recall) <= 500
    assert roc.iloc[[0, -1], :2].to_numpy().tolist() == [[0, 0], [1, 1]]
    assert precision_recall["recall"].iloc[[0, -1]].tolist() == [0, 1]
    assert precision_recall["recall"].is_monotonic_increasing


def test_few_points_enclose_nearly_the_area_of_all() -> None:
    table = random_predictions(20_000)
    roc, precision_recall = roc_curve(table, 1), precision_recall_curve(table, 1)
    area = np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"])
    assert area == pytest.approx(roc_auc(table, 1), abs=1e-3)
    area = np.trapezoid(precision_recall["precision"], precision_recall["recall"])
    assert area == pytest.approx(average_precision(table, 1), abs=3e-3)
