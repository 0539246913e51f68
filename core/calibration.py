"""Probabilities and labels -> how well confidence fits accuracy, and the temperature that makes it fit better.

Temperature scaling divides all logits by one number (C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of
modern neural networks", 2017). It changes how sure a network is and never which class it predicts. The files of a run
hold uncalibrated probabilities; who shows calibrated ones computes them here.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.intervals import CONFIDENCE_LEVEL, Interval, percentile_interval
from core.reliability import bin_of

N_BINS = 15
# The loss of a photo whose true class was given probability 0 would be infinite.
MIN_PROBABILITY = 1e-12
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0


def apply_temperature(
    probabilities: NDArray[np.floating[Any]], temperature: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probabilities after dividing the logits that they came from; with temperature 1 they stay.

    Args:
        probabilities: Shape (n_images, K).
        temperature: Above 1 makes them less sure, below 1 surer; one for all, or a number a photo, shape (n_images,).
    """
    logits = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), MIN_PROBABILITY))
    scaled = logits / np.reshape(temperature, (-1, 1))
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def fit_temperature(probabilities: NDArray[np.floating[Any]], true_labels: NDArray[np.integer[Any]]) -> float:
    """The temperature that gives the lowest log loss (Guo et al., 2017).

    Args:
        probabilities: Shape (n_images, K).
        true_labels: Class indices, shape (n_images,).

    Returns:
        Between 0.05 and 20; above 1 the network was overconfident. 1 without photos.
    """
    from scipy.optimize import minimize_scalar  # Half a second to import; the dashboard reads, it does not fit.

    if len(true_labels) == 0:
        return 1.0
    rows = np.arange(len(true_labels))

    def log_loss(log_temperature: float) -> float:
        scaled = apply_temperature(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(scaled[rows, true_labels], MIN_PROBABILITY)).mean())

    bounds = (np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE))
    best = minimize_scalar(log_loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


# --- a score after calibration that is honest ------------------------------------------------------------------------


def second_half(groups: Sequence[str]) -> NDArray[np.bool_]:
    """Which photos are in the second half of the groups, in an order by a hash of the groups' names.

    Args:
        groups: What must stay together; one a photo.
    """
    codes, names = pd.factorize(pd.Series(groups, dtype="object"))
    hashes = [hashlib.sha256(str(name).encode()).digest() for name in names]
    rank = np.empty(len(names), dtype=np.intp)
    rank[sorted(range(len(names)), key=hashes.__getitem__)] = np.arange(len(names))
    return np.asarray(rank[codes] >= len(names) // 2)


def cross_fit_temperatures(
    probabilities: NDArray[np.floating[Any]], true_labels: NDArray[np.integer[Any]], is_second: NDArray[np.bool_]
) -> tuple[float, float]:
    """A temperature for each half of the photos, fitted on the other half.

    A score of probabilities that were scaled with a temperature fitted on the same photos would flatter it.

    Args:
        probabilities: Shape (n_images, K).
        true_labels: Class indices, shape (n_images,).
        is_second: As `second_half` gives it, shape (n_images,).

    Returns:
        That for the first half and that for the second one.
    """
    first, second = (fit_temperature(probabilities[side], true_labels[side]) for side in (is_second, ~is_second))
    return first, second


def cross_fitted(
    probabilities: NDArray[np.floating[Any]], temperatures: Sequence[float], is_second: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Probabilities, each calibrated with the temperature that its photo had no part in.

    Args:
        probabilities: Shape (n_images, K).
        temperatures: Those for the first and for the second half; a single one was fitted on other photos.
        is_second: As `second_half` gives it, shape (n_images,).
    """
    return apply_temperature(probabilities, np.asarray(temperatures)[is_second * (len(temperatures) - 1)])


# --- expected calibration error --------------------------------------------------------------------------------------


def calibration_gaps(confidence: ArrayLike, is_right: ArrayLike) -> NDArray[np.float64]:
    """What each photo adds to the distance between confidence and accuracy in its one of 15 bins of equal width.

    Args:
        confidence: Shape (n_images,).
        is_right: Whether the predicted class is the true one, shape (n_images,).

    Returns:
        Confidence minus 1 or 0, in the column of its bin, shape (n_images, 15).
    """
    values, bins = np.asarray(confidence, dtype=np.float64), bin_of(confidence, N_BINS)
    gaps = np.zeros((len(values), N_BINS))
    gaps[np.arange(len(values)), bins] = values - np.asarray(is_right, dtype=np.float64)
    return gaps


def expected_calibration_error(gaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean distance between confidence and accuracy over the bins, weighted by photos (Guo et al., 2017).

    Args:
        gaps: The mean of `calibration_gaps` over the photos, shape (..., 15).
    """
    return np.asarray(np.abs(gaps).sum(axis=-1))


def calibration_error_interval(
    gaps: NDArray[np.float64], drawn_gaps: NDArray[np.float64], drawn_n: NDArray[np.float64]
) -> Interval:
    """Confidence interval of the expected calibration error: the basic bootstrap, down to 0 where that is possible.

    The error of a sample is a sum of distances, so chance adds to it: draws lie above the sample's error as that lies
    above the true one. The basic interval (A. C. Davison, D. V. Hinkley, 1997) turns the draws over for that reason.
    Where chance alone moves the bins as far as the sample's are from no error at all, it begins at 0. Turned over,
    draws that chance has lifted bring the upper end too low; it is at least as far above the error as that of the draws
    is above their mean.

    Args:
        gaps: The mean of `calibration_gaps` over the photos, shape (15,).
        drawn_gaps: Their sums over the photos of each draw, shape (n_draws, 15).
        drawn_n: Number of photos of each draw, shape (n_draws,).
    """
    drawn = drawn_gaps / drawn_n[:, None]
    error = float(expected_calibration_error(gaps))
    errors = expected_calibration_error(drawn)
    low, high = percentile_interval(errors)
    by_chance = np.quantile(expected_calibration_error(drawn - gaps), (1 + CONFIDENCE_LEVEL) / 2)
    lowest = 0.0 if error <= by_chance else max(0.0, min(error, 2 * error - high))
    return lowest, min(1.0, max(2 * error - low, error + high - float(errors.mean())))
