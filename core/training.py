"""One training, from listed photos to a finished run folder.

    read photos -> split -> features -> fit (head, fine-tune) -> predict -> evaluate

The convolutional part is frozen, so its output is computed once a photo ("features"), and the head is trained on that;
this is the same as training the whole network with the base frozen, without running the base again in every epoch.
Fine-tuning does the same one or two blocks deeper: the blocks that stay frozen ran once a photo, and the tuned ones are
trained, together with the head, on what that left.

With folds a network is fitted for each of them: it learns from K - 2 folds, stops by the next fold and predicts its
own, so nothing was fitted to the photos that it is scored on, not even the number of epochs. The network that is kept
then learns from all photos, for as many epochs and at the learning rates of the fold in the middle.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from core import runs
from core.cache import Features, cache_size, default_cache_dir, require_cache, shrink, size_text
from core.config import TrainConfig
from core.dataset import (
    PROBLEM_KINDS,
    TRAINING_DIR,
    Dataset,
    Listing,
    Problem,
    check_photos,
    count_by_kind,
    fingerprint,
    require_trainable,
)
from core.errors import UserError
from core.facts import open_facts
from core.features import FrozenBase, Photo, Photos, batch_size_for
from core.fitting import Examples, History, Schedule, fit, predict, predict_and_embed, refit
from core.images import Resize
from core.inputs import Inputs
from core.model import IMAGE, LAYER_OF_HEAD, build_base, build_head, cut, in_precision, join, unfreeze
from core.precision import Precision, choose_precision, read_cpu_flags
from core.report import Report
from core.results import Predicted, report_result, score_naive_split, write_embeddings, write_results
from core.reviews import apply_reviews, current_decisions, read_reviews, reviews_info, reviews_text
from core.runs import RunWriter
from core.splits import assign_folds, count_leaked, hold_out, split_hash
from core.weights import Weights

RANDOM_WEIGHTS_NOTICE = (
    "VGG16's weights were random, not learnt from photos: expect much lower figures than with real ones."
)
CHANGED_NOTICE = "Between the beginning of this training and its resumption there was a change of: {}."
DEMO_NOTICE = "Trained on drawn demo pictures: its figures say nothing about real photos."

# Its warnings are about loops over networks, of which folds need one.
tf.get_logger().setLevel("ERROR")

# The layer below the tuned ones: what they are trained on.
_BELOW = {"block5": "block4_pool", "block4": "block3_pool", "all": IMAGE}
# So many photos tell in seconds how far the saved model is from the predictions.
_N_COMPARED = 64
_RANDOM_WEIGHTS_SEED = 0
_LARGE_CACHE = 1_000_000_000
# What a terminal shows of a list of faults.
_MOST_LINES = 10
_TITLES = {
    "photos": "Reading photos",
    "features": "Computing features",
    "head": "Training the head{}, epoch",
    "fine_tune": "Fine-tuning{}, epoch",
    "predict": "Predicting",
}


@dataclass(frozen=True)
class _Job:
    """What every step needs: what was asked for, where it is written down, who waits for it."""

    config: TrainConfig
    run: RunWriter
    report: Report

    @contextlib.contextmanager
    def stage(self, name: str, total: int, unit: str = "", of_what: str = "") -> Iterator[Callable[[int], None]]:
        """Progress for the person at the terminal and, in `run.json`, for the one at the dashboard."""
        title = _TITLES[name].format(of_what)
        with self.report.progress(title, total, unit) as show, self.run.stage(name, total) as record:

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
            that nothing learns from are all itself.
        labels: Class indices, shape (n_labelled,).
    """

    photos: Photos
    views: NDArray[np.int64]
    labels: NDArray[np.int64]

    def learnt(self, inputs: Inputs, which: NDArray[np.bool_]) -> Examples:
        """Some labelled photos in all their views, as `inputs` show them."""
        return Examples.of(inputs, self.views[which], self.labels[which])

    def watched(self, inputs: Inputs, which: NDArray[np.bool_]) -> Examples:
        """Some labelled photos as they are."""
        return Examples.of(inputs, self.views[which, :1], self.labels[which])


