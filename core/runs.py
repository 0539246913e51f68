"""The run folder: the names of its files, its writer, its reader.

`runs/<name>/` is the whole interface between training and dashboard. Tables are CSV, everything else is JSON, a NumPy
array or a Keras model; nothing in it is ever unpickled. Every file is written under another name and then renamed, so a
reader at any moment sees a whole file or none.
"""

import contextlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from traceback import format_exception
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
from filelock import FileLock
from numpy.typing import NDArray

from core.config import MATRIX_CORNER, PROJECT_DIR, TrainConfig
from core.errors import UserError, reason_of, shortened
from core.evaluation import HELD_OUT, KINDS, probability_columns
from core.files import UNFINISHED, write_whole, writing
from core.processes import is_alive, this_process

FORMAT_VERSION = 1

RUN_FILE = "run.json"
SAMPLES_FILE = "samples.csv"
PROBLEMS_FILE = "problems.csv"
HISTORY_FILE = "history.csv"
PREDICTIONS_FILE = "predictions.csv"
CONFUSION_MATRIX_FILE = "confusion_matrix.csv"
METRICS_FILE = "metrics.json"
SUBMISSION_FILE = "submission.csv"
TEST_PREDICTIONS_FILE = "test_predictions.csv"
EMBEDDINGS_FILE = "embeddings.npy"
PROJECTION_FILE = "projection.csv"
MODEL_FILE = "model.keras"
FITTED_PREDICTIONS_FILE = "fitted_predictions.csv"
LABEL_ISSUES_FILE = "label_issues.csv"
CRASH_FILE = "crash.txt"
TENSORBOARD_DIR = "tensorboard"
# What a training that is killed may leave behind.
TEMPORARY_FEATURES = ".features-"
# What a training writes besides `run.json`.
_RESULTS = (
    SAMPLES_FILE, PROBLEMS_FILE, HISTORY_FILE, PREDICTIONS_FILE, CONFUSION_MATRIX_FILE, METRICS_FILE, SUBMISSION_FILE,
    TEST_PREDICTIONS_FILE, EMBEDDINGS_FILE, PROJECTION_FILE, MODEL_FILE, FITTED_PREDICTIONS_FILE, LABEL_ISSUES_FILE,
    CRASH_FILE, TENSORBOARD_DIR,
)  # fmt: skip
# What stays of `run.json` when a training goes on; all else it writes down anew.
_OF_THE_RUN = ("format_version", "created", "config")
_TAKING_OVER_FILE = ".taking-over"
# Beside the run folders, not in one of them: reviews outlive runs.
REVIEWS_FILE = "reviews.jsonl"

RUNNING, FINISHED, FAILED, INTERRUPTED = "running", "finished", "failed", "interrupted"
# Not written by anybody: what a reader calls a run that says "running" while its process is gone.
DIED = "died"
STATES = (RUNNING, FINISHED, FAILED, INTERRUPTED)

SAMPLE_COLUMNS = ("image", "folder", "label", "width", "height", "bytes", "sha256")
# Runs from before these were written have none; `read_samples` says what stands for them.
LATER_SAMPLE_COLUMNS = ("original_label", "group", "brightness", "contrast", "sharpness")
PROBLEM_COLUMNS = ("image", "kind", "detail")
HISTORY_COLUMNS = (
    *("stage", "fold", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"),
)
PREDICTION_COLUMNS = ("image", "split", "fold", "true_label", "predicted_label", "confidence", "loss")
TEST_PREDICTION_COLUMNS = ("image", "predicted_label", "confidence")
SUBMISSION_COLUMNS = ("Id", "Category")
PROJECTION_COLUMNS = ("image", "x", "y")
LABEL_ISSUE_COLUMNS = ("image", "label", "suggested_label", "self_confidence", "is_issue")

_SCORES = ("n_images", "accuracy", "macro_f1", "log_loss", "expected_calibration_error", "temperature")
_INTERVALS = ("accuracy_interval", "macro_f1_interval")
# Runs from before these were written have none.
_LATER_INTERVALS = ("log_loss_interval", "expected_calibration_error_interval")
_NAIVE_SCORES = ("n_images", "n_leaked", "accuracy")
# No photo, fold or figure comes near these; far beyond them, what is computed from them goes wrong.
_LARGEST = 1e15
_LARGEST_SIZE = 1_000_000_000
_MOST_FOLDS = 1000
_FOLDERS, _SPLITS = ("training", "test"), ("train", "val")

_PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "pillow", "scikit-learn", "streamlit")
_SECONDS_BETWEEN_PROGRESS_WRITES = 1.0


