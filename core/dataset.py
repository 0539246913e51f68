"""Folders and labels -> a table of usable photos and a list of problems.

Two layouts are read:

    DIR/training/10000.jpg ...        labelled by DIR/train_gt.json: {"10000.jpg": 1, ...}     (the challenge's)
    DIR/test/...                      unlabelled; with DIR/test_gt.json their labels are known after all

    DIR/<class name>/*.jpg            one folder per class, natural-sorted names: 0, 1, ...
    DIR/test/...                      unlabelled

Reading goes in two steps, because the second takes seconds: `list_photos` reads folder listings and label files and
fails at once where there is no dataset; `check_photos` then reads every photo, and decodes those whose content the
cache does not know. Nothing outside of the dataset is read, whatever links say: the dashboard shows what is in a
dataset, and an archive may hold a link to anything. The dataset's own folder may be a link. Whatever is wrong with one
photo is a `Problem`, a value that is saved with the run; what is wrong with the whole dataset is a `UserError`.
"""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from core.cache import PhotoCache
from core.config import DEFAULT_CLASS_NAMES, MATRIX_CORNER
from core.errors import UNPRINTABLE, UserError, printable, shortened
from core.facts import PhotoFacts, inspect_photo, keep_facts, known_facts
from core.groups import group_photos, is_telling
from core.images import PHOTO_SUFFIXES, PhotoError

Folder = Literal["training", "test"]

TRAINING_DIR: Final = "training"
TEST_DIR: Final = "test"
TRAINING_LABELS_FILE = "train_gt.json"
TEST_LABELS_FILE = "test_gt.json"

# What operating systems leave in folders; the only files passed over without a word.
_SYSTEM_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})

# Facts are kept after so many photos, so that an interrupted reading goes on where it was.
_FACTS_AT_ONCE = 500

