"""Cached reading; the only file with Streamlit's caches.

Every cache is keyed on a file's path, time of change and size, so a file that was written again is read again.
"""

import base64
import contextlib
import hashlib
import io
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from threading import Lock, Thread
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core import comparison as core_comparison
from core import dataset as core_dataset
from core import ranking as core_ranking
from core import reviews as core_reviews
from core import runs
from core import submission as core_submission
from core.cache import MAPS_DIR, default_cache_dir
from core.calibration import cross_fitted, second_half
from core.comparison import Comparison, PairedFigure
from core.config import default_runs_dir
from core.dataset import TEST_DIR, TEST_LABELS_FILE, TRAINING_DIR, TRAINING_LABELS_FILE, label_values
from core.doctor import Check, quick_checks_elsewhere
from core.errors import UserError
from core.evaluation import ScoreKind, probability_columns, scores_by_kind
from core.explain import Explainer, Explanation
from core.files import write_whole, writing
from core.groups import groups_of
from core.images import PhotoError, open_photo, read_photo, thumbnail
from core.intervals import Interval
from core.neighbours import normalised, own_nearest_distances, unlike_threshold
from core.predict import Classifier, load_classifier
from core.projection import tsne
from core.quality import PhotoQuality, photo_quality
from core.quiet import native_notes_dropped
from core.reviews import Applied, Decision, Followed, Review, ReviewLog, append_reviews, current_decisions, read_reviews
from core.runs import BrokenRun, Run, RunError
from core.slices import find_slices
from core.thumbnails import thumbnails
from dashboard.history import Summary, summary
from dashboard.photos import Row, is_right, photo_table, rows_with_decisions, with_decisions, with_original_labels
from dashboard.selection import ORIGINAL, REVIEWED, TEST_DIFFERS, unit_square

Stamp = tuple[str, int, int]
_T = TypeVar("_T")

# The checks of a run compute for a while; the page that asks for them is to be complete before.
SECONDS_BEFORE_CHECKS = 3.0
_ONE_CHECK_AT_A_TIME = Lock()


def list_runs() -> tuple[list[Run], list[BrokenRun]]:
    """All runs; see `core.runs.list_runs`."""
    return runs.list_runs(default_runs_dir(), read_run)


def read_run(path: Path) -> Run:
    """A run as it is now; see `core.runs.read_run`."""
    return _run(_stamp(path / runs.RUN_FILE))


def first_score(run: Run) -> tuple[ScoreKind, float] | None:
    """A run's most honest accuracy and its kind, for a list of runs; None where it has none that can be read."""
    return _read_or_none(_first_score, run.path / runs.METRICS_FILE)


def history_summary(run: Run) -> Summary | None:
    """What a run's epochs come to, for a list of runs; None where it has none that can be read."""
    return _read_or_none(_history_summary, run.path / runs.HISTORY_FILE)


def samples(run: Run) -> pd.DataFrame:
    """The photos of a run; see `core.runs.read_samples`. Shared: not to be changed."""
    return _samples(_stamp(run.path / runs.SAMPLES_FILE))


def problems(run: Run) -> pd.DataFrame:
    """What was wrong with a run's photos; see `core.runs.read_problems`. Shared: not to be changed."""
    return _problems(_stamp(run.path / runs.PROBLEMS_FILE))


def history(run: Run) -> pd.DataFrame:
    """A run's epochs; see `core.runs.read_history`."""
    return _history(_stamp(run.path / runs.HISTORY_FILE))


def history_basis(run: Run) -> Hashable:
    """What `history` rests on by now, for `once`."""
    return _stamp(run.path / runs.HISTORY_FILE)


def predictions(run: Run) -> pd.DataFrame:
    """A run's predictions of labelled photos; see `core.runs.read_predictions`. Shared: not to be changed."""
    return _predictions(_stamp(run.path / runs.PREDICTIONS_FILE), len(run.class_names))


def fitted_predictions(run: Run) -> pd.DataFrame:
    """What the network that is kept says of photos that it has learnt from, in a run with folds."""
    return _predictions(_stamp(run.path / runs.FITTED_PREDICTIONS_FILE), len(run.class_names))


def label_issues(run: Run) -> pd.DataFrame:
    """Photos whose labels may be wrong; see `core.label_issues.find_label_issues`. Shared: not to be changed."""
    return _label_issues(_stamp(run.path / runs.LABEL_ISSUES_FILE), len(run.class_names))


