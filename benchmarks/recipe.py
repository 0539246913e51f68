"""Which options are best? python -m benchmarks.recipe DATA --weights FILE [--folds 5] [--seeds 2] [--confirm NAMES].

The groups of near-identical photos are cut into two halves. On the first each recipe is trained in folds, under several
split seeds, and scored out of fold; on the other half those named by `--confirm` are trained once more, and compared
with the usual solution photo by photo. So what was chosen is confirmed on photos that had no say in it. Intervals count
a group of near-identical photos, under all seeds, as one.

Averaging the predictions of a photo and its mirror image is tried on the first half too, with networks of the default
recipe that half of it was held out from.

The cost is the processor time of the process that trains, features included; the recipes share one cache, so features
are counted where they are first computed, and given apart.
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.measure import machine, one_line_errors, run_process, train_command
from core import runs
from core.comparison import compare, paired_figures, with_groups
from core.dataset import TRAINING_DIR, TRAINING_LABELS_FILE, check_photos, list_photos
from core.evaluation import predictions_table
from core.predict import BATCH_SIZE, Classifier, load_classifier
from core.runs import read_json, read_predictions, read_run
from core.splits import assign_folds

USUAL = "usual"
_N_CLASSES = 3
_HALVES_SEED = 20
_FLIP_SEEDS = 4
_USUAL = {"head": "flatten", "hidden-units": 512, "dropout": 0.3, "learning-rate": 1e-4, "epochs": 20}
_TUNED = {"fine-tune": "block5", "fine-tune-learning-rate": 3e-5, "fine-tune-epochs": 8, "patience": 4}

# What a recipe has unless it says otherwise, besides the defaults of train.py.
_COMMON = {"image-size": 224}
# Name -> options of train.py.
RECIPES: Mapping[str, Mapping[str, object]] = {
    USUAL: _USUAL,
    "usual + augment 4": {**_USUAL, "augment": 4},
    "gap 256": {},
    "gap 64": {"hidden-units": 64},
    "gap 1024": {"hidden-units": 1024},
    "flatten 256": {"head": "flatten"},
    "dropout 0.2": {"dropout": 0.2},
    "dropout 0.8": {"dropout": 0.8},
    "learning rate 1e-4": {"learning-rate": 1e-4},
    "pad": {"resize": "pad"},
    "crop": {"resize": "crop"},
    "128 pixels": {"image-size": 128},
    "160 pixels": {"image-size": 160},
    "320 pixels": {"image-size": 320},
    "384 pixels": {"image-size": 384},
    "448 pixels": {"image-size": 448},
    "320 pixels, pad": {"image-size": 320, "resize": "pad"},
    "320 pixels, augment 4": {"image-size": 320, "augment": 4},
    "320 pixels, block5, 1e-4": {"image-size": 320, **_TUNED, "fine-tune-learning-rate": 1e-4},
    "augment 2": {"augment": 2},
    "augment 4": {"augment": 4},
    "balanced": {"class-weights": "balanced"},
    "block5, 1e-5": {**_TUNED, "fine-tune-learning-rate": 1e-5},
    "block5, 3e-5": _TUNED,
    "block5, 1e-4": {**_TUNED, "fine-tune-learning-rate": 1e-4},
    "block4, 3e-5": {**_TUNED, "fine-tune": "block4"},
}


@dataclass(frozen=True)
class Scored:
    """A recipe on a half of the photos: predictions out of fold under each seed, and what they cost."""

    predictions: tuple[pd.DataFrame, ...]
    cpu_seconds: float
    feature_seconds: float

    @property
    def accuracies(self) -> list[float]:
        """One a seed."""
        return [float((table["true_label"] == table["predicted_label"]).mean()) for table in self.predictions]

    @property
    def log_loss(self) -> float:
        """Mean over the seeds."""
        return float(np.mean([table["loss"].mean() for table in self.predictions]))


@one_line_errors()
def main(argv: Sequence[str] | None = None) -> None:
    """Train, score and print a row a recipe."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipe", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--recipes", type=recipe_names, metavar="NAMES", help="only these, separated by semicolons")
    parser.add_argument(
        "--confirm",
        type=recipe_names,
        metavar="NAMES",
        help="recipes to be confirmed on the other half, separated by semicolons; the best one if not given",
    )
    options = parser.parse_args(argv)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        choosing, confirming = _halves(options.data, Path(folder))
        names = options.recipes or list(RECIPES)
        print(f"chosen on {_n_photos(choosing)} photos, {options.folds} folds, {options.seeds} seeds")
        scored = {name: _score(name, choosing, Path(folder), options) for name in names}
        if not options.recipes:
            _score_flip(choosing, Path(folder), options)
        best = max(scored, key=lambda name: float(np.mean(scored[name].accuracies)))
        print(f"best: {best}\nconfirmed on {_n_photos(confirming)} other photos, against {USUAL}")
        asked = options.confirm or [best]
        again = {name: _score(name, confirming, Path(folder), options) for name in dict.fromkeys([USUAL, *asked])}
        groups = check_photos(list_photos(confirming)).samples
        for name in asked:
            _print_difference(f"{name} against {USUAL}", again[USUAL].predictions, again[name].predictions, groups)


def recipe_names(text: str) -> list[str]:
    """Names of recipes that are separated by semicolons.

    Raises:
        argparse.ArgumentTypeError: If there is no such recipe.
    """
    names = text.split(";")
    if unknown := [name for name in names if name not in RECIPES]:
        raise argparse.ArgumentTypeError(f"expected some of {'; '.join(RECIPES)}; found {'; '.join(unknown)}")
    return names


