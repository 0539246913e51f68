"""What people decided about photos: the log of reviews, and what it makes of a dataset.

    runs/reviews.jsonl          a JSON object a line; lines are only ever added
    runs/.reviews.jsonl.lock    held for the moment in which lines are added

A line names a photo by its content, so a decision holds for that photo under any name, in any run and dataset. A later
decision replaces an earlier one, an undo takes one back; neither changes a line that is there. Whoever writes holds the
lock and adds whole lines, so two browser tabs or processes lose nothing; what a killed process left half-written is
reported and passed over, and the next line begins on a line of its own.

    read_reviews -> current_decisions -> apply_reviews -> samples with mended labels, and which photos are left out
"""

import contextlib
import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from core.dataset import TRAINING_DIR, Problem
from core.errors import UserError, shortened

RELABEL: Final = "relabel"
EXCLUDE: Final = "exclude"
UNSURE: Final = "unsure"
NOTE: Final = "note"
UNDO: Final = "undo"
# Of these a photo has one at a time; a note stands beside it.
DECISIONS = (RELABEL, EXCLUDE, UNSURE)
ACTIONS = (*DECISIONS, NOTE, UNDO)

# The kind of problem that an excluded photo is to a training.
EXCLUDED: Final = "excluded"

# What became of a line.
IN_FORCE, REPLACED, UNDONE, IS_UNDO = "in force", "replaced", "undone", "undo"

MAX_NOTE = 1000
_MOST_LABEL = 1_000_000
_LONGEST_LINE = 100_000
_LARGEST_LOG = 500_000_000
_SECONDS_FOR_LOCK = 10.0
_SHA256 = re.compile("[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Review:
    """One line of the log: what somebody decided about a photo.

    Attributes:
        sha256: Hash of the photo's content: 64 hexadecimal digits.
        image: What it was called where it was decided, relative to the dataset; for people.
        action: One of `ACTIONS`.
        label: Of a `relabel`: the class index where it was decided.
        class_name: Of a `relabel`: the class's name, which decides; the index stands for it where there is none.
        note: What was remarked; an empty `note` takes the remark away.
        undoes: Of an `undo`: the `id` of the review that it takes back; without one, the photo's last that stands.
        id: Of no other review.
        time: In UTC, ISO 8601.
    """

    sha256: str
    image: str
    action: str
    label: int | None = None
    class_name: str | None = None
    note: str = ""
    undoes: str | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    time: str = field(default_factory=_now)


@dataclass(frozen=True)
class Fault:
    """A line of the log that cannot be used: its number, from 1, and what was found there."""

    line: int
    found: str


@dataclass(frozen=True)
class ReviewLog:
    """A log as it was read: its reviews in order, the lines that cannot be used, and the hash of the file."""

    reviews: tuple[Review, ...] = ()
    faults: tuple[Fault, ...] = ()
    sha256: str = hashlib.sha256().hexdigest()


# --- writing ---------------------------------------------------------------------------------------------------------


def append_reviews(path: Path, reviews: Sequence[Review]) -> None:
    """Add reviews to a log, all of them or none; they are on the disk when this returns.

    Args:
        path: The log; made where there is none.
        reviews: In order.

    Raises:
        UserError: If they cannot be written.
    """
    lines = "".join(json.dumps(_as_json(review), ensure_ascii=False) + "\n" for review in reviews)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_SECONDS_FOR_LOCK), path.open("a+b", 0) as file:
            # "replace": half of a surrogate pair, as a browser may send it, is no text.
            _append(file, lines.encode("utf-8", "replace"))
    except Timeout:
        raise UserError(
            f"Expected to add a review to {path}; another process has kept it locked for {_SECONDS_FOR_LOCK:.0f} s. "
            "Try again."
        ) from None
    except OSError as error:
        raise UserError(f"Expected to add a review to {path}; {error.strerror or error}. It is not saved.") from None


def _as_json(review: Review) -> dict[str, Any]:
    values = asdict(review)
    first = {key: values.pop(key) for key in ("time", "sha256", "image", "action")}
    return first | {key: value for key, value in values.items() if value not in (None, "")}


def _append(file: Any, content: bytes) -> None:
    """Write at the end of an unbuffered file, in one piece where the system does so, and wait for the disk."""
    end = file.seek(0, os.SEEK_END)
    if end and _last_byte(file, end) != b"\n":  # A process was killed while it wrote.
        content = b"\n" + content
    try:
        while content:
            content = content[file.write(content) :]
        os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(end)
        raise


