"""One training, from listed photos to a finished run folder.

    find weights -> [run folder] -> read photos -> split -> features -> head -> predict -> evaluate

The convolutional part is frozen, so its output is computed once a photo ("features"), and the head is trained on that;
this is the same as training the whole network with the base frozen, without running the base again in every epoch.
"""

import contextlib
import hashlib
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from core import evaluation, runs
from core.cache import FeatureCache, Features, default_cache_dir, shrink
from core.config import TrainConfig
from core.dataset import TRAINING_DIR, Dataset, Listing, check_photos, count_by_kind, require_trainable
from core.errors import UserError
from core.features import Extractor, Photo, extract
from core.images import Resize
from core.model import Weights, build_base, build_extractor, build_head, find_weights, join
from core.report import Report
from core.runs import RunWriter
from core.splits import hold_out, split_hash

RANDOM_WEIGHTS_NOTICE = (
    "VGG16's weights were random, not learnt from photos: expect much lower figures than with real ones."
)
DEMO_NOTICE = "Trained on drawn demo pictures: its figures say nothing about real photos."

_PREDICTION_BATCH_SIZE = 256
# A step of the head takes milliseconds, much of it on the way from Python to TensorFlow and back.
_STEPS_PER_EXECUTION = 16
# Features of the head `gap` for 100,000 photos; larger ones are read from disk batch by batch.
_MAX_BYTES_IN_MEMORY = 250_000_000


@dataclass(frozen=True)
class _Labelled:
    """The labelled photos: names relative to the dataset, labels, whether held out, features; n_images of each."""

    images: list[str]
    labels: NDArray[np.int_]
    is_validation: NDArray[np.bool_]
    features: Features


def train(config: TrainConfig, listing: Listing, report: Report) -> Path:
    """Train as configured and leave a run folder.

    Args:
        config: What to do.
        listing: The dataset that `config` names.
        report: Where to say how it goes.

    Returns:
        The run folder.

    Raises:
        UserError: If something is wrong that the user can mend.
    """
    _seed_everything(config.seed)
    weights = find_weights(config.weights)
    base = build_base(weights, config.image_size)
    with RunWriter.create(config) as run:
        report.say(f"Run folder: {run.path}", always=True)
        _record_setting(run, config, listing, weights, report)
        _train_into(run, config, listing, base, report)
    report.say(f"Finished: {run.path}. Look at it: streamlit run dashboard/app.py", always=True)
    return run.path


def _train_into(run: RunWriter, config: TrainConfig, listing: Listing, base: keras.Model, report: Report) -> None:
    dataset = _read_dataset(run, listing, report)
    training, test = _split_by_folder(dataset.samples)
    is_validation = _split(run, config, training)
    extractor = Extractor(build_extractor(base, config.head), cast(Resize, config.resize))
    with _open_cache(run, config, extractor) as cache:
        features = _extract(run, extractor, cache, dataset.root, pd.concat([training, test]), report)
        n = len(training)
        labels = training["label"].to_numpy(dtype=int)
        labelled = _Labelled(training["image"].tolist(), labels, is_validation, features.take(np.arange(n)))
        head = _fit_head(run, config, labelled, len(dataset.class_names), report)
        run.write_file(runs.MODEL_FILE, join(extractor.model, head).save)
        metrics = _evaluate(run, dataset.class_names, labelled, head)
        metrics |= _predict_test(run, dataset, test["image"].tolist(), features.take(np.arange(n, len(features))), head)
    run.write_json(runs.METRICS_FILE, metrics)
    _report_result(metrics, dataset.class_names, report)


def _seed_everything(seed: int) -> None:
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def _record_setting(run: RunWriter, config: TrainConfig, listing: Listing, weights: Weights, report: Report) -> None:
    gpus = tf.config.list_physical_devices("GPU")
    run.update(
        class_names=list(listing.class_names),
        weights={"name": weights.name, "sha256": weights.sha256},
        precision={"name": "float32", "reason": "exact everywhere"},
        device=f"{len(gpus)} x GPU" if gpus else f"CPU, {os.cpu_count()} cores",
    )
    notices = [RANDOM_WEIGHTS_NOTICE] * (weights.path is None) + [DEMO_NOTICE] * config.demo
    for notice in notices:
        run.notice(notice)
        report.warn(notice)


def _read_dataset(run: RunWriter, listing: Listing, report: Report) -> Dataset:
    with _stage(run, report, "photos", len(listing.photos)) as advance:
        dataset = check_photos(listing, advance)
    problems = pd.DataFrame([vars(problem) for problem in dataset.problems], columns=list(runs.PROBLEM_COLUMNS))
    run.write_table(runs.SAMPLES_FILE, dataset.samples)
    run.write_table(runs.PROBLEMS_FILE, problems)
    run.update(dataset_fingerprint=_fingerprint(dataset.samples))
    if dataset.problems:
        kinds = ", ".join(f"{n} {kind}" for kind, n in count_by_kind(dataset.problems).items())
        report.warn(f"{len(dataset.problems)} files were left out or are odd ({kinds}):")
        for problem in dataset.problems[:10]:
            report.warn(f"  {problem.image}: {problem.kind}: {problem.detail}")
        if len(dataset.problems) > 10:
            report.warn(f"  ... and {len(dataset.problems) - 10} more in {run.path / runs.PROBLEMS_FILE}")
    require_trainable(dataset)
    return dataset


