"""Which photos look alike to the network: cosine distances between embeddings.

Rows of `embeddings.npy` are brought to length 1 once; a distance is then 1 minus a dot product: 0 for photos that look
the same, 1 for photos that have nothing in common. A photo that is farther from every training photo than those are
from each other is unlike anything that the network has learnt from.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Dot products held at a time, as float32: 32 MB.
_PRODUCTS_AT_ONCE = 8_000_000
_UNLIKE_PERCENTILE = 99.0
# So many training photos, evenly spread over the rows, tell how far all are from each other.
MOST_COMPARED = 2000


def normalised(embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Rows brought to length 1; one of zeros stays, at distance 1 from everything.

    Args:
        embeddings: Shape (n, d), or (d,) for a single photo.
    """
    rows = embeddings.astype(np.float32)
    lengths = np.sqrt(np.einsum("...i,...i->...", rows, rows))[..., None]
    rows /= np.where(lengths > 0, lengths, 1)
    return rows


def nearest(
    unit_rows: NDArray[np.float32], query: NDArray[np.float32], n: int, candidates: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The candidates that are nearest to a photo.

    Args:
        unit_rows: From `normalised`, shape (n_photos, d).
        query: A photo's, likewise, shape (d,).
        n: How many; fewer come back where there are fewer candidates.
        candidates: Rows that may come back: not that of the photo itself, for example.

    Returns:
        Their rows and their cosine distances, 0..2, nearest first; of equally near ones the earlier candidate.
    """
    distances = _distances(unit_rows @ query)[candidates]
    order = np.argsort(distances, kind="stable")[:n]
    return candidates[order], distances[order]


def own_nearest_distances(unit_rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far photos are from the nearest other one.

    Args:
        unit_rows: The training photos', from `normalised`, shape (n, d).

    Returns:
        Cosine distances of at most 2,000 photos, evenly spread over the rows, each compared with all, shape
        (min(n, 2000),); none where there are fewer than two photos.
    """
    n = len(unit_rows)
    if n < 2:
        return np.empty(0, dtype=np.float32)
    asked = np.unique(np.linspace(0, n - 1, min(n, MOST_COMPARED)).round().astype(np.int64))
    at_once = max(1, _PRODUCTS_AT_ONCE // n)
    nearest_products = []
    for start in range(0, len(asked), at_once):
        rows = asked[start : start + at_once]
        products = unit_rows[rows] @ unit_rows.T
        products[np.arange(len(rows)), rows] = -np.inf  # Itself.
        nearest_products.append(products.max(axis=1))
    return _distances(np.concatenate(nearest_products))


def unlike_threshold(distances: NDArray[np.floating[Any]]) -> float:
    """The distance beyond which a photo is unlike the training photos.

    Args:
        distances: From `own_nearest_distances`.

    Returns:
        Their 99th percentile; infinity, so that nothing is beyond, where there are none.
    """
    return float(np.percentile(distances, _UNLIKE_PERCENTILE)) if len(distances) else float("inf")


def _distances(products: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of unit vectors; rounding makes their products a little more than 1."""
    return np.clip(1 - products, 0, 2)
