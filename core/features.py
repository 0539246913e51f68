"""Photos -> what the frozen part of the network makes of them, once a photo."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from core.images import PhotoError, Resize, load_photo

# Large enough to keep the processor busy, small enough for VGG16's first feature maps: 0.5 GB at 224 pixels.
BATCH_SIZE = 16
# Batches that are decoded ahead of the network.
_LOOKAHEAD = 2


def extract(
    extractor: keras.Model, photos: Sequence[Path], resize: Resize, advance: Callable[[int], None]
) -> NDArray[np.float32]:
    """Run the frozen part of the network over photos, decoding on other threads meanwhile.

    Args:
        extractor: From RGB 0-255, shape (n, size, size, 3), to features.
        photos: Files that are known to be readable.
        resize: How photos are brought to the network's size.
        advance: Called with the number of photos after each batch.

    Returns:
        Features, shape (n_photos, *the extractor's), in the order of `photos`.

    Raises:
        UserError: If a photo has become unreadable.
    """
    size = extractor.input_shape[1]
    features = np.empty((len(photos), *extractor.output_shape[1:]), dtype=np.float32)
    start = 0
    for batch in _decoded_batches(photos, partial(_load, size=size, resize=resize)):
        stop = start + len(batch)
        features[start:stop] = extractor.predict_on_batch(_padded(batch))[: len(batch)]
        advance(len(batch))
        start = stop
    return features


def _padded(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill the last batch up: one shape for all, so that a photo's bits do not depend on how many follow it."""
    return np.pad(batch, [(0, BATCH_SIZE - len(batch)), *[(0, 0)] * (batch.ndim - 1)])


def _load(path: Path, size: int, resize: Resize) -> NDArray[np.uint8]:
    try:
        return load_photo(path, size, resize)
    except PhotoError as error:
        raise UserError(f"Expected {path} to stay readable during the training; found: {error.detail}.") from None


def _decoded_batches(
    photos: Sequence[Path], load: Callable[[Path], NDArray[np.uint8]]
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
