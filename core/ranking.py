"""Predictions table -> how well the probability of one class ranks its photos before all others.

One class against the rest: a photo counts as found where the class's probability is at least a threshold. The figures
are scikit-learn's, which takes a second to import; hence its imports within the functions.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# As many as a screen can show; a curve of 100,000 photos would have a corner for nearly each.
MAX_POINTS = 500


def roc_curve(predictions: pd.DataFrame, label: int) -> pd.DataFrame:
    """The receiver operating characteristic of a class.

    Args:
        predictions: Rows with `true_label` and `prob_0`, ...
        label: Index of the class.

    Returns:
        At most 500 points from (0, 0) to (1, 1): `false_positive_rate`, `true_positive_rate`, `threshold`, which is
        infinite where nothing counts as found. Empty where there is no photo of the class, or no other one.
    """
    is_positive, scores = _one_against_the_rest(predictions, label)
    if not _can_be_ranked(is_positive):
        return pd.DataFrame({"false_positive_rate": [], "true_positive_rate": [], "threshold": []}, dtype="float64")
    from sklearn import metrics

    false_positive_rate, true_positive_rate, threshold = metrics.roc_curve(is_positive, scores)
    curve = pd.DataFrame(
        {
            "false_positive_rate": false_positive_rate,
            "true_positive_rate": true_positive_rate,
            "threshold": threshold,
        }
    )
    return _thinned(curve)


def precision_recall_curve(predictions: pd.DataFrame, label: int) -> pd.DataFrame:
    """Precision against recall of a class.

    Args:
        predictions: Rows with `true_label` and `prob_0`, ...
        label: Index of the class.

    Returns:
        At most 500 points, recall rising from 0 to 1: `recall`, `precision`, `threshold`, which is infinite where
        nothing counts as found (precision 1 by convention). Empty where there is no photo of the class, or no other.
    """
    is_positive, scores = _one_against_the_rest(predictions, label)
    if not _can_be_ranked(is_positive):
        return pd.DataFrame({"recall": [], "precision": [], "threshold": []}, dtype="float64")
    from sklearn import metrics

    precision, recall, threshold = metrics.precision_recall_curve(is_positive, scores, drop_intermediate=True)
    curve = pd.DataFrame({"recall": recall, "precision": precision, "threshold": np.append(threshold, np.inf)})
    return _thinned(curve[::-1].reset_index(drop=True))


def roc_auc(predictions: pd.DataFrame, label: int) -> float:
    """Area under the ROC curve: how often a photo of the class gets a higher probability than another one.

    Returns:
        0..1, from all points; NaN where there is no photo of the class, or no other one.
    """
    is_positive, scores = _one_against_the_rest(predictions, label)
    if not _can_be_ranked(is_positive):
        return math.nan
    from sklearn import metrics

    return float(metrics.roc_auc_score(is_positive, scores))


def average_precision(predictions: pd.DataFrame, label: int) -> float:
    """Mean precision over the steps of recall: the area under the precision-recall curve, without interpolation.

    Returns:
        0..1, from all points; NaN where there is no photo of the class, or no other one.
    """
    is_positive, scores = _one_against_the_rest(predictions, label)
    if not _can_be_ranked(is_positive):
        return math.nan
    from sklearn import metrics

    return float(metrics.average_precision_score(is_positive, scores))


def _one_against_the_rest(predictions: pd.DataFrame, label: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    is_positive = (predictions["true_label"] == label).to_numpy(dtype=bool)
    return is_positive, predictions[f"prob_{label}"].to_numpy(dtype=np.float64)


def _can_be_ranked(is_positive: NDArray[np.bool_]) -> bool:
    return bool(is_positive.any() and not is_positive.all())


def _thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """Points about evenly spaced along the curve of the first two columns, both ends among them."""
    if len(curve) <= MAX_POINTS:
        return curve
    x, y = (curve[column].to_numpy() for column in curve.columns[:2])
    way = np.concatenate([[0.0], np.hypot(np.diff(x), np.diff(y)).cumsum()])
    between = np.searchsorted(way, np.linspace(0, way[-1], MAX_POINTS - 1))
    return curve.iloc[np.unique([0, *between, len(curve) - 1])].reset_index(drop=True)
