"""A photo -> how bright, rich in contrast and sharp it is."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# A photo's sharpness depends on its size in pixels; larger ones are shrunk, so that photos can be compared.
LONGEST_SIDE = 512

_LEVELS = np.arange(256, dtype=np.float64)


@dataclass(frozen=True)
class PhotoQuality:
    """What a photo's pixels say about it.

    Attributes:
        brightness: Mean luminance, from 0 (black) to 1 (white).
        contrast: Standard deviation of the luminance (RMS contrast; E. Peli, 1990), from 0 (one grey) to 0.5 (half
            black, half white).
        sharpness: Variance of the Laplacian of the luminance in steps of 0..255 (J. L. Pech-Pacheco et al., 2000): from
            0, higher is sharper. Noise raises it too, and a sharp photo of a bare wall has little.
    """

    brightness: float
    contrast: float
    sharpness: float


def photo_quality(photo: Image.Image) -> PhotoQuality:
    """Measure a photo, shrunk to at most 512 pixels on its longest side.

    Args:
        photo: As `core.images.open_photo` gives it. It stays as it is.
    """
    grey = photo.convert("L")
    grey.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BILINEAR)
    counts = np.array(grey.histogram(), dtype=np.float64)
    mean = float(counts @ _LEVELS / counts.sum())
    variance = float(counts @ (_LEVELS - mean) ** 2 / counts.sum())
    return PhotoQuality(
        brightness=mean / 255,
        contrast=math.sqrt(variance) / 255,
        sharpness=_laplacian_variance(np.asarray(grey, dtype=np.int16)),
    )


def _laplacian_variance(luminance: NDArray[np.int16]) -> float:
    """Over the pixels that have four neighbours; 0 where there are none."""
    if min(luminance.shape) < 3:
        return 0.0
    laplacian = -4 * luminance[1:-1, 1:-1]
    for neighbour in (luminance[:-2, 1:-1], luminance[2:, 1:-1], luminance[1:-1, :-2], luminance[1:-1, 2:]):
        laplacian += neighbour
    # In whole numbers up to here, and so quick and exact.
    return float(np.square(laplacian, dtype=np.int64).mean() - laplacian.mean() ** 2)
