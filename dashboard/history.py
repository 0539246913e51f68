"""What a run's history of epochs says: where each curve runs, and which epoch was the best; pandas only."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Of fewer points than these a curve is not smoothed: there would be nothing left of it.
_FEWEST_SMOOTHED = 5


@dataclass(frozen=True)
class Epoch:
    """An epoch of a history.

    Attributes:
        number: From 1, counted on through the stages of its fold.
        stage: In which it was.
        fold: In which it was, -1 for none.
        val_loss: Its validation loss.
        val_accuracy: Its validation accuracy, 0 to 1.
    """

    number: int
    stage: str
    fold: int
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True)
class Summary:
    """What a history comes to: its epochs, what they took, and the best of them; None if no loss was a number."""

    epochs: int
    seconds: float
    best: Epoch | None


def summary(history: pd.DataFrame) -> Summary:
    """Sum up a table as in `history.csv`.

    Where a training of several folds ends with one on all photos, that is the one whose network was kept, if it has a
    validation loss.
    """
    final = history[(history["fold"] == -1) & np.isfinite(history["val_loss"])]
    counted = final if len(final) else history
    row = best_row(counted["val_loss"])
    best = None
    if row is not None:
        found = counted.iloc[row]
        number = int(epoch_numbers(history)[counted.index[row]])
        best = Epoch(number, found["stage"], int(found["fold"]), found["val_loss"], found["val_accuracy"])
    return Summary(len(history), float(history["seconds"].sum()), best)


def epoch_numbers(history: pd.DataFrame) -> "pd.Series[int]":
    """The number of each epoch, from 1, counted on through the stages of its fold."""
    return history.groupby("fold").cumcount() + 1


def best_row(val_losses: Iterable[float]) -> int | None:
    """Row of the lowest validation loss, whose weights were kept; None if none is a number."""
    losses = np.array(val_losses, dtype=float)
    finite = np.where(np.isfinite(losses), losses, np.inf)
    return int(finite.argmin()) if np.isfinite(losses).any() else None


def stage_starts(stages: Iterable[str]) -> list[int]:
    """Rows at which another stage begins than the row before."""
    names = list(stages)
    return [row for row in range(1, len(names)) if names[row] != names[row - 1]]


def smoothed(values: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """An exponential moving average, freed from the pull of the zero that it starts from, as TensorBoard draws it.

    The correction is that of D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015, section 3.

    Args:
        values: What to smooth, shape (n,); what is no number stays so and counts for nothing.
        weight: What the values before weigh, 0 (nothing is smoothed) to below 1.

    Returns:
        Shape (n,); `values` where they are too few.
    """
    if not weight or np.isfinite(values).sum() < _FEWEST_SMOOTHED:
        return values
    averages, total, weights = [], 0.0, 0.0
    for value in values:
        if math.isfinite(value):
            total, weights = weight * total + (1 - weight) * value, weight * weights + (1 - weight)
        averages.append(total / weights if math.isfinite(value) else value)
    return np.array(averages)
