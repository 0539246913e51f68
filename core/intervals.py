"""Counts -> confidence intervals of shares, and of what is made of shares.

Every interval covers 95 % unless told otherwise, and stays within the range that its figure can take.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]

CONFIDENCE_LEVEL = 0.95


def wilson_interval(successes: int, n: int, level: float = CONFIDENCE_LEVEL) -> Interval:
    """Confidence interval of a share (E. B. Wilson, 1927); unlike the normal one it stays within 0..1.

    Args:
        successes: Number of hits.
        n: Number of trials; with 0 nothing is known, and the interval is (0, 1).
        level: Coverage, between 0 and 1.
    """
    low, high = wilson_intervals(successes, n, level)
    return float(low), float(high)


def wilson_intervals(
    successes: ArrayLike, n: ArrayLike, level: float = CONFIDENCE_LEVEL
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`wilson_interval` of many shares at once.

    Args:
        successes: Numbers of hits, any shape.
        n: Numbers of trials, the same shape.
        level: Coverage, between 0 and 1.

    Returns:
        Lower and upper ends, the same shape.
    """
    hits, trials = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    z2 = _normal_quantile(level) ** 2
    centre = (hits + z2 / 2) / (trials + z2)
    half = np.sqrt(z2 * (hits * (trials - hits) / np.maximum(trials, 1) + z2 / 4)) / (trials + z2)
    return np.maximum(0.0, centre - half), np.minimum(1.0, centre + half)


def f1_interval(hits: int, support: int, predicted: int, level: float = CONFIDENCE_LEVEL) -> Interval:
    """Confidence interval of a class's F1 (K. F. Y. Lam, V. Gopal, J. Qian, 2023: Wilson's, indirect).

    Of the photos that are of the class or were predicted to be, the hits are a share s, and F1 = 2 s / (1 + s); the
    ends of Wilson's interval of s are carried over.

    Args:
        hits: Photos of the class that were predicted to be.
        support: Photos of the class.
        predicted: Photos predicted to be of the class; where both are 0, the interval is (0, 1).
        level: Coverage, between 0 and 1.
    """
    low, high = wilson_interval(hits, support + predicted - hits, level)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def paired_interval(n: int, gained: int, lost: int, level: float = CONFIDENCE_LEVEL) -> Interval:
    """Confidence interval of the difference of two shares of the same photos, (gained - lost) / n.

    A. Agresti and Y. Min's (2005): Wald's after adding half a photo to each cell of the 2 x 2 table, which also holds
    for few photos.

    Args:
        n: Number of photos.
        gained: Those that count for the second share only.
        lost: Those that count for the first share only.
        level: Coverage, between 0 and 1.
    """
    adjusted_n, adjusted = n + 2, gained - lost
    variance = (gained + lost + 1 - adjusted**2 / adjusted_n) / adjusted_n**2
    half, centre = _normal_quantile(level) * float(np.sqrt(variance)), adjusted / adjusted_n
    return max(-1.0, centre - half), min(1.0, centre + half)


def unpaired_intervals(
    hits: ArrayLike, n: ArrayLike, other_hits: ArrayLike, other_n: ArrayLike, level: float = CONFIDENCE_LEVEL
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Confidence intervals of differences of two shares of different photos, hits / n - other_hits / other_n.

    R. G. Newcombe's (1998, method 10): made of both shares' Wilson intervals, so it holds for few photos too.

    Args:
        hits: Numbers of hits, any shape.
        n: Numbers of trials, the same shape; where one is 0, nothing is known of its share.
        other_hits: Hits of the shares that are subtracted, the same shape.
        other_n: Their trials, the same shape.
        level: Coverage, between 0 and 1.

    Returns:
        Lower and upper ends, the same shape, from -1 to 1.
    """
    share, other = (np.asarray(k) / np.maximum(np.asarray(m), 1) for k, m in ((hits, n), (other_hits, other_n)))
    low, high = wilson_intervals(hits, n, level)
    other_low, other_high = wilson_intervals(other_hits, other_n, level)
    below, above = np.hypot(share - low, other_high - other), np.hypot(high - share, other - other_low)
    return np.maximum(-1.0, share - other - below), np.minimum(1.0, share - other + above)


def _normal_quantile(level: float) -> float:
    """Half width, in standard deviations, of the middle part of a normal distribution that holds a share `level`."""
    return NormalDist().inv_cdf((1 + level) / 2)