# kind -> (what it means, whether the photo is left out)
PROBLEM_KINDS: dict[str, tuple[str, bool]] = {
    "missing": ("labelled, but no such photo", True),
    "unlabelled": ("a photo without a label", True),
    "bad_label": ("the label is no class index", True),
    "label_conflict": ("labelled twice, differently", True),
    "empty": ("zero bytes", True),
    "not_a_photo": ("not a photo", True),
    "truncated": ("cut off: the file ends too early", True),
    "too_large": ("too large to decode safely", True),
    "unreadable": ("cannot be read", True),
    "outside": ("a link that leads out of the dataset", True),
    "bad_name": ("a file name that cannot be written down", True),
    "folder": ("a folder where photos are expected", True),
    "loose": ("a photo outside the folders that are read", True),
    "excluded": ("excluded by a review", True),
    "unscored": ("the label of a test photo is no class index", False),
    "case_conflict": ("same name as another photo but for upper and lower case", False),
    "duplicate": ("same content as another photo", False),
    "near_duplicate": ("near-identical to another photo", False),
    "conflicting_labels": ("labelled otherwise than a near-identical photo", False),
    "in_training": ("a test photo that is near-identical to a training photo", False),
}


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one file: `image` relative to the dataset, a kind of `PROBLEM_KINDS`, what was found."""

    image: str
    kind: str
    detail: str


@dataclass(frozen=True)
class Listed:
    """A photo by name, not opened yet: path relative to the dataset, folder, class index (None if unknown)."""

    image: str
    folder: Folder
    label: int | None


@dataclass(frozen=True)
class Listing:
    """What the folders and the label files say."""

    root: Path
    class_names: tuple[str, ...]
    photos: tuple[Listed, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Dataset:
    """A dataset that can be trained on.

    Attributes:
        root: Folder that the names of photos are relative to.
        class_names: K names in the order of the labels.
        samples: A row a usable photo, sorted by name, training before test: `image`, `folder`, `label` (pandas' Int64,
            missing for test photos), `width`, `height`, `bytes`, `sha256`, `original_label` (the same before any
            review), `group` (see `core.groups`), `brightness`, `contrast`, `sharpness` (see `core.quality`).
        problems: What was left out or is odd.
        test_labels: Class index by `image`, for test photos whose labels are known.
        unusable_test: Test photos that cannot be read; a submission must name them all the same.
    """

    root: Path
    class_names: tuple[str, ...]
    samples: pd.DataFrame
    problems: tuple[Problem, ...]
    test_labels: dict[str, int]
    unusable_test: tuple[str, ...]


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key under which `photo2` comes before `photo10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def list_photos(root: Path, class_names: tuple[str, ...] | None = None) -> Listing:
    """Read folder listings and label files of either layout; opens no photo.

    Args:
        root: The dataset's folder.
        class_names: Names in the order of the labels; by default the challenge's three, or the folders' names.

    Raises:
        UserError: If there is no dataset in `root`.
    """
    if not root.is_dir():
        raise UserError(
            f"Expected a dataset in {root}; there is no such folder. Download it (README, Data), "
            "name another folder with --data, or try `python train.py --demo`."
        )
    if (root / TRAINING_LABELS_FILE).exists() or (root / TRAINING_DIR).is_dir():
        return _list_challenge(root, class_names or DEFAULT_CLASS_NAMES)
    return _list_class_folders(root, class_names)


def photo_path(root: Path, image: str) -> Path:
    """Where a photo of a dataset is; tables that name it can be forged, and links in a dataset lead anywhere.

    Args:
        root: The dataset's folder.
        image: Relative to it.

    Raises:
        PhotoError: If `image` does not name a photo in `root`, or only by a link to elsewhere.
    """
    (path,) = photo_paths(root, [image])
    if isinstance(path, PhotoError):
        raise path
    return path


def photo_paths(root: Path, images: Iterable[str]) -> list[Path | PhotoError]:
    """Where photos of a dataset are, or why it is none; see `photo_path`. Each of their folders is looked at once."""
    is_outside = lru_cache(lambda folder: leads_out(folder, root))
    return [_photo_path(root, image, is_outside) for image in images]


def _photo_path(root: Path, image: str, is_outside: Callable[[Path], bool]) -> Path | PhotoError:
    relative = Path(image)
    is_within = not relative.is_absolute() and ".." not in relative.parts and "\0" not in image
    if not is_within or relative.suffix.lower() not in PHOTO_SUFFIXES:
        return PhotoError("unreadable", "not a photo of the dataset")
    path = root / relative
    if is_outside(path.parent) or (path.is_symlink() and leads_out(path, root)):
        return PhotoError("unreadable", "a link that leads out of the dataset")
    return path


def leads_out(path: Path, root: Path) -> bool:
    """Whether a file that seems to be in a folder is outside of it, by way of a link."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def require_trainable(dataset: Dataset) -> None:
    """Make sure that there are photos to learn from and to validate on.

    Raises:
        UserError: If no photo is readable, or a class has fewer than two usable, different photos.
    """
    training = dataset.samples[dataset.samples["folder"] == TRAINING_DIR]
    kinds = ", ".join(f"{n} {kind}" for kind, n in count_by_kind(dataset.problems).items()) or "none"
    if training.empty:
        raise UserError(f"Expected readable, labelled photos in {dataset.root}; found none (problems: {kinds}).")
    different = training.groupby("label")["sha256"].nunique()
    for label, name in enumerate(dataset.class_names):
        found = int(different.get(label, 0))
        if found < 2:
            raise UserError(
                f"Expected at least two usable, different photos of each class in {dataset.root}; found {found} of "
                f"class {label} ({name}); problems: {kinds}. Add photos or correct --class-names."
            )


def fingerprint(samples: pd.DataFrame) -> str:
    """A hash of which photos a dataset has, with which content and under which label; their order plays no part.

    Args:
        samples: As in `samples.csv`. Labels are those of the dataset: `original_label`.
    """
    lines = samples[["image", "sha256", "original_label"]].rename(columns={"original_label": "label"})
    lines = lines.sort_values("image")
    return hashlib.sha256(lines.to_csv(index=False, lineterminator="\n").encode()).hexdigest()


def check_photos(
    listing: Listing, advance: Callable[[int], None] = lambda n: None, cache: PhotoCache | None = None
) -> Dataset:
    """Decode every listed photo and keep the usable ones.

    Args:
        listing: What `list_photos` found.
        advance: Called with 1 after each photo.
        cache: From `core.facts.open_facts`, open: a photo that is in there is hashed, but not decoded again.

    Raises:
        UserError: If the cache cannot be written.
    """
    usable: list[tuple[Listed, PhotoFacts]] = []
    problems = list(listing.problems)
    for photo, outcome in _inspect_all(listing, cache):
        advance(1)
        if isinstance(outcome, PhotoError):
            problems.append(Problem(photo.image, outcome.kind, outcome.detail))
        else:
            usable.append((photo, outcome))
            if cache is not None and len(usable) % _FACTS_AT_ONCE == 0:
                keep_facts([facts for _, facts in usable[-_FACTS_AT_ONCE:]], cache)
    if cache is not None:
        keep_facts([facts for _, facts in usable], cache)
    samples = _samples_table(usable)
    return Dataset(
        root=listing.root,
        class_names=listing.class_names,
        samples=samples,
        problems=(*problems, *_duplicates(samples), *_of_groups(samples)),
        test_labels={p.image: p.label for p, _ in usable if p.folder == TEST_DIR and p.label is not None},
        unusable_test=_unusable_test(listing, usable),
    )