def _fingerprint(samples: pd.DataFrame) -> str:
    lines = samples[["image", "sha256", "label"]].sort_values("image").to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(lines.encode()).hexdigest()


def _split_by_folder(samples: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    is_training = samples["folder"] == TRAINING_DIR
    return samples[is_training], samples[~is_training]


def _split(run: RunWriter, config: TrainConfig, training: pd.DataFrame) -> NDArray[np.bool_]:
    is_validation = hold_out(
        training["label"].to_numpy(dtype=int),
        training["sha256"].tolist(),  # The same photo twice stays on one side.
        config.validation_fraction,
        config.split_seed,
    )
    run.update(split_hash=split_hash(training["image"].tolist(), is_validation))
    return is_validation


@contextlib.contextmanager
def _open_cache(run: RunWriter, config: TrainConfig, extractor: Extractor) -> Iterator[FeatureCache]:
    """The cache's space for these features, or, without a cache, one that is gone afterwards."""
    if config.no_cache:
        with (
            tempfile.TemporaryDirectory(prefix=".features-", dir=run.path) as folder,
            FeatureCache(Path(folder), extractor.space(), extractor.shape) as cache,
        ):
            yield cache
        return
    root = default_cache_dir()
    with FeatureCache(root, extractor.space(), extractor.shape) as cache:
        yield cache
    shrink(root, int(config.cache_limit * 1e9))


def _extract(
    run: RunWriter, extractor: Extractor, cache: FeatureCache, root: Path, samples: pd.DataFrame, report: Report
) -> Features:
    photos = [Photo(root / image, sha256) for image, sha256 in zip(samples["image"], samples["sha256"], strict=True)]

    @contextlib.contextmanager
    def progress(n_missing: int) -> Iterator[Callable[[int], None]]:
        report.say(f"Features: {n_missing} of {len(photos)} photos to compute, the others are known")
        with _stage(run, report, "features", n_missing) as advance:
            yield advance

    return extract(extractor, photos, cache, progress)


def _fit_head(run: RunWriter, config: TrainConfig, labelled: _Labelled, n_classes: int, report: Report) -> keras.Model:
    held_out = labelled.is_validation
    training, validation = (
        _Batches(labelled.features.take(np.flatnonzero(rows)), labelled.labels[rows], config.batch_size, seed)
        for rows, seed in ((~held_out, config.seed), (held_out, None))
    )
    head = build_head(training.features, config.hidden_units, config.dropout, n_classes)
    head.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=_STEPS_PER_EXECUTION,
    )
    with _stage(run, report, "head", config.epochs) as advance:
        history = _HistoryWriter(run, "head", advance)
        head.fit(
            training,
            validation_data=validation,
            epochs=config.epochs,
            shuffle=False,  # `_Batches` does, by the epoch's number.
            verbose=0,
            callbacks=[
                keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=max(1, config.patience // 2)),
                keras.callbacks.EarlyStopping(patience=config.patience, restore_best_weights=True),
                keras.callbacks.TerminateOnNaN(),
                keras.callbacks.TensorBoard(run.path / runs.TENSORBOARD_DIR, write_graph=False),
                history,
            ],
        )
    if not all(math.isfinite(row["loss"]) and math.isfinite(row["val_loss"]) for row in history.rows):
        raise UserError(
            f"Expected a finite loss; it is not a number any more after epoch {len(history.rows)}. "
            f"Lower --learning-rate, which is {config.learning_rate}."
        )
    best = min(history.rows, key=lambda row: row["val_loss"])
    report.say(
        f"Stopped after epoch {len(history.rows)}; kept the weights of epoch {best['epoch'] + 1}, "
        f"val_loss {best['val_loss']:.3f}, val_accuracy {best['val_accuracy']:.3f}"
    )
    return head


class _Batches(keras.utils.PyDataset):
    """Features and labels, a batch at a time, from disk if they are many.

    Args:
        features: Of n_photos.
        labels: Class indices, shape (n_photos,).
        size: Photos a batch.
        seed: Decides the order of the photos, another one in each epoch; None leaves them in theirs.
    """

    def __init__(self, features: Features, labels: NDArray[np.int_], size: int, seed: int | None) -> None:
        super().__init__()
        self.features = features.in_memory() if features.n_bytes <= _MAX_BYTES_IN_MEMORY else features
        self._labels, self._size, self._seed = labels, size, seed
        self._order = np.arange(len(labels))
        self._epoch = -1
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._labels) // self._size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int_]]:
        photos = self._order[index * self._size : (index + 1) * self._size]
        return self.features[photos], self._labels[photos]

    def on_epoch_end(self) -> None:
        self._epoch += 1
        if self._seed is not None:
            self._order = np.random.default_rng([self._seed, self._epoch]).permutation(len(self._labels))