def calibrated_held_out(run: Run) -> pd.DataFrame:
    """How sure a run is of the photos held out after calibration, each with a temperature that it had no part in.

    Returns:
        A row a photo held out: `confidence`, `is_right` and `group`; none where the run has no such temperatures.
        Shared: not to be changed.
    """
    files = (runs.PREDICTIONS_FILE, runs.SAMPLES_FILE, runs.METRICS_FILE)
    predictions, samples, metrics = (_stamp(run.path / file) for file in files)
    return _calibrated_held_out(predictions, samples, metrics, len(run.class_names))


def test_predictions(run: Run) -> pd.DataFrame:
    """A run's predictions of test photos; see `core.runs.read_test_predictions`. Shared: not to be changed."""
    return _test_predictions(_stamp(run.path / runs.TEST_PREDICTIONS_FILE), len(run.class_names))


def submission_checks(run: Run) -> list[core_submission.Check]:
    """Whether a run's file can be handed in; see `core.submission.check_submission`."""
    names = (runs.SUBMISSION_FILE, runs.SAMPLES_FILE, runs.TEST_PREDICTIONS_FILE, runs.PROBLEMS_FILE)
    submission, samples, test_predictions, problems = (_stamp(run.path / name) for name in names)
    return _submission_checks(submission, samples, test_predictions, problems, run.class_names)


def checks(run: Run) -> list[Check] | None:
    """What a run is proven by at once; None as long as that is being found out. No page waits for it.

    See `core.doctor.quick_checks_elsewhere`.
    """
    names = (TRAINING_LABELS_FILE, TEST_LABELS_FILE, TRAINING_DIR, TEST_DIR, *run.class_names)
    asked = [*sorted(run.path.glob("*")), *(run.dataset_dir / name for name in names)]
    checking = _checking(tuple(_stamp_or_none(path) for path in asked), run)
    return checking.result() if checking.done() else None


def metrics(run: Run) -> dict[str, Any]:
    """A run's scores; see `core.evaluation.summarise`."""
    return _metrics(_stamp(run.path / runs.METRICS_FILE))


def photos(run: Run, labels: str = REVIEWED) -> pd.DataFrame:
    """All that a run knows of its photos, and what people decided about them. Shared: not to be changed.

    Args:
        run: Whose photos they are.
        labels: `original` to have the labels, and the losses by them, as they were before any review.

    Returns:
        See `dashboard.photos.photo_table` and `with_decisions`.
    """
    return photos_of(basis(run, labels))


class Basis(NamedTuple):
    """What all that a page says of a run's photos rests on: files as they were, and the labels that are asked for."""

    tables: "_Tables"
    labels: str
    log: Stamp | None
    metrics: Stamp | None
    class_names: tuple[str, ...]


def basis(run: Run, labels: str = REVIEWED) -> Basis:
    """What `photos` and the figures of the run rest on by now."""
    metrics = _stamp_or_none(run.path / runs.METRICS_FILE)
    return Basis(_tables(run), labels, _log_stamp(run), metrics, run.class_names)


def photos_of(basis: Basis) -> pd.DataFrame:
    """The photos that rest on this; see `photos`."""
    return _reviewed_photos(basis.tables, basis.labels, basis.log, basis.class_names)


def once(what: str, rests_on: Hashable, compute: Callable[[], _T]) -> _T:
    """What is the same for all who look at the same; computed for the first of them. Shared: not to be changed.

    Args:
        what: A name for it.
        rests_on: All that it depends on; of files, as they were before they were read.
        compute: Computes it.
    """
    lock, kept = _place(what, rests_on)
    with lock:
        if not kept:
            kept.append(compute())
    found: _T = kept[0]
    return found


def slices(run: Run) -> pd.DataFrame:
    """How the photos held out do, slice by slice; see `core.slices.find_slices`."""
    return _slices(_tables(run))


def test_fault(run: Run) -> str:
    """Why a run's predictions of test photos cannot be used; empty where they can. All others can be looked at then."""
    try:
        if run.has(runs.TEST_PREDICTIONS_FILE):
            test_predictions(run)
    except RunError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class Reviews:
    """The log of reviews beside a run, and what it comes to. Shared: not to be changed.

    Attributes:
        log: All that it holds.
        decisions: What stands, by content.
        contents: Content by name, as last named.
        fault: Why it cannot be read; empty where it can, or where there is none yet.
    """

    log: ReviewLog = field(default_factory=ReviewLog)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


def reviews_path(run: Run) -> Path:
    """Where the reviews of a run's photos are: beside the run, because they outlive it."""
    return run.path.parent / runs.REVIEWS_FILE


def reviews(run: Run) -> Reviews:
    """What people decided about photos, as it stands now."""
    return _reviews(_log_stamp(run))