class RunError(UserError):
    """A run folder, or a file in it, that cannot be used."""


@dataclass(frozen=True)
class Progress:
    """How far a stage of a training was when that was last written down.

    Attributes:
        stage: Its name.
        done: Steps done: photos or epochs.
        total: Steps that it takes, at the most.
        seconds: What those done took; 0 where nobody wrote that down.
    """

    stage: str
    done: int
    total: int
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """What part of it is done, 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 1.0

    @property
    def rate(self) -> float | None:
        """Steps a second, None as long as that cannot be told."""
        return self.done / self.seconds if self.done and self.seconds else None

    def seconds_left(self, since: float = 0.0) -> float | None:
        """What the rest takes at the pace so far, None as long as that cannot be told.

        Args:
            since: Seconds since this was written down; more than a step takes tell nothing.
        """
        if self.rate is None:
            return None
        return max(self.total - self.done, 0) / self.rate - min(max(since, 0.0), 1 / self.rate)


# --- writing ---------------------------------------------------------------------------------------------------------


class RunWriter:
    """Writes one run folder; as a context manager it leaves the run in a state that tells how the training ended."""

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path = path
        self._info = info
        self._progress_written = 0.0

    @classmethod
    def create(cls, config: TrainConfig) -> "RunWriter":
        """Make a fresh run folder with a `run.json` that says `running`.

        Raises:
            UserError: If the name is taken or the folder cannot be made.
        """
        info = {"format_version": FORMAT_VERSION, "created": _now(), "config": config.to_json(), **_beginning()}
        path = _make_folder(config.runs_dir, config.name)
        writer = cls(path, info)
        try:
            writer.update(name=path.name)
        except BaseException:  # Ctrl-C included: no folder is left that nobody can read.
            with contextlib.suppress(OSError):  # What went wrong first is what has to be told.
                path.rmdir()
            raise
        return writer

    @classmethod
    def resume(cls, path: Path) -> "RunWriter":
        """Go on in the folder of a training that did not come to its end; what it had come to is removed.

        Raises:
            UserError: If the training has come to its end, or if it still goes on.
        """
        # Of two who take over at once the second finds it running.
        with writing(path), FileLock(path / _TAKING_OVER_FILE):
            run = read_run(path)
            require_unfinished(run)
            writer = cls(path, {key: value for key, value in run.info.items() if key in _OF_THE_RUN})
            n_before, began_with = run.info.get("resumed"), run.info.get("began_with")
            writer.update(
                **_beginning(),
                name=path.name,
                resumed=1 + (n_before if isinstance(n_before, int) else 0),
                began_with=began_with if isinstance(began_with, dict) else made_of(run.info),
            )
            # What it had come to is not what it will come to: nobody is to take one for the other.
            for name in (*_RESULTS, f"{TEMPORARY_FEATURES}*", f"{UNFINISHED}*"):
                for leftover in path.glob(name):
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        return writer

    @property
    def info(self) -> Mapping[str, Any]:
        """What `run.json` says."""
        return self._info

    def update(self, **fields: Any) -> None:
        """Add fields to `run.json`."""
        self._info |= fields | {"updated": _now()}
        self.write_json(RUN_FILE, self._info)

    def notice(self, text: str) -> None:
        """Record what every page about this run should say."""
        self.update(notices=[*self._info["notices"], text])

    @contextlib.contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Record a stage's progress while it goes and its seconds when it is done; those of a second time are added.

        Args:
            name: For a person: "features".
            total: Number of steps it will take.

        Yields:
            A function to call with the number of steps done since the last call.
        """
        started, done = time.monotonic(), 0

        def advance(n: int) -> None:
            nonlocal done
            done += n
            self._write_progress(Progress(name, done, total, round(time.monotonic() - started, 3)))

        self.update(progress=asdict(Progress(name, 0, total)))
        yield advance
        seconds = round(self._info["stage_seconds"].get(name, 0.0) + time.monotonic() - started, 3)
        self.update(progress=None, stage_seconds=self._info["stage_seconds"] | {name: seconds})

    def _write_progress(self, progress: Progress) -> None:
        if time.monotonic() - self._progress_written < _SECONDS_BETWEEN_PROGRESS_WRITES:
            return
        self._progress_written = time.monotonic()
        self.update(progress=asdict(progress))

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write a JSON file; NaN and infinity, which JSON does not know, are an error."""
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
        self._replace(name, lambda path: path.write_text(text + "\n", encoding="utf-8"))

    def write_table(self, name: str, table: pd.DataFrame, *, index: bool = False) -> None:
        """Write a table as CSV."""
        self._replace(name, lambda path: table.to_csv(path, index=index, encoding="utf-8", lineterminator="\n"))

    def write_file(self, name: str, save: Callable[[Path], object]) -> None:
        """Let `save` write a file; Keras for example chooses the format by the name's suffix, which is kept."""
        self._replace(name, save)

    def _replace(self, name: str, save: Callable[[Path], object]) -> None:
        write_whole(self.path / name, save, then=f"Then: {self._how_to_go_on}")

    @property
    def _how_to_go_on(self) -> str:
        return f"python train.py --resume {shlex.quote(str(self.path))}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self.update(state=FINISHED, progress=None)
            except UserError as refused:
                self._say_why_it_ended(refused)
                raise
        else:
            self._say_why_it_ended(error)

    def _say_why_it_ended(self, error: BaseException) -> None:
        """Where the disk refuses even that, the run says that it is running, and its reader that the process died."""
        with contextlib.suppress(UserError):  # The error that ended it is the one to be told.
            if isinstance(error, KeyboardInterrupt):
                self.update(state=INTERRUPTED)
                error.add_note(f"To go on: {self._how_to_go_on}")
            elif isinstance(error, UserError):
                self.update(state=FAILED, error=str(error))
            else:
                self.update(state=FAILED, error=f"{type(error).__name__}: {error}")
                if not isinstance(error, OSError):
                    self._keep_traceback(error)

    def _keep_traceback(self, error: BaseException) -> None:
        lines = format_exception(error)
        self._replace(CRASH_FILE, lambda path: path.write_text("".join(lines), encoding="utf-8"))
        error.add_note(f"(traceback in {self.path / CRASH_FILE})")


