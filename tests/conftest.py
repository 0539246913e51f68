"""Tiny photos, datasets and runs that the tests share; everything they write lies in temporary folders."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.config import TrainConfig
from core.dataset import PROBLEM_KINDS, Dataset, check_photos, list_photos, require_trainable
from core.report import Report
from core.runs import Run, read_run
from core.weights import find_weights
from tests.browser import browser as browser
from tests.browser import context as context
from tests.browser import page as page

# The mean colour of each class's photos: easy to tell apart, also for random weights.
COLOURS = ((170, 60, 60), (60, 170, 60), (60, 60, 170))


# Files that take longest come first, so that no process is left with one of them while the others are done.
LONGEST = (
    "test_browser_selection.py",
    "test_browser_training.py",
    "test_training.py",
    "test_browser_reviews.py",
    "test_browser.py",
    "test_killed.py",
    "test_browser_hostile.py",
    "test_browser_predict.py",
    "test_hostile_tables.py",
    "test_train.py",
    "test_browser_compare.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make reliability` try more."""
    parser.addoption("--thorough", action="store_true", help="many more cases of what is fuzzed, and the long tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for `--thorough`, and put the longest files first; within a file the order stays."""
    if not config.getoption("--thorough"):
        long = [item for item in items if item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def user_data_untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point every default at temporary folders, before any other fixture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASKBOARD_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("MASKBOARD_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MASKBOARD_DATA", raising=False)
        yield


@pytest.fixture(autouse=True)
def nothing_checks_behind_pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the process that checks a run soon after a page of it is opened: it would take a core all the while."""
    if request.path.name != "test_overview_page.py":
        monkeypatch.setattr("dashboard.data._check", lambda run, checking: None)


@pytest.fixture
def runs_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder for runs, which is also the default one."""
    monkeypatch.setenv("MASKBOARD_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A fresh dataset of three photos a class and two test photos, for a test to spoil."""
    return make_dataset(tmp_path / "data", per_class=3, n_test=2)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of `trained_run`, with a fault of every sort that a training goes on with; not to be changed."""
    root = make_dataset(tmp_path_factory.mktemp("data") / "tiny", per_class=10, n_test=5)
    labels = read_labels(root)
    (root / "training" / "copy.jpg").write_bytes((root / "training" / "10000.jpg").read_bytes())
    write_labels(root, labels | {"copy.jpg": 0, "absent.jpg": 1})
    make_photo(root / "training" / "unlabelled.jpg", label=1, seed=900)
    (root / "test" / "20001.jpg").write_text("no photo")
    test_labels = {f"2000{n}.jpg": n % 3 for n in range(5)}
    (root / "test_gt.json").write_text(json.dumps(test_labels))
    return root


@pytest.fixture(scope="session")
def trained_run(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with the head `gap`, trained on `tiny_dataset`; not to be changed."""
    return read_run(train_quietly(tiny_config(tiny_dataset, tmp_path_factory.mktemp("trained"), name="tiny")))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The real photos, where there are any."""
    return _path_from("MASKBOARD_TEST_DATA")


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """A file of learnt VGG16 weights, where there is one."""
    return _path_from("MASKBOARD_TEST_WEIGHTS")


def _path_from(variable: str) -> Path:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} is not set")
    return Path(os.environ[variable])


def tiny_config(data: Path, runs_dir: Path, name: str | None = None, epochs: int = 4, head: str = "gap") -> TrainConfig:
    """Options under which a training takes seconds."""
    return TrainConfig(
        data=data,
        runs_dir=runs_dir,
        name=name,
        epochs=epochs,
        head=head,
        weights="random",
        image_size=32,
        hidden_units=64,
        batch_size=8,
        learning_rate=0.003,
        precision="float32",
        quiet=True,
    )


def train_quietly(config: TrainConfig) -> Path:
    """Train as the command line does, without a word."""
    from core.training import train

    listing = list_photos(config.data, config.class_names)
    return train(config, listing, find_weights(config.weights), Report(quiet=True))


def photo_pixels(label: int, seed: int) -> NDArray[np.uint8]:
    """A noisy picture in its class's colour, 24 to 40 pixels wide and high."""
    random = np.random.default_rng([label, seed])
    height, width = random.integers(24, 41, size=2)
    noise = random.integers(-55, 56, size=(height, width, 3))
    return np.asarray(np.array(COLOURS[label]) + noise, dtype=np.uint8)


def make_photo(path: Path, label: int = 0, seed: int = 0) -> Path:
    """Write a photo in the format of its name's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo_pixels(label, seed)).save(path)
    return path


def make_dataset(root: Path, per_class: int = 4, n_test: int = 3) -> Path:
    """Write a dataset in the challenge's layout: `10000.jpg` ... with the labels 0, 1, 2, 0, ..., `20000.jpg` ..."""
    labels = {f"{10000 + n}.jpg": n % 3 for n in range(3 * per_class)}
    for n, (name, label) in enumerate(labels.items()):
        make_photo(root / "training" / name, label, seed=n)
    for n in range(n_test):
        make_photo(root / "test" / f"{20000 + n}.jpg", n % 3, seed=500 + n)
    write_labels(root, labels)
    return root


def make_class_folders(root: Path, class_names: tuple[str, ...], per_class: int = 4) -> Path:
    """Write a dataset with one folder per class."""
    for label, class_name in enumerate(class_names):
        for n in range(per_class):
            make_photo(root / class_name / f"{n}.jpg", label % 3, seed=100 * label + n)
    return root


def read_labels(root: Path) -> dict[str, int]:
    """The labels of a dataset in the challenge's layout."""
    labels: dict[str, int] = json.loads((root / "train_gt.json").read_text())
    return labels


def write_labels(root: Path, labels: object) -> None:
    """Replace the labels of a dataset in the challenge's layout."""
    (root / "train_gt.json").write_text(json.dumps(labels))


def set_label(root: Path, name: str, value: object = 0) -> None:
    """Give a photo of a dataset in the challenge's layout a label, whatever that is."""
    write_labels(root, read_labels(root) | {name: value})


def read_dataset(root: Path, class_names: tuple[str, ...] | None = None) -> Dataset:
    """Read a dataset as a training does."""
    dataset = check_photos(list_photos(root, class_names))
    require_trainable(dataset)
    return dataset


def problem_kinds(root: Path) -> dict[str, str]:
    """The kind of each problem of a dataset by the file's name; each file has one at the most."""
    problems = read_dataset(root).problems
    assert len({problem.image for problem in problems}) == len(problems)
    assert all(problem.kind in PROBLEM_KINDS and problem.detail for problem in problems)
    return {problem.image: problem.kind for problem in problems}
