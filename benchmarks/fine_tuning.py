"""A fine-tuning epoch of block 5 from the cache against through the network: python -m benchmarks.fine_tuning.

Both train the same layers on the same photos by the same code; one starts from `block4_pool` in the cache, the other
from the photos, through the frozen blocks. The epochs take turns; the first of each, which compiles, does not count.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from benchmarks.dataset import make_dataset
from benchmarks.extraction import SIZE, frozen_base, hashed_photos
from benchmarks.measure import WORK_DIR, machine, no_progress
from core.cache import Features
from core.fitting import Examples, History, Schedule, fit
from core.inputs import Inputs
from core.model import GAP, IMAGE, build_head, cut, join, unfreeze
from core.precision import AUTO, PRECISIONS

N_CLASSES = 3
BELOW = "block4_pool"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print both times and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fine_tuning", description=__doc__)
    parser.add_argument("--photos", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default=AUTO, choices=(AUTO, *PRECISIONS))
    options = parser.parse_args(argv)
    frozen = frozen_base(SIZE, options.precision)
    photos = hashed_photos(make_dataset(WORK_DIR / f"photos-{options.photos}", options.photos), SIZE)
    keys = [photo.key for photo in photos.photos]
    print(machine())
    print(f"{frozen.policy}, {len(photos)} photos an epoch, batches of 32")
    with tempfile.TemporaryDirectory() as folder, frozen.open_cache(Path(folder), BELOW) as cache:
        features = frozen.extract(photos, IMAGE, BELOW, keys, cache, no_progress)
        cached, through = _epoch(frozen.base, features, BELOW), _epoch(frozen.base, photos, IMAGE)
        ratios = []
        for number in range(options.rounds + 1):
            from_cache, from_photos = cached(), through()
            if number:
                ratios.append(from_photos / from_cache)
                print(f"round {number}: cache {from_cache:.1f} s, network {from_photos:.1f} s, ratio {ratios[-1]:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _epoch(base: keras.Model, inputs: Inputs, source: str) -> Callable[[], float]:
    """A function that trains one epoch of block 5 and the head, and returns its seconds, without validation."""
    part = cut(base, source, GAP)
    unfreeze(cut(base, BELOW, GAP))
    features = np.random.default_rng(0).normal(size=(64, 512)).astype(np.float32)
    network = join(part, build_head(Features.of(features), 256, 0.5, N_CLASSES))
    labels = np.arange(len(inputs), dtype=np.int64) % N_CLASSES
    everything = Examples(inputs, np.arange(len(inputs))[:, None], labels)
    one = Examples.of(inputs, np.zeros((1, 1), np.int64), labels[:1])

    def run() -> float:
        history = History(None)
        fit(network, everything, one, Schedule(1e-5, 2, 32, 10, 0), "fine_tune", history, [])
        return float(history.rows[-1]["seconds"])  # The first epoch of each call compiles.

    return run


if __name__ == "__main__":
    main()