def _beginning() -> dict[str, Any]:
    """What `run.json` says of a process that begins to train."""
    return {
        "state": RUNNING,
        **this_process(),
        "python": platform.python_version(),
        "packages": _package_versions(),
        "git_commit": _git_commit(),
        "stage_seconds": {},
        "progress": None,
        "notices": [],
    }


def made_of(info: Mapping[str, Any]) -> dict[str, Any]:
    """Fingerprints of the dataset, weights and reviews that a run is made of, as far as `run.json` has them by now."""
    parts = {"dataset": info.get("dataset_fingerprint")}
    for name in ("weights", "reviews"):
        parts[name] = info[name].get("sha256") if isinstance(info.get(name), dict) else None
    return {name: value for name, value in parts.items() if value is not None}


def require_free_name(config: TrainConfig) -> None:
    """Refuse a name that is taken before anything takes long.

    Raises:
        UserError: If a run of that name is there already.
    """
    if config.name is not None and os.path.lexists(config.runs_dir / config.name):
        raise _taken(config.runs_dir / config.name)


def _make_folder(runs_dir: Path, name: str | None) -> Path:
    if name is not None:
        return _make_named_folder(runs_dir / name)
    stem = datetime.now().strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        with contextlib.suppress(FileExistsError):
            return _make_new(runs_dir / (stem + suffix))
    raise UserError(f"Expected a free name for a run in {runs_dir}; {stem} and its numbered ones are taken.")


def _make_named_folder(path: Path) -> Path:
    try:
        return _make_new(path)
    except FileExistsError:
        raise _taken(path) from None


def _taken(path: Path) -> UserError:
    return UserError(f"Expected a new run name; {path} exists already. Choose another --name or remove it.")


