"""Photos -> what the frozen part of the network makes of them, once a photo.

The cache is asked first; what it lacks is computed in batches of one fixed size, decoding on other threads meanwhile,
and kept as it is computed. So a training that was interrupted, or got a hundred new photos, computes the rest only, and
gets the same bits as one that computed everything.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from core.cache import FeatureCache, Features, photo_key
from core.errors import UserError
from core.images import PhotoError, Resize, load_photo, read_photo

# Large enough to keep the processor busy, small enough for VGG16's first feature maps: 0.5 GB at 224 pixels.
BATCH_SIZE = 16
# Batches that are decoded ahead of the network.
_LOOKAHEAD = 2
Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]

# Another number where the same photo would come out differently: decoding, resizing, preprocessing.
_EXTRACTION_VERSION = 1


@dataclass(frozen=True)
class Photo:
    """A photo to compute features of: its file, and the hash of the content that it is known to have."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Extractor:
    """The frozen part of the network, and how it is fed.

    Attributes:
        model: From RGB 0-255, shape (n, size, size, 3), to features.
        resize: How photos are brought to its size.
    """

    model: keras.Model
    resize: Resize

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one photo's features."""
        return tuple(self.model.output_shape[1:])

    def space(self) -> dict[str, Any]:
        """All that decides a photo's features but the photo, as JSON values."""
        return {
            "version": _EXTRACTION_VERSION,
            "layer": self.model.layers[-1].name,
            "weights": weights_hash(self.model),
            "precision": self.model.layers[-1].compute_dtype,
            "image_size": self.model.input_shape[1],
            "resize": self.resize,
            "batch_size": BATCH_SIZE,
        }

    def compute(self, photos: Sequence[Photo]) -> Iterator[NDArray[np.float32]]:
        """Features of photos, a batch at a time, in order.

        Raises:
            UserError: If a photo is not what it was when its hash was taken.
        """
        for pixels in _decoded_batches(photos, self._load):
            features = self.model.predict_on_batch(_padded(pixels))[: len(pixels)]
            yield np.asarray(features, dtype=np.float32)

    def _load(self, photo: Photo) -> NDArray[np.uint8]:
        try:
            content = read_photo(photo.path)
            if hashlib.sha256(content).hexdigest() != photo.sha256:
                raise UserError(f"Expected {photo.path} to stay as it is during the training; it was changed.")
            return load_photo(content, self.model.input_shape[1], self.resize)
        except PhotoError as error:
            raise UserError(
                f"Expected {photo.path} to stay readable during the training; found: {error.detail}."
            ) from None


def weights_hash(model: keras.Model) -> str:
    """SHA-256 of a model's weights."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def extract(extractor: Extractor, photos: Sequence[Photo], cache: FeatureCache, progress: Progress) -> Features:
    """Take features from the cache and compute those that it lacks.

    Args:
        extractor: The frozen part of the network.
        photos: Photos that are known to be readable.
        cache: Open, in the extractor's space.
        progress: Given the number of photos to compute, a context manager that yields a function to call with the
            number of photos done since the last call.

    Returns:
        Features in the order of `photos`.

    Raises:
        UserError: If a photo was changed meanwhile, or the features cannot be kept.
    """
    keys = [photo_key(photo.sha256) for photo in photos]
    features, is_found = cache.find(keys)
    # A photo that is there twice is computed once.
    missing = {key: photo for key, photo, found in zip(keys, photos, is_found, strict=True) if not found}
    cache.require_space(len(missing))
    with progress(len(missing)) as advance:
        _compute(extractor, missing, cache, advance)
    if missing:
        features, is_found = cache.find(keys)
    if not is_found.all():
        raise UserError(f"Expected the features just written in {cache.path}; some are gone. Train again.")
    return features


def _compute(
    extractor: Extractor, missing: dict[bytes, Photo], cache: FeatureCache, advance: Callable[[int], None]
) -> None:
    if not missing:
        return
    keys = iter(missing)
    for values in extractor.compute(list(missing.values())):
        cache.append(list(islice(keys, len(values))), values)
        advance(len(values))


def _padded(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill the last batch up: one shape for all, so that a photo's bits do not depend on how many follow it."""
    return np.pad(batch, [(0, BATCH_SIZE - len(batch)), *[(0, 0)] * (batch.ndim - 1)])


def _decoded_batches(
    photos: Sequence[Photo], load: Callable[[Photo], NDArray[np.uint8]]
) -> Iterator[NDArray[np.float32]]:
    with ThreadPoolExecutor() as pool:
        pending: deque[list[Future[Any]]] = deque()
        for start in range(0, len(photos), BATCH_SIZE):
            pending.append([pool.submit(load, photo) for photo in photos[start : start + BATCH_SIZE]])
            if len(pending) > _LOOKAHEAD:
                yield _stacked(pending.popleft())
        while pending:
            yield _stacked(pending.popleft())


def _stacked(futures: list[Future[Any]]) -> NDArray[np.float32]:
    return np.stack([future.result() for future in futures]).astype(np.float32)