def _last_byte(file: BinaryIO, end: int) -> bytes:
    file.seek(end - 1)
    return file.read(1)


# --- reading ---------------------------------------------------------------------------------------------------------


def read_reviews(path: Path) -> ReviewLog:
    """Read a log; a line that cannot be used is a fault, and the others are read.

    Raises:
        UserError: If there is no such file, or it cannot be read.
    """
    expected = f"Expected a log of reviews, {path}"
    try:
        if not path.is_file():  # A named pipe would be waited for without an end.
            raise UserError(f"{expected}; there is no such file. The dashboard writes one: review a photo.")
        if path.stat().st_size > _LARGEST_LOG:
            raise UserError(f"{expected}; it has more than {_LARGEST_LOG:,} bytes. Name another file.")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{expected}; it cannot be read: {error.strerror or error}.") from None
    except ValueError:  # A name that no file can have.
        raise UserError(f"{expected}; no file can have such a name.") from None
    reviews, faults = _parse_lines(content)
    return ReviewLog(tuple(reviews), tuple(faults), hashlib.sha256(content).hexdigest())


def _parse_lines(content: bytes) -> tuple[list[Review], list[Fault]]:
    reviews: dict[str, Review] = {}
    faults = []
    *lines, last = content.split(b"\n")
    for number, line in enumerate([*lines, last], start=1):
        if not line.strip():
            continue
        found = _parse_line(line)
        if isinstance(found, str):
            is_cut = number == len(lines) + 1
            faults.append(Fault(number, f"half-written, {found}" if is_cut else found))
        elif found.id in reviews:
            faults.append(Fault(number, f"the id of an earlier line, {shortened(found.id)}"))
        else:
            reviews[found.id] = found
    return list(reviews.values()), faults


@lru_cache(100_000)
def _parse_line(line: bytes) -> Review | str:
    """A review, or what was found in its place. Kept: a log grows, and each time all of it is read."""
    try:
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"a line of {len(line):,} bytes")
        values = json.loads(line.decode("utf-8-sig"), parse_constant=_refuse_constant)
        if not isinstance(values, dict):
            raise ValueError(f"a {type(values).__name__} in the place of an object")
        return _review_of(values, default_id=hashlib.sha256(line).hexdigest()[:32])
    except (ValueError, RecursionError, OverflowError) as error:
        return _CONTROL.sub(" ", str(error)) or type(error).__name__


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which is no JSON")


def _review_of(values: dict[str, Any], default_id: str) -> Review:
    """A review from what a line says.

    Raises:
        ValueError: If that is none; with what was found.
    """
    review = Review(
        sha256=_text(values, "sha256", 64),
        image=_name(values, "image"),
        action=_text(values, "action", 20),
        label=_label(values.get("label")),
        class_name=None if values.get("class_name") is None else _name(values, "class_name"),
        note=_text(values, "note", _LONGEST_LINE) if values.get("note") is not None else "",
        undoes=None if values.get("undoes") is None else _name(values, "undoes"),
        id=default_id if values.get("id") is None else _name(values, "id"),
        time=_time(_text(values, "time", 60)),
    )
    if not _SHA256.fullmatch(review.sha256):
        raise ValueError(f"no sha256 but {_shown(review.sha256)}")
    if review.action not in ACTIONS:
        raise ValueError(f"no action of {', '.join(ACTIONS)} but {_shown(review.action)}")
    if review.action == RELABEL and review.label is None and review.class_name is None:
        raise ValueError("a relabel without a label")
    return review


def _text(values: dict[str, Any], key: str, most: int) -> str:
    value = values.get(key)
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"no text under {key!r} but {_shown(value)}")
    value.encode("utf-8")  # "\\ud800" is JSON, but no text.
    return value


def _name(values: dict[str, Any], key: str) -> str:
    """A text of one line, fit for a terminal."""
    name = _text(values, key, 4000)
    if not name or _CONTROL.search(name):
        raise ValueError(f"no name under {key!r} but {_shown(name)}")
    return name