def _make_new(path: Path) -> Path:
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        raise
    except OSError as error:
        raise UserError(
            f"Expected to make the run folder {path}; {error.strerror}. Choose another --runs-dir."
        ) from None
    return path


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _package_versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _git_commit() -> str | None:
    try:
        command = ["git", "-C", str(PROJECT_DIR), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None  # No git here, or not a checkout.


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A run folder that can be read, as its `run.json` describes it."""

    path: Path
    info: dict[str, Any]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def state(self) -> str:
        """One of `STATES`, or `DIED` where a process that should be running is gone."""
        state = str(self.info["state"])
        return DIED if state == RUNNING and not is_alive(self.info) else state

    @property
    def progress(self) -> Progress | None:
        """How far the stage is that it is in, or in which it ended; None between two stages."""
        return _progress_of(self.info)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K names in index order; empty until the dataset has been read."""
        return tuple(self.info.get("class_names", ()))

    @property
    def dataset_dir(self) -> Path:
        """Where the photos are: `MASKBOARD_DATA`, else where they were when the run was trained."""
        return Path(os.environ.get("MASKBOARD_DATA") or self.info["config"]["data"])

    def has(self, name: str) -> bool:
        """Whether the run has got as far as writing this file."""
        return (self.path / name).is_file()


@dataclass(frozen=True)
class BrokenRun:
    """A folder among the runs that cannot be read: its name, fit for a screen, and the reason."""

    name: str
    reason: str


def find_run(name_or_path: str, runs_dir: Path) -> Run:
    """A run by its name among the runs, or by its folder.

    Raises:
        UserError: If there is no such run or it cannot be read.
    """
    places = [path for path in (runs_dir / name_or_path, Path(name_or_path)) if path.is_dir() and name_or_path]
    if places:
        place = next((path for path in places if (path / RUN_FILE).is_file()), places[0])
        # "." and ".." are no names; any other path stays as it was given, also a link's.
        return read_run(place.resolve() if place.name in ("", "..") else place)
    raise UserError(f"Expected RUN to be a run folder or the name of a run in {runs_dir}; found no {name_or_path}.")


def require_unfinished(run: Run) -> None:
    """Only a training that has stopped before its end can be gone on with.

    Raises:
        UserError: If it has come to its end, or if it still goes on.
    """
    if run.state == FINISHED:
        raise UserError(f"Expected a run that did not come to its end; {run.name} is finished. Train a new one.")
    if run.state == RUNNING:
        where = f"on {run.info.get('host')}, process {run.info.get('pid')}"
        raise UserError(
            f"Expected a run that has stopped; {run.name} is still training {where}. If that machine says otherwise, "
            f"write interrupted for its state in {run.path / RUN_FILE}."
        )


def list_runs(runs_dir: Path, read: Callable[[Path], Run] | None = None) -> tuple[list[Run], list[BrokenRun]]:
    """Read every run folder.

    Args:
        runs_dir: Where they are.
        read: What reads one in the place of `read_run`, for example without reading again what has not changed.

    Returns:
        The readable runs, finished ones first, each newest first; and the broken ones.
    """
    runs: list[Run] = []
    try:
        folders, broken = _run_folders(runs_dir)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [BrokenRun(str(runs_dir), f"Expected a folder of runs; {error.strerror}.")]
    for folder in folders:
        name = _in_unicode(folder)
        try:
            if name != folder:
                raise RunError("Expected a name in valid Unicode. Rename the folder.")
            runs.append((read or read_run)(runs_dir / folder))
        except RunError as error:
            broken.append(BrokenRun(name, str(error)))
        except OSError as error:  # Of a folder that may not be looked into.
            broken.append(BrokenRun(name, f"Expected {RUN_FILE} in {runs_dir / folder}; {error.strerror}."))
    runs.sort(key=lambda run: (run.state == FINISHED, run.info["created"]), reverse=True)
    return runs, broken


def _run_folders(runs_dir: Path) -> tuple[list[str], list[BrokenRun]]:
    """Names of the folders among the runs, and what may be one and cannot be asked, such as a link in a circle."""
    folders: list[str] = []
    broken: list[BrokenRun] = []
    with os.scandir(runs_dir) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            try:
                if not entry.name.startswith(".") and entry.is_dir():
                    folders.append(entry.name)
            except OSError as error:  # One such entry must not hide the others.
                broken.append(BrokenRun(_in_unicode(entry.name), f"Expected a run folder; {error.strerror}."))
    return folders, broken


def _in_unicode(name: str) -> str:
    """A file's name with its bytes that are not UTF-8 spelt out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def read_run(path: Path) -> Run:
    """Read a run's `run.json`.

    Raises:
        RunError: If it is missing or not one.
    """
    info = read_json(path / RUN_FILE)
    for key, kind in (("state", str), ("created", str), ("config", dict), ("notices", list)):
        if not isinstance(info.get(key), kind):
            raise RunError(f"{RUN_FILE}: expected a {kind.__name__} under {key!r}, found {_shown(info.get(key))}.")
    if info.get("format_version") != FORMAT_VERSION:
        raise RunError(
            f"{RUN_FILE}: expected format version {FORMAT_VERSION}, found {_shown(info.get('format_version'))}. "
            "Train again."
        )
    if info["state"] not in STATES:
        raise RunError(f"{RUN_FILE}: expected one of {', '.join(STATES)} as state, found {_shown(info['state'])}.")
    names = info.get("class_names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise RunError(f"{RUN_FILE}: expected a list of names under 'class_names', found {_shown(names)}.")
    if len(set(names)) < len(names):
        raise RunError(f"{RUN_FILE}: expected different names under 'class_names', found {_shown(names)}.")
    data = info["config"].get("data")
    if not isinstance(data, str) or not data or "\0" in data:
        raise RunError(f"{RUN_FILE}: expected the dataset's path under 'config', found {_shown(data)}.")
    seconds = info.get("stage_seconds", {})
    if not isinstance(seconds, dict) or not all(map(_is_number, seconds.values())):
        raise RunError(f"{RUN_FILE}: expected seconds a stage under 'stage_seconds', found {_shown(seconds)}.")
    _progress_of(info)
    return Run(path, info)


def _shown(found: object) -> str:
    return shortened(repr(found))


def _progress_of(info: dict[str, Any]) -> Progress | None:
    found = info.get("progress")
    if found is None:
        return None
    try:
        progress = Progress(found["stage"], found["done"], found["total"], found.get("seconds", 0.0))
        numbers = progress.done, progress.total, progress.seconds
        _require_numbers(*numbers)
        if not isinstance(progress.stage, str) or min(numbers) < 0:
            raise TypeError
    except (KeyError, TypeError, AttributeError):
        raise RunError(f"{RUN_FILE}: expected how far a stage is under 'progress', found {_shown(found)}.") from None
    return progress


def require_file(path: Path) -> None:
    """Make sure that there is a file; a named pipe, for example, would be waited for without an end.

    Raises:
        RunError: If there is none.
    """
    if not path.is_file():
        raise RunError(f"Expected {path.name} in {path.parent}; there is none.")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: If the file is missing or holds something else.
    """
    require_file(path)
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text)
        # Python reads NaN and 1e400, which are no JSON, and "\\ud800", which is no text.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path.name}: expected a JSON object; {reason_of(error)}.") from None
    if not isinstance(value, dict):
        raise RunError(f"{path.name}: expected a JSON object, found a {type(value).__name__}.")
    return value


