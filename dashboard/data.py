"""Cached reading; the only file with Streamlit's caches.

Every cache is keyed on a file's path, time of change and size, so a file that was written again is read again.
"""

import base64
import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core import ranking as core_ranking
from core import runs
from core.cache import default_cache_dir
from core.comparison import Comparison, compare
from core.config import default_runs_dir
from core.images import PHOTO_SUFFIXES, PhotoError, thumbnail
from core.predict import Classifier, load_classifier
from core.projection import tsne
from core.runs import BrokenRun, Run, RunError
from core.thumbnails import thumbnails
from dashboard.history import Summary, summary
from dashboard.photos import photo_table
from dashboard.selection import unit_square

Stamp = tuple[str, int, int]
_T = TypeVar("_T")


def list_runs() -> tuple[list[Run], list[BrokenRun]]:
    """All runs; see `core.runs.list_runs`."""
    return runs.list_runs(default_runs_dir(), read_run)


def read_run(path: Path) -> Run:
    """A run as it is now; see `core.runs.read_run`."""
    return _run(_stamp(path / runs.RUN_FILE))


def accuracy(run: Run) -> float | None:
    """A run's accuracy for a list of runs; None where it has none that can be read."""
    return _read_or_none(_accuracy, run.path / runs.METRICS_FILE)


def history_summary(run: Run) -> Summary | None:
    """What a run's epochs come to, for a list of runs; None where it has none that can be read."""
    return _read_or_none(_history_summary, run.path / runs.HISTORY_FILE)


def samples(run: Run) -> pd.DataFrame:
    """The photos of a run; see `core.runs.read_samples`."""
    return _samples(_stamp(run.path / runs.SAMPLES_FILE))


def problems(run: Run) -> pd.DataFrame:
    """What was wrong with a run's photos; see `core.runs.read_problems`."""
    return _problems(_stamp(run.path / runs.PROBLEMS_FILE))


def history(run: Run) -> pd.DataFrame:
    """A run's epochs; see `core.runs.read_history`."""
    return _history(_stamp(run.path / runs.HISTORY_FILE))


def predictions(run: Run) -> pd.DataFrame:
    """A run's predictions of labelled photos; see `core.runs.read_predictions`."""
    return _predictions(_stamp(run.path / runs.PREDICTIONS_FILE), len(run.class_names))


def test_predictions(run: Run) -> pd.DataFrame:
    """A run's predictions of test photos; see `core.runs.read_test_predictions`."""
    return _test_predictions(_stamp(run.path / runs.TEST_PREDICTIONS_FILE), len(run.class_names))


def metrics(run: Run) -> dict[str, Any]:
    """A run's scores; see `core.evaluation.summarise`."""
    return _metrics(_stamp(run.path / runs.METRICS_FILE))


def photos(run: Run) -> pd.DataFrame:
    """All that a run knows of its photos; see `dashboard.photos.photo_table`. Shared: not to be changed."""
    optional = (run.path / runs.PREDICTIONS_FILE, run.path / runs.TEST_PREDICTIONS_FILE)
    predicted, tested = (_stamp(path) if path.is_file() else None for path in optional)
    samples, problems = _stamp(run.path / runs.SAMPLES_FILE), _stamp(run.path / runs.PROBLEMS_FILE)
    return _photos(samples, problems, predicted, tested, len(run.class_names))


def classifier(run: Run) -> Classifier:
    """A run's network, loaded once for all visitors.

    Raises:
        UserError: If the run has none.
    """
    return _classifier(_stamp(run.path / runs.MODEL_FILE), _stamp(run.path / runs.RUN_FILE), run)


def photo_path(run: Run, image: str) -> Path:
    """Where a photo of a run is.

    Raises:
        PhotoError: If `image` does not name a photo within the dataset; tables can be forged.
    """
    relative = Path(image)
    if relative.is_absolute() or ".." in relative.parts or relative.suffix.lower() not in PHOTO_SUFFIXES:
        raise PhotoError("unreadable", "not a photo of the dataset")
    return run.dataset_dir / relative


