import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from core import training
from core.evaluation import confusion_matrix, summarise
from core.features import FrozenBase, Photo, Photos
from core.images import load_photo
from core.model import load_model
from core.predict import load_classifier
from core.projection import pca
from core.runs import (
    Run,
    read_embeddings,
    read_history,
    read_json,
    read_predictions,
    read_problems,
    read_projection,
    read_run,
    read_samples,
    read_test_predictions,
)
from core.splits import hold_out
from tests.conftest import make_photo, tiny_config, train_quietly

CONTRACT = {
    "run.json",
    "samples.csv",
    "problems.csv",
    "history.csv",
    "predictions.csv",
    "label_issues.csv",
    "confusion_matrix.csv",
    "metrics.json",
    "submission.csv",
    "test_predictions.csv",
    "embeddings.npy",
    "projection.csv",
    "model.keras",
    "tensorboard",
}


def predictions(run: Run) -> pd.DataFrame:
    return read_predictions(run.path / "predictions.csv", 3)


def validation(run: Run) -> pd.DataFrame:
    table = predictions(run)
    return table[table["split"] == "val"]


# --- the files of a run ----------------------------------------------------------------------------------------------


def test_a_run_holds_every_file_of_the_contract_and_no_other(trained_run: Run) -> None:
    assert {path.name for path in trained_run.path.iterdir()} == CONTRACT


def test_a_run_that_is_done_is_finished_and_says_how_long_it_took(trained_run: Run) -> None:
    assert trained_run.state == "finished"
    assert trained_run.info["progress"] is None
    assert set(trained_run.info["stage_seconds"]) == {"photos", "features", "head", "predict"}


def test_a_run_says_what_it_was_trained_on_and_how(trained_run: Run, tiny_dataset: Path) -> None:
    info = trained_run.info
    assert info["config"]["data"] == str(tiny_dataset)
    assert trained_run.class_names == ("nobody", "everybody", "somebody")
    assert len(info["dataset_fingerprint"]) == len(info["split_hash"]) == 64
    assert info["precision"] == {"name": "float32", "reason": "asked for"} and info["device"]


def test_random_weights_are_owned_up_to(trained_run: Run) -> None:
    assert trained_run.info["weights"] == {"name": "random", "sha256": None}
    assert trained_run.info["notices"] == [training.RANDOM_WEIGHTS_NOTICE]


def test_samples_are_the_usable_photos_of_both_folders(trained_run: Run) -> None:
    samples = read_samples(trained_run.path / "samples.csv")
    assert samples["folder"].value_counts().to_dict() == {"training": 31, "test": 4}
    assert samples["label"].isna().sum() == 4


def test_problems_are_saved_with_the_run(trained_run: Run) -> None:
    problems = read_problems(trained_run.path / "problems.csv")
    assert dict(zip(problems["image"], problems["kind"], strict=True)) == {
        "training/absent.jpg": "missing",
        "training/unlabelled.jpg": "unlabelled",
        "training/copy.jpg": "duplicate",
        "test/20001.jpg": "not_a_photo",
    }


def test_every_usable_labelled_photo_is_predicted(trained_run: Run) -> None:
    samples = read_samples(trained_run.path / "samples.csv")
    labelled = samples[samples["folder"] == "training"]
    table = predictions(trained_run)
    assert table["image"].tolist() == labelled["image"].tolist()
    assert table["true_label"].tolist() == labelled["label"].tolist()


def test_about_a_fifth_of_each_class_is_held_out(trained_run: Run) -> None:
    assert validation(trained_run)["true_label"].value_counts().to_dict() == {0: 2, 1: 2, 2: 2}


def test_the_split_is_decided_by_the_photos_content_and_the_seed(trained_run: Run) -> None:
    samples = read_samples(trained_run.path / "samples.csv")
    labelled = samples[samples["folder"] == "training"]
    expected = hold_out(labelled["label"].to_numpy(dtype=int), labelled["sha256"].str[:12].tolist(), 0.2, seed=0)
    assert (predictions(trained_run)["split"] == "val").tolist() == expected.tolist()


