"""What must hold of a run that can be trusted, each by itself: a function from `Evidence` to an `Outcome`.

What a run folder says is computed anew from what it is made of, and held against the dataset as it is now. `Evidence`
reads a file when it is first asked for; one that is missing or malformed is a `RunError`, which names it, in each check
that needs it. What cannot be asked (the dataset is gone, the run has no test photos) is skipped, with the reason. Only
the check of the saved network imports TensorFlow.
"""

import contextlib
import hashlib
import math
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core import evaluation, runs, submission
from core.dataset import TEST_DIR, TRAINING_DIR, Listing, fingerprint, list_photos, photo_path
from core.errors import MOST_NAMED, UserError, named, shortened
from core.groups import groups_of
from core.images import PhotoError, read_photo
from core.predict import BATCH_SIZE, load_classifier
from core.reviews import followed
from core.runs import Run
from core.splits import split_hash

State = Literal["passed", "failed", "skipped"]
PASSED: Final = "passed"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
STATES: Final = (PASSED, FAILED, SKIPPED)

# Numbers are written with all their digits. These are drawn at random or fitted: with another release of NumPy or SciPy
# they may differ by a little.
_TOLERANCE = 1e-6
_DRAWN_OR_FITTED = (
    *("macro_f1_interval", "log_loss_interval", "expected_calibration_error_interval"),
    *("temperature", "calibrated"),
)
_LOOSER_TOLERANCE = 5e-3
_PROBABILITY_TOLERANCE = 1e-4
# The saved network computes in float32. What was predicted in 16 bits is farther from it (docs/features.md), and a GPU
# rounds the factors of float32 products to 10 bits (TF32).
_LARGEST_DIFFERENCE = 1e-4
_LARGEST_DIFFERENCE_IN_16_BITS = 0.05
_LARGEST_DIFFERENCE_ON_GPU = 0.01


@dataclass(frozen=True)
class Outcome:
    """What a check came to."""

    state: State
    detail: str


def passed(detail: str) -> Outcome:
    """It holds."""
    return Outcome(PASSED, detail)


def failed(detail: str) -> Outcome:
    """It does not."""
    return Outcome(FAILED, detail)


def skipped(reason: str) -> Outcome:
    """It cannot be asked."""
    return Outcome(SKIPPED, reason)


def _judged(faults: Iterable[str], fine: str) -> Outcome:
    """Failed with all faults, passed where there are none."""
    said = "; ".join(faults)
    return failed(said) if said else passed(fine)


class Evidence:
    """A run's files, each read once, and only when a check asks for it; those that cannot be read raise `RunError`."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.n_classes = len(run.class_names)

    def path(self, name: str) -> Path:
        """Where a file of the run is."""
        return self.run.path / name

    @cached_property
    def samples(self) -> pd.DataFrame:
        """As in `samples.csv`."""
        return runs.read_samples(self.path(runs.SAMPLES_FILE))

    @property
    def labelled(self) -> pd.DataFrame:
        """The photos that could be trained on."""
        return self.samples[self.samples["folder"] == TRAINING_DIR]

    @cached_property
    def problems(self) -> pd.DataFrame:
        """As in `problems.csv`."""
        return runs.read_problems(self.path(runs.PROBLEMS_FILE))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """As in `predictions.csv`."""
        return runs.read_predictions(self.path(runs.PREDICTIONS_FILE), self.n_classes)

    @property
    def held_out(self) -> pd.DataFrame:
        """Predictions of photos that the network had not learnt from."""
        return self.predictions[self.predictions["split"] == "val"]

    @cached_property
    def has_folds(self) -> bool:
        """Whether each photo was held out in one of several folds."""
        return bool((self.predictions["fold"] >= 0).any())

    @cached_property
    def test_predictions(self) -> pd.DataFrame:
        """As in `test_predictions.csv`."""
        return runs.read_test_predictions(self.path(runs.TEST_PREDICTIONS_FILE), self.n_classes)

    @cached_property
    def has_test_photos(self) -> bool:
        """Whether there are photos to be predicted, readable or not."""
        is_test = self.samples["folder"] == TEST_DIR
        return bool(is_test.any()) or bool(submission.unusable_test_images(self.problems))

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """As in `metrics.json`."""
        return runs.read_metrics(self.path(runs.METRICS_FILE))

    @cached_property
    def history(self) -> pd.DataFrame:
        """As in `history.csv`."""
        return runs.read_history(self.path(runs.HISTORY_FILE))

    @cached_property
    def places(self) -> pd.DataFrame:
        """As in `projection.csv`."""
        return runs.read_projection(self.path(runs.PROJECTION_FILE))

    @property
    def where_dataset_is_not(self) -> str | None:
        """Why the dataset cannot be asked; None where it is there."""
        folder = self.run.dataset_dir
        with contextlib.suppress(OSError):  # A name that no folder can have.
            if folder.is_dir():
                return None
        return f"there is no {shortened(str(folder), 200)}; MASKBOARD_DATA can say where the dataset is"

    @cached_property
    def listing(self) -> Listing:
        """What the dataset's folders and label files say now."""
        names = self.run.info["config"].get("class_names")
        return list_photos(self.run.dataset_dir, tuple(map(str, names)) if isinstance(names, list) else None)


