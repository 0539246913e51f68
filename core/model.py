"""VGG16's convolutional part, cut where it is wanted, a head for it, and the classifier that is saved.

The network (K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015) is
Keras' own. Preprocessing is part of it: photos go in as RGB 0-255, probabilities come out. The joined model is flat,
one list of layers from pixels to classes, so that any layer can be looked into after it was saved and loaded.

VGG16 is a plain chain of layers. It is cut behind the layers named here, and each piece is a model of its own that
shares its weights with the whole: what stays frozen runs once a photo, what is tuned starts from what that left.
"""

import contextlib
import math
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from core.errors import UserError, reason_of
from core.inputs import Inputs
from core.weights import IMAGENET_FILE, Weights

_STATISTICS_BATCH_SIZE = 256

# What goes into the base, and where it is cut.
IMAGE = "image"
GAP = "gap"
CUTS = ("block3_pool", "block4_pool", "block5_pool", GAP)
# What a head of that name, as in `--head`, sees.
LAYER_OF_HEAD = {"gap": GAP, "flatten": "block5_pool"}
# Another network; not HDF5, or damaged; HDF5 of something else; not a .keras file, or damaged.
_LOADING_ERRORS = (ValueError, OSError, RuntimeError, KeyError, TypeError, zipfile.BadZipFile)


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Layers built meanwhile compute in Keras' policy of that name."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_base(weights: Weights, image_size: int) -> keras.Model:
    """VGG16 without its top, preprocessing included, frozen.

    Returns:
        A model from RGB 0-255, shape (n, image_size, image_size, 3), to `gap`, the mean over the last feature map,
        which is `block5_pool`, (n, s, s, 512) with s = image_size // 32. The mean is taken in float32.

    Raises:
        UserError: If the weights' file does not fit.
    """
    image = keras.Input((image_size, image_size, 3), name=IMAGE)
    pixels = keras.applications.vgg16.preprocess_input(image)
    try:
        with warnings.catch_warnings(action="ignore"):  # A dozen lines before the error that says the same.
            base = keras.applications.VGG16(include_top=False, weights=weights.path, input_tensor=pixels)
    except _LOADING_ERRORS as error:
        raise UserError(
            f"Expected {weights.path} to hold the weights of VGG16 without its top, as {IMAGENET_FILE} does; "
            f"{reason_of(error)}"
        ) from None
    gap = keras.layers.GlobalAveragePooling2D(name=GAP, dtype="float32")(base.output)
    base = keras.Model(image, gap, name="base")
    base.trainable = False
    return base


def in_precision(base: keras.Model, policy: str) -> keras.Model:
    """The base with the same weights, computing in another precision."""
    with dtype_policy(policy):
        other = build_base(Weights("random", None, None), base.input_shape[1])
    other.set_weights(base.get_weights())
    return other


def cut(base: keras.Model, source: str, layer: str) -> keras.Model:
    """A piece of the base, sharing its weights.

    Args:
        base: From `build_base`.
        source: Name of the layer whose output goes in; `image` for photos.
        layer: Name of the layer whose output comes out.
    """
    names = [each.name for each in base.layers]
    if source == IMAGE:
        return keras.Model(base.input, base.get_layer(layer).output)
    inputs = outputs = keras.Input(base.get_layer(source).output.shape[1:], name=source)
    for each in base.layers[names.index(source) + 1 : names.index(layer) + 1]:
        outputs = each(outputs)
    return keras.Model(inputs, outputs)


def unfreeze(piece: keras.Model) -> None:
    """Let the weights of a piece be learnt."""
    for layer in piece.layers:  # Setting it on the model does not reach layers that were frozen one by one.
        layer.trainable = True


def build_head(features: Inputs, hidden_units: int, dropout: float, n_classes: int) -> keras.Model:
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


def channel_statistics(features: Inputs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each channel over photos and places, shape (n_channels,) each, in two passes."""
    n = len(features) * math.prod(features.shape[:-1])
    mean = sum(_over_channels(batch) for batch in features.batches(_STATISTICS_BATCH_SIZE)) / n
    variance = sum(_over_channels((batch - mean) ** 2) for batch in features.batches(_STATISTICS_BATCH_SIZE)) / n
    return np.asarray(mean), np.asarray(variance)


def _over_channels(batch: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return np.asarray(batch.reshape(-1, batch.shape[-1]).sum(axis=0, dtype=np.float64))


def join(part: keras.Model, head: keras.Model) -> keras.Model:
    """A piece of the base and the head behind it as one flat model that shares their weights."""
    outputs = part.output
    for layer in head.layers[1:]:  # The first is the head's input.
        outputs = layer(outputs)
    return keras.Model(part.input, outputs, name="maskboard")


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
        with warnings.catch_warnings(action="ignore"):  # Of what the error says, or of another version's way to save.
            return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # A hostile file makes Keras raise anything, down to TensorFlow's lack of memory.
        raise UserError(f"Expected {path} to be a Keras model; {reason_of(error)}") from None