def test_copies_of_a_photo_stay_on_one_side(trained_run: Run) -> None:
    sides = dict(zip(predictions(trained_run)["image"], predictions(trained_run)["split"], strict=True))
    assert sides["training/copy.jpg"] == sides["training/10000.jpg"]


def test_probabilities_sum_to_one_and_decide_the_prediction(trained_run: Run) -> None:
    table = predictions(trained_run)
    probabilities = table[["prob_0", "prob_1", "prob_2"]].to_numpy()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(table)), abs=1e-5)
    assert table["predicted_label"].tolist() == probabilities.argmax(axis=1).tolist()
    assert table["confidence"].tolist() == probabilities.max(axis=1).tolist()


def test_the_confusion_matrix_counts_the_validation_rows(trained_run: Run) -> None:
    matrix = pd.read_csv(trained_run.path / "confusion_matrix.csv", index_col=0)
    held_out = validation(trained_run)
    expected = confusion_matrix(held_out["true_label"], held_out["predicted_label"], 3)
    assert matrix.to_numpy().tolist() == expected.tolist()
    assert tuple(matrix.columns) == tuple(matrix.index) == trained_run.class_names


def test_every_metric_is_recomputable_from_the_predictions(trained_run: Run) -> None:
    metrics = read_json(trained_run.path / "metrics.json")
    del metrics["test"]
    samples = read_samples(trained_run.path / "samples.csv").set_index("image")
    groups = samples["group"][validation(trained_run)["image"]].tolist()
    assert metrics == json.loads(json.dumps(summarise(validation(trained_run), trained_run.class_names, groups)))


def test_known_test_labels_give_the_test_photos_scores(trained_run: Run) -> None:
    table = read_test_predictions(trained_run.path / "test_predictions.csv", 3)
    readable = table[table["image"] != "test/20001.jpg"]
    hits = (readable["predicted_label"] == [0, 2, 0, 1]).mean()  # The labels are 0, 1, 2, 0, 1.
    metrics = read_json(trained_run.path / "metrics.json")["test"]
    assert (metrics["n_images"], metrics["accuracy"]) == (4, hits)


def test_the_submission_names_every_test_photo_in_order(trained_run: Run) -> None:
    lines = (trained_run.path / "submission.csv").read_text().splitlines()
    assert lines[0] == "Id,Category"
    assert [line.split(",")[0] for line in lines[1:]] == [f"2000{n}.jpg" for n in range(5)]
    assert {line.split(",")[1] for line in lines[1:]} <= {"0", "1", "2"}


def test_an_unreadable_test_photo_gets_the_commonest_class(trained_run: Run) -> None:
    assert "20001.jpg,0" in (trained_run.path / "submission.csv").read_text().splitlines()
    row = read_test_predictions(trained_run.path / "test_predictions.csv", 3).iloc[1]
    assert (row["image"], row["predicted_label"]) == ("test/20001.jpg", 0)
    assert pd.isna(row["confidence"])


def test_the_submission_says_what_the_test_predictions_say(trained_run: Run) -> None:
    submission = pd.read_csv(trained_run.path / "submission.csv")
    table = read_test_predictions(trained_run.path / "test_predictions.csv", 3)
    assert submission["Category"].tolist() == table["predicted_label"].tolist()
    assert ("test/" + submission["Id"]).tolist() == table["image"].tolist()


def test_the_saved_model_says_what_the_predictions_say(trained_run: Run, tiny_dataset: Path) -> None:
    table = predictions(trained_run)
    photos = np.stack([load_photo(tiny_dataset / image, 32, "squash") for image in table["image"]])
    found = load_model(trained_run.path / "model.keras").predict(photos.astype(np.float32), verbose=0)
    assert found == pytest.approx(table[["prob_0", "prob_1", "prob_2"]].to_numpy(), abs=1e-4)


def embeddings(run: Run) -> Any:
    return read_embeddings(run.path / "embeddings.npy", len(read_samples(run.path / "samples.csv")))


