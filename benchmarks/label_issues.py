"""Are wrong labels found? python -m benchmarks.label_issues DATA --weights FILE [--folds 5] [--seeds 8] [--share 0.05].

For each seed a share of the labels is given to another class at random, a run in folds is trained with these labels,
and its rankings are asked for the photos that were flipped: how many are among as many photos as were flipped, and how
many in the first quarter. Labels that were wrong before count as right here, so no ranking can find all.

Ranked are: the list of the run (`label_issues.csv`: confident learning, then self-confidence), the loss out of fold,
which puts photos into the order of self-confidence alone, and the loss of the network that is kept, which has learnt
from the flipped labels, as it is where nobody holds photos out.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import machine, mean_text, one_line_errors, run_process, train_command
from core import runs
from core.dataset import TRAINING_DIR, TRAINING_LABELS_FILE, check_photos, list_photos
from core.runs import read_label_issues, read_predictions

ISSUES, OUT_OF_FOLD, FITTED = "list of label issues", "loss out of fold", "loss of the fitted network"
_N_CLASSES = 3


@one_line_errors()
def main(argv: Sequence[str] | None = None) -> None:
    """Flip, train, rank and print the recall of each ranking."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_issues", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--share", type=float, default=0.05, help="of the labels that are flipped")
    options = parser.parse_args(argv)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        labels = _copy(options.data, Path(folder) / "data")
        found = [_recalls(labels, seed, Path(folder), options) for seed in range(options.seeds)]
    n_flipped = _n_flipped(labels, options.share)
    print(
        f"{len(labels)} photos, {n_flipped} labels flipped, {options.folds} folds, {options.seeds} seeds; recall among"
    )
    print(f"{'ranking':28} {f'the first {n_flipped}':>24} {'the first quarter':>24}")
    for ranking in found[0]:
        cells = (mean_text([each[ranking][place] for each in found]) for place in (0, 1))
        print(f"{ranking:28} {' '.join(f'{cell:>24}' for cell in cells)}")
    print(f"{'by chance':28} {n_flipped / len(labels):24.3f} {len(labels) // 4 / len(labels):24.3f}")
    for other in (OUT_OF_FOLD, FITTED):
        gains = [[each[ISSUES][place] - each[other][place] for each in found] for place in (0, 1)]
        print(f"{ISSUES} minus {other}: {', '.join(mean_text(gain, '+') for gain in gains)}")


def _copy(data: Path, root: Path) -> "pd.Series[int]":
    """The labelled photos in the challenge's layout, without labels; returns these by image."""
    samples = check_photos(list_photos(data)).samples
    labelled = samples[samples["folder"] == TRAINING_DIR]
    (root / TRAINING_DIR).mkdir(parents=True)
    images = [f"{TRAINING_DIR}/{place:06}{Path(image).suffix}" for place, image in enumerate(labelled["image"])]
    for image, copy in zip(labelled["image"], images, strict=True):
        shutil.copyfile(data / image, root / copy)
    return pd.Series(labelled["label"].to_numpy(dtype=np.int64), index=images)


def _n_flipped(labels: "pd.Series[int]", share: float) -> int:
    return max(1, round(share * len(labels)))


def flipped(labels: "pd.Series[int]", share: float, n_classes: int, seed: int) -> tuple["pd.Series[int]", set[str]]:
    """Give photos drawn at random another class drawn at random.

    Args:
        labels: Class indices by image.
        share: Of the photos, 0 to 1; at least one is drawn.
        n_classes: K.
        seed: Another one draws others.

    Returns:
        The labels, and the images that were drawn.
    """
    random = np.random.default_rng(seed)
    rows = random.choice(len(labels), _n_flipped(labels, share), replace=False)
    changed = labels.copy()
    changed.iloc[rows] = (labels.iloc[rows] + random.integers(1, n_classes, len(rows))) % n_classes
    return changed, set(labels.index[rows])


def recall(ranked: Sequence[str], wrong: set[str]) -> tuple[float, float]:
    """Shares of the wrong ones among as many of the first as there are wrong ones, and in the first quarter."""
    among, quarter = (len(set(ranked[:n]) & wrong) / len(wrong) for n in (len(wrong), len(ranked) // 4))
    return among, quarter


def _recalls(
    labels: "pd.Series[int]", seed: int, folder: Path, options: argparse.Namespace
) -> Mapping[str, tuple[float, float]]:
    changed, wrong = flipped(labels, options.share, _N_CLASSES, seed)
    names = {Path(str(image)).name: int(label) for image, label in changed.items()}
    (folder / "data" / TRAINING_LABELS_FILE).write_text(json.dumps(names), encoding="utf-8")
    command = train_command(
        folder / "data", folder / "runs", "--name", str(seed), "--weights", options.weights.resolve(),
        "--folds", options.folds, "--seed", seed, "--split-seed", seed,
    )  # fmt: skip
    run_process(command, MASKBOARD_CACHE=folder / "cache")
    run = folder / "runs" / str(seed)
    by_loss = {
        name: read_predictions(run / file, _N_CLASSES).sort_values(["loss", "image"], ascending=[False, True])
        for name, file in ((OUT_OF_FOLD, runs.PREDICTIONS_FILE), (FITTED, runs.FITTED_PREDICTIONS_FILE))
    }
    rankings = {ISSUES: read_label_issues(run / runs.LABEL_ISSUES_FILE, _N_CLASSES), **by_loss}
    found = {name: recall(table["image"].tolist(), wrong) for name, table in rankings.items()}
    n_suspected = int(rankings[ISSUES]["is_issue"].sum())
    texts = ", ".join(f"{name} {among:.3f} {quarter:.3f}" for name, (among, quarter) in found.items())
    print(f"seed {seed}: {n_suspected} suspected; {texts}", flush=True)
    return found


if __name__ == "__main__":
    main()