def thumbnail_uris(run: Run, images: Sequence[str]) -> list[str | PhotoError]:
    """Small copies of photos as `data:` addresses, or why there is none."""
    found: dict[str, bytes | PhotoError] = {}
    paths = {}
    for image in images:
        try:
            paths[image] = photo_path(run, image)
        except PhotoError as error:
            found[image] = error
    found |= dict(zip(paths, thumbnails(list(paths.values()), default_cache_dir()), strict=True))
    return [_uri(found[image]) for image in images]


def _uri(content: bytes | PhotoError) -> str | PhotoError:
    if isinstance(content, PhotoError):
        return content
    return "data:image/webp;base64," + base64.b64encode(content).decode()


def large_photo(path: Path) -> bytes:
    """A photo for the screen: upright, at most 1,200 pixels wide and high.

    Raises:
        PhotoError: If the photo cannot be used.
    """
    return _large_photo(_photo_stamp(path))


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # The latter for a name that no file can have.
        reason = "there is none" if isinstance(error, FileNotFoundError) else error
        raise RunError(f"Expected {path.name} in {path.parent}; {reason}.") from None
    return str(path), status.st_mtime_ns, status.st_size


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
def _accuracy(stamp: Stamp) -> float:
    return float(runs.read_metrics(Path(stamp[0]))["accuracy"])


@lru_cache(_MOST_RUNS)
def _history_summary(stamp: Stamp) -> Summary:
    return summary(runs.read_history(Path(stamp[0])))


@st.cache_data(show_spinner=False, max_entries=32)
def _samples(stamp: Stamp) -> pd.DataFrame:
    return runs.read_samples(Path(stamp[0]))


@st.cache_data(show_spinner=False, max_entries=32)
def _problems(stamp: Stamp) -> pd.DataFrame:
    return runs.read_problems(Path(stamp[0]))


@st.cache_data(show_spinner=False, max_entries=128)
def _history(stamp: Stamp) -> pd.DataFrame:
    return runs.read_history(Path(stamp[0]))


@st.cache_data(show_spinner=False, max_entries=32)
def _predictions(stamp: Stamp, n_classes: int) -> pd.DataFrame:
    return runs.read_predictions(Path(stamp[0]), n_classes)


@st.cache_data(show_spinner=False, max_entries=32)
def _test_predictions(stamp: Stamp, n_classes: int) -> pd.DataFrame:
    return runs.read_test_predictions(Path(stamp[0]), n_classes)


@st.cache_data(show_spinner=False, max_entries=128)
def _metrics(stamp: Stamp) -> dict[str, Any]:
    return runs.read_metrics(Path(stamp[0]))


# A resource and no data: the table is not copied for every look at it.
@st.cache_resource(show_spinner=False, max_entries=8)
def _photos(
    samples: Stamp, problems: Stamp, predictions: Stamp | None, test_predictions: Stamp | None, n_classes: int
) -> pd.DataFrame:
    return photo_table(
        runs.read_samples(Path(samples[0])),
        runs.read_problems(Path(problems[0])),
        n_classes,
        runs.read_predictions(Path(predictions[0]), n_classes) if predictions else None,
        runs.read_test_predictions(Path(test_predictions[0]), n_classes) if test_predictions else None,
    )


@st.cache_resource(show_spinner="Loading the network ...", max_entries=2)
def _classifier(model: Stamp, run_file: Stamp, _run: Run) -> Classifier:
    return load_classifier(_run)


@st.cache_data(show_spinner=False, max_entries=100)
def _large_photo(stamp: Stamp) -> bytes:
    return thumbnail(Path(stamp[0]), 1200)


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
    return _positions(_stamp(source), _stamp(run.path / runs.SAMPLES_FILE), photos(run)["image"])