def decided(run: Run, photos: pd.DataFrame) -> list[Row]:
    """Some of a run's photos, row by row, with what people have decided about them by now.

    Args:
        run: Whose photos they are.
        photos: Rows of `photos`, perhaps of some time ago; of the columns at least `image` and `sha256`.
    """
    now = reviews(run)
    return rows_with_decisions(photos, now.decisions, now.contents, run.class_names)


def add_reviews(run: Run, reviews: Sequence[Review]) -> None:
    """Add decisions to the log, but for those that are in it already.

    Raises:
        UserError: If they cannot be written.
    """
    known = {review.id for review in _reviews(_log_stamp(run)).log.reviews}
    if fresh := [review for review in reviews if review.id not in known]:
        append_reviews(reviews_path(run), fresh)


def followed(run: Run) -> Followed:
    """What reviews changed in the photos that a run was trained with; see `core.reviews.followed`."""
    return _followed(_stamp(run.path / runs.SAMPLES_FILE), _stamp(run.path / runs.PROBLEMS_FILE))


def dataset_labels(run: Run) -> Mapping[str, Sequence[object]]:
    """What the label file of a run's dataset says by now; empty where there is none that could be read."""
    return _label_values(_label_stamp(run))


def applied(run: Run) -> Applied:
    """A run's photos, also those that it left out because a review said so, as reviewed by now.

    Shared: not to be changed. See `core.reviews.with_excluded` and `core.reviews.apply_reviews`.
    """
    samples, problems = _stamp(run.path / runs.SAMPLES_FILE), _stamp(run.path / runs.PROBLEMS_FILE)
    return _applied(samples, problems, _log_stamp(run), _label_stamp(run), run.class_names)


def photo_path(run: Run, image: str) -> Path:
    """Where a photo of a run is.

    Raises:
        PhotoError: As in `core.dataset.photo_path`.
    """
    return core_dataset.photo_path(run.dataset_dir, image)


def thumbnail_uris(run: Run, images: Sequence[str]) -> list[str | PhotoError]:
    """Small copies of photos as `data:` addresses, or why there is none."""
    paths = core_dataset.photo_paths(run.dataset_dir, images)
    contents = iter(thumbnails([path for path in paths if isinstance(path, Path)], default_cache_dir()))
    found = [path if isinstance(path, PhotoError) else next(contents) for path in paths]
    return [content if isinstance(content, PhotoError) else uri(content) for content in found]


def uri(content: bytes, kind: str = "webp") -> str:
    """A picture as a `data:` address: it is part of the page, and no address of its own leads to it."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()


@dataclass(frozen=True)
class Look:
    """What there is to see and to measure of a photo that is opened.

    Attributes:
        picture: A WebP file, upright, at most 1,200 pixels wide and high.
        width: Of the photo itself, upright, in pixels.
        height: Likewise.
        bytes: Size of its file.
        quality: What its pixels say about it.
    """

    picture: bytes
    width: int
    height: int
    bytes: int
    quality: PhotoQuality


def look(source: Path | bytes) -> Look:
    """Decode and measure a photo: a file, kept for all, or the bytes of a visitor's own, kept for that visitor.

    Raises:
        PhotoError: If the photo cannot be used.
    """
    if isinstance(source, bytes):
        return _look_at_own(hashlib.sha256(source).hexdigest(), source)
    return _look_at_file(_photo_stamp(source))


@dataclass(frozen=True)
class Embedded:
    """What a run's photos look like to its network.

    Attributes:
        images: Names, shape (n_photos,), in the order of `samples.csv`.
        unit_rows: Embeddings of length 1, shape (n_photos, 512).
        learnt: Rows of the photos that the network has learnt from.
        unlike_beyond: Cosine distance beyond which a photo is unlike those; see `core.neighbours`.
    """

    images: NDArray[np.object_]
    unit_rows: NDArray[np.float32]
    learnt: NDArray[np.int64]
    unlike_beyond: float


def embedded(run: Run) -> Embedded:
    """What a run's photos look like to its network; read and compared once for all visitors.

    Raises:
        RunError: If the run does not have what that takes.
    """
    files = (runs.EMBEDDINGS_FILE, runs.SAMPLES_FILE, runs.PREDICTIONS_FILE)
    embeddings, samples, predictions = (_stamp(run.path / file) for file in files)
    return _embedded(embeddings, samples, predictions, len(run.class_names))


def classifier(run: Run) -> Classifier:
    """A run's network, loaded once for all visitors.

    Raises:
        UserError: If the run has none that can be used.
    """
    return _classifier(*network_stamps(run), run)


def load_ahead(run: Run) -> None:
    """Begin to load what a prediction takes, while the visitor is still choosing a photo.

    It goes on when the page is drawn anew meanwhile; whoever asks for it waits for it. Faults are told to them, too.
    """
    _loading(*network_stamps(run), run)


def explanation(run: Run, source: Path | bytes) -> Explanation:
    """What speaks for each class in a photo: a file, kept for all, or a visitor's own, kept for that visitor.

    Raises:
        PhotoError: If the photo cannot be used.
        UserError: If the run has no network that can be explained.
    """
    if isinstance(source, bytes):
        return _explanation_of_own(*network_stamps(run), hashlib.sha256(source).hexdigest(), run, source)
    return _explanation_of_file(*network_stamps(run), _photo_stamp(source), run)


def network_stamps(run: Run) -> tuple[Stamp, Stamp]:
    """What tells a run's network from any other, and from what it was before the run was trained again."""
    return _stamp(run.path / runs.MODEL_FILE), _stamp(run.path / runs.RUN_FILE)


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # The latter for a name that no file can have.
        reason = "there is none" if isinstance(error, FileNotFoundError) else error
        raise RunError(f"Expected {path.name} in {path.parent}; {reason}.") from None
    return str(path), status.st_mtime_ns, status.st_size