# --- the run folder --------------------------------------------------------------------------------------------------


def check_state(evidence: Evidence) -> Outcome:
    """Only a run that came to its end is whole."""
    run = evidence.run
    if run.state == runs.FINISHED:
        return passed(f"finished, {run.info['created']}")
    error = run.info.get("error")
    return failed(f"expected a finished training, found {run.state}" + (f": {error}" if error else ""))


def check_files(evidence: Evidence) -> Outcome:
    """All files of a finished run are there, and each is whole by its format."""
    faults, n_bytes, n_files = [], 0, 0
    readers = {evidence.path(name): read for name, read in _readers(evidence).items()}
    events = sorted(evidence.path(runs.TENSORBOARD_DIR).rglob("events.*"))
    for path, read in [*readers.items(), *((path, _require_whole_event_file) for path in events)]:
        try:
            read(path)
            n_bytes, n_files = n_bytes + path.stat().st_size, n_files + 1
        except (UserError, OSError) as error:
            faults.append(str(error))
    return _judged(faults, f"{n_files} files, {n_bytes / 1e6:,.1f} MB")


def _readers(evidence: Evidence) -> dict[str, Callable[[Path], object]]:
    """What reads each file that a finished run has, failing where it is not whole."""
    n_classes = evidence.n_classes
    readers: dict[str, Callable[[Path], object]] = {
        runs.SAMPLES_FILE: lambda path: evidence.samples,
        runs.PROBLEMS_FILE: lambda path: evidence.problems,
        runs.HISTORY_FILE: lambda path: evidence.history,
        runs.PREDICTIONS_FILE: lambda path: evidence.predictions,
        runs.CONFUSION_MATRIX_FILE: lambda path: runs.read_confusion_matrix(path, evidence.run.class_names),
        runs.METRICS_FILE: lambda path: evidence.metrics,
        runs.EMBEDDINGS_FILE: lambda path: runs.read_embeddings(path, runs.embeddings_shape(path)[0]),
        runs.PROJECTION_FILE: lambda path: evidence.places,
        runs.MODEL_FILE: _require_whole_archive,
    }
    # Where the table that tells whether they belong here cannot be read, that is said of the table.
    with contextlib.suppress(UserError):
        if evidence.has_folds:
            readers[runs.FITTED_PREDICTIONS_FILE] = lambda path: runs.read_predictions(path, n_classes)
    with contextlib.suppress(UserError):
        if "kind" in evidence.metrics:  # Older versions wrote neither.
            readers[runs.LABEL_ISSUES_FILE] = lambda path: runs.read_label_issues(path, n_classes)
    with contextlib.suppress(UserError):
        if evidence.has_test_photos:
            readers[runs.SUBMISSION_FILE] = runs.read_submission
            readers[runs.TEST_PREDICTIONS_FILE] = lambda path: evidence.test_predictions
    return readers