@dataclass(frozen=True)
class _Part:
    """Which labelled photos a network learns from, by which it stops, and of which it is then asked.

    Attributes:
        fold: The fold that it is asked of, -1 where there are none.
        learns: Shape (n_labelled,), like the other two.
        stops: Without folds these are the same as `scores`.
        scores: Each photo that is scored is so in one part.
    """

    fold: int
    learns: NDArray[np.bool_]
    stops: NDArray[np.bool_]
    scores: NDArray[np.bool_]

    def among(self, kept: NDArray[np.bool_]) -> "_Part":
        """The same of some of the photos."""
        return _Part(self.fold, self.learns[kept], self.stops[kept], self.scores[kept])


@dataclass(frozen=True)
class _Seen:
    """What networks see of each photo.

    Attributes:
        by_head: What the head sees: features.
        by_tuned: What the blocks that are tuned see; None if none is.
    """

    by_head: Features
    by_tuned: Inputs | None


@dataclass(frozen=True)
class _Fitted:
    """A network and what it wants to see.

    Attributes:
        network: From `inputs` to K probabilities.
        features: What its head sees, a tensor of the network.
        head: Its head alone.
        inputs: Those of all photos.
        best: The row of the history whose weights were kept, by stage; none of a stage that was undone.
    """

    network: keras.Model
    features: keras.KerasTensor
    head: keras.Model
    inputs: Inputs
    best: dict[str, dict[str, Any]] = field(default_factory=dict)


def train(
    config: TrainConfig, listing: Listing, weights: Weights, report: Report, unfinished: Path | None = None
) -> Path:
    """Train as configured and leave a run folder.

    Args:
        config: What to do.
        listing: The dataset that `config` names.
        weights: Those that `config` names.
        report: Where to say how it goes.
        unfinished: Folder of the run with this `config` that is to be gone on with, where it is not a new one.

    Returns:
        The run folder.

    Raises:
        UserError: If something is wrong that the user can mend.
    """
    # Random weights stand for fixed ones: another --seed is another head on the same features.
    keras.utils.set_random_seed(_RANDOM_WEIGHTS_SEED)
    tf.config.experimental.enable_op_determinism()
    base = build_base(weights, config.image_size)
    with RunWriter.resume(unfinished) if unfinished else RunWriter.create(config) as run:
        report.say(f"Run folder: {run.path}", always=True)
        job = _Job(config, run, report)
        precision = _record_setting(job, listing, weights)
        try:
            _train_into(job, listing, base, precision)
        except (tf.errors.OpError, MemoryError) as error:
            raise _told(error, run.path / runs.TENSORBOARD_DIR) from None
    report.say(f"Finished: {run.path}. Look at it: streamlit run dashboard/app.py", always=True)
    return run.path


def _told(error: Exception, events: Path) -> Exception:
    """TensorFlow has one error for a full disk and for a lack of memory; only of the former it names the file."""
    text = str(error)
    if str(events) in text:
        refused = text[text.index(str(events)) :].splitlines()[0].partition(" [Op:")[0]
        return UserError(f"Expected to write {events}; {refused}. Free some disk there, or see who may write there.")
    if not isinstance(error, tf.errors.ResourceExhaustedError | MemoryError):
        return error
    return UserError(
        "Expected enough memory for this training; it ran out. Lower --batch-size or --image-size, or take --head gap "
        "or fewer blocks to --fine-tune."
    )