# --- the challenge's layout ------------------------------------------------------------------------------------------


def _list_challenge(root: Path, class_names: tuple[str, ...]) -> Listing:
    problems: list[Problem] = []
    labels = _read_labels(root / TRAINING_LABELS_FILE, TRAINING_DIR, len(class_names), problems)
    names = _photo_names(root, TRAINING_DIR, problems)
    if not names:
        raise UserError(
            f"Expected training photos in {root / TRAINING_DIR}; found none "
            f"({', '.join(sorted(PHOTO_SUFFIXES))}). Download the dataset (README, Data) or try "
            "`python train.py --demo`."
        )
    reported = {problem.image for problem in problems}
    photos = []
    for name in names:
        image = f"{TRAINING_DIR}/{name}"
        if name in labels:
            photos.append(Listed(image, TRAINING_DIR, labels[name]))
        elif image not in reported:
            problems.append(Problem(image, "unlabelled", f"not in {TRAINING_LABELS_FILE}"))
    problems += _missing(labels, names, TRAINING_DIR, problems)
    photos += _list_test(root, len(class_names), problems)
    problems += _loose_photos(root)
    # A bad name can come up twice, as a file and as a label.
    return Listing(root, class_names, tuple(photos), tuple(dict.fromkeys(problems)))


def _list_test(root: Path, n_classes: int, problems: list[Problem]) -> list[Listed]:
    if not (root / TEST_DIR).is_dir():
        return []
    labels: dict[str, int] = {}
    names = _photo_names(root, TEST_DIR, problems)
    if (root / TEST_LABELS_FILE).exists():
        labels = _read_labels(root / TEST_LABELS_FILE, TEST_DIR, n_classes, problems)
        images = {f"{TEST_DIR}/{name}" for name in names}
        problems[:] = [_missing_if(problem.image not in images, problem) for problem in problems]
        problems += _missing(labels, names, TEST_DIR, problems)
    return [Listed(f"{TEST_DIR}/{name}", TEST_DIR, labels.get(name)) for name in names]


def _missing_if(is_missing: bool, problem: Problem) -> Problem:
    """A test label that is no class index matters only where there is a photo to be scored."""
    if problem.kind == "unscored" and is_missing:
        return Problem(problem.image, "missing", "no such file")
    return problem


def _missing(labels: Iterable[str], names: list[str], folder: Folder, problems: list[Problem]) -> list[Problem]:
    accounted = {f"{folder}/{name}" for name in names} | {problem.image for problem in problems}
    images = (f"{folder}/{name}" for name in labels)
    return [Problem(image, "missing", "no such file") for image in images if image not in accounted]


def _read_labels(path: Path, folder: Folder, n_classes: int, problems: list[Problem]) -> dict[str, int]:
    """Class index by file name; what is no class index becomes a problem."""
    labels: dict[str, int] = {}
    for name, values in label_values(path).items():
        image = f"{folder}/{name}"
        if UNPRINTABLE.search(name):
            problems.append(_bad_name(image))
            continue
        problem = _label_problem(image, values, n_classes)
        if problem is None:
            labels[name] = values[0]
        elif folder == TEST_DIR:  # It is predicted all the same.
            problems.append(replace(problem, kind="unscored"))
        else:
            problems.append(problem)
    return labels


def _label_problem(image: str, values: list[Any], n_classes: int) -> Problem | None:
    texts = [shortened(json.dumps(value)) for value in values]
    if len(set(texts)) > 1:
        return Problem(image, "label_conflict", f"labelled {' and '.join(texts)}")
    if type(values[0]) is not int:  # A bool is an int to Python, and 1.0 equals 1.
        return Problem(image, "bad_label", f"expected an integer from 0 to {n_classes - 1}, found {texts[0]}")
    if not 0 <= values[0] < n_classes:
        detail = f"expected 0 to {n_classes - 1}, found {texts[0]}; --class-names fixes the number of classes"
        return Problem(image, "bad_label", detail)
    return None


