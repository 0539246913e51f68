"""Photos -> what the frozen part of the network makes of them, once a photo.

The cache is asked first; what it lacks is computed in batches of one fixed size, decoding on other threads meanwhile,
and kept as it is computed. So a training that was interrupted, or got a hundred new photos, computes the rest only, and
gets the same bits as one that computed everything.

The network is run piece by piece, cut at the layers that may be cached. So a layer's output is the same bits whether
it was computed from photos in one go or from the cached output of an earlier layer.
"""

import hashlib
import platform
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
import PIL
import psutil
import tensorflow as tf
from numpy.typing import NDArray

from core.augmentation import AUGMENTATION_VERSION, augmented_view
from core.cache import Features, PhotoCache, photo_key
from core.errors import UserError
from core.images import DECODING_VERSION, PhotoError, Resize, load_photo, read_photo
from core.inputs import Inputs
from core.model import CUTS, IMAGE, cut
from core.precision import read_cpu_flags

# Photos that are decoded ahead of the network, in batches.
_LOOKAHEAD = 2
# What a batch's largest feature map, VGG16's first, may take: more is no faster on a processor, and small GPUs have to
# hold two of them and what cuDNN wants besides.
_MAP_BYTES_ON_CPU = 210_000_000
_MAP_BYTES_ON_GPU = 420_000_000
_FIRST_MAP_CHANNELS = 64
_LARGEST_BATCH_ON_CPU = 64
_LARGEST_BATCH_ON_GPU = 256

# The instruction sets that TensorFlow's kernels choose by.
_INSTRUCTION_SETS = frozenset({"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16"})

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]

# Another number where the same photo would come out differently: resizing, preprocessing, views.
_EXTRACTION_VERSION = (2, DECODING_VERSION, AUGMENTATION_VERSION)


@dataclass(frozen=True)
class Photo:
    """A photo, or an augmented view of it: its file, the hash of the content that it is known to have, the view."""

    path: Path
    sha256: str
    view: int = 0

    @property
    def key(self) -> bytes:
        """What the cache knows it by."""
        return photo_key(self.sha256, self.view)