def _require_whole_archive(path: Path) -> None:
    """A Keras model is a ZIP archive, which holds a checksum of each of its files.

    Raises:
        RunError: If it is missing or damaged.
    """
    runs.require_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise runs.RunError(f"{path.name}: expected a whole Keras model; {error}.") from None
    if damaged is not None:
        raise runs.RunError(f"{path.name}: expected a whole Keras model; {damaged} in it is damaged.")


def _require_whole_event_file(path: Path) -> None:
    """A file of TensorBoard ends where its last record does: length, checksum, content, checksum, again.

    Raises:
        RunError: If it is no file or cut off.
    """
    runs.require_file(path)
    content, at = path.read_bytes(), 0
    while at + 8 <= len(content):
        at += 8 + 4 + int.from_bytes(content[at : at + 8], "little") + 4
    if at != len(content):
        raise runs.RunError(f"{path.parent.name}/{path.name}: expected whole records, found a cut-off one.")


# --- what follows from predictions.csv -------------------------------------------------------------------------------


def check_predictions(evidence: Evidence) -> Outcome:
    """Each labelled photo is predicted once, under its label, and class, confidence and loss are the probabilities'."""
    labelled, table = evidence.labelled, evidence.predictions
    labels = labelled.set_index("image")["label"].reindex(table["image"])
    faults = [
        *_some_of("not predicted", sorted(set(labelled["image"]) - set(table["image"]))),
        *_some_of("no labelled photo", sorted(table["image"][labels.isna().to_numpy()])),
        *_some_of("another label than in samples.csv", _where(table, _is_other(labels, table["true_label"]))),
    ]
    for what, is_other in _inconsistent(table, evidence.n_classes).items():
        faults += _some_of(f"{what} not that of the probabilities", _where(table, is_other))
    return _judged(faults, f"{len(table):,} photos, {len(evidence.held_out):,} of them held out")


def _is_other(expected: "pd.Series[int]", found: "pd.Series[int]") -> NDArray[np.bool_]:
    known = expected.fillna(-1).to_numpy(dtype=np.int64)
    return np.asarray((known >= 0) & (known != found.to_numpy(dtype=np.int64)))


def _inconsistent(table: pd.DataFrame, n_classes: int) -> dict[str, NDArray[np.bool_]]:
    """Rows of predictions whose columns contradict each other."""
    probabilities = table[evaluation.probability_columns(n_classes)].to_numpy(dtype=np.float64)
    rows = np.arange(len(table))
    highest, of_predicted = probabilities.max(axis=1), probabilities[rows, table["predicted_label"]]
    loss = evaluation.cross_entropy(probabilities, table["true_label"].to_numpy())
    return {
        "sum": np.abs(probabilities.sum(axis=1) - 1) > 1e-3,
        "predicted class": of_predicted < highest - _TOLERANCE,
        "confidence": ~np.isclose(table["confidence"], highest, atol=_PROBABILITY_TOLERANCE),
        "loss": ~np.isclose(table["loss"], loss, rtol=1e-3, atol=_PROBABILITY_TOLERANCE),
    }


def _where(table: pd.DataFrame, mask: NDArray[np.bool_]) -> list[str]:
    return list(table["image"][mask])


def check_metrics(evidence: Evidence) -> Outcome:
    """Every number of `metrics.json`, computed anew from the held-out rows of `predictions.csv` and the groups."""
    held_out = evidence.held_out
    # Where samples.csv does not know a photo, another check complains.
    groups = groups_of(held_out["image"], evidence.samples)
    expected = evaluation.summarise(held_out, evidence.run.class_names, groups)
    # Those of a naive split come from networks whose predictions are not kept.
    found = {key: value for key, value in evidence.metrics.items() if key not in ("test", "naive_split")}
    return _compare_scores(found, expected)


