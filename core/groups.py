"""Photos -> groups of near-identical ones, which a split keeps together.

Two photos are near-identical where they have the same bytes, or where they have nearly the same pattern of light and
dark and the same colours in the same places: the same photo saved again, smaller, brighter, cropped a little, or with a
mask pasted on. Only pixels count, so groups do not move with the weights. A group is all that such steps connect.

The pattern is the perceptual hash that `imagehash.phash` computes (C. Zauner, 2010): which of the 16 x 16 lowest
frequencies of the luminance are above their median. Hashes of unrelated photos differ in about half of the 256 bits.
`THRESHOLD` was chosen on 832 real photos (`python -m benchmarks.near_duplicates DATA`, table in
`benchmarks/README.md`). At 56 every copy is found that was saved again or shrunk, and more than 95 % of those cropped
by 3 % or with two masks pasted on, while no two unrelated photos come closer than 76. The room in between is for what
other photos may have more of, people before the same bright wall: beyond 56 such pairs, made on purpose, are taken for
one another more and more often, and little more is found. Colours keep apart what is drawn or posed alike; a copy in
black and white is not found for their sake. Nor are mirrored copies looked for: there are none among the real photos,
and it would double the chances of an error.

A photo of one colour, or of a few pixels, has no pattern to tell it by; it is near-identical to the same bytes only.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

# The largest number of bits in which the hashes of near-identical photos differ.
THRESHOLD = 56
HASH_SIDE = 16
# A hash is kept as so many words of 16 bits, which a float32 holds exactly.
HASH_WORDS = HASH_SIDE * HASH_SIDE // 16
# Of 255, the mean over blue and red differences from grey in 4 x 4 parts of the photo.
MAX_COLOUR_DIFFERENCE = 4.0
COLOURS_SIDE = 4
N_COLOURS = 2 * COLOURS_SIDE * COLOURS_SIDE
# Below this there is little more than what a JPEG encoder leaves of one colour.
MIN_CONTRAST = 0.02

_NAME_LENGTH = 12
_ROWS_AT_ONCE = 128


def perceptual_hash(photo: Image.Image) -> NDArray[np.uint16]:
    """What a photo looks like in 256 bits.

    Args:
        photo: As `core.images.open_photo` gives it. It stays as it is.

    Returns:
        16 words of 16 bits.
    """
    import imagehash  # The dashboard starts without it.

    bits = imagehash.phash(photo, hash_size=HASH_SIDE).hash
    return np.packbits(bits).view(np.dtype(">u2")).astype(np.uint16)


def place_colours(photo: Image.Image) -> NDArray[np.uint8]:
    """Which colours a photo has where, apart from their brightness.

    Args:
        photo: As `core.images.open_photo` gives it. It stays as it is.

    Returns:
        Cb and Cr (ITU-R BT.601) of 4 x 4 parts, 32 values; 128 where they are grey.
    """
    parts = photo.resize((COLOURS_SIDE, COLOURS_SIDE), Image.Resampling.BILINEAR).convert("YCbCr")
    return np.asarray(parts)[:, :, 1:].reshape(-1)


def is_telling(width: int, height: int, contrast: float) -> bool:
    """Whether a photo has enough in it for its hash to mean something."""
    return min(width, height) >= HASH_SIDE and contrast >= MIN_CONTRAST


def group_photos(
    sha256: Sequence[str],
    hashes: NDArray[np.uint16],
    colours: NDArray[np.uint8],
    telling: NDArray[np.bool_],
) -> list[str]:
    """Find near-identical photos.

    Args:
        sha256: Hashes of the files' bytes, n_photos of them.
        hashes: From `perceptual_hash`, shape (n_photos, 16).
        colours: From `place_colours`, shape (n_photos, 32).
        telling: From `is_telling`, shape (n_photos,).

    Returns:
        The name of each photo's group: the beginning of the smallest SHA-256 in it, so that it depends neither on names
        nor on order. A photo that is like no other one is a group of its own.
    """
    contents, content_of = np.unique(np.array(sha256, dtype=str), return_inverse=True)
    if not len(contents):
        return []
    first = np.zeros(len(contents), dtype=np.int64)
    first[content_of[::-1]] = np.arange(len(content_of))[::-1]
    group_of = np.arange(len(contents))
    compared = np.flatnonzero(telling[first])
    group_of[compared] = compared[_connect(hashes[first[compared]], colours[first[compared]])]
    # Contents are sorted, and a group goes by the smallest number.
    return [str(contents[group])[:_NAME_LENGTH] for group in group_of[content_of]]


def groups_of(images: "pd.Series[str]", samples: pd.DataFrame) -> list[str]:
    """The group of each photo.

    Args:
        images: Names of photos, n of them.
        samples: As `core.runs.read_samples` gives them.

    Returns:
        Names of groups, n of them; that of a photo that is not in samples is the photo's own.
    """
    return images.map(samples.set_index("image")["group"]).fillna(images).tolist()


def hash_distances(some: NDArray[np.uint16], others: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """In how many bits hashes differ: Hamming distances, shape (n_some, n_others)."""
    distances = np.zeros((len(some), len(others)), dtype=np.uint16)
    for mine, theirs in zip(_long_words(some).T, _long_words(others).T, strict=True):
        distances += np.bitwise_count(mine[:, None] ^ theirs)
    return distances


def _long_words(hashes: NDArray[np.uint16]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(hashes).view(np.uint64)


def colour_differences(some: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How far colours are from one another: mean absolute difference of 255 over the last axis, from 0."""
    return np.asarray(np.abs(some.astype(np.int16) - others).mean(axis=-1))


def _connect(hashes: NDArray[np.uint16], colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The smallest row that each row is connected with, shape (n,)."""
    groups = np.arange(len(hashes))
    for start in range(0, len(hashes), _ROWS_AT_ONCE):
        alike = hash_distances(hashes[start : start + _ROWS_AT_ONCE], hashes[start:]) <= THRESHOLD
        # Every row is like itself.
        for row in np.flatnonzero(alike.sum(axis=1) > 1):
            others = start + np.flatnonzero(alike[row])
            near = others[colour_differences(colours[start + row], colours[others]) <= MAX_COLOUR_DIFFERENCE]
            joined = np.unique(groups[near])
            if len(joined) > 1:
                groups[np.isin(groups, joined)] = joined[0]
    return groups