def _train_into(job: _Job, listing: Listing, base: keras.Model, precision: Precision) -> None:
    config, run = job.config, job.run
    with _cache_folder(job) as cache:
        dataset = _read_dataset(job, listing, cache)
        everything = dataset
        dataset, is_kept = _reviewed(job, dataset)
        _record_dataset(job, dataset)
        parts, naive_parts = _split(job, everything, is_kept)
        samples = _list_views(config, dataset, parts)
        _require_learnable(parts, samples.labels, dataset.class_names)
        frozen = _freeze(config, base, precision)
        with _seen(job, frozen, cache, samples.photos) as seen:
            n_classes, pristine = len(dataset.class_names), frozen.base.get_weights()
            fitter = _Fitter(job, samples, seen, frozen, n_classes, History(run, job.report.detail), pristine)
            held_out, networks = _fit_parts(fitter, parts)
            fitted = fitter.refit(networks) if config.folds else networks[-1]
            base.set_weights(frozen.base.get_weights())
            model = join(cut(base, IMAGE, LAYER_OF_HEAD[config.head]), fitted.head)  # In float32, as learnt.
            run.write_file(runs.MODEL_FILE, model.save)
            probabilities = _predict(job, dataset, fitted)
            naive = _score_naive_split(fitter, naive_parts, _groups(dataset)) if config.naive_split else None
        predicted = Predicted(probabilities, held_out if config.folds else None, naive)
        metrics = write_results(run, dataset, _sides(parts), predicted)
    if precision.name != "float32":
        _compare(job, model, samples.photos, probabilities, precision)
    report_result(metrics, job.report)


def _predict(job: _Job, dataset: Dataset, fitted: _Fitted) -> NDArray[np.float32]:
    """Probabilities of all samples; writes down what they look like to the network on the way."""
    n = len(dataset.samples)
    network = keras.Model(fitted.network.input, [fitted.network.output, fitted.features])
    with job.stage("predict", n, "photos") as advance:
        probabilities, embeddings = predict_and_embed(network, fitted.inputs.take(np.arange(n)), advance)
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
        with tempfile.TemporaryDirectory(prefix=runs.TEMPORARY_FEATURES, dir=job.run.path) as folder:
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
    with open_facts(cache) as facts, job.stage("photos", len(listing.photos), "photos") as advance:
        return check_photos(listing, advance, facts)


def _reviewed(job: _Job, dataset: Dataset) -> tuple[Dataset, NDArray[np.bool_]]:
    """The dataset as people reviewed it, where they are to be followed, and which labelled photos are still in it."""
    is_labelled = (dataset.samples["folder"] == TRAINING_DIR).to_numpy()
    path = job.config.reviews
    if path is None:
        return dataset, is_labelled[is_labelled]
    log = read_reviews(path)
    applied = apply_reviews(dataset.samples, current_decisions(log.reviews), dataset.class_names)
    job.run.update(reviews=reviews_info(path, log, applied))
    job.report.say(reviews_text(applied))
    for fault in log.faults[:_MOST_LINES]:
        job.report.warn(f"{path}, line {fault.line} was passed over: {fault.found}")
    for left in applied.not_applied[:_MOST_LINES]:
        job.report.warn(f"A decision on {left.decision.image} was not followed: {left.reason}")
    samples = applied.samples[~applied.is_excluded].reset_index(drop=True)
    reviewed = replace(dataset, samples=samples, problems=(*dataset.problems, *applied.problems))
    return reviewed, ~np.asarray(applied.is_excluded)[is_labelled]


def _record_dataset(job: _Job, dataset: Dataset) -> None:
    """Write down what the dataset is, say what is wrong with it, and stop where it cannot be learnt from."""
    problems = pd.DataFrame([vars(problem) for problem in dataset.problems], columns=list(runs.PROBLEM_COLUMNS))
    job.run.write_table(runs.SAMPLES_FILE, dataset.samples)
    job.run.write_table(runs.PROBLEMS_FILE, problems)
    job.run.update(dataset_fingerprint=fingerprint(dataset.samples))
    _record_changes(job)
    if dataset.problems:
        job.report.warn(f"{_problems_text(dataset.problems)}:")
        for problem in dataset.problems[:_MOST_LINES]:
            job.report.warn(f"  {problem.image}: {problem.kind}: {problem.detail}")
        if len(dataset.problems) > _MOST_LINES:
            rest = len(dataset.problems) - _MOST_LINES
            job.report.warn(f"  ... and {rest} more in {job.run.path / runs.PROBLEMS_FILE}")
    require_trainable(dataset)


