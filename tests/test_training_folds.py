"""A training with folds: every labelled photo is predicted by a network that it had no part in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core import training
from core.errors import UserError
from core.evaluation import summarise
from core.images import load_photo
from core.model import load_model
from core.runs import Run, read_history, read_json, read_predictions, read_run, read_samples
from tests.conftest import make_dataset, tiny_config, train_quietly

N_FOLDS = 3


def train_in_folds(data: Path, folder: Path, n_folds: int = N_FOLDS, **options: Any) -> Run:
    config = replace(tiny_config(data, folder), folds=n_folds, **options)
    return read_run(train_quietly(config))


@pytest.fixture(scope="module")
def run(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_in_folds(tiny_dataset, tmp_path_factory.mktemp("folds"), naive_split=True)


def predictions(run: Run) -> pd.DataFrame:
    return read_predictions(run.path / "predictions.csv", 3)


def fitted_predictions(run: Run) -> pd.DataFrame:
    return read_predictions(run.path / "fitted_predictions.csv", 3)


def history(run: Run) -> pd.DataFrame:
    return read_history(run.path / "history.csv")


def test_every_labelled_photo_is_scored_in_the_one_fold_that_it_is_in(run: Run) -> None:
    samples = read_samples(run.path / "samples.csv")
    table = predictions(run)
    assert table["image"].tolist() == samples.loc[samples["folder"] == "training", "image"].tolist()
    assert set(table["split"]) == {"val"}
    counts = table.groupby(["true_label", "fold"]).size().unstack()
    assert counts.shape == (3, N_FOLDS)
    assert counts.to_numpy().min() >= 3


def test_copies_of_a_photo_are_in_one_fold(run: Run) -> None:
    folds = predictions(run).set_index("image")["fold"]
    assert folds["training/copy.jpg"] == folds["training/10000.jpg"]


def test_a_network_learns_from_no_photo_that_it_is_asked_of_or_stops_by() -> None:
    labels, groups = np.arange(90) % 3, [str(n) for n in range(90)]
    parts = training._parts(replace(tiny_config(Path(), Path()), folds=5), labels, groups)
    for part in parts:
        assert (part.learns.astype(int) + part.stops + part.scores == 1).all()
    assert (np.sum([part.scores for part in parts], axis=0) == 1).all()
    assert (np.sum([part.stops for part in parts], axis=0) == 1).all()


def test_without_folds_the_photos_held_out_are_those_that_it_stops_by() -> None:
    (part,) = training._parts(tiny_config(Path(), Path()), np.arange(30) % 3, [str(n) for n in range(30)])
    assert (part.stops == part.scores).all()
    assert (part.learns != part.scores).all()


def test_the_scores_are_those_of_all_photos_out_of_fold(run: Run) -> None:
    metrics = read_json(run.path / "metrics.json")
    groups = read_samples(run.path / "samples.csv").set_index("image")["group"]
    expected = summarise(predictions(run), run.class_names, groups[predictions(run)["image"]].tolist())
    assert {key: metrics[key] for key in expected} == expected
    assert metrics["n_images"] == 31


def test_the_network_that_is_kept_has_learnt_from_all_photos(run: Run, tiny_dataset: Path) -> None:
    table = fitted_predictions(run)
    assert set(table["split"]) == {"train"}
    photos = np.stack([load_photo(tiny_dataset / image, 32, "squash") for image in table["image"]])
    found = load_model(run.path / "model.keras").predict(photos.astype(np.float32), verbose=0)
    assert found == pytest.approx(table[["prob_0", "prob_1", "prob_2"]].to_numpy(), abs=1e-4)


def test_it_learns_as_long_as_the_fold_in_the_middle_did(run: Run) -> None:
    folds, final = (history(run)[lambda rows, is_it=is_it: (rows["fold"] < 0) == is_it] for is_it in (False, True))
    best = folds.loc[folds.groupby("fold")["val_loss"].idxmin(), "epoch"]
    assert len(final) == sorted(best)[1] + 1
    assert final["val_loss"].isna().all()
    assert np.isfinite(final["loss"]).all()
    assert set(folds["fold"]) == {0, 1, 2}


def test_a_naive_split_lets_copies_come_on_both_sides_and_is_scored_beside(run: Run) -> None:
    naive = read_json(run.path / "metrics.json")["naive_split"]
    assert naive["n_images"] == 31
    assert naive["n_leaked"] == run.info["leak"]["n_leaked"] == 1  # Its copy is stopped by for one of them.
    assert naive["accuracy_interval"][0] <= naive["accuracy"] <= naive["accuracy_interval"][1]


@pytest.mark.thorough
def test_blocks_are_tuned_in_each_fold_from_the_same_weights(tiny_dataset: Path, tmp_path: Path) -> None:
    few = {"epochs": 1, "fine_tune_epochs": 1}
    run = train_in_folds(tiny_dataset, tmp_path, learning_rate=3e-4, fine_tune="block5", **few)
    rows = history(run)
    assert set(rows.loc[rows["stage"] == "fine_tune", "fold"]) >= {0, 1, 2}
    table = fitted_predictions(run)
    photos = np.stack([load_photo(tiny_dataset / image, 32, "squash") for image in table["image"]])
    found = load_model(run.path / "model.keras").predict(photos.astype(np.float32), verbose=0)
    assert found == pytest.approx(table[["prob_0", "prob_1", "prob_2"]].to_numpy(), abs=1e-4)


def test_more_folds_than_the_photos_fill_are_refused(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", per_class=4, n_test=0)
    with pytest.raises(UserError, match=r"photos of each class in each fold; fold \d+ would have none"):
        train_in_folds(data, tmp_path / "runs", n_folds=20)
