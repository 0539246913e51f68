"""Counts -> confidence intervals of shares, and of what is made of shares; intervals of photos that come in groups.

Every interval covers 95 %, and stays within the range that its figure can take.

Near-identical photos are no independent evidence. Where photos come in groups, a share has its interval after as many
photos as would tell as much if they were independent (`design_effect`), and what is no share is drawn again group by
group (`resampled_sums`). Where each photo is a group of its own, both are what they are without groups.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]

CONFIDENCE_LEVEL = 0.95
# Half width, in standard deviations, of the middle part of a normal distribution that holds so much of it.
NORMAL_QUANTILE = NormalDist().inv_cdf((1 + CONFIDENCE_LEVEL) / 2)
N_RESAMPLES = 2000
# So many numbers of one batch of draws are held at a time: 80 MB.
_DRAWN_AT_ONCE = 10_000_000


def wilson_interval(successes: float, n: float) -> Interval:
    """Confidence interval of a share (E. B. Wilson, 1927); unlike the normal one it stays within 0..1.

    Args:
        successes: Number of hits; of an effective number of trials not a whole one.
        n: Number of trials; with 0 nothing is known, and the interval is (0, 1).
    """
    low, high = wilson_intervals(successes, n)
    return float(low), float(high)


def wilson_intervals(successes: ArrayLike, n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`wilson_interval` of many shares at once.

    Args:
        successes: Numbers of hits, any shape.
        n: Numbers of trials, the same shape.

    Returns:
        Lower and upper ends, the same shape.
    """
    hits, trials = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    z2 = NORMAL_QUANTILE**2
    centre = (hits + z2 / 2) / (trials + z2)
    half = np.sqrt(z2 * (hits * (trials - hits) / np.maximum(trials, 1) + z2 / 4)) / (trials + z2)
    # Exactly, where all or none are hits: rounding would let the share lie outside of its interval.
    return np.where(hits > 0, centre - half, 0.0), np.where(hits < trials, centre + half, 1.0)


def f1_interval(hits: float, support: float, predicted: float) -> Interval:
    """Confidence interval of a class's F1 (K. F. Y. Lam, V. Gopal, J. Qian, 2023: Wilson's, indirect).

    Of the photos that are of the class or were predicted to be, the hits are a share s, and F1 = 2 s / (1 + s); the
    ends of Wilson's interval of s are carried over.

    Args:
        hits: Photos of the class that were predicted to be.
        support: Photos of the class.
        predicted: Photos predicted to be of the class; where both are 0, the interval is (0, 1).
    """
    low, high = wilson_interval(hits, support + predicted - hits)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def paired_interval(n: float, gained: float, lost: float) -> Interval:
    """Confidence interval of the difference of two shares of the same photos, (gained - lost) / n.

    A. Agresti and Y. Min's (2005): Wald's after adding half a photo to each cell of the 2 x 2 table, which also holds
    for few photos.

    Args:
        n: Number of photos.
        gained: Those that count for the second share only.
        lost: Those that count for the first share only.
    """
    adjusted_n, adjusted = n + 2, gained - lost
    variance = (gained + lost + 1 - adjusted**2 / adjusted_n) / adjusted_n**2
    half, centre = NORMAL_QUANTILE * float(np.sqrt(variance)), adjusted / adjusted_n
    return max(-1.0, centre - half), min(1.0, centre + half)


def unpaired_intervals(
    hits: ArrayLike, n: ArrayLike, other_hits: ArrayLike, other_n: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Confidence intervals of differences of two shares of different photos, hits / n - other_hits / other_n.

    R. G. Newcombe's (1998, method 10): made of both shares' Wilson intervals, so it holds for few photos too.

    Args:
        hits: Numbers of hits, any shape.
        n: Numbers of trials, the same shape; where one is 0, nothing is known of its share.
        other_hits: Hits of the shares that are subtracted, the same shape.
        other_n: Their trials, the same shape.

    Returns:
        Lower and upper ends, the same shape, from -1 to 1.
    """
    share, other = (np.asarray(k) / np.maximum(np.asarray(m), 1) for k, m in ((hits, n), (other_hits, other_n)))
    low, high = wilson_intervals(hits, n)
    other_low, other_high = wilson_intervals(other_hits, other_n)
    below, above = np.hypot(share - low, other_high - other), np.hypot(high - share, other - other_low)
    return np.maximum(-1.0, share - other - below), np.minimum(1.0, share - other + above)


# --- photos in groups ------------------------------------------------------------------------------------------------


def design_effect(values: ArrayLike, groups: ArrayLike) -> float:
    """How many photos of a sample in groups tell as much as one independent photo about a mean (L. Kish, 1965).

    The variance of the mean as estimated from the groups' sums over the one that independent photos would have;
    J. N. K. Rao and A. J. Scott (1992) divide counts by it before they treat them as counts of independent ones.

    Args:
        values: What the mean is taken of, shape (n,); for a share whether each photo is a hit.
        groups: Integers, equal within a group, shape (n,).

    Returns:
        At least 1, which it is where each photo is a group of its own. Where all values are alike they do not tell how
        much alike groups are, and each group counts as if all of it were one photo.
    """
    numbers = np.asarray(values, dtype=np.float64)
    found, codes, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    n, n_groups = len(numbers), len(found)
    if n_groups == n:
        return 1.0
    deviations = numbers - numbers.mean()
    at_most = float((sizes**2).sum() / n)
    if n_groups == 1 or np.ptp(numbers) == 0:
        return at_most
    between = (np.bincount(codes, weights=deviations) ** 2).sum() * n_groups / (n_groups - 1)
    alone = (deviations**2).sum() * n / (n - 1)
    return max(1.0, float(between / alone))


def share_interval(is_hit: ArrayLike, groups: ArrayLike) -> Interval:
    """Wilson's interval of the share of hits among photos in groups, after dividing counts by the design effect.

    Args:
        is_hit: Shape (n,); without photos the interval is (0, 1).
        groups: As for `design_effect`.
    """
    hits = np.asarray(is_hit, dtype=np.float64)
    effect = design_effect(hits, groups) if len(hits) else 1.0
    return wilson_interval(hits.sum() / effect, len(hits) / effect)


def resampled_sums(values: NDArray[np.float64], groups: ArrayLike) -> NDArray[np.float64]:
    """Bootstrap of groups: as many groups as there are, drawn with replacement, 2,000 times; the same draws each time.

    Args:
        values: A row a photo, shape (n, m).
        groups: As for `design_effect`.

    Returns:
        The columns' sums over each draw, shape (2000, m).
    """
    found, codes = np.unique(np.asarray(groups), return_inverse=True)
    n_groups = len(found)
    sums = np.stack([np.bincount(codes, weights=column, minlength=n_groups) for column in values.T], axis=1)
    rng, draws = np.random.default_rng(0), []
    at_once = max(1, min(N_RESAMPLES, _DRAWN_AT_ONCE // max(n_groups, 1)))
    for start in range(0, N_RESAMPLES, at_once):
        times = np.empty((min(at_once, N_RESAMPLES - start), n_groups))
        for row in times:
            row[:] = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)
        draws.append(times @ sums)
    return np.concatenate(draws)


def percentile_interval(draws: NDArray[np.float64]) -> Interval:
    """The middle part of bootstrap draws of a figure, shape (n_draws,), that holds 95 % of them."""
    low, high = np.quantile(draws, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return float(low), float(high)
