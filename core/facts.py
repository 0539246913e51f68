"""A photo's file -> what is known of it without a network: size, hash of its bytes, and what its pixels say.

A photo is decoded for this once: what its pixels say is kept in the cache by its content, and `core.dataset` reads it
from there the next time.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from core.cache import PhotoCache, photo_key
from core.groups import HASH_WORDS, N_COLOURS, perceptual_hash, place_colours
from core.images import DECODING_VERSION, open_photo, read_photo
from core.quality import photo_quality

# Another number where other values would be found in the same pixels.
_FACTS_VERSION = 1
_NUMBERS = 5


@dataclass(frozen=True)
class PixelFacts:
    """What a photo's pixels say; see `core.quality.PhotoQuality` and `core.groups`.

    Attributes:
        width: Upright, in pixels.
        height: Likewise.
        brightness: To four places, as `contrast`.
        contrast: See there.
        sharpness: To one place.
        perceptual_hash: 16 words of 16 bits.
        colours: 32 values from 0 to 255.
    """

    width: int
    height: int
    brightness: float
    contrast: float
    sharpness: float
    perceptual_hash: tuple[int, ...]
    colours: tuple[int, ...]

    @classmethod
    def of(cls, photo: Image.Image) -> Self:
        """Measure a photo; it stays as it is."""
        quality = photo_quality(photo)
        numbers = (*photo.size, quality.brightness, quality.contrast, quality.sharpness)
        # By way of a record, so that a known photo has the same facts to the last bit.
        return cls.from_record(np.array([*numbers, *perceptual_hash(photo), *place_colours(photo)], dtype=np.float32))

    @classmethod
    def from_record(cls, record: NDArray[np.float32]) -> Self:
        """What `to_record` made of it."""
        width, height, brightness, contrast, sharpness, *whole = record.tolist()
        return cls(
            int(width),
            int(height),
            round(brightness, 4),
            round(contrast, 4),
            round(sharpness, 1),
            tuple(map(int, whole[:HASH_WORDS])),
            tuple(map(int, whole[HASH_WORDS:])),
        )

    def to_record(self) -> list[float]:
        """As the cache keeps it: 53 numbers."""
        numbers = (self.width, self.height, self.brightness, self.contrast, self.sharpness)
        return [*numbers, *self.perceptual_hash, *self.colours]


@dataclass(frozen=True)
class PhotoFacts:
    """What is known of a usable photo: file size, hash of the file's bytes, what its pixels say."""

    bytes: int
    sha256: str
    pixels: PixelFacts


def inspect_photo(path: Path, known: Callable[[str], PixelFacts | None] = lambda sha256: None) -> PhotoFacts:
    """Decode a photo to its last pixel and measure it.

    Args:
        path: Its file.
        known: What the pixels of a photo that was decoded before say, by its hash; None for any other one.

    Raises:
        PhotoError: If the photo cannot be used.
    """
    content = read_photo(path)
    sha256 = hashlib.sha256(content).hexdigest()
    pixels = known(sha256) or PixelFacts.of(open_photo(content))
    return PhotoFacts(len(content), sha256, pixels)


def open_facts(cache_root: Path) -> PhotoCache:
    """The cache of what the pixels of photos say that were decoded to their last one before."""
    space = {"layer": "facts", "version": [_FACTS_VERSION, DECODING_VERSION], "pillow": PIL.__version__}
    return PhotoCache(cache_root, space, shape=(_NUMBERS + HASH_WORDS + N_COLOURS,))


def known_facts(cache: PhotoCache) -> Callable[[str], PixelFacts | None]:
    """Look facts up by the hash of a photo's bytes, among what was in the cache when it was opened."""
    records = cache.everything()

    def known(sha256: str) -> PixelFacts | None:
        record = records.get(photo_key(sha256))
        return None if record is None else PixelFacts.from_record(record)

    return known


def keep_facts(photos: Sequence[PhotoFacts], cache: PhotoCache) -> None:
    """Add to the cache what it does not hold yet.

    Raises:
        UserError: If it cannot be written.
    """
    by_key = {photo_key(photo.sha256): photo.pixels for photo in photos}
    _, is_known = cache.find(list(by_key))
    fresh = {key: pixels for (key, pixels), known in zip(by_key.items(), is_known, strict=True) if not known}
    if fresh:
        cache.append(list(fresh), np.array([pixels.to_record() for pixels in fresh.values()], dtype=np.float32))
