"""A fine-tuning epoch of block 5 from the cache against through the network: python -m benchmarks.fine_tuning.

Both train the same layers on the same photos by the same code; one starts from `block4_pool` in the cache, the other
from the photos, through the frozen blocks. The epochs take turns; the first of each, which compiles, does not count.
"""

import argparse
import hashlib
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.dataset import make_dataset
from benchmarks.measure import WORK_DIR, machine, no_progress
from core.cache import Features
from core.config import TrainConfig
from core.features import FrozenBase, Photo, Photos, batch_size_for
from core.fitting import Examples, History, Schedule, fit
from core.inputs import Inputs
from core.model import GAP, IMAGE, build_base, build_head, cut, in_precision, join, unfreeze
from core.precision import AUTO, PRECISIONS, choose_precision, read_cpu_flags
from core.runs import RunWriter
from core.weights import find_weights

SIZE, N_CLASSES = 224, 3
BELOW = "block4_pool"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print both times and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fine_tuning", description=__doc__)
    parser.add_argument("--photos", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default=AUTO, choices=(AUTO, *PRECISIONS))
    options = parser.parse_args(argv)
    n_gpus = len(tf.config.list_physical_devices("GPU"))
    precision = choose_precision(options.precision, [None] * n_gpus, read_cpu_flags())
    data = make_dataset(WORK_DIR / f"photos-{options.photos}", options.photos)
    paths = sorted((data / "training").iterdir())
    photos = Photos(tuple(Photo(path, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths), SIZE, "squash")
    print(machine())
    print(f"{precision.name}, {len(photos)} photos an epoch, batches of 32")
    with tempfile.TemporaryDirectory() as folder:
        cached, through = (
            _epoch(Path(folder), photos, source, precision.policy, precision.n_bytes) for source in (BELOW, IMAGE)
        )
        ratios = []
        for number in range(options.rounds + 1):
            from_cache, from_photos = cached(), through()
            if number:
                ratios.append(from_photos / from_cache)
                print(f"round {number}: cache {from_cache:.1f} s, network {from_photos:.1f} s, ratio {ratios[-1]:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _epoch(folder: Path, photos: Photos, source: str, policy: str, n_bytes: int) -> Callable[[], float]:
    """A function that trains one epoch of block 5 and the head, and returns its seconds, without validation."""
    base = build_base(find_weights("random"), SIZE)
    base = base if policy == "float32" else in_precision(base, policy)
    frozen = FrozenBase(base, "squash", batch_size_for(SIZE, n_bytes, 0))
    inputs: Inputs = photos
    if source != IMAGE:
        cache = frozen.open_cache(folder, source).__enter__()
        inputs = frozen.extract(photos, IMAGE, source, [photo.key for photo in photos.photos], cache, no_progress)
    part = cut(base, source, GAP)
    unfreeze(cut(base, BELOW, GAP))
    features = np.random.default_rng(0).normal(size=(64, 512)).astype(np.float32)
    network = join(part, build_head(Features.of(features), 256, 0.5, N_CLASSES))
    labels = np.arange(len(photos), dtype=np.int64) % N_CLASSES
    everything = Examples(inputs, np.arange(len(photos))[:, None], labels)
    one = Examples.of(inputs, np.zeros((1, 1), np.int64), labels[:1])

    def run() -> float:
        with RunWriter.create(TrainConfig(data=folder, runs_dir=folder / "runs", weights="random")) as writer:
            history = History(writer)
            fit(network, everything, one, Schedule(1e-5, 2, 32, 10, 0), "fine_tune", history, [])
        return float(history.rows[-1]["seconds"])  # The first epoch of each call compiles.

    return run


if __name__ == "__main__":
    main()
