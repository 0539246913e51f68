"""What in a photo speaks for each class (Grad-CAM), and what the photo looks like to the network: one forward pass.

The heat maps are coarse: one number a cell of VGG16's last convolution, 14 x 14 at 224 pixels. They lie on the photo as
the network saw it; `heat_on_photo` brings one onto the photo as it is, and `overlay_png` colours it.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import UserError
from core.images import Resize
from core.predict import Classifier

_LAST_CONVOLUTION, _LAST_POOLING = "block5_conv3", "block5_pool"
# Width and height, on the photo as the network sees it, of what becomes one number of the last convolution.
_CELL_PIXELS = 16

# matplotlib's "inferno" at ten equal steps: as lightness it grows evenly, and it is told apart by the colour-blind.
_INFERNO = (0x000004, 0x1B0C41, 0x4A0C6B, 0x781C6D, 0xA52C60, 0xCF4446, 0xED6925, 0xFB9B06, 0xF7D13D, 0xFCFFA4)


@dataclass(frozen=True)
class Explanation:
    """What a network makes of a photo.

    Attributes:
        probabilities: Shape (K,).
        embedding: Mean of its last feature map, as in a run's `embeddings.npy`; shape (512,).
        heat: For each class where in the photo something speaks for it, shape (K, h, w), 0..1: relative to the place
            that speaks for it most, 0 throughout where none does.
    """

    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    heat: NDArray[np.float32]


class Explainer:
    """Explains what a classifier says of photos; made once, it compiles the network.

    Grad-CAM (R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", 2017): the channels of the last convolution are added up, each weighted by the mean gradient of the
    class's score before the softmax, and what is left below 0 is cut off. Only the few layers behind that convolution
    are differentiated, so it costs hardly more than the prediction.

    Raises:
        UserError: If the network is not built as `core.model` builds it.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._explain = _compile(classifier.model)

    def explain(self, photo: NDArray[np.uint8]) -> Explanation:
        """Explain a photo from `Classifier.load`, shape (image_size, image_size, 3)."""
        probabilities, embedding, heat = self._explain(photo[None].astype(np.float32))
        return Explanation(probabilities.numpy(), embedding.numpy(), heat.numpy())


def _compile(model: Any) -> Callable[[NDArray[np.float32]], tuple[Any, Any, Any]]:
    """A function from a photo, shape (1, size, size, 3), to the tensors of an `Explanation`."""
    import keras
    import tensorflow as tf

    _require_explainable(model)
    convolution, pooling, last = model.get_layer(_LAST_CONVOLUTION), model.get_layer(_LAST_POOLING), model.layers[-1]
    trunk = keras.Model(model.input, convolution.output)
    tail = keras.Model(convolution.output, [pooling.output, last.input])

    def explain(photo: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        feature_map = trunk(photo, training=False)
        with tf.GradientTape() as tape:
            tape.watch(feature_map)
            pooled, hidden = tail(feature_map, training=False)
            scores = tf.linalg.matmul(hidden, last.kernel) + last.bias
        # One class after the other: all at once would take the more memory the more classes there are.
        gradients = tape.jacobian(scores, feature_map, experimental_use_pfor=False)[0, :, 0]
        weights = tf.reduce_mean(gradients, axis=(1, 2))
        heat = tf.nn.relu(tf.einsum("kc,hwc->khw", weights, feature_map[0]))
        relative_heat = tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True))
        return tf.nn.softmax(scores)[0], tf.reduce_mean(pooled, axis=(1, 2))[0], relative_heat

    compiled: Callable[[NDArray[np.float32]], tuple[Any, Any, Any]] = tf.function(
        explain, autograph=False
    ).get_concrete_function(tf.TensorSpec((1, *model.input_shape[1:]), tf.float32))
    return compiled


def _require_explainable(model: Any) -> None:
    names = [layer.name for layer in model.layers]
    missing = [name for name in (_LAST_CONVOLUTION, _LAST_POOLING) if name not in names]
    if missing:
        raise UserError(
            f"Expected a network with VGG16's layer {missing[0]}, as train.py saves it; found none. Predictions of "
            "this one cannot be explained; train again."
        )
    last = model.layers[-1].get_config()
    if last.get("activation") != "softmax" or not last.get("use_bias"):
        raise UserError(
            f"Expected a network that ends in a Dense layer with softmax, as train.py saves it; found {names[-1]}. "
            "Predictions of this one cannot be explained; train again."
        )


def heat_on_photo(
    heat: NDArray[np.float32], resize: Resize, photo_size: tuple[int, int], image_size: int
) -> NDArray[np.float32]:
    """Bring a heat map onto the photo as it is, rather than as the network saw it.

    Args:
        heat: Of one class, shape (h, w).
        resize: How the photo was brought to the network's size: of `pad` the map of the bars is cut away, with `crop`
            the map is 0 on what the network did not see.
        photo_size: Width and height of the photo, or of a picture of it, in pixels.
        image_size: Width and height of the photo as the network saw it.

    Returns:
        Shape (height, width), 0..1.
    """
    width, height = photo_size
    # Pooling drops the last pixels where the size is not a multiple of a cell: what is known of them is the last cell.
    n_cells = image_size / _CELL_PIXELS
    cells = Image.fromarray(np.pad(heat, (0, 1), mode="edge"))
    if resize == "crop":
        side = min(width, height)
        seen = cells.resize((side, side), Image.Resampling.BILINEAR, box=(0, 0, n_cells, n_cells))
        left, top = (width - side) // 2, (height - side) // 2
        on_photo = np.zeros((height, width), dtype=np.float32)
        on_photo[top : top + side, left : left + side] = np.asarray(seen)
        return on_photo
    bar_x = bar_y = 0.0
    if resize == "pad":
        longer = max(width, height)
        bar_x, bar_y = ((1 - length / longer) / 2 * n_cells for length in (width, height))
    box = (bar_x, bar_y, n_cells - bar_x, n_cells - bar_y)
    return np.asarray(cells.resize((width, height), Image.Resampling.BILINEAR, box=box))


def overlay_png(heat: NDArray[np.float32]) -> bytes:
    """A heat map as a picture, to be laid over the photo; how much of the photo shines through is up to the browser.

    Args:
        heat: Shape (height, width), 0..1.

    Returns:
        A PNG file in RGBA, opaque: black where the heat is 0, by way of red to light yellow where it is 1.
    """
    colours = _colour_table()[(heat * 255).round().clip(0, 255).astype(np.uint8)]
    out = io.BytesIO()
    Image.fromarray(colours).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _colour_table() -> NDArray[np.uint8]:
    """RGBA of 256 steps from 0 to 1, shape (256, 4)."""
    channels = [[colour >> shift & 0xFF for colour in _INFERNO] for shift in (16, 8, 0)]
    steps, known = np.linspace(0, 1, 256), np.linspace(0, 1, len(_INFERNO))
    table = [np.interp(steps, known, channel) for channel in channels]
    return np.stack([*table, np.full(256, 255.0)], axis=1).round().astype(np.uint8)
