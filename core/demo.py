"""The demo dataset: drawn pictures in the challenge's layout, to try Maskboard without any data and network.

Every picture is a pure function of its folder and its number: asking for more never changes the first.
"""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

from core.cartoon import EVERYBODY, NOBODY, SOME, Size, draw_photo
from core.dataset import TEST_DIR, TEST_LABELS_FILE, TRAINING_DIR, TRAINING_LABELS_FILE
from core.errors import UserError
from core.files import write_whole, writing
from core.report import Report

N_TRAINING, N_TEST = 1000, 90
FIRST_NUMBER = {TRAINING_DIR: 10000, TEST_DIR: 90000}
SIZES: tuple[Size, ...] = ((320, 213), (320, 240), (213, 320))
# Says that a folder is ours to draw into.
MARKER_FILE = "demo.json"
_SEED = 0


def ensure_demo_dataset(directory: Path, report: Report, n_training: int = N_TRAINING, n_test: int = N_TEST) -> None:
    """Draw the demo dataset, unless it is there already and complete.

    Args:
        directory: Where it is to be.
        report: Where to say how far it is.
        n_training: Number of training pictures.
        n_test: Number of test pictures.

    Raises:
        UserError: If something else is in the folder.
    """
    is_ours = (directory / MARKER_FILE).is_file()
    if is_ours and (directory / TRAINING_LABELS_FILE).is_file():
        return
    if not is_ours and directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UserError(
            f"Expected an empty place for the demo dataset; {directory} holds something else. Name another --data."
        )
    with (
        writing(directory, "With --demo again what is there already is drawn once more."),
        report.progress("Drawing the demo dataset", n_training + n_test) as advance,
    ):
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / MARKER_FILE, {"n_training": n_training, "n_test": n_test})
        draw_dataset(directory, n_training, n_test, advance=advance)


def draw_dataset(
    directory: Path,
    n_training: int,
    n_test: int,
    advance: Callable[[int], None] = lambda n: None,
) -> None:
    """Draw training and test pictures and write their labels, in the challenge's layout.

    The labels of the training pictures are written last: as long as they are missing the dataset is incomplete, and
    calling this again completes it.

    Args:
        directory: Where to put training/, test/, train_gt.json and test_gt.json.
        n_training: Number of training pictures.
        n_test: Number of test pictures.
        advance: Called with 1 after each picture.
    """
    labels = {folder: labels_of(folder, n) for folder, n in ((TEST_DIR, n_test), (TRAINING_DIR, n_training))}
    (directory / TRAINING_LABELS_FILE).unlink(missing_ok=True)
    for folder, names in labels.items():
        (directory / folder).mkdir(parents=True, exist_ok=True)
        for name, label in names.items():
            rng = random.Random(f"{_SEED}/{folder}/{name}")
            draw_photo(label, rng, rng.choice(SIZES)).save(directory / folder / name, quality=90)
            advance(1)
    write_json(directory / TEST_LABELS_FILE, labels[TEST_DIR])
    write_json(directory / TRAINING_LABELS_FILE, labels[TRAINING_DIR])


def labels_of(folder: str, count: int) -> dict[str, int]:
    """The label of every file name: each three pictures in a row have the three classes in random order."""
    labels: list[int] = []
    while len(labels) < count:
        labels += random.Random(f"{_SEED}/{folder}/{len(labels)}").sample([NOBODY, EVERYBODY, SOME], 3)
    return {f"{FIRST_NUMBER[folder] + index}.jpg": label for index, label in enumerate(labels[:count])}


def write_json(path: Path, content: Mapping[str, int]) -> None:
    """Write a JSON file completely or not at all."""
    text = json.dumps(content, indent=1)
    write_whole(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))
