"""A submission and what it was made from -> whether it can be handed in, and what it says.

`Id` is the file name of a test photo, without its folder; `Category` is a class index.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from core.dataset import TEST_DIR
from core.errors import named
from core.images import PHOTO_SUFFIXES
from core.intervals import wilson_intervals
from core.runs import SUBMISSION_COLUMNS

# Kinds of problems that a photo shows when it is opened.
_UNREADABLE = ("empty", "not_a_photo", "truncated", "too_large", "unreadable")


@dataclass(frozen=True)
class Check:
    """Something that a submission must be: in words, whether it is, and what was found."""

    name: str
    is_met: bool
    detail: str


def unusable_test_images(problems: pd.DataFrame) -> list[str]:
    """Test photos that cannot be read; the submission names them all the same.

    Args:
        problems: As in `problems.csv`. A file in the test folder whose name is no photo's is no test photo.
    """
    is_unreadable = problems["kind"].isin(_UNREADABLE)
    images = dict.fromkeys(problems.loc[is_unreadable, "image"])
    return [image for image in images if _is_test_photo(PurePosixPath(image))]


def _is_test_photo(path: PurePosixPath) -> bool:
    is_photo = path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".")
    return path.parent == PurePosixPath(TEST_DIR) and is_photo


def check_submission(
    submission: pd.DataFrame,
    samples: pd.DataFrame,
    test_predictions: pd.DataFrame,
    class_names: Sequence[str],
    unusable_images: Collection[str],
) -> list[Check]:
    """Check a submission before it is handed in.

    Args:
        submission: As `core.runs.read_submission` gives it.
        samples: As in `samples.csv`.
        test_predictions: As in `test_predictions.csv`.
        class_names: The K names in index order.
        unusable_images: Test photos that cannot be read; see `unusable_test_images`.

    Returns:
        The checks in an order for reading.
    """
    test_images = samples.loc[samples["folder"] == TEST_DIR, "image"].tolist()
    return [
        _check_header(submission),
        _check_photos(submission["Id"], _ids(test_images), _ids(unusable_images)),
        _check_categories(submission, class_names),
        _check_predictions(submission, test_predictions),
        _check_order(submission["Id"]),
    ]


def _check_header(submission: pd.DataFrame) -> Check:
    header = ",".join(map(str, submission.columns))
    expected = ",".join(SUBMISSION_COLUMNS)
    return Check(f"The header is {expected}", header == expected, f"found {header}")


def _check_photos(ids: "pd.Series[str]", readable: list[str], unreadable: list[str]) -> Check:
    expected, found = {*readable, *unreadable}, set(ids)
    faults = {
        "missing": sorted(expected - found),
        "no test photos": sorted(found - expected),
        "repeated": sorted(set(ids[ids.duplicated()])),
    }
    said = [f"{what}: {named(images)}" for what, images in faults.items() if images]
    fine = f"{len(expected)} photos"
    if unreadable:
        fine += f", of which {len(set(unreadable))} cannot be read: {named(sorted(set(unreadable)))}"
    return Check("Every test photo once, and nothing else", not said, "; ".join(said) or fine)


def _check_categories(submission: pd.DataFrame, class_names: Sequence[str]) -> Check:
    strange = submission[~submission["Category"].isin(range(len(class_names)))]
    meaning = ", ".join(f"{label} {name}" for label, name in enumerate(class_names))
    said = named([f"{category} for {image}" for image, category in _rows(strange)])
    return Check(
        f"Categories are integers from 0 to {len(class_names) - 1}",
        strange.empty,
        f"found {said}" if said else meaning,
    )


def _check_predictions(submission: pd.DataFrame, test_predictions: pd.DataFrame) -> Check:
    predicted = dict(zip(_ids(test_predictions["image"]), test_predictions["predicted_label"], strict=True))
    others = [
        f"{image} ({category}, predicted {predicted.get(image, 'nothing')})"
        for image, category in _rows(submission)
        if predicted.get(image) != category
    ]
    detail = f"other ones: {named(others)}" if others else f"{len(submission)} alike"
    return Check("The classes are those in test_predictions.csv", not others, detail)


def _check_order(ids: "pd.Series[str]") -> Check:
    names = ids.tolist()
    turned = next((f"{one} stands before {other}" for one, other in pairwise(names) if one > other), None)
    return Check("Sorted by name", turned is None, turned or f"{len(names)} rows")


def _ids(images: Collection[str]) -> list[str]:
    return [PurePosixPath(image).name for image in images]


def _rows(submission: pd.DataFrame) -> list[tuple[str, object]]:
    return list(zip(submission["Id"], submission["Category"], strict=True))


def class_mix(labels: ArrayLike, n_classes: int) -> pd.DataFrame:
    """How often each class occurs, among test photos as predicted or among training photos as labelled.

    Args:
        labels: Class indices, shape (n_images,); missing ones do not count.
        n_classes: K.

    Returns:
        A row a class: `label`, `n_images`, `share` and its Wilson interval `share_low`, `share_high`; the last three
        are NaN where there is no label.
    """
    found = pd.Series(labels).dropna().astype("int64")
    n_images = found.value_counts().reindex(range(n_classes), fill_value=0).to_numpy()
    low, high = wilson_intervals(n_images, np.full(n_classes, len(found)))
    mix = pd.DataFrame(
        {
            "label": range(n_classes),
            "n_images": n_images,
            "share": n_images / max(len(found), 1),
            "share_low": low,
            "share_high": high,
        }
    )
    if found.empty:
        mix[["share", "share_low", "share_high"]] = np.nan
    return mix


@dataclass(frozen=True)
class SubmissionDifferences:
    """Two submissions side by side.

    Attributes:
        photos: A row a photo in both that they put into different classes: `Id`, `Category`, `other`.
        n_both: Photos in both.
        n_only_here: Photos in the first one only.
        n_only_there: Photos in the other one only.
    """

    photos: pd.DataFrame
    n_both: int
    n_only_here: int
    n_only_there: int


def differences(submission: pd.DataFrame, other: pd.DataFrame) -> SubmissionDifferences:
    """Compare a submission with another run's; of a repeated Id the first row counts.

    Args:
        submission: As `core.runs.read_submission` gives it.
        other: Likewise.
    """
    here, there = (table.drop_duplicates("Id") for table in (submission, other))
    both = here[["Id", "Category"]].merge(there[["Id", "Category"]].rename(columns={"Category": "other"}), on="Id")
    photos = both[both["Category"] != both["other"]].reset_index(drop=True)
    return SubmissionDifferences(photos, len(both), len(here) - len(both), len(there) - len(both))