def read_samples(path: Path) -> pd.DataFrame:
    """Read `samples.csv`; see `core.dataset.Dataset.samples`.

    In older runs some of `LATER_SAMPLE_COLUMNS` are missing: the label is then the original one, each content a group
    of its own, and brightness, contrast and sharpness are not known.

    Raises:
        RunError: If it is missing or malformed.
    """
    table = _read_table(path, SAMPLE_COLUMNS, texts=("image", "sha256", "group"))
    _check_images(path, table)
    absent = {"original_label": table["label"], "group": table["sha256"]}
    for column in LATER_SAMPLE_COLUMNS:
        if column not in table:
            table[column] = absent.get(column, np.nan)
    with _table_faults(path):
        table[["label", "original_label"]] = table[["label", "original_label"]].astype("Int64")
        table = table.astype({"width": "int64", "height": "int64", "bytes": "int64", "folder": "str", "group": "str"})
        table = table.astype(dict.fromkeys(("brightness", "contrast", "sharpness"), "float64"))
    sizes = table[["width", "height", "bytes"]]
    if ((sizes < 1) | (sizes > _LARGEST_SIZE)).any(axis=None):
        raise RunError(f"{path.name}: expected a width, height and bytes of 1 or more, found less or far too many.")
    qualities = table[["brightness", "contrast", "sharpness"]].to_numpy()
    _require_finite(path, qualities[~np.isnan(qualities)])
    _check_words(path, table["folder"], _FOLDERS)
    if table.loc[table["folder"] == "training", "label"].isna().any():
        raise RunError(f"{path.name}: expected a label for every training photo, found some without.")
    return table


def check_sample_labels(samples: pd.DataFrame, n_classes: int) -> None:
    """Look whether the labels of `samples.csv`, which does not say how many classes there are, are classes.

    Raises:
        RunError: If one is not.
    """
    for column in ("label", "original_label"):
        labels = samples[column].dropna()
        if len(others := labels[~labels.between(0, n_classes - 1)]):
            raise RunError(f"{SAMPLES_FILE}: expected 0 to {n_classes - 1} as {column}, found {others.iloc[0]}.")