def check_test_scores(evidence: Evidence) -> Outcome:
    """The same of the test photos, under the labels that the dataset gives them now."""
    if "test" not in evidence.metrics:
        return skipped("the run has none: no labels of test photos were known")
    if reason := evidence.where_dataset_is_not:
        return skipped(reason)
    labels = {photo.image: photo.label for photo in evidence.listing.photos if photo.folder == TEST_DIR}
    table = evidence.test_predictions.dropna(subset=["confidence"])
    table = table.assign(true_label=table["image"].map(labels)).dropna(subset=["true_label"])
    if table.empty:
        return skipped("the dataset has no labels of test photos any more")
    if strangers := _where(table, ~table["true_label"].between(0, evidence.n_classes - 1).to_numpy()):
        return failed(f"the dataset gives them labels that are no classes of the run: {named(strangers)}")
    true_labels = table["true_label"].to_numpy(dtype=np.int64)
    probabilities = table[evaluation.probability_columns(evidence.n_classes)].to_numpy(dtype=np.float64)
    scored = evaluation.predictions_table(table["image"].tolist(), ["test"] * len(table), true_labels, probabilities)
    groups, temperature = groups_of(scored["image"], evidence.samples), evidence.metrics["temperature"]
    expected = evaluation.summarise(scored, evidence.run.class_names, groups, temperature)
    return _compare_scores(evidence.metrics["test"], expected)


def _compare_scores(found: Mapping[str, Any], expected: Mapping[str, Any]) -> Outcome:
    numbers, computed = dict(runs.numbers_within(found)), dict(runs.numbers_within(expected))
    if "kind" not in found:  # An older version, whose intervals did not count groups.
        numbers = {name: value for name, value in numbers.items() if "_interval" not in name}
    faults = [
        f"{name} is {numbers[name]:.6g}, computed anew {value:.6g}"
        for name, value in computed.items()
        if name in numbers and not _is_close(name, numbers[name], value)
    ]
    fine = f"{len(numbers.keys() & computed.keys())} numbers of {found['n_images']:,} photos"
    unknown = {_keys(name)[0] for name in numbers.keys() - computed.keys()}
    absent = {_keys(name)[-1] for name in computed.keys() - numbers.keys()}
    for what, names in (("not computed anew", unknown), ("older versions wrote none or others", absent)):
        fine += f"; {what}: {named(sorted(names))}" if names else ""
    return _judged(_some(faults), fine)


def _keys(name: str) -> list[str]:
    """The way to a number without places in lists."""
    return [part for part in name.split(".") if not part.isdecimal()]


def _is_close(name: str, found: float, expected: float) -> bool:
    tolerance = _TOLERANCE if set(_keys(name)).isdisjoint(_DRAWN_OR_FITTED) else _LOOSER_TOLERANCE
    return math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)


def check_matrix(evidence: Evidence) -> Outcome:
    """`confusion_matrix.csv`, counted anew."""
    names, held_out = evidence.run.class_names, evidence.held_out
    found = runs.read_confusion_matrix(evidence.path(runs.CONFUSION_MATRIX_FILE), names)
    expected = evaluation.confusion_matrix(held_out["true_label"], held_out["predicted_label"], len(names))
    faults = [
        f"{names[true]} predicted as {names[predicted]} is {found[true, predicted]}, counted anew {count}"
        for (true, predicted), count in np.ndenumerate(expected)
        if found[true, predicted] != count
    ]
    return _judged(_some(faults), f"{expected.sum():,} photos in {found.size} cells")


def check_reviews(evidence: Evidence) -> Outcome:
    """Labels are not the dataset's, and photos are excluded, as often as `run.json` counts what reviews changed."""
    reviews, changes = evidence.run.info.get("reviews"), followed(evidence.samples, evidence.problems)
    found = {"relabelled": changes.n_relabelled, "excluded": changes.n_excluded}
    counted = reviews if isinstance(reviews, dict) else {"n_relabelled": 0, "n_excluded": 0}
    faults = [
        f"{n:,} photos {what}, {runs.RUN_FILE} counts {counted.get(f'n_{what}')}"
        for what, n in found.items()
        if counted.get(f"n_{what}") != n
    ]
    changed = ", ".join(f"{n:,} photos {what}" for what, n in found.items())
    return _judged(faults, changed if isinstance(reviews, dict) else "trained without reviews, no label is changed")


