"""Make a run of any size without training: python -m benchmarks.large_run DIR --photos 100000.

Written as training writes it, with predictions drawn at random (four of five right, the surer the more often); the
photos are the benchmarks' own, each under as many names as are needed.
"""

import argparse
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.dataset import SIZE, make_dataset
from benchmarks.measure import WORK_DIR
from core import runs
from core.config import DEFAULT_CLASS_NAMES
from core.dataset import TRAINING_LABELS_FILE, Dataset
from core.results import Predicted, write_embeddings, write_results
from core.runs import Run, RunWriter

_N_DIMENSIONS = 512
_VALIDATION_FRACTION = 0.2
_TEST_FRACTION = 0.08
_N_DIFFERENT = 5614
# Photos that the head of a network is scaled by.
_N_SCALED_BY = 16


def make_run(directory: Path, n_photos: int, seed: int = 0) -> Path:
    """Write a run folder, unless it is there.

    Args:
        directory: Where to; its name is the run's.
        n_photos: Number of labelled photos; 8 % as many test photos come with them.
        seed: Of the predictions; photos, labels and split are those of any other seed. A larger one is a later run.
    """
    if (directory / runs.RUN_FILE).is_file():
        return directory
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    n_test = int(_TEST_FRACTION * n_photos)
    rng = np.random.default_rng(n_photos)
    labels = rng.integers(0, len(DEFAULT_CLASS_NAMES), n_photos + n_test)
    data = _link_photos(WORK_DIR / f"names-{n_photos}", labels[:n_photos].tolist(), n_test)
    probabilities = _draw_probabilities(np.random.default_rng([n_photos, seed]), labels)
    dataset = Dataset(data, DEFAULT_CLASS_NAMES, _samples(rng, n_photos, n_test, labels), (), {}, ())
    run = RunWriter(directory, _info(directory.name, data, seed))
    run.write_table(runs.SAMPLES_FILE, dataset.samples)
    run.write_table(runs.PROBLEMS_FILE, pd.DataFrame(columns=list(runs.PROBLEM_COLUMNS)))
    write_results(run, dataset, _draw_sides(rng, dataset.samples["group"].head(n_photos)), Predicted(probabilities))
    write_embeddings(run, dataset, _draw_embeddings(rng, labels))
    run.write_table(runs.HISTORY_FILE, _history())
    run.update()  # Last: `run.json` says that it is there.
    return directory


def add_network(run: Run, image_size: int) -> Path:
    """Save a network with random weights for a run, in place of one that it has; its probabilities are not the run's.

    Args:
        run: From `make_run`.
        image_size: Width and height of the photos that it takes, in pixels.
    """
    path = run.path / runs.MODEL_FILE
    # They bring TensorFlow, which whoever only wants a run does not wait for.
    from core.cache import Features
    from core.images import load_photo
    from core.model import GAP, IMAGE, build_base, build_head, cut, join
    from core.weights import find_weights

    extractor = cut(build_base(find_weights("random"), image_size), IMAGE, GAP)
    images = runs.read_samples(run.path / runs.SAMPLES_FILE)["image"].head(_N_SCALED_BY)
    photos = np.stack([load_photo(run.dataset_dir / image, image_size, "squash") for image in images])
    features = Features.of(extractor.predict(photos.astype(np.float32), verbose=0))
    head = build_head(features, hidden_units=256, dropout=0.5, n_classes=len(run.class_names))
    join(extractor, head).save(path)
    return path


def _link_photos(directory: Path, labels: list[int], n_test: int) -> Path:
    source = make_dataset(WORK_DIR / f"photos-{_N_DIFFERENT}", _N_DIFFERENT)
    photos = sorted((source / "training").iterdir())
    for folder, n in (("training", len(labels)), ("test", n_test)):
        (directory / folder).mkdir(parents=True, exist_ok=True)
        for number in range(n):
            name = directory / folder / f"{number:06}.jpg"
            if not name.exists():
                os.link(photos[number % len(photos)], name)
    by_name = {f"{number:06}.jpg": label for number, label in enumerate(labels)}
    (directory / TRAINING_LABELS_FILE).write_text(json.dumps(by_name), encoding="utf-8")
    return directory


def _draw_probabilities(rng: np.random.Generator, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    scores = rng.normal(size=(len(labels), len(DEFAULT_CLASS_NAMES)))
    scores[np.arange(len(labels)), labels] += 1.6
    shares = np.exp(1.5 * scores)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


def _draw_embeddings(rng: np.random.Generator, labels: NDArray[np.int64]) -> NDArray[np.float16]:
    centres = rng.normal(size=(len(DEFAULT_CLASS_NAMES), _N_DIMENSIONS))
    noise = rng.normal(scale=4.0, size=(len(labels), _N_DIMENSIONS)).astype(np.float32)
    return (centres[labels] + noise).astype(np.float16)


def _samples(rng: np.random.Generator, n_photos: int, n_test: int, labels: NDArray[np.int64]) -> pd.DataFrame:
    names = [f"training/{n:06}.jpg" for n in range(n_photos)] + [f"test/{n:06}.jpg" for n in range(n_test)]
    folders = ["training"] * n_photos + ["test"] * n_test
    n = len(names)
    known = pd.Series(labels, dtype="Int64").where(np.arange(n) < n_photos)
    return pd.DataFrame(
        {
            "image": names, "folder": folders, "label": known, "width": SIZE[0], "height": SIZE[1], "bytes": 60_000,
            "sha256": [f"{n:064x}" for n in range(n)], "original_label": known,
            "group": [f"{n:016x}" for n in rng.integers(0, 3 * n, n)], "brightness": rng.beta(5, 5, n),
            "contrast": rng.beta(5, 20, n), "sharpness": rng.lognormal(6, 1, n),
        }
    )  # fmt: skip


def _draw_sides(rng: np.random.Generator, groups: "pd.Series[str]") -> NDArray[np.int64]:
    """1 for the photos that are held out, whole groups, and 0 for the others."""
    found, group_of = np.unique(groups.to_numpy(), return_inverse=True)
    return (rng.random(len(found)) < _VALIDATION_FRACTION)[group_of].astype(np.int64)


def _history() -> pd.DataFrame:
    epochs = np.arange(40)
    return pd.DataFrame(
        {
            "stage": "head", "fold": -1, "epoch": epochs,
            "loss": 1.1 * 0.95**epochs, "accuracy": 1 - 0.6 * 0.95**epochs,
            "val_loss": 1.1 * 0.96**epochs + 0.003 * epochs, "val_accuracy": 0.9 - 0.5 * 0.95**epochs,
            "learning_rate": 1e-3, "seconds": 0.5,
        }
    )  # fmt: skip


def _info(name: str, data: Path, seed: int) -> dict[str, Any]:
    return {
        "format_version": runs.FORMAT_VERSION, "name": name, "state": runs.FINISHED,
        "created": f"2026-01-02T03:{seed:02}:05.000+00:00",
        "config": {"data": str(data), "name": name, "resize": "squash", "seed": seed},
        "class_names": list(DEFAULT_CLASS_NAMES), "notices": ["Predictions of this run are drawn at random."],
        "stage_seconds": {},
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Make the run that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_run", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--photos", type=int, default=100_000)
    options = parser.parse_args(argv)
    print(make_run(options.directory, options.photos))


if __name__ == "__main__":
    main()