def assert_embeddings_are_of_the_saved_network(run: Run, tolerance: float = 2e-3) -> None:
    """They are the mean over places of its last feature map, for every sample in order."""
    classifier, images = load_classifier(run), read_samples(run.path / "samples.csv")["image"]
    photos = np.stack([classifier.load(run.dataset_dir / image) for image in images]).astype(np.float32)
    pooling = keras.Model(classifier.model.input, classifier.model.get_layer("block5_pool").output)
    expected = pooling.predict(photos, verbose=0).mean(axis=(1, 2))
    assert embeddings(run).shape == (len(images), 512)
    assert embeddings(run) == pytest.approx(expected, rel=tolerance, abs=tolerance * float(expected.max()))


def test_embeddings_are_what_the_photos_look_like_to_the_network(trained_run: Run) -> None:
    assert_embeddings_are_of_the_saved_network(trained_run)


def test_the_projection_is_that_of_the_embeddings(trained_run: Run) -> None:
    projection = read_projection(trained_run.path / "projection.csv")
    assert projection["image"].tolist() == read_samples(trained_run.path / "samples.csv")["image"].tolist()
    assert projection[["x", "y"]].to_numpy() == pytest.approx(pca(embeddings(trained_run)), abs=1e-6)
    assert projection["x"].std() >= projection["y"].std() > 0


def test_colours_are_learnt_even_with_random_weights(trained_run: Run) -> None:
    assert read_json(trained_run.path / "metrics.json")["accuracy"] >= 5 / 6


# --- the course of the training --------------------------------------------------------------------------------------


def test_the_history_has_a_row_an_epoch(trained_run: Run) -> None:
    history = read_history(trained_run.path / "history.csv")
    assert history["epoch"].tolist() == [0, 1, 2, 3]
    assert set(history["stage"]) == {"head"} and set(history["fold"]) == {-1}
    assert history["learning_rate"].tolist() == pytest.approx([0.003] * 4)
    assert np.isfinite(history[["loss", "accuracy", "val_loss", "val_accuracy", "seconds"]]).all(axis=None)


@pytest.mark.parametrize(
    ("part", "name", "column"),
    [
        ("train", "epoch_loss", "loss"),
        ("train", "epoch_accuracy", "accuracy"),
        ("validation", "epoch_loss", "val_loss"),
        ("validation", "epoch_accuracy", "val_accuracy"),
    ],
)
def test_tensorboard_reads_the_same_history(trained_run: Run, part: str, name: str, column: str) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(trained_run.path / "tensorboard" / "head" / part)).Reload()
    history = read_history(trained_run.path / "history.csv")
    assert [event.step for event in events.Tensors(name)] == history["epoch"].tolist()
    values = [make_ndarray(event.tensor_proto).item() for event in events.Tensors(name)]
    assert values == pytest.approx(history[column].tolist(), rel=1e-5)