def _problems_text(problems: Sequence[Problem]) -> str:
    """How many files were left out, how many are odd, and of which kinds; a file may be of several."""
    left_out = {problem.image for problem in problems if PROBLEM_KINDS[problem.kind][1]}
    odd = {problem.image for problem in problems} - left_out
    kinds = ", ".join(f"{n} {kind}" for kind, n in count_by_kind(problems).items())
    several = "; some are several" if len(problems) > len(left_out) + len(odd) else ""
    return f"{len(left_out)} files were left out, {len(odd)} are odd but used ({kinds}{several})"


def _record_changes(job: _Job) -> None:
    """Say what has been changed since a run began that is gone on with."""
    now, before = runs.made_of(job.run.info), job.run.info.get("began_with", {})
    changed = [name for name in before if now.get(name) != before[name]]
    if changed:
        notice = CHANGED_NOTICE.format(" and ".join(changed))
        job.run.notice(notice)
        job.report.warn(notice)


def _labelled(dataset: Dataset) -> pd.DataFrame:
    return dataset.samples[dataset.samples["folder"] == TRAINING_DIR]


def _groups(dataset: Dataset) -> list[str]:
    """What must stay together, of the labelled photos."""
    return [str(group) for group in _labelled(dataset)["group"]]


def _split(job: _Job, dataset: Dataset, is_kept: NDArray[np.bool_]) -> tuple[list[_Part], list[_Part]]:
    """Decide which photos are held out, or come into which fold.

    Args:
        job: What was asked for.
        dataset: All photos with their labels before any review, so that runs stay comparable.
        is_kept: Which of the labelled ones no review excludes, shape (n_labelled,).

    Returns:
        The parts of the training, and those of a naive split, where near-identical photos come on both sides; of the
        photos that are kept.
    """
    labelled, groups = _labelled(dataset), _groups(dataset)
    images, labels = labelled["image"].tolist(), labelled["label"].to_numpy(dtype=np.int64)
    parts, naive_parts = (
        [part.among(is_kept) for part in _parts(job.config, labels, names)] for names in (groups, images)
    )
    kept_groups, kept_images = labelled["group"][is_kept].tolist(), labelled["image"][is_kept].tolist()
    n_leaked, n_scored = _n_leaked(naive_parts, kept_groups), int(_is_scored(naive_parts).sum())
    job.run.update(split_hash=split_hash(kept_images, _sides(parts)), leak={"n_images": n_scored, "n_leaked": n_leaked})
    if n_leaked:
        job.report.say(
            f"Near-identical photos stay together; of {n_scored} photos that are scored, {n_leaked} would otherwise "
            "have one among those learnt from"
        )
    return parts, naive_parts


def _parts(config: TrainConfig, labels: NDArray[np.int64], groups: list[str]) -> list[_Part]:
    if not config.folds:
        is_held_out = hold_out(labels, groups, config.validation_fraction, config.split_seed)
        return [_Part(-1, ~is_held_out, is_held_out, is_held_out)]
    folds = assign_folds(labels, groups, config.folds, config.split_seed)
    parts = []
    for fold in range(config.folds):
        scores, stops = folds == fold, folds == (fold + 1) % config.folds
        parts.append(_Part(fold, ~scores & ~stops, stops, scores))
    return parts


def _sides(parts: list[_Part]) -> NDArray[np.int64]:
    """The fold of each labelled photo; without folds, 1 where it is held out and 0 elsewhere. Shape (n_labelled,)."""
    sides = np.zeros(len(parts[0].scores), dtype=np.int64)
    for part in parts:
        sides[part.scores] = 1 if part.fold < 0 else part.fold
    return sides


def _is_scored(parts: list[_Part]) -> NDArray[np.bool_]:
    return np.asarray(np.any([part.scores for part in parts], axis=0))