def _stamp_or_none(path: Path) -> Stamp | None:
    try:
        return _stamp(path)
    except RunError:
        return None


def _photo_stamp(path: Path) -> Stamp:
    try:
        return _stamp(path)
    except RunError:
        raise PhotoError("unreadable", f"there is no {path.name} in {path.parent}") from None


# What lists of runs show is looked up for hundreds of them at each rerun. Streamlit's caches take a millisecond a look;
# what these hand out is shared, and not to be changed.
_MOST_RUNS = 4096


def _read_or_none(read: Callable[[Stamp], _T], path: Path) -> _T | None:
    try:
        return read(_stamp(path))
    except RunError:
        return None


@lru_cache(_MOST_RUNS)
def _run(stamp: Stamp) -> Run:
    return runs.read_run(Path(stamp[0]).parent)


@lru_cache(_MOST_RUNS)
def _first_score(stamp: Stamp) -> tuple[ScoreKind, float]:
    kind, scores = scores_by_kind(runs.read_metrics(Path(stamp[0])))[0]
    return kind, float(scores["accuracy"])


@lru_cache(_MOST_RUNS)
def _history_summary(stamp: Stamp) -> Summary:
    return summary(runs.read_history(Path(stamp[0])))


# Tables of photos are resources and no data: they are not copied for every look at them.
@st.cache_resource(show_spinner=False, max_entries=32)
def _samples(stamp: Stamp) -> pd.DataFrame:
    return runs.read_samples(Path(stamp[0]))


@st.cache_resource(show_spinner=False, max_entries=32)
def _problems(stamp: Stamp) -> pd.DataFrame:
    return runs.read_problems(Path(stamp[0]))


@st.cache_data(show_spinner=False, max_entries=128)
def _history(stamp: Stamp) -> pd.DataFrame:
    return runs.read_history(Path(stamp[0]))


@st.cache_resource(show_spinner=False, max_entries=32)
def _predictions(stamp: Stamp, n_classes: int) -> pd.DataFrame:
    return runs.read_predictions(Path(stamp[0]), n_classes)


@st.cache_resource(show_spinner=False, max_entries=32)
def _label_issues(stamp: Stamp, n_classes: int) -> pd.DataFrame:
    return runs.read_label_issues(Path(stamp[0]), n_classes)


@st.cache_resource(show_spinner=False, max_entries=8)
def _calibrated_held_out(predictions: Stamp, samples: Stamp, metrics: Stamp, n_classes: int) -> pd.DataFrame:
    table = _predictions(predictions, n_classes)
    found = _metrics(metrics).get("calibrated")
    held_out = table[table["split"] == "val"] if found else table[:0]
    groups = groups_of(held_out["image"], _samples(samples))
    probabilities = held_out[probability_columns(n_classes)].to_numpy(dtype=np.float64)
    temperatures = found["temperatures"] if found else (1.0,)
    confidence = cross_fitted(probabilities, temperatures, second_half(groups)).max(axis=1, initial=0)
    is_right = held_out["true_label"] == held_out["predicted_label"]
    return pd.DataFrame({"confidence": confidence, "is_right": is_right, "group": groups})


@st.cache_resource(show_spinner=False, max_entries=32)
def _test_predictions(stamp: Stamp, n_classes: int) -> pd.DataFrame:
    return runs.read_test_predictions(Path(stamp[0]), n_classes)


