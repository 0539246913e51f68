"""Predictions table -> confusion matrix, scores, intervals, and what kind of score they are.

Everything here is computed from the predictions table that is saved with a run and from the groups of near-identical
photos, so every figure on screen can be recomputed from `predictions.csv` and `samples.csv`. Class indices are 0..K-1;
arrays of probabilities have shape (n_images, K) with columns in class order; in confusion matrices rows are true,
columns predicted classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.calibration import (
    MIN_PROBABILITY,
    calibration_error_interval,
    calibration_gaps,
    cross_fit_temperatures,
    cross_fitted,
    expected_calibration_error,
    fit_temperature,
    second_half,
)
from core.intervals import Interval, design_effect, f1_interval, percentile_interval, resampled_sums, share_interval


def probability_columns(n_classes: int) -> list[str]:
    """Names of the probability columns of a predictions table: `prob_0`, ..."""
    return [f"prob_{label}" for label in range(n_classes)]


def predictions_table(
    images: list[str],
    splits: list[str],
    true_labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    folds: NDArray[np.integer[Any]] | int = -1,
) -> pd.DataFrame:
    """Put predictions of labelled photos into the table that `predictions.csv` holds.

    Args:
        images: Names relative to the dataset, n_images of them.
        splits: `train`, `val` or `test`, n_images of them.
        true_labels: Class indices, shape (n_images,).
        probabilities: Shape (n_images, K).
        folds: In which fold each photo is, shape (n_images,); -1: no folds.

    Returns:
        A row a photo: `image`, `split`, `fold` (-1: no folds), `true_label`, `predicted_label`, `confidence`, `loss`,
        `prob_0`, ...
    """
    predicted = probability_table(probabilities)
    loss = cross_entropy(probabilities, true_labels)
    table = pd.DataFrame({"image": images, "split": splits, "fold": folds, "true_label": true_labels})
    predicted.insert(2, "loss", loss)
    return pd.concat([table, predicted], axis=1)


def cross_entropy(
    probabilities: NDArray[np.floating[Any]], true_labels: NDArray[np.integer[Any]]
) -> NDArray[np.floating[Any]]:
    """The loss of each photo: -log(probability of its true class), at most about 27.6.

    Args:
        probabilities: Shape (n_images, K).
        true_labels: Class indices, shape (n_images,).
    """
    return np.asarray(-np.log(np.maximum(probabilities[np.arange(len(true_labels)), true_labels], MIN_PROBABILITY)))


def probability_table(probabilities: NDArray[np.floating[Any]]) -> pd.DataFrame:
    """Predicted class, its probability (`confidence`) and all K probabilities, a row a photo."""
    table = pd.DataFrame(probabilities, columns=probability_columns(probabilities.shape[1]))
    table.insert(0, "predicted_label", probabilities.argmax(axis=1))
    table.insert(1, "confidence", probabilities.max(axis=1))
    return table


def confusion_matrix(true_labels: ArrayLike, predicted_labels: ArrayLike, n_classes: int) -> NDArray[np.integer[Any]]:
    """Count photos per (true, predicted) pair of classes.

    Args:
        true_labels: Class indices, shape (n_images,), values 0..K-1.
        predicted_labels: Likewise.
        n_classes: K; fixes the size of the matrix, also where a class is absent.

    Returns:
        Counts, shape (K, K); rows are true, columns predicted classes.

    Raises:
        ValueError: If the lengths differ or an index is outside 0..K-1.
    """
    true = np.asarray(true_labels, dtype=np.intp)
    predicted = np.asarray(predicted_labels, dtype=np.intp)
    if true.shape != predicted.shape:
        raise ValueError(f"Expected as many true as predicted labels; found {true.shape} and {predicted.shape}.")
    for labels in (true, predicted):
        if labels.size and (labels.min() < 0 or labels.max() >= n_classes):
            raise ValueError(f"Expected labels 0..{n_classes - 1}; found {labels.min()}..{labels.max()}.")
    counts = np.bincount(true * n_classes + predicted, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes)


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall, F1 and support (photos) of each class, shape (K,) each; 0 where a denominator is 0."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.integer[Any]]


def class_scores(matrix: NDArray[np.integer[Any]]) -> ClassScores:
    """Scores of each class from a confusion matrix, shape (K, K)."""
    hits, support, predicted = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return ClassScores(
        precision=hits / np.maximum(predicted, 1),
        recall=hits / np.maximum(support, 1),
        f1=_f1(hits, support, predicted),
        support=support,
    )


def _f1(hits: NDArray[Any], support: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(2 * hits / np.maximum(support + predicted, 1))


def class_marks(
    true_labels: NDArray[np.integer[Any]], predicted_labels: NDArray[np.integer[Any]], n_classes: int
) -> NDArray[np.float64]:
    """What each photo adds to hits, support and predictions of each class.

    Args:
        true_labels: Class indices, shape (n_images,).
        predicted_labels: Likewise.
        n_classes: K.

    Returns:
        Ones and zeros, shape (n_images, 3 K).
    """
    true, predicted = (np.equal.outer(labels, np.arange(n_classes)) for labels in (true_labels, predicted_labels))
    return np.hstack([true & predicted, true, predicted]).astype(np.float64)


def macro_f1(marks: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the classes' F1 from sums of `class_marks`, shape (..., 3 K)."""
    return np.asarray(_f1(*np.split(marks, 3, axis=-1)).mean(axis=-1))