def label_values(path: Path) -> dict[str, list[Any]]:
    """Every value that a label file gives a name: JSON allows a key twice, and Python would keep the last one.

    Raises:
        UserError: If the file is missing or holds something else.
    """
    expected = f'Expected {path} to hold {{"photo.jpg": class index, ...}}'
    if path.exists() and not path.is_file():  # A named pipe would be waited for without end.
        raise UserError(f"{expected}; it is no file.")
    try:
        pairs = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=list)
    except FileNotFoundError:
        raise UserError(f"{expected}; there is no such file. Download the dataset again (README, Data).") from None
    except OSError as error:
        raise UserError(f"{expected}; it cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{expected}; it is not valid JSON: {error}.") from None
    # With this hook an object is a list of pairs; any other list holds no tuples.
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise UserError(f"{expected}; found {type(pairs).__name__ if not isinstance(pairs, list) else 'a list'}.")
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


# --- one folder per class --------------------------------------------------------------------------------------------


def _list_class_folders(root: Path, class_names: tuple[str, ...] | None) -> Listing:
    found = sorted(
        (entry.name for entry in root.iterdir() if entry.is_dir() and entry.name != TEST_DIR and entry.name[0] != "."),
        key=natural_key,
    )
    if len(found) < 2:
        raise UserError(
            f"Expected {root} to hold {TRAINING_LABELS_FILE} and {TRAINING_DIR}/, or one folder per class; "
            "found neither. Download the dataset (README, Data) or try `python train.py --demo`."
        )
    if any(map(UNPRINTABLE.search, found)):
        raise UserError(f"Expected folders with names in Unicode in {root}; found others. Rename them.")
    if MATRIX_CORNER in found:
        raise UserError(f"Expected no folder of the name '{MATRIX_CORNER}' in {root}; found one. Rename it.")
    if class_names is not None and set(class_names) != set(found):
        raise UserError(
            f"Expected --class-names to name the folders of {root}; found the folders {', '.join(found)} "
            f"and the names {', '.join(class_names)}."
        )
    names = class_names or tuple(found)
    problems: list[Problem] = []
    photos = [
        Listed(f"{class_name}/{name}", TRAINING_DIR, label)
        for label, class_name in enumerate(names)
        for name in _photo_names(root, class_name, problems)
    ]
    photos += _list_test(root, len(names), problems)
    problems += _loose_photos(root)
    return Listing(root, names, tuple(photos), tuple(problems))


# --- both layouts ----------------------------------------------------------------------------------------------------


def _photo_names(root: Path, folder: str, problems: list[Problem]) -> list[str]:
    """Names of the photos in a folder, sorted; every other entry becomes a problem."""
    if leads_out(root / folder, root):
        raise UserError(
            f"Expected {root / folder} within the dataset; it is a link that leads out of it. Move the photos "
            "there, or link the whole dataset."
        )
    try:
        entries = sorted((root / folder).iterdir(), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"Expected photos in {root / folder}; it cannot be read: {error.strerror}.") from None
    names = []
    for entry in entries:
        problem = _entry_problem(entry, folder, root)
        if problem is not None:
            problems.append(problem)
        elif entry.name not in _SYSTEM_FILES:
            names.append(entry.name)
    problems += _case_conflicts(folder, names)
    return names


def _loose_photos(root: Path) -> list[Problem]:
    names = sorted(entry.name for entry in root.iterdir() if entry.suffix.lower() in PHOTO_SUFFIXES and entry.is_file())
    return [_bad_name(name) if UNPRINTABLE.search(name) else Problem(name, "loose", "not read") for name in names]


def _entry_problem(entry: Path, folder: str, root: Path) -> Problem | None:
    image = f"{folder}/{entry.name}"
    if entry.name in _SYSTEM_FILES:
        return None
    if UNPRINTABLE.search(entry.name):
        return _bad_name(image)
    if entry.is_dir():
        return Problem(image, "folder", "photos in it are not read")
    if entry.name.startswith(".") or entry.suffix.lower() not in PHOTO_SUFFIXES:
        return Problem(image, "not_a_photo", f"expected a name that ends in one of {', '.join(sorted(PHOTO_SUFFIXES))}")
    if entry.is_symlink() and leads_out(entry, root):
        return Problem(image, "outside", "a link that leads out of the dataset; copy the photo here")
    return None


def _bad_name(image: str) -> Problem:
    return Problem(printable(image), "bad_name", "not valid Unicode or with control characters; rename the file")


