"""What a run's history of epochs says: where each curve runs, and which epochs were the best; pandas only."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

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
    """What a history comes to.

    Attributes:
        epochs: Their number, in all stages and folds.
        seconds: What they took.
        bests: The best epoch of each fold, or the only one without folds; none where no loss was a number.
        final: Of a training in folds, how many epochs of each stage the network that is kept learnt from all photos, by
            stage; empty without folds, and as long as it has not begun. Nothing is held out then: no validation loss.
    """

    epochs: int
    seconds: float
    bests: tuple[Epoch, ...]
    final: Mapping[str, int]

    @property
    def has_folds(self) -> bool:
        """Whether this is a training in folds."""
        return any(best.fold >= 0 for best in self.bests)

    @property
    def kept(self) -> int | None:
        """How many epochs the network that is kept has learnt; None where that is not known yet."""
        if self.has_folds:
            return sum(self.final.values()) or None
        return self.bests[0].number if self.bests else None

    def mean_best(self, figure: Literal["val_loss", "val_accuracy"]) -> float | None:
        """A figure of the best epoch; with folds its mean over them."""
        return float(np.mean([getattr(best, figure) for best in self.bests])) if self.bests else None


def summary(history: pd.DataFrame) -> Summary:
    """Sum up a table as in `history.csv`."""
    numbers = epoch_numbers(history)
    is_final = (history["fold"] == -1) & bool((history["fold"] >= 0).any())
    bests = []
    for fold, rows in history[~is_final].groupby("fold"):
        row = best_row(rows["val_loss"])
        if row is not None:
            found = rows.iloc[row]
            number = int(numbers[rows.index[row]])
            bests.append(Epoch(number, found["stage"], int(str(fold)), found["val_loss"], found["val_accuracy"]))
    final = history.loc[is_final, "stage"].value_counts(sort=False)
    return Summary(
        len(history), float(history["seconds"].sum()), tuple(bests), {str(stage): int(n) for stage, n in final.items()}
    )


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