def compute_tsne(run: Run, on_progress: Callable[[float], object]) -> None:
    """Compute the map that takes long and keep it for all runs with the same embeddings.

    Raises:
        RunError: If the run's embeddings cannot be used.
    """
    places = tsne(embeddings(run), on_progress=on_progress)
    target = _tsne_file(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{uuid.uuid4().hex}.part")
    with part.open("wb") as file:
        np.save(file, places)
    part.replace(target)


def embeddings(run: Run) -> NDArray[np.float16]:
    """What photos look like to a run's network, row by row of `samples.csv`; see `core.runs.read_embeddings`.

    Raises:
        RunError: If the run has none that can be used.
    """
    return runs.read_embeddings(run.path / runs.EMBEDDINGS_FILE, len(samples(run)))


def _tsne_file(run: Run) -> Path:
    return default_cache_dir() / "maps" / f"tsne-{_digest(_stamp(run.path / runs.EMBEDDINGS_FILE))}.npy"


@st.cache_data(show_spinner=False, max_entries=32)
def _digest(stamp: Stamp) -> str:
    with Path(stamp[0]).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@st.cache_resource(show_spinner=False, max_entries=16)
def _positions(source: Stamp, samples: Stamp, _images: "pd.Series[str]") -> NDArray[np.float64]:
    path = Path(source[0])
    if path.suffix == ".csv":
        places = runs.read_projection(path).set_index("image")[["x", "y"]]
    else:
        images = runs.read_samples(Path(samples[0]))["image"]
        places = pd.DataFrame(np.load(path, allow_pickle=False), index=images, columns=["x", "y"])
    return unit_square(places.reindex(_images).to_numpy(dtype=np.float64))


def changes(run: Run, other: str) -> "pd.Series[str]":
    """What became of each photo since another run, by `image`; see `core.comparison.compare`.

    Raises:
        RunError: If there is no such run, or it cannot be compared with.
    """
    photos = comparison(find_run(other), run).photos
    return photos.set_index("image")["change"].astype("str")


def comparison(before: Run, after: Run) -> Comparison:
    """Two runs photo by photo; see `core.comparison.compare`.

    Raises:
        RunError: If they cannot be compared.
    """
    if before.class_names != after.class_names:
        found = f"{', '.join(before.class_names)} in {before.name}, {', '.join(after.class_names)} in {after.name}"
        raise RunError(f"Expected two runs with the same classes; found {found}.")
    earlier, later = (_stamp(run.path / runs.PREDICTIONS_FILE) for run in (before, after))
    return _comparison(earlier, later, len(after.class_names))


def find_run(name: str) -> Run:
    """A run by its name.

    Raises:
        RunError: If there is none that can be read.
    """
    found, _ = list_runs()
    run = next((run for run in found if run.name == name), None)
    if run is None:
        raise RunError(f"There is no run {name} here that can be read.")
    return run


@dataclass(frozen=True)
class Ranking:
    """One class against the rest: curves by class name, and the areas under them."""

    roc: dict[str, pd.DataFrame]
    roc_auc: list[float]
    precision_recall: dict[str, pd.DataFrame]
    average_precision: list[float]


def ranking(run: Run) -> Ranking:
    """Curves of the photos held out; see `core.ranking`."""
    return _ranking(_stamp(run.path / runs.PREDICTIONS_FILE), run.class_names)


@st.cache_resource(show_spinner=False, max_entries=8)
def _comparison(before: Stamp, after: Stamp, n_classes: int) -> Comparison:
    earlier, later = (runs.read_predictions(Path(stamp[0]), n_classes) for stamp in (before, after))
    return compare(earlier, later)


@st.cache_resource(show_spinner="Curves ...", max_entries=8)
def _ranking(predictions: Stamp, class_names: tuple[str, ...]) -> Ranking:
    table = runs.read_predictions(Path(predictions[0]), len(class_names))
    held_out, labels = table[table["split"] == "val"], range(len(class_names))
    return Ranking(
        {name: core_ranking.roc_curve(held_out, label) for label, name in enumerate(class_names)},
        [core_ranking.roc_auc(held_out, label) for label in labels],
        {name: core_ranking.precision_recall_curve(held_out, label) for label, name in enumerate(class_names)},
        [core_ranking.average_precision(held_out, label) for label in labels],
    )
