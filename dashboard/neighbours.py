"""Training photos that look like a photo to the network; an error often explains itself by them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.neighbours import nearest, normalised
from core.runs import EMBEDDINGS_FILE, Run, RunError
from dashboard import data

N_SHOWN = 8


@dataclass(frozen=True)
class Neighbours:
    """The nearest training photos.

    Attributes:
        images: Their names, nearest first.
        distances: How far each is, as a cosine distance, 0..2.
        unlike_beyond: How far the nearest one is of nearly every training photo; see `core.neighbours`.
    """

    images: tuple[str, ...]
    distances: tuple[float, ...]
    unlike_beyond: float

    @property
    def is_unlike(self) -> bool:
        """Whether the photo is unlike anything that the network has learnt from."""
        return bool(self.distances) and self.distances[0] > self.unlike_beyond


def neighbours_of_photo(run: Run, image: str) -> Neighbours:
    """The nearest training photos of a photo of the dataset, without itself.

    Raises:
        RunError: If that is not known.
    """
    embedded = _embedded(run)
    rows = np.flatnonzero(embedded.images == image)
    if not len(rows):
        raise RunError("This photo was left out of the run, so the network has not seen it.")
    others = embedded.learnt[embedded.learnt != rows[0]]
    return _nearest(embedded, embedded.unit_rows[rows[0]], others)


def neighbours_of_embedding(run: Run, embedding: NDArray[np.float32]) -> Neighbours:
    """The nearest training photos of any photo.

    Args:
        run: Whose network saw it.
        embedding: From `core.predict.Classifier.predict_and_embed`, shape (512,).

    Raises:
        RunError: If that is not known.
    """
    embedded = _embedded(run)
    width, expected = embedded.unit_rows.shape[1], len(embedding)
    if width != expected:
        raise RunError(f"{EMBEDDINGS_FILE}: expected {expected} numbers a photo, found {width}. Train again.")
    return _nearest(embedded, normalised(embedding), embedded.learnt)


def _embedded(run: Run) -> data.Embedded:
    if not run.has(EMBEDDINGS_FILE):
        raise RunError(f"This run has no {EMBEDDINGS_FILE}, which tells what looks alike. Train again to get one.")
    return data.embedded(run)


def _nearest(embedded: data.Embedded, unit_row: NDArray[np.float32], candidates: NDArray[np.int64]) -> Neighbours:
    rows, distances = nearest(embedded.unit_rows, unit_row, N_SHOWN, candidates)
    return Neighbours(tuple(embedded.images[rows]), tuple(distances.tolist()), embedded.unlike_beyond)