@st.cache_data(show_spinner=False, max_entries=32)
def _submission_checks(
    submission: Stamp, samples: Stamp, test_predictions: Stamp, problems: Stamp, class_names: tuple[str, ...]
) -> list[core_submission.Check]:
    return core_submission.check_submission(
        runs.read_submission(Path(submission[0])),
        _samples(samples),
        _test_predictions(test_predictions, len(class_names)),
        class_names,
        core_submission.unusable_test_images(_problems(problems)),
    )


@st.cache_resource(show_spinner=False, max_entries=128)
def _checking(stamps: tuple[Stamp | None, ...], _run: Run) -> Future[list[Check]]:
    checking: Future[list[Check]] = Future()
    Thread(target=_check, args=(_run, checking), daemon=True).start()  # The server does not wait for it when it ends.
    return checking


def _check(run: Run, checking: Future[list[Check]]) -> None:
    time.sleep(SECONDS_BEFORE_CHECKS)
    with _ONE_CHECK_AT_A_TIME:
        checking.set_result(quick_checks_elsewhere(run))


@st.cache_data(show_spinner=False, max_entries=128)
def _metrics(stamp: Stamp) -> dict[str, Any]:
    return runs.read_metrics(Path(stamp[0]))


@st.cache_data(show_spinner=False, max_entries=32)
def _followed(samples: Stamp, problems: Stamp) -> Followed:
    return core_reviews.followed(_samples(samples), _problems(problems))


def _label_stamp(run: Run) -> Stamp | None:
    return _stamp_or_none(run.dataset_dir / TRAINING_LABELS_FILE)


@lru_cache(4)
def _label_values(stamp: Stamp | None) -> Mapping[str, Sequence[object]]:
    try:
        return label_values(Path(stamp[0])) if stamp else {}
    except UserError:
        return {}


# A resource and no data: the table is not copied for every look at it.
@st.cache_resource(show_spinner=False, max_entries=4)
def _applied(
    samples: Stamp, problems: Stamp, log: Stamp | None, labels: Stamp | None, class_names: tuple[str, ...]
) -> Applied:
    now, tables = _reviews(log), (_samples(samples), _problems(problems))
    everything = core_reviews.with_excluded(*tables, now.contents, _label_values(labels), class_names)
    return core_reviews.apply_reviews(everything, now.decisions, class_names)


class _Tables(NamedTuple):
    """What tells a run's photos."""

    samples: Stamp
    problems: Stamp
    predictions: Stamp | None
    test_predictions: Stamp | None
    n_classes: int


def _tables(run: Run) -> _Tables:
    samples, problems = _stamp(run.path / runs.SAMPLES_FILE), _stamp(run.path / runs.PROBLEMS_FILE)
    predicted = _stamp_or_none(run.path / runs.PREDICTIONS_FILE)
    tested = None if test_fault(run) else _stamp_or_none(run.path / runs.TEST_PREDICTIONS_FILE)
    return _Tables(samples, problems, predicted, tested, len(run.class_names))


# A chart takes some milliseconds, which all visitors' pages wait for, and tens of kilobytes. Streamlit's own cache
# takes as long to find something as much of this takes to compute.
@lru_cache(128)
def _place(what: str, rests_on: Hashable) -> tuple[Lock, list[Any]]:
    """Where something is kept once it is computed."""
    return Lock(), []


@st.cache_resource(show_spinner=False, max_entries=8)
def _photos(tables: _Tables, labels: str) -> pd.DataFrame:
    if labels == ORIGINAL:
        return with_original_labels(_photos(tables, REVIEWED), tables.n_classes)
    predictions, tested, n = tables.predictions, tables.test_predictions, tables.n_classes
    return photo_table(
        _samples(tables.samples),
        _problems(tables.problems),
        n,
        _predictions(predictions, n) if predictions else None,
        _test_predictions(tested, n) if tested else None,
    )


@st.cache_data(show_spinner=False, max_entries=32)
def _slices(tables: _Tables) -> pd.DataFrame:
    photos = _photos(tables, REVIEWED)
    held_out = photos[photos["split"] == "val"]
    return find_slices(held_out, is_right(held_out), pd.factorize(held_out["group"])[0])


# Each decision makes another one of these; the tables below it are read once.
@st.cache_resource(show_spinner=False, max_entries=8)
def _reviewed_photos(tables: _Tables, labels: str, log: Stamp | None, class_names: tuple[str, ...]) -> pd.DataFrame:
    now = _reviews(log)
    return with_decisions(_photos(tables, labels), now.decisions, now.contents, class_names)