def summarise(
    predictions: pd.DataFrame,
    class_names: tuple[str, ...],
    groups: Sequence[str],
    temperature: float | None = None,
) -> dict[str, Any]:
    """The scores of a predictions table, as `metrics.json` holds them.

    Args:
        predictions: Rows with `image`, `split`, `fold`, `true_label`, `predicted_label`, `confidence`, `loss` and
            `prob_0`...; all of them count.
        class_names: The K names in index order.
        groups: Near-identical photos share theirs; one a row.
        temperature: What to calibrate with, fitted on other photos. Without it, half of the groups are calibrated with
            what was fitted on the other half.

    Returns:
        JSON values. Intervals are 95 %: of shares those of `core.intervals`, of the rest a bootstrap of groups.
    """
    labels, predicted = (predictions[column].to_numpy() for column in ("true_label", "predicted_label"))
    is_right = predicted == labels
    probabilities = predictions[probability_columns(len(class_names))].to_numpy(dtype=float)
    codes = pd.factorize(pd.Series(groups, dtype="str"))[0]
    is_second = second_half(groups)
    temperatures = (temperature,) if temperature else cross_fit_temperatures(probabilities, labels, is_second)
    calibrated = cross_fitted(probabilities, temperatures, is_second)

    marks = class_marks(labels, predicted, len(class_names))
    before = _trust_marks(predictions["confidence"], predictions["loss"], is_right)
    after = _trust_marks(calibrated.max(axis=1, initial=0), cross_entropy(calibrated, labels), is_right)
    drawn_marks, drawn_before, drawn_after = _resampled([marks, before, after], codes)
    return {
        "kind": score_kind(predictions).name,
        "n_images": len(predictions),
        "accuracy": float(is_right.mean()) if len(predictions) else 0.0,
        "accuracy_interval": list(share_interval(is_right, codes)),
        "macro_f1": float(macro_f1(marks.sum(axis=0))),
        "macro_f1_interval": list(percentile_interval(macro_f1(drawn_marks)) if len(drawn_marks) else (0.0, 1.0)),
        **_trust_scores(before, drawn_before),
        "temperature": temperature or fit_temperature(probabilities, labels),
        "calibrated": {"temperatures": list(temperatures), **_trust_scores(after, drawn_after)},
        "classes": per_class(predictions, class_names, codes),
    }


def _resampled(marks: Sequence[NDArray[np.float64]], groups: NDArray[np.intp]) -> list[NDArray[np.float64]]:
    """Sums of each photo's marks over bootstrap draws of groups; of fewer than two groups there is no draw."""
    drawn = resampled_sums(np.hstack(marks), groups) if len(np.unique(groups)) > 1 else np.empty((0, 0))
    ends = np.cumsum([each.shape[1] for each in marks])[:-1]
    return np.split(drawn, ends, axis=1) if len(drawn) else [drawn] * len(marks)


