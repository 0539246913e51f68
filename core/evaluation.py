"""Predictions table -> confusion matrix, scores, intervals.

Everything here is computed from the predictions table that is saved with a run, and from nothing else, so every figure
on screen can be recomputed from `predictions.csv`. Class indices are 0..K-1; arrays of probabilities have shape
(n_images, K) with columns in class order; in confusion matrices rows are true, columns predicted classes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.intervals import CONFIDENCE_LEVEL, Interval, f1_interval, wilson_interval
from core.reliability import bin_of

N_BINS = 15
N_RESAMPLES = 2000
# The loss of a photo whose true class was given probability 0 would be infinite.
MIN_PROBABILITY = 1e-12


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
        splits: `train` or `val`, n_images of them.
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
    """Scores of each class from a confusion matrix; leading axes, if any, are kept.

    Args:
        matrix: Counts, shape (..., K, K).
    """
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    support, predicted = matrix.sum(axis=-1), matrix.sum(axis=-2)
    return ClassScores(
        precision=hits / np.maximum(predicted, 1),
        recall=hits / np.maximum(support, 1),
        f1=2 * hits / np.maximum(support + predicted, 1),
        support=support,
    )


def macro_f1_interval(matrix: NDArray[np.integer[Any]], level: float = CONFIDENCE_LEVEL) -> Interval:
    """Bootstrap percentile interval of the macro F1.

    Drawing n photos with replacement is drawing the cells of the confusion matrix from a multinomial distribution.
    """
    n, n_classes = int(matrix.sum()), len(matrix)
    if n == 0:
        return 0.0, 1.0
    draws = np.random.default_rng(0).multinomial(n, matrix.ravel() / n, size=N_RESAMPLES)
    scores = class_scores(draws.reshape(-1, n_classes, n_classes)).f1.mean(axis=1)
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def expected_calibration_error(confidence: ArrayLike, is_correct: ArrayLike) -> float:
    """Mean distance between confidence and accuracy over 15 equal bins, weighted by photos (Guo et al., 2017)."""
    confidence, is_correct = np.asarray(confidence, dtype=float), np.asarray(is_correct, dtype=float)
    if confidence.size == 0:
        return 0.0
    gaps = np.bincount(bin_of(confidence, N_BINS), weights=confidence - is_correct, minlength=N_BINS)
    return float(np.abs(gaps).sum() / confidence.size)


def fit_temperature(probabilities: NDArray[np.float64], true_labels: NDArray[np.integer[Any]]) -> float:
    """The temperature that, dividing the logits, gives the lowest log loss (Guo et al., 2017).

    Args:
        probabilities: Shape (n_images, K).
        true_labels: Class indices, shape (n_images,).

    Returns:
        Between 0.05 and 20; above 1 the network was overconfident. 1 without photos.
    """
    from scipy.optimize import minimize_scalar  # Half a second to import; the dashboard reads, it does not fit.

    if len(true_labels) == 0:
        return 1.0
    logits = np.log(np.maximum(probabilities, MIN_PROBABILITY))

    def log_loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        log_probabilities = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        return float(-log_probabilities[np.arange(len(true_labels)), true_labels].mean())

    best = minimize_scalar(log_loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def summarise(predictions: pd.DataFrame, class_names: tuple[str, ...]) -> dict[str, Any]:
    """The scores of a predictions table, as `metrics.json` holds them.

    Args:
        predictions: Rows with `true_label`, `predicted_label`, `confidence`, `loss` and `prob_0`...; all of them count.
        class_names: The K names in index order.

    Returns:
        JSON values. Intervals are 95 %: those of `core.intervals`, bootstrap for the macro F1.
    """
    true = predictions["true_label"].to_numpy()
    is_correct = predictions["predicted_label"].to_numpy() == true
    matrix = confusion_matrix(true, predictions["predicted_label"], len(class_names))
    probabilities = predictions[probability_columns(len(class_names))].to_numpy(dtype=float)
    n, hits = len(predictions), int(is_correct.sum())
    return {
        "n_images": n,
        "accuracy": hits / n if n else 0.0,
        "accuracy_interval": list(wilson_interval(hits, n)),
        "macro_f1": float(class_scores(matrix).f1.mean()),
        "macro_f1_interval": list(macro_f1_interval(matrix)),
        "log_loss": float(predictions["loss"].mean()) if n else 0.0,
        "expected_calibration_error": expected_calibration_error(predictions["confidence"], is_correct),
        "temperature": fit_temperature(probabilities, true),
        "classes": per_class(matrix, class_names),
    }


def per_class(matrix: NDArray[np.integer[Any]], class_names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Scores of each class with their 95 % intervals (see `core.intervals`), one dictionary a class."""
    scores = class_scores(matrix)
    predicted = matrix.sum(axis=0)
    return [
        {
            "label": label,
            "class_name": name,
            "precision": float(scores.precision[label]),
            "precision_interval": list(wilson_interval(int(matrix[label, label]), int(predicted[label]))),
            "recall": float(scores.recall[label]),
            "recall_interval": list(wilson_interval(int(matrix[label, label]), int(scores.support[label]))),
            "f1": float(scores.f1[label]),
            "f1_interval": list(
                f1_interval(int(matrix[label, label]), int(scores.support[label]), int(predicted[label]))
            ),
            "support": int(scores.support[label]),
        }
        for label, name in enumerate(class_names)
    ]


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