def _log_stamp(run: Run) -> Stamp | None:
    return _stamp_or_none(reviews_path(run))


@lru_cache(4)
def _reviews(stamp: Stamp | None) -> Reviews:
    if stamp is None:
        return Reviews()
    try:
        log = read_reviews(Path(stamp[0]))
    except UserError as error:
        return Reviews(fault=str(error))
    contents = {review.image: review.sha256 for review in log.reviews}
    return Reviews(log, current_decisions(log.reviews), contents)


# A spinner of Streamlit's would be a place where a page that is drawn anew interrupts the loading.
@st.cache_resource(show_spinner=False, max_entries=2)
def _classifier(model: Stamp, run_file: Stamp, _run: Run) -> Classifier:
    with native_notes_dropped():
        classifier = load_classifier(_run)
        classifier.prepare()
    _keep_session()
    return classifier


def _keep_session() -> None:
    """Keep Streamlit from clearing Keras' session, as it does whenever the script of any visitor's page has run.

    That would take TensorFlow's prepared kernels away from whoever predicts, and look for garbage among all objects of
    TensorFlow: half a second, after each page, in which no other page is computed.
    """
    import keras

    keras.backend.clear_session = lambda free_memory=True: None


@st.cache_resource(show_spinner=False, max_entries=2)
def _explainer(model: Stamp, run_file: Stamp, _run: Run) -> Explainer:
    return Explainer(classifier(_run))


@st.cache_resource(show_spinner=False, max_entries=2)
def _loading(model: Stamp, run_file: Stamp, _run: Run) -> list[Thread]:
    threads = [Thread(target=_try, args=(load, _run)) for load in (classifier, embedded)]
    for thread in threads:
        thread.start()
    return threads


def _try(load: Callable[[Run], object], run: Run) -> None:
    with contextlib.suppress(UserError):
        load(run)


@st.cache_data(show_spinner=False, max_entries=100)
def _explanation_of_file(model: Stamp, run_file: Stamp, photo: Stamp, _run: Run) -> Explanation:
    return _explain(model, run_file, _run, Path(photo[0]))


@st.cache_data(show_spinner=False, max_entries=100, scope="session")
def _explanation_of_own(model: Stamp, run_file: Stamp, sha256: str, _run: Run, _content: bytes) -> Explanation:
    return _explain(model, run_file, _run, _content)


def _explain(model: Stamp, run_file: Stamp, run: Run, source: Path | bytes) -> Explanation:
    explainer = _explainer(model, run_file, run)
    return explainer.explain(classifier(run).load(source))


@st.cache_data(show_spinner=False, max_entries=100)
def _look_at_file(stamp: Stamp) -> Look:
    return _measured(read_photo(Path(stamp[0])))


@st.cache_data(show_spinner=False, max_entries=20, scope="session")
def _look_at_own(sha256: str, _content: bytes) -> Look:
    return _measured(_content)


def _measured(content: bytes) -> Look:
    photo = open_photo(content)
    return Look(thumbnail(content, 1200), *photo.size, len(content), photo_quality(photo))


@st.cache_resource(show_spinner=False, max_entries=2)
def _embedded(embeddings: Stamp, samples: Stamp, predictions: Stamp, n_classes: int) -> Embedded:
    images = _samples(samples)["image"]
    unit_rows = normalised(runs.read_embeddings(Path(embeddings[0]), len(images)))
    table = _predictions(predictions, n_classes)
    is_training = table["split"] == "train"
    # Where there is none, each photo was held out in one fold, and the network has learnt from all of them in the end.
    learnt = np.flatnonzero(images.isin(table.loc[is_training if is_training.any() else slice(None), "image"]))
    threshold = unlike_threshold(own_nearest_distances(unit_rows[learnt]))
    return Embedded(images.to_numpy(dtype=object), unit_rows, learnt, threshold)


def positions(run: Run, map_name: str) -> NDArray[np.float64] | None:
    """Places of a run's photos on a map, row by row of `photos`, in the unit square.

    Args:
        run: Whose photos they are.
        map_name: `pca`, which training leaves, or `tsne`, which `compute_tsne` does.

    Returns:
        Shape (n_photos, 2), missing where a photo has no place; None where there is no such map.
    """
    if map_name == "tsne":
        source = _tsne_file(run) if run.has(runs.EMBEDDINGS_FILE) else None
    else:
        source = run.path / runs.PROJECTION_FILE
    if source is None or not source.is_file():
        return None
    samples, problems = _stamp(run.path / runs.SAMPLES_FILE), _stamp(run.path / runs.PROBLEMS_FILE)
    return _positions(_stamp(source), samples, problems, photos(run)["image"])


