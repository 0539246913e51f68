"""Which photos are held out for validation.

The photos of a class are put into an order by a hash of (seed, content), and the first ones are held out. So the split
depends on nothing but the seed and the photos themselves: not on their names, their order, the weights, or a random
generator's version; and adding or removing a few photos moves only a few others. That keeps runs comparable.
"""

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def hold_out(labels: NDArray[np.int_], groups: list[str], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Choose the validation photos, stratified by class, a group never on both sides.

    Args:
        labels: Class indices, shape (n_images,).
        groups: What must stay together, for example the hash of a photo's content; one a photo.
        fraction: Share of each class to hold out, between 0 and 1.
        seed: Another seed gives another split.

    Returns:
        True where a photo is held out, shape (n_images,). Of every class with two groups or more of its own at least
        one group is held out and one is not.
    """
    photos = pd.DataFrame({"label": labels, "group": groups})
    # Photos of one group can carry different labels (somebody erred); the group goes with its smallest one.
    by_group = photos.groupby("group")["label"].agg(label="min", size="size").reset_index()
    by_group["rank"] = [_rank(seed, group) for group in by_group["group"]]
    held_out: set[str] = set()
    for _, class_groups in by_group.sort_values("rank").groupby("label"):
        held_out.update(_first_groups(class_groups, fraction))
    return photos["group"].isin(held_out).to_numpy()


def split_hash(images: list[str], is_validation: NDArray[np.bool_]) -> str:
    """Fingerprint of a split: equal for two runs that held out the same photos of the same photos."""
    lines = sorted(f"{image}\t{int(held_out)}" for image, held_out in zip(images, is_validation, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _rank(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()


def _first_groups(class_groups: pd.DataFrame, fraction: float) -> list[str]:
    wanted = fraction * class_groups["size"].sum()
    # A group is taken while that brings the number of photos nearer to the wanted one.
    middles = class_groups["size"].cumsum() - class_groups["size"] / 2
    n = int((middles <= wanted).sum())
    n = min(max(n, 1), len(class_groups) - 1)
    return [str(group) for group in class_groups["group"].iloc[:n]]
