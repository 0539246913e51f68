"""Augmented views: small changes of a photo that do not change who wears a mask.

A view is decided by the photo's content and the view's number alone, so that it is computed once, kept like the photo
itself, and the same in every run. Which view an epoch sees is the training's choice.
"""

import hashlib
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

# Another number where the same photo would get other views.
AUGMENTATION_VERSION = 1
# Small enough that a face near the border mostly stays in the picture.
_DEGREES = 12.0
_ZOOM = 0.15
_SHIFT = 0.08
_BRIGHTNESS = 0.25


def augmented_view(photo: NDArray[np.uint8], sha256: str, view: int) -> NDArray[np.uint8]:
    """Flip, turn, zoom, shift and brighten a photo a little; what comes in over the border is its mirror image.

    Args:
        photo: RGB, shape (size, size, 3), values 0-255.
        sha256: Hash of its file.
        view: Number of the view; 0 is the photo as it is.

    Returns:
        The same shape and range.
    """
    if view == 0:
        return photo
    seed = hashlib.sha256(f"{AUGMENTATION_VERSION}:{sha256}:{view}".encode()).digest()
    random = np.random.default_rng(list(seed))
    if random.random() < 0.5:
        photo = photo[:, ::-1]
    angle = math.radians(random.uniform(-_DEGREES, _DEGREES))
    zoom = random.uniform(1 - _ZOOM, 1 + _ZOOM)
    shift = random.uniform(-_SHIFT, _SHIFT, size=2) * len(photo)
    moved = _moved(photo, angle, zoom, (float(shift[0]), float(shift[1])))
    brightness = random.uniform(1 - _BRIGHTNESS, 1 + _BRIGHTNESS)
    return np.asarray(ImageEnhance.Brightness(moved).enhance(brightness))


def _moved(photo: NDArray[np.uint8], angle: float, zoom: float, shift: tuple[float, float]) -> Image.Image:
    """Turn by radians and zoom about the centre, then shift by pixels."""
    size = len(photo)
    border = size // 2
    mirrored = Image.fromarray(np.pad(photo, ((border, border), (border, border), (0, 0)), mode="symmetric"))
    cosine, sine = math.cos(angle) / zoom, math.sin(angle) / zoom
    centre = size / 2
    # Pillow asks for the place in the source of each place in the result.
    source = [cosine, sine, 0.0, -sine, cosine, 0.0]
    x, y = centre + shift[0], centre + shift[1]
    source[2] = centre + border - (cosine * x + sine * y)
    source[5] = centre + border - (-sine * x + cosine * y)
    return mirrored.transform((size, size), Image.Transform.AFFINE, tuple(source), Image.Resampling.BILINEAR)