def compute_tsne(run: Run, on_progress: Callable[[float], object]) -> None:
    """Compute the map that takes long and keep it for all runs with the same embeddings.

    Raises:
        UserError: If the run's embeddings cannot be used, or the map cannot be kept.
    """
    places = tsne(embeddings(run), on_progress=on_progress)
    target = _tsne_file(run)
    content = io.BytesIO()
    np.save(content, places)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, lambda path: path.write_bytes(content.getbuffer()))


def embeddings(run: Run) -> NDArray[np.float16]:
    """What photos look like to a run's network, row by row of `samples.csv`; see `core.runs.read_embeddings`.

    Raises:
        RunError: If the run has none that can be used.
    """
    return runs.read_embeddings(run.path / runs.EMBEDDINGS_FILE, len(samples(run)))


def _tsne_file(run: Run) -> Path:
    return default_cache_dir() / MAPS_DIR / f"tsne-{_digest(_stamp(run.path / runs.EMBEDDINGS_FILE))}.npy"


@st.cache_data(show_spinner=False, max_entries=32)
def _digest(stamp: Stamp) -> str:
    with Path(stamp[0]).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@st.cache_resource(show_spinner=False, max_entries=16)
def _positions(source: Stamp, samples: Stamp, problems: Stamp, _images: "pd.Series[str]") -> NDArray[np.float64]:
    path = Path(source[0])
    if path.suffix == ".csv":
        places = runs.read_projection(path).set_index("image")[["x", "y"]]
    else:
        images = _samples(samples)["image"]
        try:
            places = pd.DataFrame(np.load(path, allow_pickle=False), index=images, columns=["x", "y"])
        except (OSError, ValueError, EOFError) as error:
            raise RunError(f"Expected a place for each photo in {path}; {error}. Delete that file.") from None
    return unit_square(places.reindex(_images).to_numpy(dtype=np.float64))


def comparison(before: Run, after: Run, labels: str = REVIEWED) -> Comparison:
    """Two runs photo by photo; see `core.comparison.compare`.

    Args:
        before: The earlier run.
        after: The later one.
        labels: `original` to go by the later run's labels as they were before any review.

    Raises:
        RunError: If they cannot be compared.
    """
    return _comparison(_prediction_pair(before, after), labels)


def paired_figures(before: Run, after: Run, labels: str = REVIEWED) -> list[PairedFigure]:
    """Figures of both runs and their differences; see `comparison` and `core.comparison.paired_figures`.

    Raises:
        RunError: If they cannot be compared.
    """
    return _paired_figures(_prediction_pair(before, after), labels)


def changes(before: Run, after: Run, labels: str = REVIEWED) -> pd.DataFrame:
    """What another run said of the photos held out in both, and what has become of them; see `comparison`.

    Returns:
        By `image`: `change`, one of `core.comparison.CHANGES`, `predicted_other` and `confidence_other`. Shared: not to
        be changed.

    Raises:
        RunError: If they cannot be compared.
    """
    return _changes(_prediction_pair(before, after), labels)


def test_changes(before: Run, after: Run) -> pd.DataFrame:
    """What another run said of the test photos that the two submissions put into different classes.

    Returns:
        As `changes` does, and `category`, this run's class: in a file that was changed by hand it is not the predicted
        one. `confidence_other` is missing where the other file was.

    Raises:
        RunError: If they cannot be compared.
    """
    said = _stamp(before.path / runs.TEST_PREDICTIONS_FILE)
    return _test_changes(_submission_pair(before, after), said)


def submission_differences(before: Run, after: Run) -> core_submission.SubmissionDifferences:
    """Two runs' submissions side by side; see `core.submission.differences`.

    Raises:
        RunError: If they cannot be compared.
    """
    return _submission_differences(_submission_pair(before, after))


def replaced_images(before: Run, after: Run) -> list[str]:
    """Photos whose name is in both runs, but not their content; see `core.comparison.replaced_images`."""
    return _replaced_images(*(_stamp(run.path / runs.SAMPLES_FILE) for run in (before, after)))


def _prediction_pair(before: Run, after: Run) -> "_Pair":
    return _pair(before, after, runs.PREDICTIONS_FILE)


def _submission_pair(before: Run, after: Run) -> "_Pair":
    return _pair(before, after, runs.SUBMISSION_FILE)


def _pair(before: Run, after: Run, name: str) -> "_Pair":
    if before.class_names != after.class_names:
        found = f"{', '.join(before.class_names)} in {before.name}, {', '.join(after.class_names)} in {after.name}"
        raise RunError(f"Expected two runs with the same classes; found {found}.")
    earlier, later = (_stamp(run.path / name) for run in (before, after))
    samples_before, samples_after = (_stamp(run.path / runs.SAMPLES_FILE) for run in (before, after))
    return _Pair(earlier, later, samples_before, samples_after, len(after.class_names))


