"""How near is near-identical? python -m benchmarks.near_duplicates DATA.

Of each photo of a dataset copies are made as they occur, and it is counted how many of them `core.groups` finds under
several thresholds. Beside them stands how many pairs of different photos it would take for one another: pairs of the
dataset itself, some of which are really near-identical (look at those that `--show` names), and pairs in which there is
nothing but two heads and shoulders, cut out of two photos, before the same bright wall.
"""

import argparse
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from benchmarks.measure import one_line_errors
from core.dataset import list_photos
from core.groups import MAX_COLOUR_DIFFERENCE, colour_differences, hash_distances, perceptual_hash, place_colours
from core.images import open_photo

THRESHOLDS = (40, 48, 52, 56, 60, 64, 72, 80)

Change = Callable[[Image.Image, random.Random], Image.Image]


@dataclass(frozen=True)
class Looks:
    """What `core.groups` compares photos by, shapes (n, 16) and (n, 32)."""

    hashes: NDArray[np.uint16]
    colours: NDArray[np.uint8]


def saved_again(photo: Image.Image, rng: random.Random, quality: int = 30) -> Image.Image:
    """As a JPEG of low quality."""
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def half_size(photo: Image.Image, rng: random.Random) -> Image.Image:
    """Half as wide and high."""
    return photo.resize((max(photo.width // 2, 1), max(photo.height // 2, 1)), Image.Resampling.BICUBIC)


def brighter(photo: Image.Image, rng: random.Random) -> Image.Image:
    """By a quarter, and with less contrast."""
    return ImageEnhance.Contrast(ImageEnhance.Brightness(photo).enhance(1.25)).enhance(0.85)


def masked(photo: Image.Image, rng: random.Random) -> Image.Image:
    """With two patches where masks would be, each a quarter of the shorter side wide."""
    photo = photo.copy()
    draw, radius = ImageDraw.Draw(photo), 0.12 * min(photo.size)
    for _ in range(2):
        x, y = rng.uniform(0.2, 0.7) * photo.width, rng.uniform(0.1, 0.6) * photo.height
        colour = rng.choice([(240, 240, 245), (90, 150, 210), (30, 30, 30)])
        draw.ellipse((x, y, x + 2 * radius, y + 1.5 * radius), fill=colour)
    return photo


def cropped(share: float) -> Change:
    """Narrower and lower by a share, somewhere in the photo."""

    def crop(photo: Image.Image, rng: random.Random) -> Image.Image:
        width, height = int(photo.width * (1 - share)), int(photo.height * (1 - share))
        left, top = rng.randint(0, photo.width - width), rng.randint(0, photo.height - height)
        return photo.crop((left, top, left + width, top + height))

    return crop


def before_a_wall(photo: Image.Image, rng: random.Random) -> Image.Image:
    """Head and shoulders filled with the photo, before a bright wall that is lit from one side."""
    width, height = photo.size
    light = rng.uniform(180, 240) + rng.choice([-1, 1]) * rng.uniform(5, 25) * np.linspace(-1, 1, width)
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, 2, (height, width))
    wall = Image.fromarray((light + noise).clip(0, 255).astype(np.uint8)).convert("RGB")
    person = Image.new("L", photo.size, 0)
    draw, x = ImageDraw.Draw(person), rng.uniform(0.4, 0.6)
    draw.ellipse(((x - 0.14) * width, 0.12 * height, (x + 0.14) * width, 0.62 * height), fill=255)
    shoulders = ((x - 0.3) * width, 0.62 * height, (x + 0.3) * width, 1.2 * height)
    draw.rounded_rectangle(shoulders, radius=40, fill=255)
    return saved_again(Image.composite(photo, wall, person), rng, quality=88)


COPIES: Mapping[str, Change] = {
    "saved again, JPEG 30": saved_again,
    "half the size": half_size,
    "brighter, less contrast": brighter,
    "cropped by 3 %": cropped(0.03),
    "cropped by 6 %": cropped(0.06),
    "two masks pasted on": masked,
    "black and white": lambda photo, rng: ImageOps.grayscale(photo).convert("RGB"),
    "mirrored": lambda photo, rng: ImageOps.mirror(photo),
}


@one_line_errors()
def main(argv: Sequence[str] | None = None) -> None:
    """Make the copies, compare, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.near_duplicates", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--show", type=int, default=0, metavar="BITS", help="list the dataset's pairs up to here")
    options = parser.parse_args(argv)
    names = [photo.image for photo in list_photos(options.data).photos]
    paths = [options.data / name for name in names]
    originals = _looks(paths, lambda photo, rng: photo)
    print(f"{len(paths)} photos; up to so many of 256 bits: {THRESHOLDS}")
    for kind, change in COPIES.items():
        copies = _looks(paths, change)
        distances = [_distances(originals, copies, row, row)[0] for row in range(len(paths))]
        _print_row(kind, [f"{np.mean(np.array(distances) <= threshold):.1%}" for threshold in THRESHOLDS])
    for kind, looks, others in (
        ("pairs of the dataset", originals, originals),
        ("pairs, one of them mirrored", originals, _looks(paths, COPIES["mirrored"])),
        ("pairs before a wall", walls := _looks(paths, before_a_wall), walls),
    ):
        distances = [_distances(looks, others, row, row + 1) for row in range(len(paths))]
        together = np.concatenate(distances)
        _print_row(kind, [str(int((together <= threshold).sum())) for threshold in THRESHOLDS])
        if kind == "pairs of the dataset":
            _show(names, distances, options.show)
    print(f"of {len(paths) * (len(paths) - 1) // 2} pairs each")


def _looks(paths: Sequence[Path], change: Change) -> Looks:
    hashes, colours = [], []
    for n, path in enumerate(paths):
        photo = change(open_photo(path), random.Random(n))
        hashes.append(perceptual_hash(photo))
        colours.append(place_colours(photo))
    return Looks(np.array(hashes), np.array(colours))


def _distances(looks: Looks, others: Looks, row: int, start: int) -> NDArray[np.uint16]:
    """Bits by which a photo differs from the others from `start` on; 256 where it has other colours."""
    distances = hash_distances(looks.hashes[row : row + 1], others.hashes[start:])[0]
    differences = colour_differences(looks.colours[row], others.colours[start:])
    return np.where(differences <= MAX_COLOUR_DIFFERENCE, distances, 256).astype(np.uint16)


def _print_row(kind: str, cells: Sequence[str]) -> None:
    print(f"| {kind} | {' | '.join(cells)} |", flush=True)


def _show(names: Sequence[str], distances: Sequence[NDArray[np.uint16]], limit: int) -> None:
    for row, found in enumerate(distances):
        for column in np.flatnonzero(found <= limit).tolist() if limit else ():
            print(f"  {found[column]:3} {names[row]} {names[row + 1 + column]}")


if __name__ == "__main__":
    main()
