import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from core import evaluation, intervals
from core.calibration import MIN_PROBABILITY, apply_temperature, fit_temperature, second_half

NAMES = ("nobody", "everybody", "somebody")


def random_predictions(n: int = 200, n_classes: int = 3, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(n_classes), size=n)
    labels = random.integers(0, n_classes, size=n)
    return evaluation.predictions_table([f"{i}.jpg" for i in range(n)], ["val"] * n, labels, probabilities)


def summarise(
    table: pd.DataFrame,
    groups: Sequence[str] | None = None,
    names: tuple[str, ...] = NAMES,
    temperature: float | None = None,
) -> dict[str, Any]:
    """A summary in which each photo is a group of its own unless told otherwise."""
    return evaluation.summarise(table, names, table["image"].tolist() if groups is None else groups, temperature)


# --- the predictions table -------------------------------------------------------------------------------------------


def test_a_row_holds_what_was_predicted_and_how_wrong_it_was() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    table = evaluation.predictions_table(["a.jpg", "b.jpg"], ["train", "val"], np.array([1, 2]), probabilities)
    assert table.to_dict("list") == {
        "image": ["a.jpg", "b.jpg"],
        "split": ["train", "val"],
        "fold": [-1, -1],
        "true_label": [1, 2],
        "predicted_label": [0, 2],
        "confidence": [0.7, 0.5],
        "loss": pytest.approx([-np.log(0.2), -np.log(0.5)]),
        "prob_0": [0.7, 0.25],
        "prob_1": [0.2, 0.25],
        "prob_2": [0.1, 0.5],
    }


def test_a_true_class_of_probability_zero_has_a_finite_loss() -> None:
    table = evaluation.predictions_table(["a.jpg"], ["val"], np.array([1]), np.array([[1.0, 0.0]]))
    assert table["loss"].item() == pytest.approx(-np.log(MIN_PROBABILITY))


# --- the confusion matrix --------------------------------------------------------------------------------------------