def _halves(data: Path, folder: Path) -> tuple[Path, Path]:
    """Two datasets of half of the photos each, near-identical ones together."""
    dataset = check_photos(list_photos(data))
    labelled = dataset.samples[dataset.samples["folder"] == TRAINING_DIR]
    labels = labelled["label"].to_numpy(dtype=np.int64)
    half_of = assign_folds(labels, labelled["group"].tolist(), 2, _HALVES_SEED)
    roots = []
    for half, name in enumerate(("choosing", "confirming")):
        (folder / name / TRAINING_DIR).mkdir(parents=True)
        chosen = labelled[half_of == half]
        for image in chosen["image"]:
            shutil.copyfile(data / image, folder / name / image)
        names = {Path(image).name: int(label) for image, label in zip(chosen["image"], chosen["label"], strict=True)}
        (folder / name / TRAINING_LABELS_FILE).write_text(json.dumps(names), encoding="utf-8")
        roots.append(folder / name)
    return roots[0], roots[1]


def _n_photos(root: Path) -> int:
    return len(json.loads((root / TRAINING_LABELS_FILE).read_text(encoding="utf-8")))


def _score(name: str, data: Path, folder: Path, options: argparse.Namespace) -> Scored:
    arguments = [f"--{option}={value}" for option, value in {**_COMMON, **RECIPES[name]}.items()]
    tables, cpu, features = [], 0.0, 0.0
    for seed in range(options.seeds):
        run = folder / "runs" / f"{data.name}-{list(RECIPES).index(name)}-{seed}"
        command = train_command(data, run.parent, "--name", run.name, "--weights", options.weights.resolve())
        before = os.times()
        run_process(
            [*command, "--folds", str(options.folds), "--split-seed", str(seed), "--seed", str(seed), *arguments],
            MASKBOARD_CACHE=folder / "cache",
        )
        after = os.times()
        cpu += after.children_user + after.children_system - before.children_user - before.children_system
        features += float(read_json(run / runs.RUN_FILE)["stage_seconds"].get("features", 0.0))
        tables.append(read_predictions(run / runs.PREDICTIONS_FILE, _N_CLASSES))
        shutil.rmtree(run)
    scored = Scored(tuple(tables), cpu / options.seeds, features)
    accuracies = " ".join(f"{accuracy:.3f}" for accuracy in scored.accuracies)
    print(
        f"{name:26} accuracy {np.mean(scored.accuracies):.3f} ({accuracies})  log loss {scored.log_loss:.3f}  "
        f"processor {scored.cpu_seconds:6.0f} s a run, features at first {scored.feature_seconds:5.0f} s",
        flush=True,
    )
    return scored


def _score_flip(data: Path, folder: Path, options: argparse.Namespace) -> None:
    """Compare predictions of held-out photos with the mean of theirs and of their mirror images'."""
    as_they_are: list[pd.DataFrame] = []
    averaged: list[pd.DataFrame] = []
    for seed in range(_FLIP_SEEDS):
        path = folder / "runs" / f"flip-{seed}"
        command = train_command(data, path.parent, "--name", path.name, "--weights", options.weights.resolve())
        run_process(
            [*command, "--validation-fraction", "0.5", "--split-seed", str(seed)], MASKBOARD_CACHE=folder / "cache"
        )
        run = read_run(path)
        table = read_predictions(path / runs.PREDICTIONS_FILE, _N_CLASSES).query("split == 'val'")
        classifier = load_classifier(run)
        photos = np.stack([classifier.load(data / image) for image in table["image"]])
        straight, mirrored = (_probabilities(classifier, each) for each in (photos, np.flip(photos, axis=2)))
        for tables, probabilities in ((as_they_are, straight), (averaged, (straight + mirrored) / 2)):
            labels = table["true_label"].to_numpy(dtype=np.int64)
            tables.append(predictions_table(table["image"].tolist(), ["val"] * len(table), labels, probabilities))
        shutil.rmtree(path)
    groups = check_photos(list_photos(data)).samples
    _print_difference("mean of a photo and its mirror image against the photo", as_they_are, averaged, groups)


def _probabilities(classifier: Classifier, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
    batches = np.array_split(photos, -(-len(photos) // BATCH_SIZE))
    return np.concatenate([classifier.predict(list(batch)) for batch in batches])


def _print_difference(
    title: str, before: Sequence[pd.DataFrame], after: Sequence[pd.DataFrame], samples: pd.DataFrame
) -> None:
    """Differences on the same photos under the same labels, over all seeds.

    Args:
        title: What is compared.
        before: Predictions under each seed.
        after: The same of the other.
        samples: The photos, with their groups.
    """
    comparison = compare(_under_seeds(before), _under_seeds(after))
    comparison = with_groups(comparison, _under_seeds([samples] * len(before)))
    figures: dict[str, Any] = {figure.name: figure for figure in paired_figures(comparison, _N_CLASSES)}
    texts = (
        f"{name} {figure.before:.3f} to {figure.after:.3f}, {figure.difference:+.3f} "
        f"({figure.interval[0]:+.3f} to {figure.interval[1]:+.3f})"
        for name, figure in figures.items()
    )
    print(f"{title}, 95 % intervals: {'; '.join(texts)}", flush=True)


def _under_seeds(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of the same photos under several seeds, as if they were others."""
    return pd.concat(
        [table.assign(image=f"{seed}/" + table["image"]) for seed, table in enumerate(tables)], ignore_index=True
    )


if __name__ == "__main__":
    main()
