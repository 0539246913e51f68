"""Extraction from disk against the bare forward pass: python -m benchmarks.extraction [--photos 128] [--precision ...].

The bare pass runs the same network in the same precision on a batch of the same size that lies in memory. The two take
turns, round by round, so that a machine that slows down slows both.
"""

import argparse
import hashlib
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from benchmarks.dataset import make_dataset
from benchmarks.measure import WORK_DIR, machine, no_progress, seconds_of
from core.dataset import TRAINING_DIR
from core.features import FrozenBase, Photo, Photos, batch_size_for
from core.model import GAP, IMAGE, build_base, in_precision
from core.precision import AUTO, PRECISIONS, choose_precision, read_cpu_flags
from core.weights import find_weights

SIZE = 224


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print both rates and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction", description=__doc__)
    parser.add_argument("--photos", type=int, default=128, help="photos a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default=AUTO, choices=(AUTO, *PRECISIONS))
    options = parser.parse_args(argv)
    frozen = frozen_base(SIZE, options.precision)
    photos = hashed_photos(make_dataset(WORK_DIR / f"photos-{options.photos}", options.photos), SIZE)
    print(machine())
    print(f"{frozen.policy}, batches of {frozen.batch_size}, {options.photos} photos a round")

    bare = _bare_forward(frozen, options.photos)
    _extract(frozen, photos)  # Warm-up, as the first bare pass was.
    ratios = []
    for number in range(1, options.rounds + 1):
        bare_rate, rate = (options.photos / seconds_of(run) for run in (bare, lambda: _extract(frozen, photos)))
        ratios.append(rate / bare_rate)
        print(f"round {number}: bare {bare_rate:.2f} photos/s, extraction {rate:.2f} photos/s, ratio {ratios[-1]:.3f}")
    print(f"median ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def frozen_base(size: int, precision: str) -> FrozenBase:
    """VGG16 with random weights, frozen as `train.py` does it.

    Args:
        size: Width and height of a photo.
        precision: A precision's name or `auto`.
    """
    gpus = tf.config.list_physical_devices("GPU")
    capabilities = [tf.config.experimental.get_device_details(gpu).get("compute_capability") for gpu in gpus]
    chosen = choose_precision(precision, capabilities, read_cpu_flags())
    base = build_base(find_weights("random"), size)
    base = base if chosen.name == "float32" else in_precision(base, chosen.policy)
    return FrozenBase(base, "squash", batch_size_for(size, chosen.n_bytes, len(gpus)))


def hashed_photos(data: Path, size: int) -> Photos:
    """The training photos of a dataset, sorted by name, as photos of a width and height."""
    paths = sorted((data / TRAINING_DIR).iterdir())
    photos = (Photo(path, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths)
    return Photos(tuple(photos), size, "squash")


def _bare_forward(frozen: FrozenBase, n_photos: int) -> Callable[[], None]:
    forward = tf.function(lambda batch: frozen.base(batch, training=False))
    batch = tf.random.uniform((frozen.batch_size, SIZE, SIZE, 3), maxval=255.0)
    forward(batch)

    def run() -> None:
        for _ in range(-(-n_photos // frozen.batch_size)):
            forward(batch).numpy()

    return run


def _extract(frozen: FrozenBase, photos: Photos) -> None:
    with tempfile.TemporaryDirectory() as folder, frozen.open_cache(Path(folder), GAP) as cache:
        frozen.extract(photos, IMAGE, GAP, [photo.key for photo in photos.photos], cache, no_progress)


if __name__ == "__main__":
    main()