@dataclass(frozen=True)
class Photos:
    """Photos as the network sees them, decoded when they are asked for.

    Attributes:
        photos: Known to be readable.
        size: Width and height that they are brought to.
        resize: How.
    """

    photos: tuple[Photo, ...]
    size: int
    resize: Resize

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, photos: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """RGB 0-255 of some of them, shape (n, size, size, 3).

        Raises:
            UserError: If a photo is not what it was when its hash was taken.
        """
        return next(self.take(photos).batches(max(1, len(photos))), np.empty((0, *self.shape), np.float32))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one photo."""
        return (self.size, self.size, 3)

    @property
    def n_bytes(self) -> int:
        """What all of them take in memory."""
        return len(self) * 4 * self.size**2 * 3

    def take(self, photos: NDArray[np.integer[Any]]) -> "Photos":
        """Some of them."""
        return Photos(tuple(self.photos[index] for index in photos), self.size, self.resize)

    def batches(self, size: int) -> Iterator[NDArray[np.float32]]:
        """All of them, in order, `size` at a time, decoded ahead on other threads."""
        with ThreadPoolExecutor() as pool:
            pending: deque[list[Future[NDArray[np.uint8]]]] = deque()
            for start in range(0, len(self), size):
                pending.append([pool.submit(self._load, photo) for photo in self.photos[start : start + size]])
                if len(pending) > _LOOKAHEAD:
                    yield _stacked(pending.popleft())
            while pending:
                yield _stacked(pending.popleft())

    def _load(self, photo: Photo) -> NDArray[np.uint8]:
        try:
            content = read_photo(photo.path)
            if hashlib.sha256(content).hexdigest() != photo.sha256:
                raise UserError(f"Expected {photo.path} to stay as it is during the training; it was changed.")
            return augmented_view(load_photo(content, self.size, self.resize), photo.sha256, photo.view)
        except PhotoError as error:
            raise UserError(
                f"Expected {photo.path} to stay readable during the training; found: {error.detail}."
            ) from None


def _stacked(futures: list[Future[NDArray[np.uint8]]]) -> NDArray[np.float32]:
    return np.stack([future.result() for future in futures]).astype(np.float32)


def batch_size_for(image_size: int, n_bytes: int, n_gpus: int) -> int:
    """Photos a batch on this machine: a power of two, so few that the feature maps stay small beside its memory.

    Args:
        image_size: Width and height of a photo.
        n_bytes: Bytes a number.
        n_gpus: GPUs that TensorFlow sees.
    """
    if n_gpus:
        bound, largest = _MAP_BYTES_ON_GPU, _LARGEST_BATCH_ON_GPU
    else:
        bound, largest = min(_MAP_BYTES_ON_CPU, psutil.virtual_memory().total // 32), _LARGEST_BATCH_ON_CPU
    fitting = max(1, bound // (image_size**2 * _FIRST_MAP_CHANNELS * n_bytes))
    return int(min(2 ** (fitting.bit_length() - 1), largest))


@dataclass(frozen=True)
class FrozenBase:
    """VGG16's convolutional part as it is when it is applied to photos.

    Attributes:
        base: From `build_base`; its weights must not change as long as features are extracted.
        resize: How photos are brought to its size.
        batch_size: Photos a batch, always; the last one is filled up.
    """

    base: keras.Model
    resize: Resize
    batch_size: int

    @property
    def image_size(self) -> int:
        """Width and height of a photo."""
        return int(self.base.input_shape[1])

    @property
    def policy(self) -> str:
        """Keras' name of the precision."""
        return str(self.base.get_layer(CUTS[0]).dtype_policy.name)

    def shape(self, layer: str) -> tuple[int, ...]:
        """Shape of a layer's output for one photo."""
        return tuple(self.base.get_layer(layer).output.shape[1:])

    def open_cache(self, root: Path, layer: str) -> PhotoCache:
        """The cache of a layer's output, in the numbers that the layer computes."""
        space = {
            "version": _EXTRACTION_VERSION,
            "layer": layer,
            "weights": self._weights_hash,
            "precision": self.policy,
            "image_size": self.image_size,
            "resize": self.resize,
            "batch_size": self.batch_size,
            "computed_by": _computed_by(),
        }
        dtype = self.base.get_layer(layer).compute_dtype
        return PhotoCache(root, space, self.shape(layer), ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)

    def extract(
        self, inputs: Inputs, source: str, layer: str, keys: Sequence[bytes], cache: PhotoCache, progress: Progress
    ) -> Features:
        """Take a layer's output from the cache and compute what it lacks.

        Args:
            inputs: Photos, or the output of an earlier layer for them.
            source: That layer's name, `image` for photos.
            layer: The layer's name.
            keys: What the cache knows the photos by, in the order of `inputs`.
            cache: From `open_cache`, open.
            progress: Given the number of photos to compute, a context manager that yields a function to call with the
                number of photos done since the last call.

        Returns:
            Features in the order of `inputs`.

        Raises:
            UserError: If a photo was changed meanwhile, a feature is no number, or features cannot be kept.
        """
        features, is_found = cache.find(keys)
        # A photo that is there twice is computed once.
        missing = {keys[row]: row for row in np.flatnonzero(~is_found)[::-1]}
        rows = np.array(sorted(missing.values()), dtype=np.int64)
        cache.require_space(len(rows))
        with progress(len(rows)) as advance:
            done = 0
            for values in self._apply(inputs.take(rows), source, layer):
                cache.append([keys[row] for row in rows[done : done + len(values)]], values)
                done += len(values)
                advance(len(values))
        return cache.find(keys)[0] if len(rows) else features

    def _apply(self, inputs: Inputs, source: str, layer: str) -> Iterator[NDArray[Any]]:
        if not len(inputs):  # Compiling takes half a second.
            return
        pieces = [self._piece(*ends) for ends in pairwise(_stops(source, layer))]
        for batch in inputs.batches(self.batch_size):
            values = tf.constant(_filled_up(batch, self.batch_size))
            for piece in pieces:
                values = piece(values)
                self._require_finite(values)
            yield values.numpy()[: len(batch)]

    def _require_finite(self, values: tf.Tensor) -> None:
        """Asked after each piece: the next one may make a harmless 0 of what is no number."""
        if not tf.reduce_all(tf.math.is_finite(values)):
            raise UserError(
                f"Expected VGG16's features to be numbers; in {self.policy} some are too large. Use --precision "
                "float32, or other --weights if it is that already."
            )

    def _piece(self, source: str, layer: str) -> Callable[[tf.Tensor], tf.Tensor]:
        """A compiled part of the base. Float32 holds what the others compute exactly, so that is what is passed on."""
        model = cut(self.base, source, layer)
        compiled = tf.function(lambda values: tf.cast(model(values, training=False), tf.float32), autograph=False)
        piece: Callable[[tf.Tensor], tf.Tensor] = compiled.get_concrete_function(
            tf.TensorSpec((self.batch_size, *model.input_shape[1:]), tf.float32)
        )
        return piece

    @cached_property
    def _weights_hash(self) -> str:
        return weights_hash(self.base)


def weights_hash(model: keras.Model) -> str:
    """SHA-256 of a model's weights."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _computed_by() -> list[str]:
    """What may round differently: another one would not give the same bits."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
    flags = (read_cpu_flags() or frozenset()) & _INSTRUCTION_SETS
    device = names or [platform.machine(), *sorted(flags)]
    return [f"tensorflow {tf.__version__}", f"pillow {PIL.__version__}", *device]


def _stops(source: str, layer: str) -> tuple[str, ...]:
    """From a layer to a later one, by way of all that may be cached in between."""
    first = 0 if source == IMAGE else CUTS.index(source) + 1
    return (source, *CUTS[first : CUTS.index(layer) + 1])


def _filled_up(batch: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """One shape for all batches, so that a photo's bits do not depend on how many follow it."""
    return np.pad(batch, [(0, size - len(batch)), *[(0, 0)] * (batch.ndim - 1)])