# --- how it was trained ----------------------------------------------------------------------------------------------


def check_split(evidence: Evidence) -> Outcome:
    """Which photos are held out, or in which fold each is, is what `run.json` has the fingerprint of."""
    table, expected = evidence.predictions, evidence.run.info.get("split_hash")
    if in_no_fold := _in_no_fold(evidence):
        return failed(f"expected each photo held out in one of the folds, found others: {named(in_no_fold)}")
    if expected is None:
        return skipped("run.json has no split_hash")
    sides = table["fold"] if evidence.has_folds else table["split"] == "val"
    found = split_hash(table["image"].tolist(), sides.to_numpy())
    if found != expected:
        return failed(f"split_hash begins with {str(expected)[:12]}, computed anew with {found[:12]}")
    where = f"in {table['fold'].nunique()} folds" if evidence.has_folds else f"of {len(table):,}"
    return passed(f"{len(evidence.held_out):,} photos held out {where}")


def _in_no_fold(evidence: Evidence) -> list[str]:
    """Photos of a run with folds that are in none of them, and where they are instead."""
    table, n_folds = evidence.predictions, evidence.run.info["config"].get("folds")
    n_folds = n_folds if isinstance(n_folds, int) else 0
    if not n_folds and not evidence.has_folds:
        return []
    is_in_fold = table["fold"].between(0, n_folds - 1) & (table["split"] == "val")
    others = table[~is_in_fold]
    rows = zip(others["image"], others["split"], others["fold"], strict=True)
    return [f"{image} ({split}, fold {fold})" for image, split, fold in rows]


def check_leaks(evidence: Evidence) -> Outcome:
    """No two photos that are the same, or near-identical, lie on both sides of the split or in two folds."""
    table = evidence.predictions[["image", "split", "fold"]].merge(evidence.samples, on="image")
    side = table["split"] + " " + table["fold"].astype(str)
    faults = []
    for column, what in (("sha256", "the same content"), ("group", "near-identical photos of one group")):
        n_sides = side.groupby(table[column]).transform("nunique")
        parted = table[column][n_sides > 1]
        if len(parted):
            images = table["image"][table[column] == parted.iloc[0]]
            faults.append(f"{what} on both sides, in {parted.nunique():,} cases, the first {named(images)}")
    return _judged(faults, f"{len(table):,} photos in {table['group'].nunique():,} groups, each on one side")


def check_history(evidence: Evidence) -> Outcome:
    """Epochs count from 0 without a gap in each stage and fold, and one of them is the best."""
    history = evidence.history
    faults = [] if len(history) else ["expected epochs, found none"]
    for (stage, fold), rows in history.groupby(["stage", "fold"], sort=False):
        where = f"{stage!s}" if fold == -1 else f"{stage!s}, fold {fold!s}"
        if rows["epoch"].tolist() != list(range(len(rows))):
            faults.append(f"{where}: expected epochs 0 to {len(rows) - 1} in order, found {named(rows['epoch'])}")
    is_head = history["stage"] == "head"
    for fold, rows in history[is_head].groupby("fold", sort=False):
        # A last network that is trained on all photos after the folds has nothing to be validated on.
        is_last = fold == -1 and (history["fold"] >= 0).any()
        if not is_last and not np.isfinite(rows["val_loss"]).any():
            faults.append(f"head, fold {fold!s}: expected an epoch with a val_loss, found none")
    if len(history) and not is_head.any():
        faults.append("expected epochs of the head, found none")
    stages = ", ".join(f"{n} of {stage}" for stage, n in history["stage"].value_counts(sort=False).items())
    return _judged(faults, f"{len(history)} epochs: {stages}")