def _label(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < _MOST_LABEL:  # A bool is an int to Python.
        raise ValueError(f"no class index but {_shown(value)}")
    return value


def _time(text: str) -> str:
    time = datetime.fromisoformat(text)
    in_utc = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    return in_utc.isoformat(timespec="milliseconds")


def _shown(value: Any) -> str:
    return shortened(ascii(value))


# --- what is decided -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decision:
    """What stands of all that was decided about a photo.

    Attributes:
        sha256: Of its content.
        image: What it was last called.
        action: One of `DECISIONS`; `note` where it has been remarked on only.
        label: Of a `relabel`; see `Review`.
        class_name: Likewise.
        note: The last remark, empty where there is none.
        last: The `id` of the last review that stands: what a person who undoes means.
    """

    sha256: str
    image: str
    action: str
    label: int | None
    class_name: str | None
    note: str
    last: str


def current_decisions(reviews: Sequence[Review]) -> dict[str, Decision]:
    """What stands of a log, by content; photos of which everything was taken back are absent.

    Args:
        reviews: In the order of the log, which is that of time.
    """
    decisions = {sha256: _decision(standing) for sha256, standing in _standing(reviews).items()}
    return {sha256: decision for sha256, decision in decisions.items() if decision is not None}


def review_states(reviews: Sequence[Review]) -> list[str]:
    """What became of each review of a log: `IN_FORCE`, `REPLACED` by a later one, `UNDONE`; `IS_UNDO` if it is one."""
    standing = _standing(reviews)
    ids = {review.id for each in standing.values() for review in each}
    in_force = {review.id for each in standing.values() for review in (_decided(each), _noted(each)) if review}

    def state(review: Review) -> str:
        if review.action == UNDO:
            return IS_UNDO
        if review.id not in ids:
            return UNDONE
        return IN_FORCE if review.id in in_force else REPLACED

    return [state(review) for review in reviews]


def _standing(reviews: Sequence[Review]) -> dict[str, list[Review]]:
    """What has not been taken back, by content, in order."""
    standing: dict[str, list[Review]] = {}
    for review in reviews:
        here = standing.setdefault(review.sha256, [])
        if review.action != UNDO:
            here.append(review)
        elif review.undoes is None:
            del here[-1:]
        else:
            here[:] = [each for each in here if each.id != review.undoes]
    return standing


def _decided(standing: Sequence[Review]) -> Review | None:
    return next((review for review in reversed(standing) if review.action in DECISIONS), None)


def _noted(standing: Sequence[Review]) -> Review | None:
    return next((review for review in reversed(standing) if review.action == NOTE or review.note), None)


def _decision(standing: Sequence[Review]) -> Decision | None:
    decided, noted = _decided(standing), _noted(standing)
    note = noted.note if noted else ""
    if decided is None and not note:
        return None
    last = standing[-1]
    action, label, name = (decided.action, decided.label, decided.class_name) if decided else (NOTE, None, None)
    return Decision(last.sha256, last.image, action, label, name, note, last.id)


# --- what that makes of a dataset ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NotApplied:
    """A decision that means nothing for a dataset, and why."""

    decision: Decision
    reason: str


@dataclass(frozen=True)
class Applied:
    """A dataset's photos as reviewed.

    Attributes:
        samples: The table that was given, row by row, with `label` as decided and `original_label` (pandas' Int64) as
            it was before any review. Excluded photos are still in it.
        is_excluded: Whether a photo is to be left out, shape (n_samples,).
        problems: Of kind `excluded`, one for each of these photos.
        not_applied: Decisions that no row followed.
        counts: Number of photos by what was decided: `relabelled`, `confirmed` (relabelled as they were labelled),
            `excluded`, `unsure` (which keep their label), `noted`; and `not_applied`, of decisions.
    """

    samples: pd.DataFrame
    is_excluded: NDArray[np.bool_]
    problems: tuple[Problem, ...]
    not_applied: tuple[NotApplied, ...]
    counts: dict[str, int]


def apply_reviews(samples: pd.DataFrame, decisions: Mapping[str, Decision], class_names: Sequence[str]) -> Applied:
    """Follow the decisions about a dataset's labelled photos.

    A decision counts for every photo with that content. A class is meant by its name; where the line has none, by its
    index. Photos that somebody is unsure of, or has only remarked on, stay as they are.

    Args:
        samples: As `core.dataset.Dataset.samples`. Decisions start from the `original_label`, which may be missing
            where it is not known; see `with_excluded`.
        decisions: From `current_decisions`.
        class_names: The dataset's K names in index order.

    Returns:
        The photos as reviewed; `samples` itself is not changed.
    """
    original = samples["original_label"].astype("Int64")
    before = original.fillna(-1).to_numpy(dtype=np.int64)
    after, is_excluded = before.copy(), np.zeros(len(samples), dtype=bool)
    counts = dict.fromkeys(("relabelled", "confirmed", "excluded", "unsure", "noted"), 0)
    is_labelled = (samples["folder"] == TRAINING_DIR).to_numpy()
    rows_of = _rows_by_content(samples, decisions)
    not_applied: list[NotApplied] = []
    for sha256, decision in decisions.items():
        found = rows_of.get(sha256, [])
        rows = [row for row in found if is_labelled[row]]
        given, no_class = _class_given(decision, class_names)
        if reason := no_class or _why_no_row(found, rows):
            not_applied.append(NotApplied(decision, reason))
            continue
        counts["noted"] += len(rows) * bool(decision.note)
        if decision.action == RELABEL:
            after[rows] = given
            n_changed = int((before[rows] != given).sum())
            counts["relabelled"] += n_changed
            counts["confirmed"] += len(rows) - n_changed
        elif decision.action == EXCLUDE:
            is_excluded[rows] = True
            counts["excluded"] += len(rows)
        elif decision.action == UNSURE:
            counts["unsure"] += len(rows)
    problems = [
        Problem(str(image), EXCLUDED, _why_excluded(decisions[str(sha256)]))
        for image, sha256 in samples.loc[is_excluded, ["image", "sha256"]].itertuples(index=False)
    ]
    label = pd.Series(after, index=samples.index, dtype="Int64").mask(after < 0)
    mended = samples.assign(label=label, original_label=original)
    return Applied(mended, is_excluded, tuple(problems), tuple(not_applied), counts | {"not_applied": len(not_applied)})


def _rows_by_content(samples: pd.DataFrame, decisions: Mapping[str, Decision]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    is_decided = samples["sha256"].isin(list(decisions)).to_numpy()
    for row, sha256 in zip(np.flatnonzero(is_decided).tolist(), samples["sha256"][is_decided], strict=True):
        rows.setdefault(sha256, []).append(row)
    return rows


def _class_given(decision: Decision, class_names: Sequence[str]) -> tuple[int, str]:
    """The class index that a `relabel` means for a dataset, -1 for other actions; and why it cannot be told, if so."""
    if decision.action != RELABEL:
        return -1, ""
    if decision.class_name is not None:
        if decision.class_name in class_names:
            return class_names.index(decision.class_name), ""
        return -1, f"no class of the dataset is called {decision.class_name}"
    if decision.label is None or decision.label >= len(class_names):
        return -1, f"the dataset has no class {decision.label}"
    return decision.label, ""


def _why_no_row(found: Sequence[int], rows: Sequence[int]) -> str:
    if rows:
        return ""
    return "a test photo, which has no label" if found else "not among the labelled photos of the dataset"


def _why_excluded(decision: Decision) -> str:
    note = _CONTROL.sub(" ", decision.note).strip()
    return f"by a review: {note}" if note else "by a review"


def reviews_info(path: Path, log: ReviewLog, applied: Applied) -> dict[str, Any]:
    """What `run.json` holds under `reviews`: which log a run was trained with and what came of it.

    Args:
        path: The log.
        log: As it was read from there.
        applied: What it made of the run's dataset.

    Returns:
        JSON values: `path` (absolute), `sha256` of the file, `n_faults` (lines that cannot be used), and a number for
        each of `Applied.counts`, as `n_relabelled`.
    """
    counts = {f"n_{name}": n for name, n in applied.counts.items()}
    return {"path": str(path.resolve()), "sha256": log.sha256, "n_faults": len(log.faults), **counts}


def reviews_text(applied: Applied) -> str:
    """What reviews made of a dataset, in words for a terminal."""
    n = applied.counts
    text = (
        f"Reviews: {n['relabelled']} photos relabelled, {n['excluded']} excluded, {n['confirmed']} confirmed; "
        f"{n['unsure']} unsure, which keep their label"
    )
    return text + (f"; {n['not_applied']} decisions mean nothing here" if n["not_applied"] else "")


@dataclass(frozen=True)
class Followed:
    """What reviews changed in the photos that a run was trained with: how many were relabelled and excluded."""

    n_relabelled: int
    n_excluded: int


def followed(samples: pd.DataFrame, problems: pd.DataFrame) -> Followed:
    """Tell from a run's tables what reviews changed; in runs from before there were any, nothing.

    Args:
        samples: As in `samples.csv`.
        problems: As in `problems.csv`.
    """
    return Followed(int(_is_relabelled(samples).sum()), int((problems["kind"] == EXCLUDED).sum()))


def _is_relabelled(samples: pd.DataFrame) -> NDArray[np.bool_]:
    """Which photos have another label than before any review, also where that one is not known."""
    differs = (samples["label"] != samples["original_label"]).fillna(samples["label"].notna())
    return differs.to_numpy(dtype=bool)


# --- taking it back to the dataset -----------------------------------------------------------------------------------


def with_excluded(
    samples: pd.DataFrame,
    problems: pd.DataFrame,
    contents: Mapping[str, str],
    values: Mapping[str, Sequence[object]],
    class_names: Sequence[str],
) -> pd.DataFrame:
    """A run's photos together with those that it left out because a review said so.

    Args:
        samples: As in `samples.csv`, which has only photos that were used.
        problems: As in `problems.csv`.
        contents: Hash of the content by name, as a log has them.
        values: Every value that the dataset's label file gives a name, empty where there is none.
        class_names: The run's K names in index order.

    Returns:
        The samples with a row more for each of these photos whose content is known: `label` and `original_label` are
        what the dataset says, missing where that cannot be told.
    """
    left_out_images = problems.loc[problems["kind"] == EXCLUDED, "image"].unique()
    used = set(samples.loc[samples["image"].isin(left_out_images), "image"])
    images = [image for image in left_out_images if image in contents and image not in used]
    if not images:
        return samples
    labels = pd.array([_label_in_dataset(image, values, class_names) for image in images], dtype="Int64")
    left_out = pd.DataFrame(
        {
            "image": images,
            "folder": TRAINING_DIR,
            "label": labels,
            "original_label": labels,
            "sha256": [contents[image] for image in images],
        }
    )
    return pd.concat([samples, left_out], ignore_index=True)


def _label_in_dataset(image: str, values: Mapping[str, Sequence[object]], class_names: Sequence[str]) -> int | None:
    folder, _, name = image.partition("/")
    if folder != TRAINING_DIR:
        return class_names.index(folder) if folder in class_names else None
    label = next(iter(values.get(name, ())), None)
    return label if type(label) is int and 0 <= label < len(class_names) else None


def corrections(applied: Applied, class_names: Sequence[str]) -> pd.DataFrame:
    """What reviews would change in a dataset.

    Returns:
        A row a photo whose label is another one or that is excluded: `image`, `original_class`, `corrected_class`
        (empty for one that is excluded).
    """
    samples = applied.samples
    is_mended = _is_relabelled(samples) | applied.is_excluded
    rows = samples[is_mended]
    originals = ["" if label is pd.NA else class_names[label] for label in rows["original_label"]]
    mended = zip(rows["label"], applied.is_excluded[is_mended], strict=True)
    corrected = ["" if is_excluded else class_names[label] for label, is_excluded in mended]
    return pd.DataFrame({"image": rows["image"], "original_class": originals, "corrected_class": corrected})


def corrected_labels(values: Mapping[str, Sequence[object]], applied: Applied) -> str:
    """The label file of a dataset in the challenge's layout as reviews would have it.

    What is said of photos that were not reviewed stays as it is, whatever that is.

    Args:
        values: Every value that the file gives a name; see `core.dataset.label_values`.
        applied: What the reviews made of the dataset.

    Returns:
        JSON, a line a photo, in the file's order; photos that are excluded are not in it.
    """
    samples = applied.samples
    excluded = set(samples.loc[applied.is_excluded, "image"])
    relabelled = samples.loc[_is_relabelled(samples), ["image", "label"]]
    mended = {str(image): int(label) for image, label in relabelled.itertuples(index=False)}
    return "{\n" + ",\n".join(_label_lines(values, mended, excluded)) + "\n}\n"


def _label_lines(
    values: Mapping[str, Sequence[object]], mended: Mapping[str, int], excluded: set[str]
) -> Iterator[str]:
    for name, found in values.items():
        image = f"{TRAINING_DIR}/{name}"
        if image not in excluded:
            for value in [mended[image]] if image in mended else found:
                yield f" {json.dumps(name)}: {json.dumps(value)}"