class _HistoryWriter(keras.callbacks.Callback):
    """Rewrites `history.csv` after each epoch."""

    def __init__(self, run: RunWriter, stage: str, advance: Callable[[int], None]) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self._run, self._stage, self._advance = run, stage, advance
        self._started = self._learning_rate = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._started = time.monotonic()
        self._learning_rate = float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        measured = {key: (logs or {})[key] for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
        seconds = round(time.monotonic() - self._started, 4)
        row = {"stage": self._stage, "fold": -1, "epoch": epoch} | measured
        self.rows.append(row | {"learning_rate": self._learning_rate, "seconds": seconds})
        self._run.write_table(runs.HISTORY_FILE, pd.DataFrame(self.rows, columns=list(runs.HISTORY_COLUMNS)))
        self._advance(1)


def _predict(head: keras.Model, features: Features) -> NDArray[np.float32]:
    """Probabilities, shape (n_photos, K)."""
    batches = [head.predict_on_batch(batch) for batch in features.batches(_PREDICTION_BATCH_SIZE)]
    return np.concatenate([np.empty((0, head.output_shape[-1]), np.float32), *batches])


def _evaluate(run: RunWriter, class_names: tuple[str, ...], labelled: _Labelled, head: keras.Model) -> dict[str, Any]:
    """Write predictions and confusion matrix; the metrics come from the table as it stands on disk."""
    splits = np.where(labelled.is_validation, "val", "train").tolist()
    probabilities = _predict(head, labelled.features)
    table = evaluation.predictions_table(labelled.images, splits, labelled.labels, probabilities)
    run.write_table(runs.PREDICTIONS_FILE, table)
    table = runs.read_predictions(run.path / runs.PREDICTIONS_FILE, len(class_names))
    validation = table[table["split"] == "val"]
    matrix = evaluation.confusion_matrix(validation["true_label"], validation["predicted_label"], len(class_names))
    named = pd.DataFrame(matrix, index=pd.Index(class_names, name="true \\ predicted"), columns=list(class_names))
    run.write_table(runs.CONFUSION_MATRIX_FILE, named, index=True)
    return evaluation.summarise(validation, class_names)


def _predict_test(
    run: RunWriter, dataset: Dataset, images: list[str], features: Features, head: keras.Model
) -> dict[str, Any]:
    """Write the submission; returns the metrics of the test photos whose labels are known, if any."""
    if not images and not dataset.unusable_test:
        return {}
    probabilities = _predict(head, features)
    table = evaluation.probability_table(probabilities)
    table.insert(0, "image", images)
    commonest = int(dataset.samples["label"].mode().iloc[0])
    unreadable = pd.DataFrame({"image": dataset.unusable_test, "predicted_label": commonest})
    everything = pd.concat([table, unreadable]).sort_values("image", ignore_index=True)
    run.write_table(runs.TEST_PREDICTIONS_FILE, everything)
    names = everything["image"].str.rsplit("/", n=1).str[-1]
    run.write_table(runs.SUBMISSION_FILE, pd.DataFrame({"Id": names, "Category": everything["predicted_label"]}))
    if not dataset.test_labels:
        return {}
    known = table["image"].isin(dataset.test_labels).to_numpy()
    scored = table[known]
    labels = scored["image"].map(dataset.test_labels).to_numpy(dtype=int)
    scored = evaluation.predictions_table(
        scored["image"].tolist(), ["test"] * len(scored), labels, probabilities[known]
    )
    return {"test": evaluation.summarise(scored, dataset.class_names)}


def _report_result(metrics: dict[str, Any], class_names: tuple[str, ...], report: Report) -> None:
    title = f"Validation: {metrics['n_images']} photos held out (optimistic: early stopping watched them)"
    table = Table("class", "precision", "recall", "F1", "photos", title=title, title_justify="left")
    for scores in metrics["classes"]:
        shares = (f"{scores[key]:.3f}" for key in ("precision", "recall", "f1"))
        table.add_row(escape(scores["class_name"]), *shares, str(scores["support"]))
    report.show(table)
    for what, figures in (("Validation", metrics), ("Test", metrics.get("test"))):
        if figures:
            low, high = figures["accuracy_interval"]
            report.say(
                f"{what} accuracy {figures['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f}), "
                f"macro F1 {figures['macro_f1']:.3f}, {figures['n_images']} photos"
            )


@contextlib.contextmanager
def _stage(run: RunWriter, report: Report, name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Progress for the person at the terminal and, in `run.json`, for the one at the dashboard."""
    titles = {"photos": "Reading photos", "features": "Computing features", "head": "Training the head, epoch"}
    with report.progress(titles[name], total) as show, run.stage(name, total) as record:

        def advance(n: int) -> None:
            show(n)
            record(n)

        yield advance
