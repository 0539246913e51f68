"""Is train.py as good as the usual way? python -m benchmarks.accuracy DATA --weights FILE [--size 112] [--seeds 5].

For each seed another fifth of the photos is held out, and both learn from the same rest: the usual way (frozen VGG16,
augmentation, Flatten, Dense 512, Adam 1e-4, 20 epochs, the best one kept) and Maskboard's defaults.

The usual way runs every photo through the network anew, augmented, in each epoch. Its base is frozen, so the seeds
share that pass and differ in split, initial weights, dropout and order.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks import usual_way
from benchmarks.measure import machine, mean_text, one_line_errors
from core.config import TrainConfig
from core.dataset import list_photos
from core.images import load_photo
from core.report import Report
from core.runs import read_json, read_predictions
from core.training import train
from core.weights import find_weights

N_EPOCHS = 20


@one_line_errors()
def main(argv: Sequence[str] | None = None) -> None:
    """Train both ways over the seeds and print the difference with its interval."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(argv)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MASKBOARD_CACHE"] = str(Path(folder, "cache"))
        ours, tables = zip(*(_ours(options, seed, Path(folder, "runs")) for seed in range(options.seeds)), strict=True)
    usual = _usual(options, tables)
    print(f"{'seed':>4} {'usual way':>10} {'train.py':>10}   validation accuracy")
    for seed, pair in enumerate(zip(usual, ours, strict=True)):
        print(f"{seed:4} {pair[0]:10.3f} {pair[1]:10.3f}")
    differences = np.array(ours) - np.array(usual)
    print(f"mean {np.mean(usual):.3f} and {np.mean(ours):.3f}; difference {mean_text(differences, '+')}, 95 % interval "
          "over seeds")  # fmt: skip


def _ours(options: argparse.Namespace, seed: int, folder: Path) -> tuple[float, Any]:
    config = TrainConfig(data=options.data, weights=options.weights, image_size=options.size, seed=seed,
                         split_seed=seed, runs_dir=folder, name=str(seed), quiet=True)  # fmt: skip
    run = train(config, list_photos(options.data), find_weights(options.weights), Report(quiet=True))
    return read_json(run / "metrics.json")["accuracy"], read_predictions(run / "predictions.csv", 3)


def _usual(options: argparse.Namespace, tables: Sequence[Any]) -> list[float]:
    """The best epoch's validation accuracy of each seed, on the split that the seed's table has."""
    images, labels = tables[0]["image"], tables[0]["true_label"].to_numpy()
    held_out = [(table["split"] == "val").to_numpy() for table in tables]
    shape = (options.size, options.size, 3)
    base = keras.applications.VGG16(include_top=False, weights=options.weights, input_shape=shape)
    pixels = np.stack([load_photo(options.data / image, options.size, "squash") for image in images])
    heads = []
    for seed in range(len(tables)):
        keras.utils.set_random_seed(seed)
        heads.append(usual_way.head(base.output_shape[1:]))
    augmentation = usual_way.augmentation()
    originals = _features(base, pixels, lambda batch: batch)
    best = [(np.inf, 0.0)] * len(heads)
    for epoch in range(N_EPOCHS):
        augmented = _features(base, pixels, lambda batch: augmentation(batch, training=True))
        for seed, (head, out) in enumerate(zip(heads, held_out, strict=True)):
            order = np.random.default_rng([seed, epoch]).permutation(np.flatnonzero(~out))
            head.fit(augmented[order], labels[order], batch_size=usual_way.BATCH_SIZE, shuffle=False, verbose=0)
            best[seed] = min(best[seed], tuple(head.evaluate(originals[out], labels[out], verbose=0)))
    return [accuracy for _, accuracy in best]


def _features(base: Any, pixels: NDArray[np.uint8], change: Any) -> NDArray[np.float32]:
    batches = (pixels[start : start + 32].astype(np.float32) for start in range(0, len(pixels), 32))
    preprocess = keras.applications.vgg16.preprocess_input
    return np.concatenate([base.predict_on_batch(preprocess(np.array(change(batch)))) for batch in batches])


if __name__ == "__main__":
    main()
