"""Confidence and outcome of predictions -> how far that confidence can be trusted.

Confidence is the probability of the predicted class, from 0 to 1. A range of it holds its lower end and not its upper
one; only the upper end 1 belongs to the last range. `bin_of`, `is_within` and the edges in the tables agree on that to
the last bit, so the range of a bin selects exactly the photos that the bin counts. The confidence of a photo that could
not be read is missing (NaN): it is in no bin and never high enough.

Photos that come in groups of near-identical ones are no independent evidence: the counts of each part are divided by
the design effect of all photos (`core.intervals.design_effect` of whether they are right) before the interval. Within a
part groups are smaller, so its interval is rather too wide than too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.intervals import wilson_intervals

# More thresholds would be closer together than a screen's pixels.
N_THRESHOLDS = 200


def bin_edges(n_bins: int) -> NDArray[np.float64]:
    """The n_bins + 1 edges of bins of equal width; each is the number that its decimal form (0.15) is read as."""
    return np.arange(n_bins + 1) / n_bins


def bin_of(confidence: ArrayLike, n_bins: int) -> NDArray[np.intp]:
    """The bin that each photo falls into: 0 to n_bins - 1, or -1 where its confidence is missing.

    Args:
        confidence: Shape (n_images,), from 0 to 1 or NaN.
        n_bins: Number of bins of equal width.
    """
    values = np.asarray(confidence, dtype=np.float64)
    bins = np.searchsorted(bin_edges(n_bins), values, side="right") - 1
    return np.where(np.isnan(values), -1, np.minimum(bins, n_bins - 1))


def is_within(confidence: ArrayLike, low: float, high: float) -> NDArray[np.bool_]:
    """Whether each photo's confidence is in a range: `low` belongs to it, `high` does only where it is 1."""
    values = np.asarray(confidence, dtype=np.float64)
    return np.asarray((values >= low) & ((values < high) | (high >= 1)))


def reliability_bins(confidence: ArrayLike, is_right: ArrayLike, n_bins: int = 10, effect: float = 1.0) -> pd.DataFrame:
    """How often predictions are right, by how sure they are: a reliability diagram (Guo et al., 2017).

    Args:
        confidence: Shape (n_images,).
        is_right: Whether the predicted class is the true one, shape (n_images,).
        n_bins: Number of bins of equal width over 0..1.
        effect: Design effect of the photos' groups.

    Returns:
        A row a bin: `low`, `high`, `n_images`, `mean_confidence`, `accuracy` and its Wilson interval `accuracy_low`,
        `accuracy_high`; the last four are NaN in an empty bin.
    """
    values, bins = np.asarray(confidence, dtype=np.float64), bin_of(confidence, n_bins)
    right = np.asarray(is_right, dtype=np.float64)
    n_images = _counts(bins, n_bins)
    edges = bin_edges(n_bins)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "n_images": n_images,
            "mean_confidence": _share(_counts(bins, n_bins, values), n_images),
            **_accuracy(_counts(bins, n_bins, right), n_images, effect),
        }
    )


def confidence_histogram(confidence: ArrayLike, is_right: ArrayLike, n_bins: int = 20) -> pd.DataFrame:
    """How many predictions are how sure, right and wrong ones apart.

    Args:
        confidence: Shape (n_images,).
        is_right: Whether the predicted class is the true one, shape (n_images,).
        n_bins: Number of bins of equal width over 0..1.

    Returns:
        A row a bin: `low`, `high`, `n_right`, `n_wrong`.
    """
    bins, right, edges = bin_of(confidence, n_bins), np.asarray(is_right, dtype=bool), bin_edges(n_bins)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "n_right": _counts(bins[right], n_bins),
            "n_wrong": _counts(bins[~right], n_bins),
        }
    )


@dataclass(frozen=True)
class Coverage:
    """What answering only photos with at least this confidence comes to.

    Attributes:
        threshold: The lowest confidence that is answered, 0..1.
        coverage: Share of all photos that are answered; 0 where there are none.
        accuracy: Share of the answered photos that are right; NaN, as its interval, where none is answered.
        accuracy_low: Lower end of its Wilson interval.
        accuracy_high: Upper end.
        n_images: Number of answered photos.
    """

    threshold: float
    coverage: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    n_images: int


def coverage_curve(confidence: ArrayLike, is_right: ArrayLike, effect: float = 1.0) -> pd.DataFrame:
    """Coverage against accuracy where the least sure predictions are not given: classification with a reject option.

    Args:
        confidence: Shape (n_images,).
        is_right: Whether the predicted class is the true one, shape (n_images,).
        effect: Design effect of the photos' groups.

    Returns:
        A row a threshold, rising from 0 to 1, with the fields of `Coverage`; at most 200. The thresholds between are
        confidences that occur, of many photos at even steps of coverage.
    """
    values = np.asarray(confidence, dtype=np.float64)
    known = np.sort(values[~np.isnan(values)])
    ranks = np.linspace(0, max(len(known) - 1, 0), min(len(known), N_THRESHOLDS - 2)).round().astype(np.intp)
    return _answered(values, is_right, np.unique([0.0, *known[ranks], 1.0]), effect)


def at_threshold(confidence: ArrayLike, is_right: ArrayLike, threshold: float, effect: float = 1.0) -> Coverage:
    """One point of `coverage_curve`, at any threshold from 0 to 1."""
    (row,) = _answered(confidence, is_right, [threshold], effect).to_dict("records")
    return Coverage(**{str(name): value for name, value in row.items()})


def _answered(
    confidence: ArrayLike, is_right: ArrayLike, thresholds: NDArray[np.float64] | Sequence[float], effect: float
) -> pd.DataFrame:
    values = np.nan_to_num(np.asarray(confidence, dtype=np.float64), nan=-1.0)  # Below any threshold.
    order = np.argsort(values)
    first = np.searchsorted(values[order], thresholds)  # The least sure photo that is answered.
    hits_before = np.concatenate([[0], np.cumsum(np.asarray(is_right, dtype=np.int64)[order])])
    n_images = len(values) - first
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "coverage": n_images / max(len(values), 1),
            **_accuracy(hits_before[-1] - hits_before[first], n_images, effect),
            "n_images": n_images,
        }
    )


def _accuracy(hits: NDArray[Any], n_images: NDArray[np.integer[Any]], effect: float) -> dict[str, NDArray[np.float64]]:
    low, high = wilson_intervals(hits / effect, n_images / effect)
    is_empty = n_images == 0
    return {
        "accuracy": _share(hits, n_images),
        "accuracy_low": np.where(is_empty, np.nan, low),
        "accuracy_high": np.where(is_empty, np.nan, high),
    }


def _share(total: NDArray[Any], n: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    return np.where(n == 0, np.nan, total / np.maximum(n, 1))


def _counts(bins: NDArray[np.intp], n_bins: int, weights: NDArray[np.float64] | None = None) -> NDArray[Any]:
    is_known = bins >= 0
    return np.bincount(bins[is_known], None if weights is None else weights[is_known], minlength=n_bins)
