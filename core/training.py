"""One training, from listed photos to a finished run folder.

    read photos -> split -> features -> head -> fine-tune -> predict -> evaluate

The convolutional part is frozen, so its output is computed once a photo ("features"), and the head is trained on that;
this is the same as training the whole network with the base frozen, without running the base again in every epoch.
Fine-tuning does the same one or two blocks deeper: the blocks that stay frozen ran once a photo, and the tuned ones are
trained, together with the head, on what that left.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from core import runs
from core.cache import Features, cache_size, default_cache_dir, require_cache, shrink, size_text
from core.config import TrainConfig
from core.dataset import (
    TRAINING_DIR,
    Dataset,
    Listing,
    check_photos,
    count_by_kind,
    fingerprint,
    open_sizes,
    require_trainable,
)
from core.errors import UserError
from core.features import FrozenBase, Photo, Photos, batch_size_for
from core.fitting import Examples, History, Schedule, fit, predict, predict_and_embed
from core.images import Resize
from core.inputs import Inputs
from core.model import GAP, IMAGE, build_base, build_head, cut, in_precision, join, unfreeze
from core.precision import Precision, choose_precision, read_cpu_flags
from core.report import Report
from core.results import report_result, write_embeddings, write_results
from core.runs import RunWriter
from core.splits import hold_out, split_hash
from core.weights import Weights

RANDOM_WEIGHTS_NOTICE = (
    "VGG16's weights were random, not learnt from photos: expect much lower figures than with real ones."
)
DEMO_NOTICE = "Trained on drawn demo pictures: its figures say nothing about real photos."

# The layer below the tuned ones: what they are trained on.
_BELOW = {"block5": "block4_pool", "block4": "block3_pool", "all": IMAGE}
_LAYER_OF_HEAD = {"gap": GAP, "flatten": "block5_pool"}
# So many photos tell in seconds how far the saved model is from the predictions.
_N_COMPARED = 64
_RANDOM_WEIGHTS_SEED = 0
_LARGE_CACHE = 1_000_000_000
_TITLES = {
    "photos": "Reading photos",
    "features": "Computing features",
    "head": "Training the head, epoch",
    "fine_tune": "Fine-tuning, epoch",
    "predict": "Predicting",
}


@dataclass(frozen=True)
class _Job:
    """What every step needs: what was asked for, where it is written down, who waits for it."""

    config: TrainConfig
    run: RunWriter
    report: Report

    @contextlib.contextmanager
    def stage(self, name: str, total: int, unit: str = "") -> Iterator[Callable[[int], None]]:
        """Progress for the person at the terminal and, in `run.json`, for the one at the dashboard."""
        with self.report.progress(_TITLES[name], total, unit) as show, self.run.stage(name, total) as record:

            def advance(n: int) -> None:
                show(n)
                record(n)

            yield advance


@dataclass(frozen=True)
class _Samples:
    """All photos of a training.

    Attributes:
        photos: Training photos, test photos, then augmented views of those that are learnt from.
        views: Rows of `photos` that show a labelled photo, itself first; shape (n_labelled, 1 + V). Those of a photo
            that is held out are all itself.
        labels: Class indices, shape (n_labelled,).
        is_validation: Whether it is held out, shape (n_labelled,).
    """

    photos: Photos
    views: NDArray[np.int64]
    labels: NDArray[np.int64]
    is_validation: NDArray[np.bool_]

    def examples(self, inputs: Inputs) -> tuple[Examples, Examples]:
        """What is learnt from, and what is held out, as `inputs` show the photos."""
        sides = (~self.is_validation, self.views), (self.is_validation, self.views[:, :1])
        training, validation = (Examples.of(inputs, views[side], self.labels[side]) for side, views in sides)
        return training, validation


def train(config: TrainConfig, listing: Listing, weights: Weights, report: Report) -> Path:
    """Train as configured and leave a run folder.

    Args:
        config: What to do.
        listing: The dataset that `config` names.
        weights: Those that `config` names.
        report: Where to say how it goes.

    Returns:
        The run folder.

    Raises:
        UserError: If something is wrong that the user can mend.
    """
    # Random weights stand for fixed ones: another --seed is another head on the same features.
    keras.utils.set_random_seed(_RANDOM_WEIGHTS_SEED)
    tf.config.experimental.enable_op_determinism()
    base = build_base(weights, config.image_size)
    with RunWriter.create(config) as run:
        report.say(f"Run folder: {run.path}", always=True)
        job = _Job(config, run, report)
        precision = _record_setting(job, listing, weights)
        _train_into(job, listing, base, precision)
    report.say(f"Finished: {run.path}. Look at it: streamlit run dashboard/app.py", always=True)
    return run.path


def _train_into(job: _Job, listing: Listing, base: keras.Model, precision: Precision) -> None:
    config, run = job.config, job.run
    with _cache_folder(job) as cache:
        dataset = _read_dataset(job, listing, cache)
        samples = _list_views(job, dataset)
        frozen = _freeze(config, base, precision)
        with _inputs(job, frozen, cache, samples.photos) as (below, features):
            history = History(run)
            head, best = _fit_head(job, samples, features, len(dataset.class_names), history)
            network, inputs = _with_features(head, head.input), cast(Inputs, features)
            if below is not None:
                network, inputs = _fine_tune(job, samples, below, frozen, head, best, history), below
            base.set_weights(frozen.base.get_weights())
            model = join(cut(base, IMAGE, _LAYER_OF_HEAD[config.head]), head)  # In float32, as learnt.
            run.write_file(runs.MODEL_FILE, model.save)
            probabilities = _predict(job, dataset, network, inputs)
        metrics = write_results(run, dataset, samples.is_validation, probabilities)
    if precision.name != "float32":
        _compare(job, model, samples.photos, probabilities, precision)
    report_result(metrics, job.report)


def _predict(job: _Job, dataset: Dataset, network: keras.Model, inputs: Inputs) -> NDArray[np.float32]:
    """Probabilities of all samples; writes down what they look like to the network on the way."""
    n = len(dataset.samples)
    with job.stage("predict", n, "photos") as advance:
        probabilities, embeddings = predict_and_embed(network, inputs.take(np.arange(n)), advance)
        write_embeddings(job.run, dataset, embeddings)
    return probabilities


def _record_setting(job: _Job, listing: Listing, weights: Weights) -> Precision:
    gpus = tf.config.list_physical_devices("GPU")
    capabilities = [tf.config.experimental.get_device_details(gpu).get("compute_capability") for gpu in gpus]
    precision = choose_precision(job.config.precision, capabilities, read_cpu_flags())
    job.run.update(
        class_names=list(listing.class_names),
        weights={"name": weights.name, "sha256": weights.sha256},
        precision={"name": precision.name, "reason": precision.reason},
        device=f"{len(gpus)} x GPU" if gpus else f"CPU, {os.cpu_count()} cores",
    )
    job.report.say(f"Precision: {precision.name}, {precision.reason}")
    notices = [RANDOM_WEIGHTS_NOTICE] * (weights.path is None) + [DEMO_NOTICE] * job.config.demo
    for notice in notices:
        job.run.notice(notice)
        job.report.warn(notice)
    return precision


@contextlib.contextmanager
def _cache_folder(job: _Job) -> Iterator[Path]:
    """The cache, or, without one, a folder that is gone afterwards."""
    if job.config.no_cache:
        with tempfile.TemporaryDirectory(prefix=".features-", dir=job.run.path) as folder:
            yield Path(folder)
        return
    root, limit = default_cache_dir(), job.config.cache_limit
    require_cache(root)
    size = cache_size(root)
    if size > _LARGE_CACHE:
        job.report.say(f"Cache: {size_text(size)} in {root}, checked where this training uses it")
    yield root
    with contextlib.suppress(OSError):  # The training is done; what cannot be tidied up does not undo it.
        shrink(root, int(limit * 1e9))
    job.report.say(f"Cache: {size_text(cache_size(root))} of at most {limit:g} GB in {root}")


def _read_dataset(job: _Job, listing: Listing, cache: Path) -> Dataset:
    with open_sizes(cache) as sizes, job.stage("photos", len(listing.photos), "photos") as advance:
        dataset = check_photos(listing, advance, sizes)
    problems = pd.DataFrame([vars(problem) for problem in dataset.problems], columns=list(runs.PROBLEM_COLUMNS))
    job.run.write_table(runs.SAMPLES_FILE, dataset.samples)
    job.run.write_table(runs.PROBLEMS_FILE, problems)
    job.run.update(dataset_fingerprint=fingerprint(dataset.samples))
    if dataset.problems:
        kinds = ", ".join(f"{n} {kind}" for kind, n in count_by_kind(dataset.problems).items())
        job.report.warn(f"{len(dataset.problems)} files were left out or are odd ({kinds}):")
        for problem in dataset.problems[:10]:
            job.report.warn(f"  {problem.image}: {problem.kind}: {problem.detail}")
        if len(dataset.problems) > 10:
            job.report.warn(f"  ... and {len(dataset.problems) - 10} more in {job.run.path / runs.PROBLEMS_FILE}")
    require_trainable(dataset)
    return dataset


def _list_views(job: _Job, dataset: Dataset) -> _Samples:
    """Decide which photos are held out, and list the augmented views of the others."""
    config = job.config
    labelled = dataset.samples[dataset.samples["folder"] == TRAINING_DIR]
    labels = labelled["label"].to_numpy(dtype=np.int64)
    # By content, so that the same photo twice stays on one side.
    is_validation = hold_out(labels, labelled["sha256"].tolist(), config.validation_fraction, config.split_seed)
    job.run.update(split_hash=split_hash(labelled["image"].tolist(), is_validation))

    names = zip(dataset.samples["image"], dataset.samples["sha256"], strict=True)
    photos = [Photo(dataset.root / image, sha256) for image, sha256 in names]
    views = np.tile(np.arange(len(labels))[:, None], 1 + config.augment)
    learnt_from = np.flatnonzero(~is_validation)
    for view in range(1, 1 + config.augment):
        views[learnt_from, view] = len(photos) + np.arange(len(learnt_from))
        photos += [replace(photos[row], view=view) for row in learnt_from]
    photos_as_seen = Photos(tuple(photos), config.image_size, cast(Resize, config.resize))
    return _Samples(photos_as_seen, views, labels, is_validation)


def _freeze(config: TrainConfig, base: keras.Model, precision: Precision) -> FrozenBase:
    in_its_precision = base if precision.name == "float32" else in_precision(base, precision.policy)
    n_gpus = len(tf.config.list_physical_devices("GPU"))
    batch_size = batch_size_for(config.image_size, precision.n_bytes, n_gpus)
    return FrozenBase(in_its_precision, cast(Resize, config.resize), batch_size)


@contextlib.contextmanager
def _inputs(job: _Job, frozen: FrozenBase, cache: Path, photos: Photos) -> Iterator[tuple[Inputs | None, Features]]:
    """What the blocks that are tuned see of each photo, None if none is, and what the head sees.

    The cache keeps both as long as the context lasts.
    """
    keys = [photo.key for photo in photos.photos]
    n_contents = len(set(keys))  # The same photo twice is computed once.

    with contextlib.ExitStack() as spaces:

        def extract(inputs: Inputs, source: str, layer: str) -> Features:
            @contextlib.contextmanager
            def progress(n_missing: int) -> Iterator[Callable[[int], None]]:
                job.report.say(f"Features ({layer}): {n_contents - n_missing} known, {n_missing} to compute")
                with job.stage("features", n_missing, "photos") as advance:
                    yield advance

            space = spaces.enter_context(frozen.open_cache(cache, layer))
            return frozen.extract(inputs, source, layer, keys, space, progress)

        of_head = _LAYER_OF_HEAD[job.config.head]
        below = _BELOW.get(job.config.fine_tune)
        if below is None:
            yield None, extract(photos, IMAGE, of_head)
        elif below == IMAGE:
            yield photos, extract(photos, IMAGE, of_head)
        else:
            frozen_output = extract(photos, IMAGE, below)
            yield frozen_output, extract(frozen_output, below, of_head)


def _fit_head(
    job: _Job, samples: _Samples, features: Features, n_classes: int, history: History
) -> tuple[keras.Model, dict[str, float]]:
    config = job.config
    keras.utils.set_random_seed(config.seed)
    training, validation = samples.examples(features)
    head = build_head(training.originals(), config.hidden_units, config.dropout, n_classes)
    schedule = Schedule(
        config.learning_rate, config.epochs, config.batch_size, config.patience, config.seed, is_quick=True
    )
    best = _fit(job, "head", head, training, validation, schedule, history)
    if best is None:
        raise UserError(
            "Expected a finite loss; it was not a number in any epoch of the head. "
            f"Lower --learning-rate, which is {config.learning_rate}."
        )
    return head, best


def _fine_tune(
    job: _Job,
    samples: _Samples,
    inputs: Inputs,
    frozen: FrozenBase,
    head: keras.Model,
    before: dict[str, float],
    history: History,
) -> keras.Model:
    """Train the last blocks and the head together; kept only where that lowers val_loss.

    Returns:
        The network, with the features that its head sees as a second output.
    """
    config = job.config
    tuned = cut(frozen.base, _BELOW[config.fine_tune], _LAYER_OF_HEAD[config.head])
    unfreeze(tuned)
    network = join(tuned, head)
    weights = network.get_weights()
    schedule = Schedule(
        config.fine_tune_learning_rate,
        config.fine_tune_epochs,
        config.batch_size,
        config.patience,
        config.seed,
        scale_loss=frozen.policy == "mixed_float16",
    )
    best = _fit(job, "fine_tune", network, *samples.examples(inputs), schedule, history)
    if best is None or best["val_loss"] >= before["val_loss"]:
        network.set_weights(weights)
        found = "not a number" if best is None else f"{best['val_loss']:.3f} at best"
        notice = (
            f"Fine-tuning did not lower val_loss ({before['val_loss']:.3f} before, {found}): the network is kept as "
            "it was before. A lower --fine-tune-learning-rate may help."
        )
        job.run.notice(notice)
        job.report.warn(notice)
    return _with_features(network, tuned.output)


def _with_features(network: keras.Model, features: keras.KerasTensor) -> keras.Model:
    return keras.Model(network.input, [network.output, features])


def _fit(
    job: _Job,
    stage: str,
    network: keras.Model,
    training: Examples,
    validation: Examples,
    schedule: Schedule,
    history: History,
) -> dict[str, float] | None:
    with job.stage(stage, schedule.epochs) as advance:
        callbacks = [
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: advance(1)),
            keras.callbacks.TensorBoard(job.run.path / runs.TENSORBOARD_DIR / stage, write_graph=False),
        ]
        best = fit(network, training, validation, schedule, stage, history, callbacks)
    n_epochs = sum(row["stage"] == stage for row in history.rows)
    if best is not None:
        job.report.say(
            f"Stopped after epoch {n_epochs}; the best was epoch {best['epoch'] + 1}, "
            f"val_loss {best['val_loss']:.3f}, val_accuracy {best['val_accuracy']:.3f}"
        )
    return best


def _compare(
    job: _Job, model: keras.Model, photos: Photos, probabilities: NDArray[np.float32], precision: Precision
) -> None:
    """Say how far the saved model, which computes in float32, is from the predictions."""
    rows = np.unique(np.linspace(0, len(probabilities) - 1, _N_COMPARED, dtype=int))
    try:
        found, expected = predict(model, photos.take(rows)), probabilities[rows]
    except UserError as error:  # A photo is gone, but all results are there.
        job.report.warn(f"The saved model was not compared with the predictions. {error}")
        return
    n_same = int((found.argmax(axis=1) == expected.argmax(axis=1)).sum())
    largest = float(np.abs(found - expected).max())
    compared = {"n_images": len(rows), "n_same_class": n_same, "largest_difference": largest}
    job.run.update(precision={"name": precision.name, "reason": precision.reason, "saved_model": compared})
    job.report.say(
        f"The saved model, in float32, against the predictions, in {precision.name}: same class for {n_same} of "
        f"{len(rows)} photos, probabilities differ by {largest:.4f} at the most"
    )