def read_problems(path: Path) -> pd.DataFrame:
    """Read `problems.csv`; see `core.dataset.Problem`. A missing detail is an empty one.

    Raises:
        RunError: If it is missing or malformed.
    """
    table = _read_table(path, PROBLEM_COLUMNS, texts=PROBLEM_COLUMNS)
    if table[["image", "kind"]].isna().any(axis=None):
        raise RunError(f"{path.name}: expected an image and a kind in every row, found some without.")
    return table.fillna({"detail": ""})


def read_metrics(path: Path) -> dict[str, Any]:
    """Read `metrics.json`; see `core.evaluation.summarise`.

    Raises:
        RunError: If it is missing or malformed.
    """
    metrics = read_json(path)
    with _score_faults(path):
        _require_numbers(*(number for _, number in numbers_within(metrics)))
    for scores in (metrics, metrics.get("test", metrics)):
        with _score_faults(path):
            _check_scores(scores)
    if "naive_split" in metrics:
        with _score_faults(path):
            naive = metrics["naive_split"]
            _require_numbers(*(naive[name] for name in _NAIVE_SCORES), *_both(naive["accuracy_interval"]))
    return metrics


@contextlib.contextmanager
def _score_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        reason = f"{type(error).__name__} at {reason_of(error)}"
        raise RunError(f"{path.name}: expected the scores of a run; {reason}.") from None


def _check_scores(scores: Any) -> None:
    _require_numbers(*(scores[name] for name in _SCORES), *_intervals(scores, _INTERVALS))
    _require_numbers(*_intervals(scores, tuple(name for name in _LATER_INTERVALS if name in scores)))
    if scores["temperature"] <= 0:
        raise ValueError("temperature")
    if scores.get("kind", HELD_OUT.name) not in KINDS:
        raise ValueError("kind")
    if "calibrated" in scores:
        _check_calibrated(scores["calibrated"])
    if not isinstance(scores["classes"], list) or not scores["classes"]:
        raise TypeError("classes")
    for row in scores["classes"]:
        _require_numbers(*(row[name] for name in ("precision", "recall", "f1", "support")))
        _require_numbers(*_both(row["recall_interval"]))
        if "f1_interval" in row:  # Runs from before it was written have none.
            _require_numbers(*_both(row["f1_interval"]))
        if not isinstance(row["class_name"], str):
            raise TypeError("class_name")


def _check_calibrated(scores: Any) -> None:
    _require_numbers(scores["log_loss"], scores["expected_calibration_error"], *_intervals(scores, _LATER_INTERVALS))
    temperatures = scores["temperatures"]
    if not isinstance(temperatures, list) or len(temperatures) not in (1, 2):
        raise TypeError("temperatures")
    _require_numbers(*temperatures)
    if min(temperatures) <= 0:
        raise ValueError("temperatures")


def _intervals(scores: Any, names: tuple[str, ...]) -> list[Any]:
    return [end for name in names for end in _both(scores[name])]


def _both(interval: Any) -> tuple[Any, Any]:
    if not isinstance(interval, list) or len(interval) != 2:
        raise TypeError(f"expected an interval, found {str(interval)[:60]}")
    return interval[0], interval[1]


def _require_numbers(*values: Any) -> None:
    for value in values:
        if not _is_number(value):
            raise TypeError(f"expected a number, found {str(value)[:60]}")