@dataclass(frozen=True)
class Ranking:
    """One class against the rest: curves by class name, and the areas under them with their intervals."""

    roc: dict[str, pd.DataFrame]
    roc_auc: list[tuple[float, Interval]]
    precision_recall: dict[str, pd.DataFrame]
    average_precision: list[tuple[float, Interval]]


def ranking(run: Run) -> Ranking:
    """Curves of the photos held out; see `core.ranking`."""
    predictions, samples = (_stamp(run.path / file) for file in (runs.PREDICTIONS_FILE, runs.SAMPLES_FILE))
    return _ranking(predictions, samples, run.class_names)


class _Pair(NamedTuple):
    """A file of two runs, and what tells whether photos of the same name are the same."""

    before: Stamp
    after: Stamp
    samples_before: Stamp
    samples_after: Stamp
    n_classes: int

    def replaced_images(self) -> list[str]:
        return _replaced_images(self.samples_before, self.samples_after)


@st.cache_resource(show_spinner=False, max_entries=8)
def _comparison(pair: _Pair, labels: str) -> Comparison:
    tables = (_predictions(stamp, pair.n_classes) for stamp in (pair.before, pair.after))
    before, after = (table[~table["image"].isin(pair.replaced_images())] for table in tables)
    samples = _samples(pair.samples_after)
    runs.check_sample_labels(samples, pair.n_classes)
    originals = samples.set_index("image")["original_label"].dropna() if labels == ORIGINAL else None
    return core_comparison.with_groups(core_comparison.compare(before, after, originals), samples)


@st.cache_data(show_spinner="Comparing ...", max_entries=32)
def _paired_figures(pair: _Pair, labels: str) -> list[PairedFigure]:
    return core_comparison.paired_figures(_comparison(pair, labels), pair.n_classes)


@st.cache_resource(show_spinner=False, max_entries=8)
def _changes(pair: _Pair, labels: str) -> pd.DataFrame:
    photos = _comparison(pair, labels).photos.set_index("image")
    columns = {"predicted_before": "predicted_other", "confidence_before": "confidence_other"}
    return photos[["change", *columns]].rename(columns=columns).astype({"change": "str"})


@st.cache_resource(show_spinner=False, max_entries=8)
def _submission_differences(pair: _Pair) -> core_submission.SubmissionDifferences:
    replaced = [PurePosixPath(image) for image in pair.replaced_images()]
    names = [path.name for path in replaced if str(path.parent) == TEST_DIR]
    files = (runs.read_submission(Path(stamp[0])) for stamp in (pair.after, pair.before))
    return core_submission.differences(*(file[~file["Id"].isin(names)] for file in files))


@st.cache_resource(show_spinner=False, max_entries=8)
def _test_changes(pair: _Pair, test_predictions: Stamp) -> pd.DataFrame:
    differing = _submission_differences(pair).photos
    said = _test_predictions(test_predictions, pair.n_classes).set_index("image")
    said = said.reindex(TEST_DIR + "/" + differing["Id"])
    return pd.DataFrame(
        {
            "change": TEST_DIFFERS,
            "category": differing["Category"].to_numpy(),
            "predicted_other": differing["other"].to_numpy(),
            "confidence_other": said["confidence"].where(said["predicted_label"] == differing["other"].to_numpy()),
        },
        index=said.index,
    )


@st.cache_data(show_spinner=False, max_entries=32)
def _replaced_images(before: Stamp, after: Stamp) -> list[str]:
    return core_comparison.replaced_images(*(_samples(stamp) for stamp in (before, after)))


@st.cache_resource(show_spinner="Curves ...", max_entries=8)
def _ranking(predictions: Stamp, samples: Stamp, class_names: tuple[str, ...]) -> Ranking:
    table = _predictions(predictions, len(class_names))
    held_out, labels = table[table["split"] == "val"], range(len(class_names))
    codes = pd.factorize(pd.Series(groups_of(held_out["image"], _samples(samples)), dtype="str"))[0]
    return Ranking(
        {name: core_ranking.roc_curve(held_out, label) for label, name in enumerate(class_names)},
        [core_ranking.roc_auc(held_out, label, codes) for label in labels],
        {name: core_ranking.precision_recall_curve(held_out, label) for label, name in enumerate(class_names)},
        [core_ranking.average_precision(held_out, label, codes) for label in labels],
    )
