import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn import metrics

from core import evaluation, intervals

NAMES = ("nobody", "everybody", "somebody")


def random_predictions(n: int = 200, n_classes: int = 3, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(n_classes), size=n)
    labels = random.integers(0, n_classes, size=n)
    return evaluation.predictions_table([f"{i}.jpg" for i in range(n)], ["val"] * n, labels, probabilities)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


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
    assert table["loss"].item() == pytest.approx(-np.log(evaluation.MIN_PROBABILITY))


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
    summary = evaluation.summarise(table, tuple(map(str, labels)))
    probabilities = table[evaluation.probability_columns(n_classes + 1)].to_numpy()
    expected = metrics.precision_recall_fscore_support(true, predicted, labels=labels, zero_division=0)
    assert summary["accuracy"] == pytest.approx(metrics.accuracy_score(true, predicted))
    assert summary["log_loss"] == pytest.approx(metrics.log_loss(true, probabilities, labels=labels))
    assert summary["macro_f1"] == pytest.approx(expected[2].mean())
    for key, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [scores[key] for scores in summary["classes"]] == pytest.approx(values.tolist())


def test_scores_say_which_class_they_are_of() -> None:
    summary = evaluation.summarise(random_predictions(), NAMES)
    assert [(scores["label"], scores["class_name"]) for scores in summary["classes"]] == list(enumerate(NAMES))


def test_scores_come_with_their_intervals() -> None:
    (scores, *_) = evaluation.per_class(np.array([[5, 3], [2, 90]]), ("cat", "dog"))
    assert scores["precision_interval"] == list(intervals.wilson_interval(5, 7))
    assert scores["recall_interval"] == list(intervals.wilson_interval(5, 8))
    assert scores["f1_interval"] == list(intervals.f1_interval(hits=5, support=8, predicted=7))


def test_a_class_that_is_never_true_or_predicted_scores_zero() -> None:
    scores = evaluation.class_scores(np.array([[3, 0], [0, 0]]))
    assert (scores.precision[1], scores.recall[1], scores.f1[1], scores.support[1]) == (0, 0, 0, 0)


def test_everything_is_recomputed_alike_from_the_csv() -> None:
    table = random_predictions()
    read_back = pd.read_csv(io.StringIO(table.to_csv(index=False)))
    expected: dict[str, Any] = evaluation.summarise(table, NAMES)
    found = evaluation.summarise(read_back, NAMES)
    assert found.pop("classes") == expected.pop("classes")
    assert found == {key: pytest.approx(value, rel=1e-6) for key, value in expected.items()}


def test_a_summary_without_photos_is_finite() -> None:
    summary = evaluation.summarise(random_predictions().iloc[:0], NAMES)
    assert (summary["n_images"], summary["accuracy"], summary["log_loss"]) == (0, 0, 0)
    assert summary["accuracy_interval"] == summary["macro_f1_interval"] == [0, 1]


# --- intervals -------------------------------------------------------------------------------------------------------


def test_the_interval_of_the_macro_f1_holds_it_and_shrinks_with_more_photos() -> None:
    matrix = np.array([[30, 5, 2], [4, 25, 6], [3, 3, 22]])
    score = evaluation.class_scores(matrix).f1.mean()
    low, high = evaluation.macro_f1_interval(matrix)
    low_of_more, high_of_more = evaluation.macro_f1_interval(matrix * 16)
    assert low < low_of_more < score < high_of_more < high
    assert (high - low) / (high_of_more - low_of_more) == pytest.approx(4, rel=0.1)
    assert evaluation.macro_f1_interval(matrix) == (low, high), "no chance in it"


# --- calibration -----------------------------------------------------------------------------------------------------


def test_the_calibration_error_of_a_hand_made_case() -> None:
    # Two bins: 0.9 sure and half right, 0.6 sure and all right; both 0.4 off.
    assert evaluation.expected_calibration_error([0.9, 0.9, 0.6, 0.6], [True, False, True, True]) == pytest.approx(0.4)


def test_the_calibration_error_weighs_bins_by_their_photos() -> None:
    assert evaluation.expected_calibration_error([0.8] * 3 + [0.3], [1, 1, 1, 0]) == pytest.approx(
        0.75 * 0.2 + 0.25 * 0.3
    )


def test_full_confidence_belongs_to_the_last_bin() -> None:
    assert evaluation.expected_calibration_error([1.0, 0.95], [False, True]) == pytest.approx(0.95 / 2)


def test_without_photos_there_is_no_calibration_error() -> None:
    assert evaluation.expected_calibration_error([], []) == 0


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_recovered(temperature: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(6000, 3)) * 1.5
    labels = np.array([random.choice(3, p=row) for row in softmax(logits)])
    assert evaluation.fit_temperature(softmax(logits * temperature), labels) == pytest.approx(temperature, rel=0.06)


def test_the_temperature_stays_finite_where_everything_is_right() -> None:
    assert 0.05 <= evaluation.fit_temperature(np.eye(3), np.arange(3)) < 1


def test_without_photos_the_temperature_is_neutral() -> None:
    assert evaluation.fit_temperature(np.empty((0, 3)), np.empty(0, int)) == 1


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