def _n_leaked(parts: list[_Part], groups: list[str]) -> int:
    return sum(count_leaked(groups, part.learns, part.scores) for part in parts)


def _require_learnable(parts: list[_Part], labels: NDArray[np.int64], class_names: tuple[str, ...]) -> None:
    """Stop where a network would learn without a class, or would not know when to stop.

    Args:
        parts: What networks are to learn from.
        labels: Those that are learnt, after any review, shape (n_labelled,).
        class_names: The K names in index order.
    """
    for part in parts:
        for what, which in (("learn from", part.learns), ("stop by", part.stops)):
            absent = sorted(set(range(len(class_names))) - set(labels[which].tolist()))
            if not absent:
                continue
            none_of = f"none of class {absent[0]} ({class_names[absent[0]]}) to {what}"
            if part.fold >= 0:
                raise UserError(
                    f"Expected photos of each class in each fold; fold {part.fold} would have {none_of}. Take fewer "
                    "--folds or add photos."
                )
            if what == "learn from" or len(absent) == len(class_names):
                raise UserError(
                    "Expected photos of each class to learn from, and some held out to stop by; there would be "
                    f"{none_of}. Near-identical photos are not parted: add others, or take another --split-seed."
                )


def _list_views(config: TrainConfig, dataset: Dataset, parts: list[_Part]) -> _Samples:
    """List all photos, and the augmented views of those that are learnt from."""
    labelled = _labelled(dataset)
    labels = labelled["label"].to_numpy(dtype=np.int64)
    names = zip(dataset.samples["image"], dataset.samples["sha256"], strict=True)
    photos = [Photo(dataset.root / image, sha256) for image, sha256 in names]
    views = np.tile(np.arange(len(labels))[:, None], 1 + config.augment)
    learnt_from = np.flatnonzero(np.any([part.learns for part in parts], axis=0))
    for view in range(1, 1 + config.augment):
        views[learnt_from, view] = len(photos) + np.arange(len(learnt_from))
        photos += [replace(photos[row], view=view) for row in learnt_from]
    photos_as_seen = Photos(tuple(photos), config.image_size, cast(Resize, config.resize))
    return _Samples(photos_as_seen, views, labels)


def _freeze(config: TrainConfig, base: keras.Model, precision: Precision) -> FrozenBase:
    in_its_precision = base if precision.name == "float32" else in_precision(base, precision.policy)
    n_gpus = len(tf.config.list_physical_devices("GPU"))
    batch_size = batch_size_for(config.image_size, precision.n_bytes, n_gpus)
    return FrozenBase(in_its_precision, cast(Resize, config.resize), batch_size)


@contextlib.contextmanager
def _seen(job: _Job, frozen: FrozenBase, cache: Path, photos: Photos) -> Iterator[_Seen]:
    """What networks see of each photo; the cache keeps it as long as the context lasts."""
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

        of_head = LAYER_OF_HEAD[job.config.head]
        below = _BELOW.get(job.config.fine_tune)
        if below is None:
            yield _Seen(extract(photos, IMAGE, of_head), None)
        elif below == IMAGE:
            yield _Seen(extract(photos, IMAGE, of_head), photos)
        else:
            frozen_output = extract(photos, IMAGE, below)
            yield _Seen(extract(frozen_output, below, of_head), frozen_output)


def _fit_parts(fitter: "_Fitter", parts: list[_Part]) -> tuple[NDArray[np.float32], list[_Fitted]]:
    """Fit a network for each part and ask it of the photos that it is scored on.

    Returns:
        Probabilities of the labelled photos, shape (n_labelled, K), NaN of those that no part scores; and the networks,
        of which only the last has the weights of the tuned blocks.
    """
    probabilities = np.full((len(fitter.samples.labels), fitter.n_classes), np.nan, np.float32)
    networks = []
    for part in parts:
        networks.append(fitter.fit(part))
        inputs = networks[-1].inputs.take(np.flatnonzero(part.scores))
        probabilities[part.scores] = predict(networks[-1].network, inputs)
    return probabilities, networks


