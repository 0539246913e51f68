"""VGG16's convolutional part, a head for it, and both joined into the classifier that is saved.

The network (K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015) is
Keras' own. Preprocessing is part of it: photos go in as RGB 0-255, probabilities come out. The joined model is flat,
one list of layers from pixels to classes, so that any layer can be looked into after it was saved and loaded.
"""

import hashlib
import math
import socket
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from core.cache import Features
from core.errors import UserError

IMAGENET_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{IMAGENET_FILE}"
IMAGENET_MD5 = "6d6bbae143d832006294945121d1f1fc"
_DOWNLOAD_TIMEOUT_SECONDS = 30.0
_STATISTICS_BATCH_SIZE = 256
# Another network; not HDF5, or damaged; HDF5 of something else; not a .keras file, or damaged.
_LOADING_ERRORS = (ValueError, OSError, RuntimeError, KeyError, TypeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Weights:
    """VGG16's weights: `imagenet`, `random` or a file's name; the file and its SHA-256, unless random."""

    name: str
    path: Path | None
    sha256: str | None


def find_weights(choice: str) -> Weights:
    """Find, and for `imagenet` fetch, the weights to start from.

    Args:
        choice: `imagenet`, `random` or the path of a file.

    Raises:
        UserError: If they cannot be had; nothing else is taken instead.
    """
    if choice == "random":
        return Weights("random", None, None)
    path = _fetch_imagenet() if choice == "imagenet" else Path(choice)
    if not path.is_file():
        raise UserError(f"Expected --weights to be imagenet, random or a file; there is no file {choice}.")
    name = choice if choice == "imagenet" else path.name
    try:
        with path.open("rb") as file:
            return Weights(name, path, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise UserError(f"Expected to read the weights in {path}; {error.strerror}.") from None


def _fetch_imagenet() -> Path:
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_SECONDS)  # Keras' download has none of its own.
    try:
        fetched = keras.utils.get_file(IMAGENET_FILE, IMAGENET_URL, cache_subdir="models", file_hash=IMAGENET_MD5)
        return Path(fetched)
    except Exception as error:  # Keras raises a bare Exception where a download fails.
        reason = str(error).removeprefix(f"URL fetch failure on {IMAGENET_URL}: None -- ")
        raise UserError(
            f"ImageNet weights could not be fetched from {IMAGENET_URL} ({reason}). Download that file elsewhere and "
            f"pass it with --weights {IMAGENET_FILE}, or choose --weights FILE with other VGG16 weights, or "
            "--weights random, which learns less."
        ) from None
    finally:
        socket.setdefaulttimeout(timeout)


def build_base(weights: Weights, image_size: int) -> keras.Model:
    """VGG16 without its top, preprocessing included, frozen.

    Returns:
        A model from RGB 0-255, shape (n, image_size, image_size, 3), to the last feature map, (n, s, s, 512) with
        s = image_size // 32.

    Raises:
        UserError: If the weights' file does not fit.
    """
    image = keras.Input((image_size, image_size, 3), name="image")
    pixels = keras.applications.vgg16.preprocess_input(image)
    try:
        with warnings.catch_warnings(action="ignore"):  # A dozen lines before the error that says the same.
            base = keras.applications.VGG16(include_top=False, weights=weights.path, input_tensor=pixels)
    except _LOADING_ERRORS as error:
        raise UserError(
            f"Expected {weights.path} to hold the weights of VGG16 without its top, as {IMAGENET_FILE} does; "
            f"{_one_line(error)}"
        ) from None
    base.trainable = False
    return base


def build_extractor(base: keras.Model, head: str) -> keras.Model:
    """The part that is computed once a photo: the base, for the head `gap` with the mean over the feature map."""
    features = base.output
    if head == "gap":
        features = keras.layers.GlobalAveragePooling2D(name="gap")(features)
    return keras.Model(base.input, features, name="extractor")


def build_head(features: Features, hidden_units: int, dropout: float, n_classes: int) -> keras.Model:
    """The fully connected part that is learnt: features -> K probabilities.

    Args:
        features: Those of the training photos, of shape (512,) or (s, s, 512) each. Their mean and variance a channel
            are fixed in the head's first layer: VGG16's features are of very different size from channel to
            channel and from weights to weights, and the head should not have to learn that.
        hidden_units: Width of the hidden layer.
        dropout: Share of the hidden units dropped in each training step.
        n_classes: K.
    """
    mean, variance = channel_statistics(features)
    # A channel that is all but dead in training would be blown up without a floor.
    variance = np.maximum(variance, max(1e-3 * float(variance.mean()), 1e-12))
    inputs = keras.Input(features.shape, name="features")
    scale = keras.layers.Normalization(mean=mean.tolist(), variance=variance.tolist(), name="scale")
    outputs = scale(inputs)
    if len(features.shape) > 1:
        outputs = keras.layers.Flatten(name="flatten")(outputs)
    outputs = keras.layers.Dense(hidden_units, activation="relu", name="hidden")(outputs)
    outputs = keras.layers.Dropout(dropout, name="dropout")(outputs)
    outputs = keras.layers.Dense(n_classes, activation="softmax", dtype="float32", name="probabilities")(outputs)
    return keras.Model(inputs, outputs, name="head")


def channel_statistics(features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each channel over photos and places, shape (n_channels,) each, in two passes."""
    n = len(features) * math.prod(features.shape[:-1])
    mean = sum(_over_channels(batch) for batch in features.batches(_STATISTICS_BATCH_SIZE)) / n
    variance = sum(_over_channels((batch - mean) ** 2) for batch in features.batches(_STATISTICS_BATCH_SIZE)) / n
    return np.asarray(mean), np.asarray(variance)


def _over_channels(batch: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return np.asarray(batch.reshape(-1, batch.shape[-1]).sum(axis=0, dtype=np.float64))


def join(extractor: keras.Model, head: keras.Model) -> keras.Model:
    """The classifier: extractor and head as one flat model that shares their weights."""
    outputs = extractor.output
    for layer in head.layers[1:]:  # The first is the head's input.
        outputs = layer(outputs)
    return keras.Model(extractor.input, outputs, name="maskboard")


def load_model(path: Path) -> Any:
    """Load a saved classifier for prediction, in Keras' safe mode.

    Raises:
        UserError: If the file is missing or not such a model.
    """
    if not path.is_file():
        raise UserError(f"Expected a trained model in {path.parent}; there is no {path.name}. Has the run finished?")
    if not zipfile.is_zipfile(path):
        raise UserError(f"Expected {path} to be a Keras model; it is not a whole .keras file. Train again.")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except _LOADING_ERRORS as error:
        raise UserError(f"Expected {path} to be a Keras model; {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
