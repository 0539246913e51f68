"""Predictions table -> how well the probability of one class ranks its photos before all others.

One class against the rest: a photo counts as found where the class's probability is at least a threshold. The curves
are scikit-learn's, which takes a second to import; hence its imports within the functions.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.intervals import NORMAL_QUANTILE, Interval, wilson_interval

# As many as a screen can show; a curve of 100,000 photos would have a corner for nearly each.
MAX_POINTS = 500
# Rounding errors of sums are smaller.
_NO_DEVIATION = 1e-9


def roc_curve(predictions: pd.DataFrame, label: int) -> pd.DataFrame:
    """The receiver operating characteristic of a class.

    Args:
        predictions: Rows with `true_label` and `prob_0`, ...
        label: Index of the class.

    Returns:
        At most 500 points from (0, 0) to (1, 1): `false_positive_rate`, `true_positive_rate`, `threshold`, which is
        infinite where nothing counts as found. Empty where there is no photo of the class, or no other one.
    """
    ranked = _one_against_the_rest(predictions, label)
    if ranked is None:
        return pd.DataFrame({"false_positive_rate": [], "true_positive_rate": [], "threshold": []}, dtype="float64")
    from sklearn import metrics

    false_positive_rate, true_positive_rate, threshold = metrics.roc_curve(*ranked)
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
    ranked = _one_against_the_rest(predictions, label)
    if ranked is None:
        return pd.DataFrame({"recall": [], "precision": [], "threshold": []}, dtype="float64")
    from sklearn import metrics

    precision, recall, threshold = metrics.precision_recall_curve(*ranked, drop_intermediate=True)
    curve = pd.DataFrame({"recall": recall, "precision": precision, "threshold": np.append(threshold, np.inf)})
    return _thinned(curve[::-1].reset_index(drop=True))


def roc_auc(predictions: pd.DataFrame, label: int, groups: ArrayLike) -> tuple[float, Interval]:
    """Area under the ROC curve: how often a photo of the class gets a higher probability than another one.

    Each photo's part in the area (E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, 1988) is added up over its group
    (N. A. Obuchowski, 1997).

    Args:
        predictions: Rows with `true_label` and `prob_0`, ...
        label: Index of the class.
        groups: Equal within a group, shape (n_images,).

    Returns:
        The area, 0..1, from all points, and its 95 % interval; NaN and (0, 1) where there is no photo of the class, or
        no other one.
    """
    ranked = _one_against_the_rest(predictions, label)
    if ranked is None:
        return math.nan, (0.0, 1.0)
    is_positive, scores = ranked
    positive, negative = np.sort(scores[is_positive]), np.sort(scores[~is_positive])
    parts = np.empty(len(scores))
    parts[is_positive] = _share_below(negative, scores[is_positive])
    parts[~is_positive] = 1 - _share_below(positive, scores[~is_positive])
    area = float(parts[is_positive].mean())
    influence = (parts - area) / np.where(is_positive, len(positive), len(negative))
    return area, _interval(area, influence, is_positive, groups)


def _share_below(others: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Which share of others, sorted, lies below each score; equal ones count half."""
    below, up_to = (np.searchsorted(others, scores, side=side) for side in ("left", "right"))
    return np.asarray((below + up_to) / (2 * len(others)))


def average_precision(predictions: pd.DataFrame, label: int, groups: ArrayLike) -> tuple[float, Interval]:
    """Mean precision over the steps of recall: the area under the precision-recall curve, without interpolation.

    How much each photo more would move the figure (the infinitesimal jackknife) is added up over its group.

    Args:
        predictions: Rows with `true_label` and `prob_0`, ...
        label: Index of the class.
        groups: Equal within a group, shape (n_images,).

    Returns:
        The figure, 0..1, from all points, and its 95 % interval; NaN and (0, 1) where there is no photo of the class,
        or no other one.
    """
    ranked = _one_against_the_rest(predictions, label)
    if ranked is None:
        return math.nan, (0.0, 1.0)
    is_positive, scores = ranked
    _, place, n_equal = np.unique(-scores, return_inverse=True, return_counts=True)
    hits_here = np.bincount(place, weights=is_positive)
    # From the highest score down to each one, equal ones together: photos, hits, and their share.
    n_found, hits = n_equal.cumsum(), hits_here.cumsum()
    precision, n_positive = hits / n_found, is_positive.sum()
    figure = float((precision * hits_here).sum() / n_positive)
    # A photo is counted in the precision at its own place and at all below: a sum from the lowest one up.
    weights = hits_here / n_found
    slope, lost = (np.cumsum(values[::-1])[::-1] for values in (weights, weights * precision))
    influence = np.where(is_positive, slope[place] + precision[place] - figure, 0.0) - lost[place]
    return figure, _interval(figure, influence / n_positive, is_positive, groups)


def _interval(
    figure: float, influence: NDArray[np.float64], is_positive: NDArray[np.bool_], groups: ArrayLike
) -> Interval:
    """Normal on the scale of log odds, which keeps it within 0..1.

    Where no photo moves the figure, as in a perfect ranking, it is Wilson's of as many trials as there are groups with
    photos of the class, or without, whichever are fewer.

    Args:
        figure: 0..1.
        influence: How much each photo moves the figure, shape (n_images,).
        is_positive: Whether each one is of the class, shape (n_images,).
        groups: Equal within a group, shape (n_images,).
    """
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    sums, n_groups = np.bincount(codes, weights=influence), codes.max() + 1
    deviation = math.sqrt(float((sums**2).sum()) * n_groups / max(n_groups - 1, 1))
    odds = figure * (1 - figure)
    if deviation < _NO_DEVIATION or odds < _NO_DEVIATION:
        trials = min(len(np.unique(codes[is_positive])), len(np.unique(codes[~is_positive])))
        return wilson_interval(figure * trials, trials)
    centre, half = math.log(figure / (1 - figure)), NORMAL_QUANTILE * deviation / odds
    # Far out the exponential would be too large for a number, and the end is 0 or 1 there.
    low, high = (1 / (1 + math.exp(min(-end, 700.0))) for end in (centre - half, centre + half))
    return low, high


def _one_against_the_rest(
    predictions: pd.DataFrame, label: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]] | None:
    """Whether each photo is of the class, and the class's probability; None where all photos are, or none is."""
    is_positive = (predictions["true_label"] == label).to_numpy(dtype=bool)
    if is_positive.all() or not is_positive.any():
        return None
    return is_positive, predictions[f"prob_{label}"].to_numpy(dtype=np.float64)


def _thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """Points about evenly spaced along the curve of the first two columns, both ends among them."""
    if len(curve) <= MAX_POINTS:
        return curve
    x, y = (curve[column].to_numpy() for column in curve.columns[:2])
    way = np.concatenate([[0.0], np.hypot(np.diff(x), np.diff(y)).cumsum()])
    between = np.searchsorted(way, np.linspace(0, way[-1], MAX_POINTS - 1))
    return curve.iloc[np.unique([0, *between, len(curve) - 1])].reset_index(drop=True)