@pytest.fixture(scope="module")
def again_from_the_cache(tiny_dataset: Path, trained_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The training of `trained_run` over again, with the frozen part of the network out of reach."""

    def refuse(frozen: FrozenBase, inputs: Photos, source: str, layer: str) -> Iterator[Any]:
        assert not len(inputs)
        return iter(())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrozenBase, "_apply", refuse)
        return read_run(train_quietly(tiny_config(tiny_dataset, tmp_path_factory.mktemp("again"))))


@dataclass(frozen=True)
class Uncached:
    """The training of `trained_run` over again without a cache, and what went through the frozen part."""

    run: Run
    photos: list[Photo]


@pytest.fixture(scope="module")
def uncached(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Uncached:
    photos: list[Photo] = []
    apply = FrozenBase._apply

    def spying_apply(frozen: FrozenBase, inputs: Photos, source: str, layer: str) -> Any:
        photos.extend(inputs.photos)
        return apply(frozen, inputs, source, layer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrozenBase, "_apply", spying_apply)
        config = replace(tiny_config(tiny_dataset, tmp_path_factory.mktemp("uncached")), no_cache=True)
        return Uncached(read_run(train_quietly(config)), photos)


@pytest.mark.parametrize(
    "name",
    [
        *("predictions.csv", "submission.csv", "test_predictions.csv", "samples.csv", "metrics.json"),
        *("embeddings.npy", "projection.csv"),
    ],
)
def test_the_same_seed_gives_the_same_tables_to_the_byte_with_a_cache_and_without(
    trained_run: Run, again_from_the_cache: Run, uncached: Uncached, name: str
) -> None:
    first = (trained_run.path / name).read_bytes()
    assert (again_from_the_cache.path / name).read_bytes() == first
    assert (uncached.run.path / name).read_bytes() == first


def test_runs_on_the_same_photos_and_split_say_so(trained_run: Run, again_from_the_cache: Run) -> None:
    for key in ("dataset_fingerprint", "split_hash"):
        assert again_from_the_cache.info[key] == trained_run.info[key]


def test_the_frozen_part_sees_each_content_once_not_once_an_epoch(uncached: Uncached) -> None:
    samples = read_samples(uncached.run.path / "samples.csv")
    assert sorted(photo.sha256 for photo in uncached.photos) == sorted(set(samples["sha256"]))


def test_without_a_cache_no_features_are_left(uncached: Uncached) -> None:
    assert not list(uncached.run.path.glob(".features*"))


@pytest.fixture(scope="module")
def hopeless_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Class folders whose photos all look alike, the head `flatten`, and no test photos."""
    folder = tmp_path_factory.mktemp("hopeless")
    for n in range(45):
        make_photo(folder / "data" / f"class{n % 3}" / f"{n}.jpg", label=0, seed=n)
    config = tiny_config(folder / "data", folder / "runs", epochs=60, head="flatten")
    return read_run(train_quietly(replace(config, image_size=64, resize="pad", patience=4, learning_rate=0.01)))


def test_class_folders_are_trained_on_too(hopeless_run: Run) -> None:
    assert (hopeless_run.state, hopeless_run.class_names) == ("finished", ("class0", "class1", "class2"))
    table = predictions(hopeless_run)
    assert table["image"].str.split("/").str[0].tolist() == [f"class{label}" for label in table["true_label"]]


def test_the_head_flatten_sees_the_whole_feature_map(hopeless_run: Run) -> None:
    model = load_model(hopeless_run.path / "model.keras")
    assert model.get_layer("hidden").input.shape == (None, 2 * 2 * 512)


def test_its_embeddings_are_the_mean_over_the_feature_map(hopeless_run: Run) -> None:
    assert_embeddings_are_of_the_saved_network(hopeless_run)


def test_the_saved_model_takes_photos_resized_as_in_training(hopeless_run: Run) -> None:
    table = predictions(hopeless_run)
    photos = np.stack([load_photo(hopeless_run.dataset_dir / image, 64, "pad") for image in table["image"]])
    found = load_model(hopeless_run.path / "model.keras").predict(photos.astype(np.float32), verbose=0)
    assert found == pytest.approx(table[["prob_0", "prob_1", "prob_2"]].to_numpy(), abs=1e-4)


def test_without_test_photos_there_is_no_submission(hopeless_run: Run) -> None:
    assert {path.name for path in hopeless_run.path.iterdir()} == CONTRACT - {"submission.csv", "test_predictions.csv"}
    assert "test" not in read_json(hopeless_run.path / "metrics.json")


def test_training_stops_early_once_nothing_improves(hopeless_run: Run) -> None:
    history = read_history(hopeless_run.path / "history.csv")
    assert len(history) < 60
    assert len(history) - 1 - int(history["val_loss"].argmin()) == 4


def test_the_learning_rate_falls_before_it_stops(hopeless_run: Run) -> None:
    rates = read_history(hopeless_run.path / "history.csv")["learning_rate"].tolist()
    assert rates[0] == pytest.approx(0.01)
    assert rates[-1] <= 0.005
    assert rates == sorted(rates, reverse=True)


def test_the_best_epochs_weights_are_kept(hopeless_run: Run) -> None:
    history = read_history(hopeless_run.path / "history.csv")
    best = history.iloc[int(history["val_loss"].argmin())]
    metrics = read_json(hopeless_run.path / "metrics.json")
    assert metrics["log_loss"] == pytest.approx(best["val_loss"], rel=1e-4)
    assert metrics["accuracy"] == pytest.approx(best["val_accuracy"], rel=1e-4)


# --- fine-tuning and augmented views ---------------------------------------------------------------------------------


def layer_weights(run: Run, name: str) -> Any:
    return load_model(run.path / "model.keras").get_layer(name).get_weights()


def assert_saved_model_agrees(run: Run, tolerance: float) -> None:
    table = predictions(run)
    photos = np.stack([load_photo(run.dataset_dir / image, 32, "squash") for image in table["image"]])
    found = load_model(run.path / "model.keras").predict(photos.astype(np.float32), verbose=0)
    assert found == pytest.approx(table[["prob_0", "prob_1", "prob_2"]].to_numpy(), abs=tolerance)


@dataclass(frozen=True)
class Tuned:
    """A run with fine-tuning and views, and which photos went through the network from which layer on."""

    run: Run
    computed: dict[tuple[str, str], int]
    photos: list[Photo]


def tune(data: Path, folder: Path, **options: Any) -> Tuned:
    computed: dict[tuple[str, str], int] = {}
    photos: list[Photo] = []
    apply = FrozenBase._apply

    def spying_apply(frozen: FrozenBase, inputs: Any, source: str, layer: str) -> Any:
        computed[source, layer] = len(inputs)
        photos.extend(inputs.photos if isinstance(inputs, Photos) else [])
        return apply(frozen, inputs, source, layer)

    # One epoch of the head leaves something to be learnt; random weights bear small steps only.
    config = replace(tiny_config(data, folder, epochs=1), learning_rate=3e-4, fine_tune_epochs=2, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrozenBase, "_apply", spying_apply)
        return Tuned(read_run(train_quietly(config)), computed, photos)


@pytest.fixture(scope="module")
def tuned(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASKBOARD_CACHE", str(folder / "cache"))
        return tune(tiny_dataset, folder, fine_tune="block5", augment=2)


def test_the_history_has_both_stages(tuned: Tuned) -> None:
    history = read_history(tuned.run.path / "history.csv")
    assert history["stage"].tolist() == ["head", "fine_tune", "fine_tune"]
    assert history["epoch"].tolist() == [0, 0, 1]
    assert set(tuned.run.info["stage_seconds"]) == {"photos", "features", "head", "fine_tune", "predict"}


def test_fine_tuning_changes_its_block_and_no_other(tuned: Tuned, trained_run: Run) -> None:
    def same(name: str) -> bool:
        pairs = zip(layer_weights(tuned.run, name), layer_weights(trained_run, name), strict=True)
        return all(np.array_equal(a, b) for a, b in pairs)

    assert not any(same(f"block5_conv{n}") for n in (1, 2, 3))
    assert all(same(name) for name in ("block1_conv1", "block3_conv3", "block4_conv1", "block4_conv3"))


def test_the_saved_model_is_the_whole_tuned_network(tuned: Tuned) -> None:
    assert_saved_model_agrees(tuned.run, 1e-4)


def test_the_embeddings_are_those_of_the_tuned_network(tuned: Tuned, trained_run: Run) -> None:
    assert_embeddings_are_of_the_saved_network(tuned.run)
    assert not np.allclose(embeddings(tuned.run), embeddings(trained_run), rtol=0.05)


def test_only_photos_that_are_learnt_from_get_views(tuned: Tuned) -> None:
    sides = dict(zip(predictions(tuned.run)["image"], predictions(tuned.run)["split"], strict=True))
    samples = read_samples(tuned.run.path / "samples.csv")
    sha256s = {split: {s for i, s in zip(samples["image"], samples["sha256"], strict=True) if sides.get(i) == split}
               for split in ("train", "val")}  # fmt: skip
    views = {view: {photo.sha256 for photo in tuned.photos if photo.view == view} for view in (0, 1, 2)}
    assert views[0] == set(samples["sha256"])
    assert views[1] == views[2] == sha256s["train"]


def test_the_block_that_is_tuned_starts_from_what_the_others_left(tuned: Tuned) -> None:
    n = len(tuned.photos)
    assert tuned.computed == {("image", "block4_pool"): n, ("block4_pool", "gap"): n}


def test_tuning_again_computes_no_frozen_block_and_gives_the_same_bytes(
    tuned: Tuned, tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKBOARD_CACHE", str(tuned.run.path.parent / "cache"))
    again = tune(tiny_dataset, tmp_path, fine_tune="block5", augment=2)
    assert set(again.computed.values()) == {0}
    for name in ("predictions.csv", "submission.csv", "embeddings.npy", "projection.csv"):
        assert (again.run.path / name).read_bytes() == (tuned.run.path / name).read_bytes()


@pytest.mark.parametrize(
    ("depth", "source"), [("block4", "block3_pool"), pytest.param("all", "image", marks=pytest.mark.thorough)]
)
def test_more_blocks_can_be_tuned(tiny_dataset: Path, tmp_path: Path, depth: str, source: str) -> None:
    tuned = tune(tiny_dataset, tmp_path, fine_tune=depth, head="flatten")
    assert (source, "block5_pool") in tuned.computed
    assert_saved_model_agrees(tuned.run, 1e-4)
    assert_embeddings_are_of_the_saved_network(tuned.run)


def test_tuning_that_makes_it_worse_is_undone(tiny_dataset: Path, trained_run: Run, tmp_path: Path) -> None:
    config = replace(tiny_config(tiny_dataset, tmp_path), fine_tune="block5", fine_tune_learning_rate=0.3)
    run = read_run(train_quietly(replace(config, fine_tune_epochs=1)))
    assert "Fine-tuning did not lower val_loss" in run.info["notices"][-1]
    expected = (trained_run.path / "predictions.csv").read_bytes()
    table, before = predictions(run), read_predictions(trained_run.path / "predictions.csv", 3)
    assert expected and np.allclose(table["confidence"], before["confidence"], atol=1e-5)
    assert_saved_model_agrees(run, 1e-4)
    assert_embeddings_are_of_the_saved_network(run)


def test_tuning_whose_loss_is_no_number_is_undone(tiny_dataset: Path, trained_run: Run, tmp_path: Path) -> None:
    config = replace(tiny_config(tiny_dataset, tmp_path), fine_tune="block5", fine_tune_learning_rate=1e38)
    run = read_run(train_quietly(replace(config, fine_tune_epochs=1)))
    assert "not a number" in run.info["notices"][-1]
    assert (run.state, len(predictions(run))) == ("finished", len(predictions(trained_run)))
    assert_saved_model_agrees(run, 1e-4)


def test_another_seed_is_another_head_on_the_same_features(tiny_dataset: Path, tmp_path: Path) -> None:
    again = tune(tiny_dataset, tmp_path, seed=5)
    assert set(again.computed.values()) == {0}


# --- precision -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "fine_tune"),
    [("bfloat16", "none"), pytest.param("float16", "block5", marks=pytest.mark.thorough)],
)
def test_in_half_precision_the_saved_model_is_close_to_the_predictions_and_says_how_close(
    tiny_dataset: Path, tmp_path: Path, precision: str, fine_tune: str
) -> None:
    run = tune(tiny_dataset, tmp_path, precision=precision, fine_tune=fine_tune).run
    found = run.info["precision"]
    assert (found["name"], found["reason"]) == (precision, "asked for")
    assert found["saved_model"]["n_images"] == 31 + 4
    # Features of random weights hardly differ from photo to photo, so that rounding counts for much; of learnt ones it
    # comes to 0.02 at the most (benchmarks/README.md). Processors round in ways of their own.
    assert 0 < found["saved_model"]["largest_difference"] < 0.1
    assert_saved_model_agrees(run, 0.1)
    assert_embeddings_are_of_the_saved_network(run, 0.05)
    policies = {layer.dtype_policy.name for layer in load_model(run.path / "model.keras").layers}
    assert policies == {"float32"}
