"""Held-out photos and what is known of them -> accuracy slice by slice, and where it is worse than elsewhere.

A slice is a range of one property: the darkest photos, the smallest ones, those with a near-identical one. Its lower
bound belongs to it and its upper one does not, and both have at most four decimals, so that an address that holds them
chooses exactly the photos that the slice counts.

Each slice is compared with all other photos of which the property is known. That is many comparisons at once, and some
of many look bad by chance: so p-values are S. Holm's (1979), which keep the chance of calling any slice different that
is not below 5 %, however the slices hang together. Intervals are 95 % each, by themselves. Near-identical photos tell
less than independent ones: for intervals and tests all counts are divided by their design effect (`core.intervals`).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.intervals import design_effect, unpaired_intervals, wilson_intervals

# Fewer photos tell little: an interval of 20 is about 35 points wide.
MIN_PHOTOS = 20
MAX_SLICES = 5
SIGNIFICANCE = 0.05

# How far a quantile may move for the sake of a short bound: a share of a slice's photos, or of the property's range.
_SLACK = 0.1
# Bounds are rounded to as few decimals as that allows, 100s first.
_DECIMALS = range(-2, 5)
_FINEST = 4
# p-values of tables as likely as the one found may differ in their last digits.
_AS_LIKELY = 1 + 1e-7

# What is known of a photo, by its column: the lower bounds of the slices where they are categories; None cuts at
# quantiles.
PROPERTIES: Final[Mapping[str, tuple[float, ...] | None]] = {
    "brightness": None,
    "contrast": None,
    "sharpness": None,
    "megapixels": None,
    "ratio": None,
    "copies": (0, 1, 2),
}
COLUMNS = (
    *("property", "low", "high", "n_images", "accuracy", "accuracy_low", "accuracy_high"),
    *("rest_accuracy", "difference", "difference_low", "difference_high", "p_value"),
)


def find_slices(photos: pd.DataFrame, is_right: ArrayLike, groups: ArrayLike | None = None) -> pd.DataFrame:
    """Cut photos into slices by each property and score them.

    Args:
        photos: Held-out photos, n rows, with the columns of `PROPERTIES`: numbers from 0, missing where not known.
        is_right: Whether the predicted class is the true one, shape (n,).
        groups: Integers, equal for near-identical photos, shape (n,). Without them each photo is a group of its own.

    Returns:
        A row a slice, in the order of `PROPERTIES` and, within one, of its values: `property` (its column), `low`,
        `high`, `n_images`, `accuracy` with its Wilson interval `accuracy_low`, `accuracy_high`, `rest_accuracy` (of all
        others of which the property is known), `difference` (accuracy - rest_accuracy) with its interval
        `difference_low`, `difference_high`, and `p_value`: Fisher's exact test, two-sided, corrected for all slices
        (Holm, 1979). A property of which too few photos are known, or that does not vary, has no slices.
    """
    right = np.asarray(is_right, dtype=bool)
    codes = np.arange(len(right)) if groups is None else np.asarray(groups, dtype=np.int64)
    rows = [
        (column, *counts)
        for column, cuts in PROPERTIES.items()
        for counts in _counts(photos[column].to_numpy(dtype=np.float64), right, codes, cuts)
    ]
    floats, integers = ("low", "high", "effect", "rest_effect"), ("n_images", "n_right", "n_rest", "n_rest_right")
    table = pd.DataFrame(rows, columns=["property", *floats[:2], *integers[:2], "effect", *integers[2:], "rest_effect"])
    return _scored(table.astype(dict.fromkeys(floats, "float64") | dict.fromkeys(integers, "int64")))


def weakest(slices: pd.DataFrame) -> pd.DataFrame:
    """Slices that do worse than the rest, weakest first.

    The order is that of the upper end of the difference's interval: first comes what is worse for sure and by much, and
    a few photos that may be a matter of chance come after it.

    Args:
        slices: From `find_slices`.
    """
    worse = slices[slices["difference"] < 0]
    return worse.sort_values(["difference_high", "difference"], kind="stable", ignore_index=True)


# --- cutting ---------------------------------------------------------------------------------------------------------


def _counts(
    values: NDArray[np.float64], right: NDArray[np.bool_], groups: NDArray[np.int64], cuts: tuple[float, ...] | None
) -> Iterator[tuple[float, float, int, int, float, int, int, float]]:
    """Bounds of each slice of one property; its photos, hits and design effect, and those of all others."""
    is_known = ~np.isnan(values)
    known, right, groups = values[is_known], right[is_known], groups[is_known]
    for low, high in pairwise(_edges(known, cuts)):
        is_within = (known >= low) & (known < high)
        yield low, high, *_count(right[is_within], groups[is_within]), *_count(right[~is_within], groups[~is_within])


def _count(right: NDArray[np.bool_], groups: NDArray[np.int64]) -> tuple[int, int, float]:
    return len(right), int(right.sum()), design_effect(right, groups) if len(right) else 1.0


def _edges(values: NDArray[np.float64], cuts: tuple[float, ...] | None) -> list[float]:
    """Bounds of the slices, rising; none where all photos would be in one."""
    if len(values) == 0:
        return []
    ordered = np.sort(values)
    inner = _quantile_edges(ordered) if cuts is None else _category_edges(ordered, cuts)
    return [_at_most(ordered), *inner, _above(ordered)] if inner else []


def _category_edges(ordered: NDArray[np.float64], cuts: Sequence[float]) -> list[float]:
    """Those cuts that have photos below them, from them on, and between each other."""
    first_of = {int(np.searchsorted(ordered, cut)): cut for cut in reversed(cuts)}
    return sorted(cut for first, cut in first_of.items() if 0 < first < len(ordered))


def _quantile_edges(ordered: NDArray[np.float64]) -> list[float]:
    """Cuts into slices of about as many photos each, as far as equal values allow; each slice has `MIN_PHOTOS`."""
    n = len(ordered)
    # Moving both bounds may take a fifth of a slice away.
    n_slices = min(MAX_SLICES, int(n * (1 - 2 * _SLACK)) // MIN_PHOTOS)
    edges: list[float] = []
    taken = 0
    for number in range(1, n_slices):
        edge = _edge_near(ordered, rank=number * n // n_slices, slack=int(_SLACK * n / n_slices))
        first = int(np.searchsorted(ordered, edge))
        if first - taken >= MIN_PHOTOS and n - first >= MIN_PHOTOS:
            edges.append(edge)
            taken = first
    return edges


def _edge_near(ordered: NDArray[np.float64], rank: int, slack: int) -> float:
    """A short number that about `rank` photos are below."""
    below, above = ordered[rank - slack - 1], ordered[rank + slack]
    if below == above:
        place = _beside_a_tie(ordered, rank)
        below, above = ordered[max(place - 1, 0)], ordered[place]
    for decimals in _DECIMALS:
        for edge in (round(float(ordered[rank]), decimals), _floor(float(above), decimals)):
            if below < edge <= above:
                return edge
    return _floor(float(above), _FINEST)


def _beside_a_tie(ordered: NDArray[np.float64], rank: int) -> int:
    """Many photos alike stay together: the rank before which a cut would not part them, the nearer of the two."""
    first, end = (int(np.searchsorted(ordered, ordered[rank], side)) for side in ("left", "right"))
    if end == len(ordered) or (first > 0 and rank - first <= end - rank):
        return first
    return end


def _at_most(ordered: NDArray[np.float64]) -> float:
    """A short number at the lower end: no photo is below it."""
    lowest, slack = float(ordered[0]), _SLACK * float(ordered[-1] - ordered[0])
    candidates = (_floor(lowest, decimals) for decimals in _DECIMALS)
    return next((edge for edge in candidates if lowest - slack <= edge <= lowest), _floor(lowest, _FINEST))


def _above(ordered: NDArray[np.float64]) -> float:
    """A short number at the upper end: every photo is below it."""
    highest, slack = float(ordered[-1]), _SLACK * float(ordered[-1] - ordered[0])
    candidates = (round(_floor(highest, decimals) + 10.0**-decimals, 4) for decimals in _DECIMALS)
    shortest = (edge for edge in candidates if highest < edge <= highest + slack)
    return next(shortest, round(_floor(highest, _FINEST) + 10.0**-_FINEST, _FINEST))


def _floor(value: float, decimals: int) -> float:
    return round(float(np.floor(value * 10.0**decimals)) / 10.0**decimals, _FINEST)


# --- scoring ---------------------------------------------------------------------------------------------------------


def _scored(counts: pd.DataFrame) -> pd.DataFrame:
    """Shares, intervals and p-values of slices."""
    hits, n, rest_hits, rest_n = (counts[name].to_numpy() for name in ("n_right", "n_images", "n_rest_right", "n_rest"))
    effect, rest_effect = counts["effect"].to_numpy(), counts["rest_effect"].to_numpy()
    effective = hits / effect, n / effect, rest_hits / rest_effect, rest_n / rest_effect
    low, high = wilson_intervals(*effective[:2])
    difference_low, difference_high = unpaired_intervals(*effective)
    accuracy, rest_accuracy = hits / np.maximum(n, 1), rest_hits / np.maximum(rest_n, 1)
    scored = counts.assign(
        accuracy=accuracy,
        accuracy_low=low,
        accuracy_high=high,
        rest_accuracy=rest_accuracy,
        difference=accuracy - rest_accuracy,
        difference_low=difference_low,
        difference_high=difference_high,
        p_value=holm(fisher_exact(*(np.rint(each) for each in effective))),
    )
    return scored[list(COLUMNS)]


def fisher_exact(hits: ArrayLike, n: ArrayLike, other_hits: ArrayLike, other_n: ArrayLike) -> NDArray[np.float64]:
    """p-values of R. A. Fisher's exact test, two-sided: are two shares of different photos one and the same?

    A table is as strange as another one that is as likely, as SciPy has it; its own takes a second to import.

    Args:
        hits: Numbers of hits, shape (n_tests,).
        n: Numbers of trials, likewise.
        other_hits: Hits of the shares to compare with, likewise.
        other_n: Their trials, likewise.

    Returns:
        Shape (n_tests,).
    """
    tests = np.stack([np.asarray(each, dtype=np.int64) for each in (hits, n, other_hits, other_n)], axis=-1)
    most = int((tests[:, 1] + tests[:, 3]).max(initial=0))
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])
    return np.array([_fisher(test, log_factorial) for test in tests.tolist()], dtype=np.float64)


def _fisher(test: tuple[int, int, int, int], log_factorial: NDArray[np.float64]) -> float:
    """Of all ways to spread the hits over the two, the share of those that are no likelier than the one found."""
    hits, n, other_hits, other_n = test

    def log_choose(trials: int, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(log_factorial[trials] - log_factorial[chosen] - log_factorial[trials - chosen])

    all_hits = hits + other_hits
    lowest = max(0, all_hits - other_n)
    possible = np.arange(lowest, min(n, all_hits) + 1)
    weights = log_choose(n, possible) + log_choose(other_n, all_hits - possible)
    shares = np.exp(weights - weights.max())
    return float(min(1.0, shares[shares <= _AS_LIKELY * shares[hits - lowest]].sum() / shares.sum()))


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values corrected for being many (S. Holm, 1979): the chance that any below a level is so by chance is below it.

    Args:
        p_values: Shape (n_tests,).

    Returns:
        Shape (n_tests,), each at least as large as it was and at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(steps) else steps
    return corrected