def test_rows_are_true_and_columns_predicted_classes() -> None:
    matrix = evaluation.confusion_matrix([0, 0, 1, 2], [0, 1, 1, 0], 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("labels", [[], [1], [0, 0]])
def test_the_matrix_has_all_classes_even_where_some_are_absent(labels: list[int]) -> None:
    matrix = evaluation.confusion_matrix(labels, labels, 4)
    assert matrix.shape == (4, 4)
    assert matrix.sum() == len(labels)


def test_the_matrix_agrees_with_scikit_learn() -> None:
    table = random_predictions()
    expected = metrics.confusion_matrix(table["true_label"], table["predicted_label"], labels=[0, 1, 2, 3])
    assert evaluation.confusion_matrix(table["true_label"], table["predicted_label"], 4).tolist() == expected.tolist()


@pytest.mark.parametrize(("true", "predicted"), [([0, 1], [0]), ([0, 3], [0, 0]), ([0, 0], [-1, 0])])
def test_labels_that_do_not_fit_are_an_error(true: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match=r"Expected .*; found"):
        evaluation.confusion_matrix(true, predicted, 3)


# --- scores ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(3))
def test_scores_agree_with_scikit_learn(n_classes: int, seed: int) -> None:
    table = random_predictions(60, n_classes, seed)
    true, predicted = table["true_label"], table["predicted_label"]
    labels = list(range(n_classes + 1))  # The last class is absent.
    table[f"prob_{n_classes}"] = 0.0
    summary = summarise(table, names=tuple(map(str, labels)))
    probabilities = table[evaluation.probability_columns(n_classes + 1)].to_numpy()
    expected = metrics.precision_recall_fscore_support(true, predicted, labels=labels, zero_division=0)
    assert summary["accuracy"] == pytest.approx(metrics.accuracy_score(true, predicted))
    assert summary["log_loss"] == pytest.approx(metrics.log_loss(true, probabilities, labels=labels))
    assert summary["macro_f1"] == pytest.approx(expected[2].mean())
    for key, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [scores[key] for scores in summary["classes"]] == pytest.approx(values.tolist())


def test_scores_say_which_class_they_are_of() -> None:
    summary = summarise(random_predictions())
    assert [(scores["label"], scores["class_name"]) for scores in summary["classes"]] == list(enumerate(NAMES))


def test_scores_come_with_their_intervals() -> None:
    true, predicted = np.repeat([0, 0, 1, 1], [5, 3, 2, 90]), np.repeat([0, 1, 0, 1], [5, 3, 2, 90])
    table = pd.DataFrame({"true_label": true, "predicted_label": predicted})
    (scores, *_) = evaluation.per_class(table, ("cat", "dog"), np.arange(100))
    assert scores["precision_interval"] == list(intervals.wilson_interval(5, 7))
    assert scores["recall_interval"] == list(intervals.wilson_interval(5, 8))
    assert scores["f1_interval"] == list(intervals.f1_interval(hits=5, support=8, predicted=7))


def test_copies_make_the_intervals_of_a_class_no_narrower() -> None:
    table = random_predictions(40)
    twice = pd.concat([table] * 2, ignore_index=True)
    alone, together = (evaluation.per_class(each, NAMES, each["image"].tolist()) for each in (table, twice))
    for before, after in zip(alone, together, strict=True):
        for key in ("precision_interval", "recall_interval", "f1_interval"):
            assert after[key] == pytest.approx(before[key], abs=0.02)


def test_a_class_that_is_never_true_or_predicted_scores_zero() -> None:
    scores = evaluation.class_scores(np.array([[3, 0], [0, 0]]))
    assert (scores.precision[1], scores.recall[1], scores.f1[1], scores.support[1]) == (0, 0, 0, 0)


def test_everything_is_recomputed_alike_from_the_csv() -> None:
    table = random_predictions()
    read_back = pd.read_csv(io.StringIO(table.to_csv(index=False)))
    expected: dict[str, Any] = summarise(table)
    found = summarise(read_back)
    assert found.pop("classes") == expected.pop("classes")
    assert found.pop("kind") == expected.pop("kind")
    assert found.pop("calibrated") == {
        key: pytest.approx(value, rel=1e-6) for key, value in expected.pop("calibrated").items()
    }
    assert found == {key: pytest.approx(value, rel=1e-6) for key, value in expected.items()}


def test_a_summary_without_photos_is_finite() -> None:
    summary = summarise(random_predictions().iloc[:0])
    assert (summary["n_images"], summary["accuracy"], summary["log_loss"]) == (0, 0, 0)
    assert summary["accuracy_interval"] == summary["macro_f1_interval"] == [0, 1]


# --- intervals -------------------------------------------------------------------------------------------------------

FIGURES = ("accuracy", "macro_f1", "log_loss", "expected_calibration_error")


def interval(summary: dict[str, Any], figure: str) -> tuple[float, float]:
    low, high = summary[f"{figure}_interval"]
    return low, high


@pytest.mark.parametrize("figure", FIGURES)
def test_the_interval_of_a_figure_holds_it_and_shrinks_with_more_photos(figure: str) -> None:
    few, more = (summarise(random_predictions(n)) for n in (200, 3200))
    (low, high), (low_of_more, high_of_more) = interval(few, figure), interval(more, figure)
    assert low <= few[figure] <= high and low_of_more <= more[figure] <= high_of_more
    assert (high - low) / (high_of_more - low_of_more) == pytest.approx(4, rel=0.25)


def test_there_is_no_chance_in_the_intervals() -> None:
    table = random_predictions()
    assert summarise(table) == summarise(table)


@pytest.mark.parametrize("figure", FIGURES)
def test_photos_that_are_there_four_times_are_no_more_evidence(figure: str) -> None:
    table = random_predictions(150)
    four_times = pd.concat([table] * 4, ignore_index=True)
    alone = interval(summarise(table), figure)
    together = interval(summarise(four_times, groups=four_times["image"].tolist()), figure)
    assert together == pytest.approx(alone, abs=0.02 * (alone[1] - alone[0]) + 1e-9)


def test_groups_of_one_photo_each_leave_accuracy_the_interval_of_independent_photos() -> None:
    summary = summarise(random_predictions(60), groups=[f"group {row}" for row in range(60)])
    assert summary["accuracy_interval"] == list(intervals.wilson_interval(round(60 * summary["accuracy"]), 60))


def test_of_a_single_group_nothing_is_known() -> None:
    summary = summarise(random_predictions(5), groups=["same"] * 5)
    assert interval(summary, "macro_f1") == interval(summary, "expected_calibration_error") == (0, 1)
    assert interval(summary, "log_loss") == pytest.approx((0, 27.6), abs=0.1)


def test_the_interval_of_the_macro_f1_is_that_of_a_bootstrap_of_the_groups() -> None:
    table, random = random_predictions(200), np.random.default_rng(5)
    groups = random.integers(0, 60, size=200)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    scores = []
    for _ in range(600):
        rows = np.concatenate([members[group] for group in random.integers(0, len(members), len(members))])
        matrix = evaluation.confusion_matrix(table["true_label"][rows], table["predicted_label"][rows], 3)
        scores.append(evaluation.class_scores(matrix).f1.mean())
    low, high = interval(summarise(table, groups.astype(str).tolist()), "macro_f1")
    assert (low, high) == pytest.approx(tuple(np.quantile(scores, [0.025, 0.975])), abs=0.1 * (high - low))


# --- calibration -----------------------------------------------------------------------------------------------------


def surer(table: pd.DataFrame, by: float) -> pd.DataFrame:
    """The same predictions by a network that is surer of them than it may be."""
    probabilities = apply_temperature(table[["prob_0", "prob_1", "prob_2"]].to_numpy(), 1 / by)
    images, splits = table["image"].tolist(), table["split"].tolist()
    return evaluation.predictions_table(images, splits, table["true_label"].to_numpy(), probabilities)


def calibrated_predictions(n: int) -> pd.DataFrame:
    """Predictions that are right as often as they are sure."""
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), size=n)
    labels = (random.random(n)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    return evaluation.predictions_table([f"{i}.jpg" for i in range(n)], ["val"] * n, labels, probabilities)


def test_after_calibration_an_overconfident_network_scores_better() -> None:
    summary = summarise(surer(calibrated_predictions(2000), by=3))
    after = summary["calibrated"]
    assert summary["temperature"] == pytest.approx(3, rel=0.1)
    assert after["temperatures"] == pytest.approx([3, 3], rel=0.15)
    for figure in ("log_loss", "expected_calibration_error"):
        assert interval(after, figure)[1] < interval(summary, figure)[0]
        assert interval(after, figure)[0] <= after[figure] <= interval(after, figure)[1]


def test_what_chance_alone_explains_is_no_calibration_error() -> None:
    table = calibrated_predictions(300)
    assert summarise(table)["expected_calibration_error_interval"][0] == 0
    assert summarise(surer(table, by=3))["expected_calibration_error_interval"][0] > 0.1


def test_the_scores_after_calibration_are_of_temperatures_that_other_groups_gave() -> None:
    table = surer(calibrated_predictions(200), by=2)
    groups = [f"group {row // 2}" for row in range(200)]
    probabilities, labels = table[["prob_0", "prob_1", "prob_2"]].to_numpy(), table["true_label"].to_numpy()
    is_second = second_half(groups)
    expected = []
    for side in (is_second, ~is_second):
        scaled = apply_temperature(probabilities[~side], fit_temperature(probabilities[side], labels[side]))
        expected += evaluation.cross_entropy(scaled, labels[~side]).tolist()
    assert summarise(table, groups)["calibrated"]["log_loss"] == pytest.approx(np.mean(expected))


def test_a_temperature_of_other_photos_is_taken_as_it_is() -> None:
    table = random_predictions()
    after = summarise(table, temperature=2.0)["calibrated"]
    scaled = apply_temperature(table[["prob_0", "prob_1", "prob_2"]].to_numpy(), 2.0)
    assert after["temperatures"] == [2.0]
    assert after["log_loss"] == pytest.approx(evaluation.cross_entropy(scaled, table["true_label"].to_numpy()).mean())


# --- what kind of score it is ----------------------------------------------------------------------------------------


def test_what_early_stopping_watched_is_optimistic_and_what_it_did_not_is_not() -> None:
    held_out = random_predictions(6)
    out_of_fold, some_of_each = held_out.assign(fold=[0, 1, 2, 0, 1, 2]), held_out.assign(fold=[0, 1, 2, 0, 1, -1])
    assert evaluation.score_kind(held_out) == evaluation.score_kind(some_of_each) == evaluation.HELD_OUT
    assert evaluation.score_kind(out_of_fold) == evaluation.OUT_OF_FOLD
    assert evaluation.score_kind(held_out.assign(split="test")) == evaluation.TEST
    assert [kind.is_optimistic for kind in evaluation.KINDS.values()] == [True, False, False]


def test_the_summary_says_of_what_kind_it_is() -> None:
    assert summarise(random_predictions(6).assign(fold=0))["kind"] == "out_of_fold"


def test_scores_that_can_be_believed_come_first() -> None:
    held_out, test = ({"n_images": n} for n in (1, 2))
    assert evaluation.scores_by_kind(held_out) == [(evaluation.HELD_OUT, held_out)]
    both = held_out | {"test": test}
    assert evaluation.scores_by_kind(both) == [(evaluation.TEST, test), (evaluation.HELD_OUT, both)]
    folds = both | {"kind": "out_of_fold"}
    assert evaluation.scores_by_kind(folds) == [(evaluation.OUT_OF_FOLD, folds), (evaluation.TEST, test)]


# --- the most confused pairs -----------------------------------------------------------------------------------------


def test_the_most_confused_pair_comes_first() -> None:
    pairs = evaluation.most_confused(np.array([[5, 3, 0], [7, 1, 2], [0, 2, 9]]), NAMES)
    assert list(zip(pairs["true"], pairs["predicted"], pairs["count"], strict=True)) == [
        ("everybody", "nobody", 7),
        ("nobody", "everybody", 3),
        ("everybody", "somebody", 2),
        ("somebody", "everybody", 2),
    ]
    assert list(zip(pairs["true_label"], pairs["predicted_label"], strict=True)) == [(1, 0), (0, 1), (1, 2), (2, 1)]
    assert pairs["share"].tolist() == pytest.approx([0.7, 3 / 8, 0.2, 2 / 11])


def test_without_errors_no_pair_is_confused() -> None:
    assert evaluation.most_confused(np.diag([3, 0, 4]), NAMES).empty