def _trust_marks(confidence: ArrayLike, loss: ArrayLike, is_right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What each photo adds to the log loss and to each calibration gap, and itself (a 1), shape (n_images, 17)."""
    return np.column_stack([loss, calibration_gaps(confidence, is_right), np.ones(len(is_right))])


def _trust_scores(marks: NDArray[np.float64], drawn: NDArray[np.float64]) -> dict[str, Any]:
    """Log loss and calibration error with their intervals, from `_trust_marks` and their sums over draws."""
    mean = marks.sum(axis=0) / max(len(marks), 1)
    log_loss, error = (0.0, -float(np.log(MIN_PROBABILITY))), (0.0, 1.0)
    if len(drawn):
        log_loss = percentile_interval(drawn[:, 0] / drawn[:, -1])
        error = calibration_error_interval(mean[1:-1], drawn[:, 1:-1], drawn[:, -1])
    return {
        "log_loss": float(mean[0]),
        "log_loss_interval": list(log_loss),
        "expected_calibration_error": float(expected_calibration_error(mean[1:-1])),
        "expected_calibration_error_interval": list(error),
    }


def per_class(
    predictions: pd.DataFrame, class_names: tuple[str, ...], groups: Sequence[str] | NDArray[np.intp]
) -> list[dict[str, Any]]:
    """Scores of each class with their 95 % intervals (see `core.intervals`), one dictionary a class.

    Args:
        predictions: Rows with `true_label` and `predicted_label`.
        class_names: The K names in index order.
        groups: Near-identical photos share theirs; one a row.
    """
    true, predicted = (predictions[column].to_numpy() for column in ("true_label", "predicted_label"))
    codes = pd.factorize(np.asarray(groups))[0]
    scores = class_scores(confusion_matrix(true, predicted, len(class_names)))
    rows = []
    for label, name in enumerate(class_names):
        is_true, is_predicted = true == label, predicted == label
        rows.append(
            {
                "label": label,
                "class_name": name,
                "precision": float(scores.precision[label]),
                "precision_interval": list(share_interval(is_true[is_predicted], codes[is_predicted])),
                "recall": float(scores.recall[label]),
                "recall_interval": list(share_interval(is_predicted[is_true], codes[is_true])),
                "f1": float(scores.f1[label]),
                "f1_interval": list(_f1_interval(is_true, is_predicted, codes)),
                "support": int(scores.support[label]),
            }
        )
    return rows


def _f1_interval(is_true: NDArray[np.bool_], is_predicted: NDArray[np.bool_], groups: NDArray[np.intp]) -> Interval:
    either, both = is_true | is_predicted, is_true & is_predicted
    effect = design_effect(both[either], groups[either]) if either.any() else 1.0
    return f1_interval(both.sum() / effect, is_true.sum() / effect, is_predicted.sum() / effect)


# --- what kind of score it is ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoreKind:
    """How far a run's figures can be believed.

    Attributes:
        name: As `metrics.json` has it under `kind`.
        title: A word or three for it.
        photos: Which photos they are of.
        note: Why they can be believed, or why not quite.
        is_optimistic: Whether something was chosen by the photos that they are of.
    """

    name: str
    title: str
    photos: str
    note: str
    is_optimistic: bool = False

    def words(self, n_images: int) -> str:
        """Which photos these are, how many, and how far their figures can be believed."""
        return f"{n_images:,} {self.photos}, {self.note}"


_HONEST = "nothing was fitted to them or stopped by them"
HELD_OUT = ScoreKind(
    "held_out", "Validation", "photos held out", "optimistic: early stopping watched them", is_optimistic=True
)
OUT_OF_FOLD = ScoreKind("out_of_fold", "Out of fold", "photos predicted out of fold", _HONEST)
TEST = ScoreKind("test", "Test", "test photos", _HONEST)
KINDS = {kind.name: kind for kind in (HELD_OUT, OUT_OF_FOLD, TEST)}


def score_kind(predictions: pd.DataFrame) -> ScoreKind:
    """What kind of score the scores of these predictions are; with some of one and some of another, the worst.

    Args:
        predictions: Rows that are scored, with `split` and `fold`.
    """
    if (predictions["split"] == "test").all() and len(predictions):
        return TEST
    return OUT_OF_FOLD if (predictions["fold"] >= 0).all() and len(predictions) else HELD_OUT


def scores_by_kind(metrics: Mapping[str, Any]) -> list[tuple[ScoreKind, Mapping[str, Any]]]:
    """The scores that `metrics.json` holds, those that can be believed first; older ones do not say their kind."""
    found = [(KINDS[metrics.get("kind", HELD_OUT.name)], metrics)]
    if "test" in metrics:
        found.append((TEST, metrics["test"]))
    return sorted(found, key=lambda each: each[0].is_optimistic)


# --- pairs of classes ------------------------------------------------------------------------------------------------


def most_confused(matrix: NDArray[np.integer[Any]], class_names: tuple[str, ...]) -> pd.DataFrame:
    """Pairs of classes taken for each other, most frequent first.

    Returns:
        A row a pair with at least one error: `true_label`, `predicted_label`, `true`, `predicted` (names), `count`,
        `share` (of the photos of the true class).
    """
    pairs = [
        (true, predicted, class_names[true], class_names[predicted], int(count), float(count / matrix[true].sum()))
        for (true, predicted), count in np.ndenumerate(matrix)
        if true != predicted and count
    ]
    table = pd.DataFrame(pairs, columns=["true_label", "predicted_label", "true", "predicted", "count", "share"])
    return table.sort_values("count", ascending=False, kind="stable", ignore_index=True)