def check_rows(evidence: Evidence) -> Outcome:
    """Embeddings and map have a row for each photo of `samples.csv`, the map in its order."""
    images = evidence.samples["image"]
    n_rows, n_numbers = runs.embeddings_shape(evidence.path(runs.EMBEDDINGS_FILE))
    places = evidence.places
    faults = []
    if n_rows != len(images):
        faults.append(f"{runs.EMBEDDINGS_FILE}: expected {len(images):,} rows, found {n_rows:,}")
    if places["image"].tolist() != images.tolist():
        faults.append(f"{runs.PROJECTION_FILE}: expected the {len(images):,} photos of samples.csv in their order")
    return _judged(faults, f"{n_rows:,} rows, {n_numbers} numbers each")


def check_submission(evidence: Evidence) -> Outcome:
    """The file to hand in is complete and says what `test_predictions.csv` says; see `core.submission`."""
    if not evidence.has_test_photos:
        return skipped("the dataset has no test photos")
    table = runs.read_submission(evidence.path(runs.SUBMISSION_FILE))
    unusable = submission.unusable_test_images(evidence.problems)
    names = evidence.run.class_names
    checks = submission.check_submission(table, evidence.samples, evidence.test_predictions, names, unusable)
    faults = [f"{check.name}: {check.detail}" for check in checks if not check.is_met]
    return _judged(faults, f"{len(table):,} photos, ready to hand in")


# --- against the dataset ---------------------------------------------------------------------------------------------


def check_fingerprint(evidence: Evidence) -> Outcome:
    """`samples.csv` is the list of photos that `run.json` has the fingerprint of."""
    expected = evidence.run.info.get("dataset_fingerprint")
    if expected is None:
        return skipped("run.json has no dataset_fingerprint")
    found = fingerprint(evidence.samples)
    fault = f"dataset_fingerprint begins with {str(expected)[:12]}, computed anew with {found[:12]}"
    return _judged([] if found == expected else [fault], f"{len(evidence.samples):,} photos")


def check_labels(evidence: Evidence) -> Outcome:
    """Classes are in the dataset's order, and each photo has the label that the dataset gives it now."""
    if reason := evidence.where_dataset_is_not:
        return skipped(reason)
    listing, labelled = evidence.listing, evidence.labelled
    if listing.class_names != evidence.run.class_names:
        given = " and ".join(", ".join(names) for names in (listing.class_names, evidence.run.class_names))
        return failed(f"expected the classes in the dataset's order, found {given}")
    now = {photo.image: photo.label for photo in listing.photos}
    labels = dict(zip(labelled["image"], labelled["original_label"].fillna(-1), strict=True))
    others = [
        f"{image} ({label}, now {now[image]})" for image, label in labels.items() if now.get(image, label) != label
    ]
    without = [each.image for each in listing.problems if each.kind in _WITHOUT_LABEL and each.image in labels]
    faults = [*_some_of("another label now", others), *_some_of("no usable label now", without)]
    order = ", ".join(f"{label} {name}" for label, name in enumerate(listing.class_names))
    return _judged(faults, f"{len(labels):,} photos; {order}")


_WITHOUT_LABEL = ("unlabelled", "bad_label", "label_conflict")


def check_photos(evidence: Evidence) -> Outcome:
    """Every photo still has the content that it had, and none is new."""
    if reason := evidence.where_dataset_is_not:
        return skipped(reason)
    root, samples = evidence.run.dataset_dir, evidence.samples

    def digest(image: str) -> str | None:
        try:
            return hashlib.sha256(read_photo(photo_path(root, image))).hexdigest()
        except PhotoError:
            return None

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(digest, samples["image"]))
    pairs = list(zip(samples["image"], samples["sha256"], found, strict=True))
    known = {*samples["image"], *evidence.problems["image"]}
    faults = [
        *_some_of("changed", [image for image, was, now in pairs if now not in (was, None)]),
        *_some_of("gone", [image for image, _, now in pairs if now is None]),
        *_some_of("new", [photo.image for photo in evidence.listing.photos if photo.image not in known]),
    ]
    return _judged(faults, f"{len(samples):,} photos unchanged")


