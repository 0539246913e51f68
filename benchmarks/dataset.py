"""Make a dataset of any size in the challenge's layout: python -m benchmarks.dataset DIR --photos 5614 --test 450.

Scenes are drawn once; each photo is a crop of one, flipped or not, brightened or not, with the noise of a camera, in
the challenge's 612 x 408 pixels as JPEG. No two are alike, and each is decided by its number.
"""

import argparse
import json
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from core.cartoon import draw_photo
from core.dataset import TEST_DIR, TRAINING_DIR, TRAINING_LABELS_FILE

SIZE = (612, 408)
_N_SCENES = 60
_N_CLASSES = 3
_NOISE = 6.0


def make_dataset(directory: Path, n_photos: int, n_test: int = 0) -> Path:
    """Write a dataset, unless it is there.

    Args:
        directory: Where to.
        n_photos: Number of labelled photos.
        n_test: Number of test photos.
    """
    if (directory / TRAINING_LABELS_FILE).is_file():
        return directory
    labels = {f"{10000 + n}.jpg": n % _N_CLASSES for n in range(n_photos)}
    paths = [directory / TRAINING_DIR / name for name in labels]
    paths += [directory / TEST_DIR / f"{90000 + n}.jpg" for n in range(n_test)]
    for folder in (TRAINING_DIR, TEST_DIR):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        list(pool.map(_write_photo, paths, range(len(paths)), chunksize=50))
    (directory / TRAINING_LABELS_FILE).write_text(json.dumps(labels), encoding="utf-8")
    return directory


def _write_photo(path: Path, number: int) -> None:
    rng = random.Random(number)
    scene = _scene(number % _N_CLASSES, rng.randrange(_N_SCENES // _N_CLASSES))
    scale = rng.uniform(0.75, 0.98)
    width, height = int(scale * SIZE[0]), int(scale * SIZE[1])
    left, top = rng.randrange(SIZE[0] - width), rng.randrange(SIZE[1] - height)
    photo = scene.crop((left, top, left + width, top + height)).resize(SIZE, Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        photo = ImageOps.mirror(photo)
    photo = ImageEnhance.Brightness(photo).enhance(rng.uniform(0.8, 1.2))
    noise = np.random.default_rng(number).normal(scale=_NOISE, size=(SIZE[1], SIZE[0], 1))
    Image.fromarray((np.asarray(photo) + noise).clip(0, 255).astype(np.uint8)).save(path, quality=85)


@cache
def _scene(label: int, number: int) -> Image.Image:
    return draw_photo(label, random.Random(f"{label}/{number}"), SIZE)


def main(argv: Sequence[str] | None = None) -> None:
    """Make the dataset that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataset", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--photos", type=int, default=5614)
    parser.add_argument("--test", type=int, default=450)
    options = parser.parse_args(argv)
    make_dataset(options.directory, options.photos, options.test)


if __name__ == "__main__":
    main()