def numbers_within(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number within JSON values, with the way to it: `classes.0.recall`."""
    if isinstance(value, Mapping):
        children = [(str(key), each) for key, each in value.items()]
    elif isinstance(value, list):
        children = [(str(index), each) for index, each in enumerate(value)]
    else:
        if isinstance(value, int | float):
            yield name, value
        return
    for key, each in children:
        yield from numbers_within(each, f"{name}.{key}" if name else key)


def _is_number(value: Any) -> bool:
    """Whether something is a number of a usual size; NaN and infinity are none."""
    return isinstance(value, int | float) and abs(value) < _LARGEST


def read_confusion_matrix(path: Path, class_names: tuple[str, ...]) -> NDArray[np.int64]:
    """Read `confusion_matrix.csv`: counts of held-out photos, rows true, columns predicted classes, shape (K, K).

    Raises:
        RunError: If it is missing or malformed, or its classes are not these in this order.
    """
    table = _read_table(path, (MATRIX_CORNER, *class_names), texts=(MATRIX_CORNER,))
    if (*table.columns[1:], *table[MATRIX_CORNER]) != class_names * 2:
        raise RunError(f"{path.name}: expected {', '.join(class_names)} in this order, both ways; found others.")
    with _table_faults(path):
        return table[list(class_names)].astype("int64").to_numpy()


def read_history(path: Path) -> pd.DataFrame:
    """Read `history.csv`: a row an epoch.

    Raises:
        RunError: If it is missing or malformed.
    """
    table = _read_table(path, HISTORY_COLUMNS, texts=("stage",))
    with _table_faults(path):
        table = table.astype({"fold": "int64", "epoch": "int64"} | dict.fromkeys(HISTORY_COLUMNS[3:], "float64"))
    if table["stage"].isna().any():
        raise RunError(f"{path.name}: expected a stage in every row, found some without.")
    _check_folds(path, table["fold"])
    return table


def read_predictions(path: Path, n_classes: int) -> pd.DataFrame:
    """Read `predictions.csv`; see `core.evaluation.predictions_table`.

    Raises:
        RunError: If it is missing or malformed, or holds labels or probabilities outside their range.
    """
    table = _read_table(path, (*PREDICTION_COLUMNS, *probability_columns(n_classes)))
    with _table_faults(path):
        table = table.astype({"split": "str", "fold": "int64", "true_label": "int64"})
    _check_words(path, table["split"], _SPLITS)
    _check_folds(path, table["fold"])
    _check_labels(path, table["true_label"], n_classes)
    return _checked_probabilities(path, table, n_classes)


def read_test_predictions(path: Path, n_classes: int) -> pd.DataFrame:
    """Read `test_predictions.csv`: as `predictions.csv` without what needs a label.

    Confidence and probabilities of photos that could not be read are missing.

    Raises:
        RunError: If it is missing or malformed.
    """
    return _checked_probabilities(
        path, _read_table(path, (*TEST_PREDICTION_COLUMNS, *probability_columns(n_classes))), n_classes, missing=True
    )


def read_submission(path: Path) -> pd.DataFrame:
    """Read `submission.csv`, the order and any other columns as they are; `core.submission` checks what it says.

    Raises:
        RunError: If it is missing or malformed, an Id is missing or a Category is no whole number.
    """
    table = _read_table(path, SUBMISSION_COLUMNS, texts=SUBMISSION_COLUMNS)
    if table["Id"].isna().any():
        raise RunError(f"{path.name}: expected an Id in every row, found some without.")
    is_whole = table["Category"].str.fullmatch(r"-?[0-9]{1,9}").fillna(False).astype(bool)
    if not is_whole.all():
        photo, category = table.loc[~is_whole, ["Id", "Category"]].iloc[0]
        found = "none" if pd.isna(category) else repr(category[:60])
        raise RunError(f"{path.name}: expected a whole number as Category, found {found} for {photo}.")
    return table.astype({"Category": "int64"})


def read_embeddings(path: Path, n_samples: int) -> NDArray[np.float16]:
    """Read `embeddings.npy`: what the photos of `samples.csv` look like to the network, row by row.

    Args:
        path: The file.
        n_samples: Number of rows of `samples.csv`.

    Returns:
        Shape (n_samples, d); d is 512 for VGG16.

    Raises:
        RunError: If it is missing or malformed, or belongs to another number of photos.
    """
    n_rows, _ = embeddings_shape(path)  # Before there is room made for what a header only claims to be there.
    if n_rows != n_samples:
        raise RunError(f"{path.name}: expected {n_samples} rows of numbers, found {n_rows}.")
    with _array_faults(path), path.open("rb") as file:
        values: NDArray[np.float16] = np.lib.format.read_array(file, allow_pickle=False)
    _require_finite(path, values)
    return values


def embeddings_shape(path: Path) -> tuple[int, int]:
    """Rows and columns of `embeddings.npy`, whose file is as long as that takes.

    Raises:
        RunError: If it is missing, cut off or not such an array.
    """
    require_file(path)
    with _array_faults(path):
        values = np.lib.format.open_memmap(path, mode="r")
    if values.dtype != np.float16 or values.ndim != 2 or 0 in values.shape:
        raise RunError(f"{path.name}: expected float16 in rows, found {values.dtype}, shape {values.shape}.")
    n_rows, n_columns = values.shape
    return int(n_rows), int(n_columns)


@contextlib.contextmanager
def _array_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # A header is a line of Python; what NumPy's reader raises at others has no common base.
        raise RunError(f"{path.name}: expected an array in NumPy's format; {reason_of(error)}") from None


def read_projection(path: Path) -> pd.DataFrame:
    """Read `projection.csv`: the photos' places in the plane, `x` and `y`.

    Raises:
        RunError: If it is missing or malformed.
    """
    table = _read_table(path, PROJECTION_COLUMNS)
    _check_images(path, table)
    with _table_faults(path):
        table = table.astype({"x": "float64", "y": "float64"})
    _require_finite(path, table[["x", "y"]].to_numpy())
    return table


def read_label_issues(path: Path, n_classes: int) -> pd.DataFrame:
    """Read `label_issues.csv`; see `core.label_issues.find_label_issues`.

    Raises:
        RunError: If it is missing or malformed, or holds labels or probabilities outside their range.
    """
    table = _read_table(path, LABEL_ISSUE_COLUMNS)
    _check_images(path, table)
    if len(table) and table["is_issue"].dtype != bool:
        raise RunError(f"{path.name}: expected True or False as is_issue, found others.")
    with _table_faults(path):
        table = table.astype(
            {"label": "int64", "suggested_label": "int64", "self_confidence": "float64", "is_issue": "bool"}
        )
    for column in ("label", "suggested_label"):
        _check_labels(path, table[column], n_classes)
    if not table["self_confidence"].between(0, 1).all():
        raise RunError(f"{path.name}: expected probabilities from 0 to 1, found others.")
    return table


def _checked_probabilities(path: Path, table: pd.DataFrame, n_classes: int, *, missing: bool = False) -> pd.DataFrame:
    _check_images(path, table)
    numbers = ["confidence", *probability_columns(n_classes), *(["loss"] if "loss" in table else [])]
    with _table_faults(path):
        table = table.astype({"predicted_label": "int64"} | dict.fromkeys(numbers, "float64"))
    _check_labels(path, table["predicted_label"], n_classes)
    values = table[numbers].to_numpy()
    if missing:
        values = values[~np.isnan(values).any(axis=1)]
    _require_finite(path, values)
    probabilities = table[numbers[: n_classes + 1]]
    if ((probabilities < 0) | (probabilities > 1)).any(axis=None):
        raise RunError(f"{path.name}: expected probabilities from 0 to 1, found others.")
    return table


def _require_finite(path: Path, values: NDArray[np.floating[Any]]) -> None:
    if not np.isfinite(values).all() or float(np.abs(values).max(initial=0)) >= _LARGEST:
        raise RunError(f"{path.name}: expected numbers, found some that are missing or infinite, or as good as that.")


def _check_words(path: Path, column: "pd.Series[str]", words: tuple[str, ...]) -> None:
    others = column[~column.isin(words)]
    if len(others):
        found = _shown(others.iloc[0])
        raise RunError(f"{path.name}: expected {' or '.join(words)} as {column.name}, found {found}.")


def _check_folds(path: Path, folds: "pd.Series[int]") -> None:
    others = folds[~folds.between(-1, _MOST_FOLDS)]
    if len(others):
        raise RunError(f"{path.name}: expected folds from 0, or -1 for none; found {others.iloc[0]}.")


def _check_images(path: Path, table: pd.DataFrame) -> None:
    if table["image"].isna().any() or table["image"].duplicated().any():
        raise RunError(f"{path.name}: expected every photo's name once, found some missing or repeated.")


def _check_labels(path: Path, labels: "pd.Series[int]", n_classes: int) -> None:
    if not labels.between(0, n_classes - 1).all():
        raise RunError(f"{path.name}: expected labels 0 to {n_classes - 1}, found {labels.min()} to {labels.max()}.")


def _read_table(path: Path, columns: tuple[str, ...], texts: tuple[str, ...] = ("image",)) -> pd.DataFrame:
    require_file(path)
    with _table_faults(path):
        # Only an empty field is missing: "NA" may well be the name of a class or a photo.
        table = pd.read_csv(
            path, encoding="utf-8", keep_default_na=False, na_values=[""], dtype=dict.fromkeys(texts, "str")
        )
    absent = [column for column in columns if column not in table]
    if absent:
        expected, missing = (shortened(", ".join(names), 200) for names in (columns, absent))
        raise RunError(f"{path.name}: expected the columns {expected}; {missing} not found.")
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes the first fields for names of the rows.
        raise RunError(f"{path.name}: expected rows as long as the header, found longer ones.")
    return table


@contextlib.contextmanager
def _table_faults(path: Path) -> Iterator[None]:
    try:
        with np.errstate(invalid="ignore"):  # A number that is too large is refused, and needs no warning besides.
            yield
    except (OSError, ValueError, TypeError, OverflowError) as error:  # pandas' parser errors are ValueErrors.
        raise RunError(f"{path.name}: expected a table in CSV; {reason_of(error)}") from None
