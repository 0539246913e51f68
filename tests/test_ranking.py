import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from core.evaluation import predictions_table
from core.intervals import wilson_interval
from core.ranking import (
    average_precision,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)


def of_one_class(is_positive: list[bool], scores: list[float]) -> pd.DataFrame:
    """Predictions of two classes, of which class 1 has these probabilities."""
    labels, positive = np.array(is_positive, dtype=int), np.array(scores, dtype=float)
    images = [f"{i}.jpg" for i in range(len(labels))]
    return predictions_table(images, ["val"] * len(labels), labels, np.column_stack([1 - positive, positive]))


def random_predictions(n: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    is_positive = random.random(n) < 0.3
    return of_one_class(is_positive.tolist(), random.beta(2 + 2 * is_positive, 3).tolist())


def figure_of(measure: Any, table: pd.DataFrame, label: int = 1) -> float:
    """The figure alone; it does not depend on groups."""
    return float(measure(table, label, np.arange(len(table)))[0])


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
    assert figure_of(roc_auc, FOUR) == 0.75


def test_the_precision_recall_curve_of_a_hand_made_case() -> None:
    curve = precision_recall_curve(FOUR, 1)
    assert list(curve.columns) == ["recall", "precision", "threshold"]
    assert curve.to_numpy() == pytest.approx(
        np.array([[0, 1, math.inf], [0.5, 1, 0.9], [0.5, 0.5, 0.8], [1, 2 / 3, 0.3], [1, 0.5, 0.1]])
    )
    assert figure_of(average_precision, FOUR) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_each_class_is_ranked_by_its_own_probability() -> None:
    labels = np.array([0, 1, 2, 2])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.2, 0.5, 0.3], [0.1, 0.7, 0.2]])
    table = predictions_table([*"abcd"], ["val"] * 4, labels, probabilities)
    assert [figure_of(roc_auc, table, label) for label in range(3)] == pytest.approx([1, 1 / 3, 5 / 8])


@pytest.mark.parametrize(("scores", "area"), [([0.9, 0.8, 0.2], 1.0), ([0.1, 0.2, 0.9], 0.0)])
def test_a_perfect_and_a_reversed_ranking(scores: list[float], area: float) -> None:
    assert figure_of(roc_auc, of_one_class([True, True, False], scores)) == area


@pytest.mark.parametrize("labels", [[], [True], [False], [True, True], [False, False]])
def test_a_class_that_is_absent_or_the_only_one_has_no_curve(labels: list[bool]) -> None:
    table = of_one_class(labels, [0.5] * len(labels))
    assert math.isnan(figure_of(roc_auc, table))
    assert math.isnan(figure_of(average_precision, table))
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
    assert area == pytest.approx(figure_of(roc_auc, table), abs=1e-3)
    area = np.trapezoid(precision_recall["precision"], precision_recall["recall"])
    assert area == pytest.approx(figure_of(average_precision, table), abs=3e-3)


@pytest.mark.parametrize(
    ("measure", "known"), [(roc_auc, metrics.roc_auc_score), (average_precision, metrics.average_precision_score)]
)
@pytest.mark.parametrize("decimals", [1, 16])
def test_figures_are_those_of_scikit_learn_with_and_without_equal_probabilities(
    measure: Any, known: Any, decimals: int
) -> None:
    table = random_predictions(300).round({"prob_1": decimals})
    assert figure_of(measure, table) == pytest.approx(known(table["true_label"], table["prob_1"]), rel=1e-12)


# --- intervals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", [roc_auc, average_precision])
def test_an_interval_is_that_of_drawing_groups(measure: Any) -> None:
    table, random = random_predictions(300), np.random.default_rng(1)
    table = pd.concat([table, table.iloc[:100]], ignore_index=True).round({"prob_1": 2})
    groups = np.concatenate([np.arange(300), np.arange(100)])
    members = [np.flatnonzero(groups == group) for group in range(300)]
    draws = [
        figure_of(measure, table.iloc[np.concatenate([members[group] for group in random.integers(0, 300, 300)])])
        for _ in range(400)
    ]
    figure, (low, high) = measure(table, 1, groups)
    assert low < figure < high
    assert (low, high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.15 * (high - low))


@pytest.mark.parametrize("measure", [roc_auc, average_precision])
def test_copies_are_no_more_evidence(measure: Any) -> None:
    table = random_predictions(200)
    copies = pd.concat([table] * 4, ignore_index=True)
    (figure, interval), (figure_of_one, interval_of_one) = (
        measure(copies, 1, np.tile(np.arange(200), 4)),
        measure(table, 1, np.arange(200)),
    )
    assert (figure, *interval) == pytest.approx((figure_of_one, *interval_of_one))


@pytest.mark.parametrize("measure", [roc_auc, average_precision])
def test_a_perfect_ranking_of_few_photos_proves_little(measure: Any) -> None:
    _, (low, high) = measure(
        of_one_class([True, True, False, False, False], [0.9, 0.8, 0.3, 0.2, 0.1]), 1, np.arange(5)
    )
    assert (low, high) == wilson_interval(2, 2)
    assert measure(of_one_class([True, True], [0.9, 0.8]), 1, np.arange(2))[1] == (0, 1)
    assert measure(of_one_class([], []), 1, np.arange(0))[1] == (0, 1)


@pytest.mark.parametrize("measure", [roc_auc, average_precision])
def test_hundred_thousand_photos_have_a_narrow_interval(measure: Any) -> None:
    _, (low, high) = measure(random_predictions(100_000), 1, np.arange(100_000))
    assert 0 < high - low < 0.02