def _score_naive_split(fitter: "_Fitter", parts: list[_Part], groups: list[str]) -> dict[str, Any]:
    """How good networks seem on photos of which they may have learnt near-identical ones."""
    fitter.job.report.say("Once more with a naive split, for comparison:")
    probabilities, _ = _fit_parts(replace(fitter, history=History(None), is_rehearsal=True), parts)
    is_scored = _is_scored(parts)
    scored_groups = [group for group, scored in zip(groups, is_scored, strict=True) if scored]
    return score_naive_split(
        fitter.samples.labels[is_scored], probabilities[is_scored], scored_groups, _n_leaked(parts, groups)
    )


@dataclass(frozen=True)
class _Fitter:
    """Fits networks to parts of the photos, all of them in the same way.

    Attributes:
        job: What was asked for.
        samples: All photos.
        seen: What networks see of them.
        frozen: The base; its last blocks are tuned, each time from the weights that it has in the beginning.
        n_classes: K.
        history: Gets a row an epoch.
        pristine: The base's weights in the beginning.
        is_rehearsal: Whether the networks are only for comparison, so that nothing of them is kept.
    """

    job: _Job
    samples: _Samples
    seen: _Seen
    frozen: FrozenBase
    n_classes: int
    history: History
    pristine: list[NDArray[np.float32]]
    is_rehearsal: bool = False

    def fit(self, part: _Part) -> _Fitted:
        """Fit the head to a part of the photos, then the blocks that are to be tuned together with it."""
        of_head = self._new_head(self.samples.learnt(self.seen.by_head, part.learns))
        best = self._fit("head", of_head, part)
        if best is None:
            raise self._loss_is_no_number()
        if self.seen.by_tuned is None:
            return replace(of_head, best={"head": best})
        fitted = self._with_tuned_blocks(of_head.head, self.seen.by_tuned)
        weights = fitted.network.get_weights()
        tuned = self._fit("fine_tune", fitted, part)
        if tuned is not None and tuned["val_loss"] < best["val_loss"]:
            return replace(fitted, best={"head": best, "fine_tune": tuned})
        fitted.network.set_weights(weights)
        self._say_undone(best, tuned)
        return replace(fitted, best={"head": best})

    def refit(self, networks: list[_Fitted]) -> _Fitted:
        """Fit a network to all photos, as long and at the learning rates that proved right in the folds.

        Args:
            networks: Those of the folds. Of each stage the one in the middle, by the epoch that was kept, is followed.
        """
        everything = np.ones(len(self.samples.labels), dtype=bool)
        fitted = self._new_head(self.samples.learnt(self.seen.by_head, everything))
        self._refit("head", fitted, networks)
        if self.seen.by_tuned is None:
            return fitted
        fitted = self._with_tuned_blocks(fitted.head, self.seen.by_tuned)
        self._refit("fine_tune", fitted, networks)
        return fitted

    def _new_head(self, training: Examples) -> _Fitted:
        config = self.job.config
        keras.utils.set_random_seed(config.seed)
        head = build_head(training.originals(), config.hidden_units, config.dropout, self.n_classes)
        return _Fitted(head, head.input, head, self.seen.by_head)

    def _with_tuned_blocks(self, head: keras.Model, inputs: Inputs) -> _Fitted:
        """The head behind the blocks that are tuned with it, which have their first weights again."""
        config = self.job.config
        self.frozen.base.set_weights(self.pristine)
        tuned = cut(self.frozen.base, _BELOW[config.fine_tune], LAYER_OF_HEAD[config.head])
        unfreeze(tuned)
        return _Fitted(join(tuned, head), tuned.output, head, inputs)

    def _schedule(self, stage: str) -> Schedule:
        config = self.job.config
        if stage == "head":
            rate, epochs = config.learning_rate, config.epochs
        else:
            rate, epochs = config.fine_tune_learning_rate, config.fine_tune_epochs
        return Schedule(
            rate,
            epochs,
            config.batch_size,
            config.patience,
            config.seed,
            scale_loss=stage != "head" and self.frozen.policy == "mixed_float16",
            is_balanced=config.class_weights == "balanced",
            is_quick=stage == "head",
        )

    def _fit(self, stage: str, fitted: _Fitted, part: _Part) -> dict[str, Any] | None:
        schedule = self._schedule(stage)
        training = self.samples.learnt(fitted.inputs, part.learns)
        watched = self.samples.watched(fitted.inputs, part.stops)
        with self.job.stage(stage, schedule.epochs, of_what=_words(part.fold)) as advance:
            callbacks = self._callbacks(stage, part.fold, advance)
            best = fit(fitted.network, training, watched, schedule, stage, self.history, callbacks, part.fold)
        n_epochs = sum((row["stage"], row["fold"]) == (stage, part.fold) for row in self.history.rows)
        if best is not None:
            self.job.report.say(
                f"Stopped after epoch {n_epochs}; the best was epoch {best['epoch'] + 1}, "
                f"val_loss {best['val_loss']:.3f}, val_accuracy {best['val_accuracy']:.3f}"
            )
        return best

    def _refit(self, stage: str, fitted: _Fitted, networks: list[_Fitted]) -> None:
        rates = self._rates(stage, networks)
        if not rates:
            self._say_not_tuned()
            return
        training = self.samples.learnt(fitted.inputs, np.ones(len(self.samples.labels), dtype=bool))
        with self.job.stage(stage, len(rates), of_what=", all photos") as advance:
            callbacks = self._callbacks(stage, -1, advance)
            is_fine = refit(fitted.network, training, rates, self._schedule(stage), stage, self.history, callbacks)
        if not is_fine:
            raise self._loss_is_no_number()

    def _rates(self, stage: str, networks: list[_Fitted]) -> list[float]:
        """Learning rates of the epochs up to the best one, in the fold that is in the middle by their number."""
        bests = [network.best.get(stage, _NO_EPOCH) for network in networks]
        middle = sorted(bests, key=lambda row: row["epoch"])[(len(bests) - 1) // 2]
        rows = (row for row in self.history.rows if (row["stage"], row["fold"]) == (stage, middle["fold"]))
        return [row["learning_rate"] for row in rows if row["epoch"] <= middle["epoch"]]

    def _callbacks(self, stage: str, fold: int, advance: Callable[[int], None]) -> list[keras.callbacks.Callback]:
        callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: advance(1))]
        if not self.is_rehearsal:
            folder = self.job.run.path / runs.TENSORBOARD_DIR / (stage if fold < 0 else f"{stage}-fold-{fold}")
            callbacks.append(keras.callbacks.TensorBoard(folder, write_graph=False))
        return callbacks

    def _loss_is_no_number(self) -> UserError:
        return UserError(
            "Expected a finite loss; it was not a number in any epoch of the head. "
            f"Lower --learning-rate, which is {self.job.config.learning_rate}."
        )

    def _say_undone(self, before: dict[str, Any], tuned: dict[str, Any] | None) -> None:
        found = "not a number" if tuned is None else f"{tuned['val_loss']:.3f} at best"
        where = "" if before["fold"] < 0 else f" of fold {before['fold']}"
        self._notice(
            f"Fine-tuning{where} did not lower val_loss ({before['val_loss']:.3f} before, {found}): the network is "
            "kept as it was before. A lower --fine-tune-learning-rate may help."
        )

    def _say_not_tuned(self) -> None:
        self._notice(
            "Fine-tuning did not lower val_loss in most folds, so the network that learnt from all photos is not tuned."
        )

    def _notice(self, text: str) -> None:
        if not self.is_rehearsal:
            self.job.run.notice(text)
            self.job.report.warn(text)


# Of a stage that was undone; no row of a history is of that fold.
_NO_EPOCH: dict[str, Any] = {"epoch": -1, "fold": None}


def _words(fold: int) -> str:
    return "" if fold < 0 else f", fold {fold}"


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
