"""Peak memory of train.py at two sizes of dataset: python -m benchmarks.memory [--photos 1000 20000].

So that 20,000 photos do not take hours, the cache is filled beforehand with random numbers in the place of features,
under the keys and in the space that `train.py` will ask for. All but the extraction itself runs as always: reading
photos, training from the cache, predicting. (Extraction goes batch by batch; benchmarks.scaling has its memory.)
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from benchmarks.extraction import frozen_base, hashed_photos
from benchmarks.measure import WORK_DIR, machine, train

# Name, image size, layers that are kept, options. Block 5 is trained at a size at which 20,000 photos take minutes.
SETTINGS = (
    ("head gap", 224, ("gap",), ("--epochs", 3)),
    ("head flatten", 224, ("block5_pool",), ("--head", "flatten", "--epochs", 2)),
    ("block 5 tuned", 64, ("block4_pool", "gap"), ("--fine-tune", "block5", "--epochs", 2, "--fine-tune-epochs", 1)),
)
_FILLED_AT_ONCE = 200


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print a row a setting."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--photos", type=int, nargs=2, default=[1000, 20_000])
    options = parser.parse_args(argv)
    print(machine())
    sizes = "".join(f"{f'{n:,} photos':>16}" for n in options.photos)
    print(f"{'peak memory in GB':28}{sizes}   ratio")
    for name, image_size, layers, arguments in SETTINGS:
        peaks = []
        for n_photos in options.photos:
            data, cache = _small_photos(n_photos), WORK_DIR / "cache-memory"
            shutil.rmtree(cache, ignore_errors=True)
            _fill(cache, data, image_size, layers)
            run = train(data, cache, "--weights", "random", "--image-size", image_size, "--precision", "float32",
                        "--hidden-units", 64, *arguments)  # fmt: skip
            assert "Computing features" not in run.output, "the network was run after all"
            peaks.append(run.peak_bytes / 1e9)
        figures = "".join(f"{peak:16.2f}" for peak in peaks)
        print(f"{f'{name}, {image_size} pixels':28}{figures}   {peaks[1] / peaks[0]:.2f}", flush=True)
    shutil.rmtree(cache, ignore_errors=True)


def _small_photos(n_photos: int) -> Path:
    """A dataset whose photos are small, and different."""
    directory = WORK_DIR / f"small-{n_photos}"
    if not (directory / "train_gt.json").is_file():
        (directory / "training").mkdir(parents=True, exist_ok=True)
        for number in range(n_photos):
            noise = np.random.default_rng(number).integers(0, 256, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(noise).save(directory / "training" / f"{10000 + number}.jpg")
        labels = {f"{10000 + number}.jpg": number % 3 for number in range(n_photos)}
        (directory / "train_gt.json").write_text(json.dumps(labels), encoding="utf-8")
    return directory


def _fill(cache: Path, data: Path, image_size: int, layers: Sequence[str]) -> None:
    keras.utils.set_random_seed(0)  # As train.py does by default, so that the random weights are the same.
    frozen = frozen_base(image_size, "float32")
    keys = [photo.key for photo in hashed_photos(data, image_size).photos]
    random = np.random.default_rng(0)
    for layer in layers:
        with frozen.open_cache(cache, layer) as space:
            for start in range(0, len(keys), _FILLED_AT_ONCE):
                part = keys[start : start + _FILLED_AT_ONCE]
                space.append(part, random.random((len(part), *frozen.shape(layer)), dtype=np.float32))


if __name__ == "__main__":
    main()