def _case_conflicts(folder: str, names: list[str]) -> list[Problem]:
    problems = []
    for _, group in groupby(sorted(names, key=str.casefold), key=str.casefold):
        first, *others = group
        problems += [Problem(f"{folder}/{name}", "case_conflict", f"beside {folder}/{first}") for name in others]
    return problems


def _inspect_all(listing: Listing, cache: PhotoCache | None) -> Iterator[tuple[Listed, PhotoFacts | PhotoError]]:
    known = (lambda sha256: None) if cache is None else known_facts(cache)

    def inspect(photo: Listed) -> PhotoFacts | PhotoError:
        try:
            return inspect_photo(listing.root / photo.image, known)
        except PhotoError as error:
            return error

    with ThreadPoolExecutor() as pool:  # Pillow's decoders work without Python's lock.
        yield from zip(listing.photos, pool.map(inspect, listing.photos), strict=True)


def _samples_table(usable: list[tuple[Listed, PhotoFacts]]) -> pd.DataFrame:
    labels = [photo.label if photo.folder == TRAINING_DIR else None for photo, _ in usable]
    pixels = [facts.pixels for _, facts in usable]
    return pd.DataFrame(
        {
            "image": [photo.image for photo, _ in usable],
            "folder": [photo.folder for photo, _ in usable],
            "label": pd.array(labels, dtype="Int64"),
            "width": [facts.width for facts in pixels],
            "height": [facts.height for facts in pixels],
            "bytes": [facts.bytes for _, facts in usable],
            "sha256": [facts.sha256 for _, facts in usable],
            "original_label": pd.array(labels, dtype="Int64"),
            "group": _groups([facts for _, facts in usable]),
            "brightness": [facts.brightness for facts in pixels],
            "contrast": [facts.contrast for facts in pixels],
            "sharpness": [facts.sharpness for facts in pixels],
        }
    )


def _groups(photos: list[PhotoFacts]) -> list[str]:
    pixels = [photo.pixels for photo in photos]
    return group_photos(
        [photo.sha256 for photo in photos],
        np.array([photo.perceptual_hash for photo in pixels], dtype=np.uint16),
        np.array([photo.colours for photo in pixels], dtype=np.uint8),
        np.array([is_telling(photo.width, photo.height, photo.contrast) for photo in pixels], dtype=bool),
    )


def _duplicates(samples: pd.DataFrame) -> list[Problem]:
    """Photos whose bytes another one has too, named together with the first of them."""
    problems = []
    repeated = samples[samples.duplicated("sha256", keep=False)]
    for _, group in repeated.groupby("sha256", sort=False):
        (first, first_label), *others = zip(group["image"], group["label"], strict=True)
        for image, label in others:
            known = not (pd.isna(label) or pd.isna(first_label))
            conflict = f", but labelled {label} and there {first_label}" if known and label != first_label else ""
            problems.append(Problem(image, "duplicate", f"as {first}{conflict}"))
    return problems


def _of_groups(samples: pd.DataFrame) -> list[Problem]:
    """What is odd about groups of near-identical photos: that there are any, their labels, and test photos in them."""
    alike, conflicts, pairs = [], [], []
    for _, group in samples[samples.duplicated("group", keep=False)].groupby("group", sort=False):
        first, *others = group.drop_duplicates("sha256")["image"]
        alike += [Problem(image, "near_duplicate", f"like {first}") for image in others]
        conflicts += _conflicts(group.dropna(subset="label"))
        if group["folder"].iloc[0] == TRAINING_DIR:  # Training photos come first.
            in_test = group.loc[group["folder"] == TEST_DIR, "image"]
            pairs += [Problem(image, "in_training", f"like {group['image'].iloc[0]}") for image in in_test]
    return [*conflicts, *pairs, *alike]


def _conflicts(group: pd.DataFrame) -> list[Problem]:
    labels = sorted(group["label"].unique())
    if len(labels) < 2:
        return []
    others = {label: " and ".join(str(other) for other in labels if other != label) for label in labels}
    return [
        Problem(image, "conflicting_labels", f"labelled {label}, near-identical photos {others[label]}")
        for image, label in zip(group["image"], group["label"], strict=True)
    ]


def _unusable_test(listing: Listing, usable: list[tuple[Listed, PhotoFacts]]) -> tuple[str, ...]:
    fine = {photo.image for photo, _ in usable}
    return tuple(photo.image for photo in listing.photos if photo.folder == TEST_DIR and photo.image not in fine)


def count_by_kind(problems: Iterable[Problem]) -> dict[str, int]:
    """Number of problems of each kind, most frequent first."""
    return dict(Counter(problem.kind for problem in problems).most_common())
