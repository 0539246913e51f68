"""Out-of-sample predictions -> photos whose label is probably wrong, the most suspicious first.

Confident learning (C. Northcutt, L. Jiang, I. Chuang, "Confident learning: estimating uncertainty in dataset labels",
2021, in the library cleanlab) estimates from labels and probabilities how many photos of each class carry the label of
each other class, and which these are. That only works with probabilities of a network that did not learn from the
photo's label: one that did says what it was told. So only the rows with split `val` count, in a run with folds all.
"""

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.evaluation import probability_columns
from core.runs import LABEL_ISSUE_COLUMNS


def find_label_issues(predictions: pd.DataFrame, n_classes: int) -> pd.DataFrame:
    """Rank photos by how suspicious their labels are.

    Args:
        predictions: As in `predictions.csv`.
        n_classes: K.

    Returns:
        A row a photo with split `val`, the most suspicious label first: `image`, `label` (the given one),
        `suggested_label` (the most probable class), `self_confidence` (probability of the given label, 0 to 1) and
        `is_issue` (whether confident learning takes the label for wrong). Those that are taken for wrong come before
        the others, each by their self-confidence. Where fewer than two classes are there to be confused, no label is
        taken for wrong.
    """
    rows = predictions[predictions["split"] == "val"]
    labels = rows["true_label"].to_numpy(dtype=np.int64)
    probabilities = rows[probability_columns(n_classes)].to_numpy(dtype=np.float64)
    table = pd.DataFrame(
        {
            "image": rows["image"].to_numpy(),
            "label": labels,
            "suggested_label": probabilities.argmax(axis=1),
            "self_confidence": probabilities[np.arange(len(rows)), labels],
            "is_issue": _is_issue(labels, probabilities),
        },
        columns=list(LABEL_ISSUE_COLUMNS),
    )
    return table.sort_values(["is_issue", "self_confidence", "image"], ascending=[False, True, True], ignore_index=True)


def _is_issue(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    present = np.unique(labels)
    if len(present) < 2:
        return np.zeros(len(labels), dtype=bool)
    from cleanlab.filter import find_label_issues as confident_learning  # Takes a second to import.

    # A class that no photo carries has no confidence of its own to be held against: the others share its probability.
    among = probabilities[:, present]
    total = among.sum(axis=1, keepdims=True)
    among = np.where(total > 0, among / np.where(total > 0, total, 1), 1 / len(present))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # That a class has few photos.
        found = confident_learning(np.searchsorted(present, labels), among, n_jobs=1)
    # What is most probable of all classes is no mistake, whatever the others would say.
    return np.asarray(found & (probabilities.argmax(axis=1) != labels), dtype=bool)
