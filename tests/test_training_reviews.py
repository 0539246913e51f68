"""A training that follows what people decided about photos, against one without."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.reviews import EXCLUDE, NOTE, RELABEL, Review, append_reviews
from core.runs import Run, read_predictions, read_problems, read_run, read_samples
from tests.conftest import tiny_config, train_quietly

RELABELLED, EXCLUDED = "training/10003.jpg", "training/10004.jpg"  # Of the classes 0 and 1.


@pytest.fixture(scope="module")
def log(trained_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reviews") / "reviews.jsonl"
    contents = read_samples(trained_run.path / "samples.csv").set_index("image")["sha256"]
    reviews = [
        Review(contents[RELABELLED], RELABELLED, RELABEL, 2, "somebody"),
        Review(contents[EXCLUDED], EXCLUDED, EXCLUDE, note="no photo"),
        Review(contents["test/20000.jpg"], "test/20000.jpg", NOTE, note="hm"),
    ]
    append_reviews(path, reviews)
    return path


@pytest.fixture(scope="module")
def run(tiny_dataset: Path, log: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = tiny_config(tiny_dataset, tmp_path_factory.mktemp("mended"), name="mended", epochs=2)
    return read_run(train_quietly(replace(config, reviews=log)))


def test_the_run_keeps_how_many_there_were_and_the_hash_of_the_log(run: Run, log: Path) -> None:
    assert run.info["reviews"] == {
        "path": str(log), "sha256": hashlib.sha256(log.read_bytes()).hexdigest(), "n_faults": 0, "n_relabelled": 1,
        "n_confirmed": 0, "n_excluded": 1, "n_unsure": 0, "n_noted": 1, "n_not_applied": 1,
    }  # fmt: skip
    assert run.info["config"]["reviews"] == str(log)


def test_a_relabelled_photo_is_learnt_as_decided_and_its_old_label_kept(run: Run) -> None:
    photo = read_samples(run.path / "samples.csv").set_index("image").loc[RELABELLED]
    assert (photo["label"], photo["original_label"]) == (2, 0)
    said = read_predictions(run.path / "predictions.csv", 3).set_index("image").loc[RELABELLED]
    assert (said["true_label"], said["loss"]) == (2, pytest.approx(-np.log(said["prob_2"])))


def test_an_excluded_photo_is_in_no_table_but_that_of_problems(run: Run) -> None:
    problems = read_problems(run.path / "problems.csv").to_numpy().tolist()
    assert [EXCLUDED, "excluded", "by a review: no photo"] in problems
    for table in (read_samples(run.path / "samples.csv"), read_predictions(run.path / "predictions.csv", 3)):
        assert EXCLUDED not in set(table["image"])


def test_the_same_photos_are_held_out_as_without_reviews(run: Run, trained_run: Run) -> None:
    with_reviews, without = (
        read_predictions(each.path / "predictions.csv", 3).set_index("image")["split"] for each in (run, trained_run)
    )
    pd.testing.assert_series_equal(with_reviews, without.drop(EXCLUDED))


def test_the_dataset_stays_as_it_was(run: Run, trained_run: Run, tiny_dataset: Path) -> None:
    assert (tiny_dataset / "train_gt.json").stat().st_mtime < (trained_run.path / "run.json").stat().st_mtime
    assert "reviews" not in trained_run.info