def check_model(evidence: Evidence, n_photos: int) -> Outcome:
    """The saved network, asked about photos evenly spread over all, gives the probabilities that the tables hold."""
    if reason := evidence.where_dataset_is_not:
        return skipped(reason)
    table = what_the_network_said(evidence)
    rows = np.unique(np.linspace(0, len(table) - 1, min(n_photos, len(table)), dtype=int))
    contents = _unchanged(evidence, table["image"].iloc[rows])
    if not contents:
        return skipped("none of the photos asked about is there unchanged")
    expected = table.set_index("image").loc[list(contents)].to_numpy(dtype=np.float64)
    found = _ask_network(evidence.run, list(contents.values()))
    differences, most = np.abs(found - expected).max(axis=1), _largest_difference(evidence.run)
    others = [f"{image} (by {by:.4f})" for image, by in zip(contents, differences, strict=True) if not by <= most]
    n_same = int((found.argmax(axis=1) == expected.argmax(axis=1)).sum())
    fine = (
        f"{len(contents)} photos, the same class for {n_same}, probabilities differ by {differences.max():.2g} at most"
    )
    n_changed = len(rows) - len(contents)
    fine += f"; {n_changed} more are gone or changed" if n_changed else ""
    return _judged(_some_of(f"probabilities differ by more than {most:g}", others), fine)


def what_the_network_said(evidence: Evidence) -> pd.DataFrame:
    """Probabilities of the saved network by `image`: after folds those of the last one, trained on all photos.

    Raises:
        RunError: If a table that holds them is missing or malformed.
    """
    columns = ["image", *evaluation.probability_columns(evidence.n_classes)]
    labelled = evidence.predictions
    if evidence.has_folds:
        labelled = runs.read_predictions(evidence.path(runs.FITTED_PREDICTIONS_FILE), evidence.n_classes)
    tables = [labelled[columns]]
    if evidence.has_test_photos:
        tables.append(evidence.test_predictions[columns].dropna())
    return pd.concat(tables, ignore_index=True)


def _unchanged(evidence: Evidence, images: Iterable[str]) -> dict[str, bytes]:
    """The files of those photos that are what they were in training."""
    sha256 = dict(zip(evidence.samples["image"], evidence.samples["sha256"], strict=True))
    contents = {}
    for image in images:
        with contextlib.suppress(PhotoError):
            content = read_photo(photo_path(evidence.run.dataset_dir, image))
            if hashlib.sha256(content).hexdigest() == sha256.get(image):
                contents[image] = content
    return contents


def _ask_network(run: Run, photos: Sequence[bytes]) -> NDArray[np.float64]:
    """Probabilities of photos, shape (n_photos, K).

    Raises:
        UserError: If the run has no network that can be used.
    """
    classifier = load_classifier(run)
    starts = range(0, len(photos), BATCH_SIZE)
    batches = [[classifier.load(photo) for photo in photos[start : start + BATCH_SIZE]] for start in starts]
    return np.concatenate([classifier.predict(batch) for batch in batches]).astype(np.float64)


def _largest_difference(run: Run) -> float:
    """How far probabilities may be from those of the saved network, by what they were computed in."""
    precision = run.info.get("precision")
    name = precision.get("name") if isinstance(precision, dict) else "float32"
    if name != "float32":
        return _LARGEST_DIFFERENCE_IN_16_BITS
    return _LARGEST_DIFFERENCE_ON_GPU if "GPU" in str(run.info.get("device")) else _LARGEST_DIFFERENCE


# --- words -----------------------------------------------------------------------------------------------------------


def _some_of(what: str, items: Sequence[str]) -> list[str]:
    """A fault that names the first of the things that show it; none where nothing does."""
    return [f"{what}: {named(items)}"] if items else []


def _some(faults: Sequence[str]) -> list[str]:
    more = [f"{len(faults) - MOST_NAMED} more"] if len(faults) > MOST_NAMED else []
    return [*faults[:MOST_NAMED], *more]
