"""Which photos are held out for validation, or into which fold each one comes.

The groups of a class are put into an order by a hash of (seed, group), and the first ones are held out, or the order is
cut into folds. So the split depends on nothing but the seed and the photos themselves: not on their names, their order,
the weights, or a random generator's version; and adding or removing a few photos moves only a few others. That keeps
runs comparable. Holding out a fifth is the first of five folds.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def hold_out(labels: NDArray[np.int_], groups: Sequence[str], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Choose the validation photos, stratified by class, a group never on both sides.

    Args:
        labels: Class indices, shape (n_images,).
        groups: What must stay together, for example near-identical photos; one name a photo.
        fraction: Share of each class to hold out, between 0 and 1.
        seed: Another seed gives another split.

    Returns:
        True where a photo is held out, shape (n_images,). Of every class with two groups or more of its own at least
        one group is held out and one is not.
    """
    held_out: set[str] = set()
    for class_groups in _ordered_groups(labels, groups, seed):
        # A group is taken while that brings the number of photos nearer to the wanted one.
        n = int((class_groups["middle"] <= fraction).sum())
        n = min(max(n, 1), len(class_groups) - 1)
        held_out.update(class_groups["group"].iloc[:n])
    return np.array([group in held_out for group in groups])


def assign_folds(labels: NDArray[np.int_], groups: Sequence[str], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Deal the photos out into folds of equal size, stratified by class, a group never in two of them.

    Args:
        labels: Class indices, shape (n_images,).
        groups: What must stay together; one name a photo.
        n_folds: Number of folds, at least 2.
        seed: Another seed gives other folds.

    Returns:
        0..n_folds - 1, shape (n_images,). A class with two groups or more of its own is in at least two folds.
    """
    fold_of: dict[str, int] = {}
    for class_groups in _ordered_groups(labels, groups, seed):
        folds = (class_groups["middle"] * n_folds).astype(int)
        fold_of.update(zip(class_groups["group"], folds.tolist(), strict=True))
    return np.array([fold_of[group] for group in groups], dtype=np.int64)


def count_leaked(groups: Sequence[str], learns: NDArray[np.bool_], scores: NDArray[np.bool_]) -> int:
    """How many of the photos that are scored have a member of their group among those that are learnt from.

    Args:
        groups: What is near-identical; one name a photo.
        learns: Which photos are learnt from, shape (n_images,).
        scores: Which photos are scored, shape (n_images,).
    """
    names = np.asarray(groups)
    return int(np.isin(names[scores], names[learns]).sum())


def split_hash(images: Sequence[str], sides: NDArray[np.integer] | NDArray[np.bool_]) -> str:
    """Fingerprint of a split: equal for two runs that held out the same photos of the same photos.

    Args:
        images: Names, n_images of them.
        sides: Whether a photo is held out, or its fold, shape (n_images,).
    """
    lines = sorted(f"{image}\t{int(side)}" for image, side in zip(images, sides, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _ordered_groups(labels: NDArray[np.int_], groups: Sequence[str], seed: int) -> list[pd.DataFrame]:
    """The groups of each class in the order that the seed gives them.

    Returns:
        For each class a row a group: `group`, and where in the class the `middle` of it lies, from 0 to 1.
    """
    photos = pd.DataFrame({"label": labels, "group": list(groups)})
    # Photos of one group can carry different labels (somebody erred); the group goes with its smallest one.
    by_group = photos.groupby("group")["label"].agg(label="min", size="size").reset_index()
    by_group["rank"] = [_rank(seed, group) for group in by_group["group"]]
    tables = []
    for _, table in by_group.sort_values("rank").groupby("label"):
        middles = (table["size"].cumsum() - table["size"] / 2) / table["size"].sum()
        tables.append(pd.DataFrame({"group": table["group"], "middle": middles}))
    return tables


def _rank(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()
