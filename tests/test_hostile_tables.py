"""Every file of a run spoilt in every way of `tests.hostile_tables`: its fault is named, and nothing else breaks.

The quick run tries a few of the thousands of ways on each file, the same at each run; `--thorough` tries them all.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import doctor, runs
from core.dataset import list_photos
from core.errors import UserError
from core.reviews import read_reviews
from core.runs import Run
from tests.hostile_tables import FILES, PAGES_OF, PLACES, Case, cases_of, spoilt, write_rich_run
from tests.pages import open_page, texts

Capture = pytest.CaptureFixture[str]

READERS: dict[str, Callable[[Path], object]] = {
    "run.json": lambda path: runs.read_run(path.parent),
    "samples.csv": runs.read_samples,
    "problems.csv": runs.read_problems,
    "history.csv": runs.read_history,
    "predictions.csv": lambda path: runs.read_predictions(path, 3),
    "fitted_predictions.csv": lambda path: runs.read_predictions(path, 3),
    "label_issues.csv": lambda path: runs.read_label_issues(path, 3),
    "confusion_matrix.csv": lambda path: runs.read_confusion_matrix(path, ("nobody", "everybody", "somebody")),
    "metrics.json": runs.read_metrics,
    "submission.csv": runs.read_submission,
    "test_predictions.csv": lambda path: runs.read_test_predictions(path, 3),
    "embeddings.npy": lambda path: runs.read_embeddings(path, 9),
    "projection.csv": runs.read_projection,
    "../reviews.jsonl": read_reviews,
    "../../data/train_gt.json": lambda path: list_photos(path.parent),
    "../../data/test_gt.json": lambda path: list_photos(path.parent),
}
# What says more of its own where a page opens.
QUERIES = {"photos": {"photo": "training/a.jpg"}, "compare": {"with": "second"}, "submission": {"with": "second"}}
LONGEST_REASON = 1000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with folds, and so with every file."""
    folder = tmp_path_factory.mktemp("hostile")
    run = write_rich_run(folder / "runs", folder / "data", folds=True)
    write_rich_run(folder / "runs", folder / "data", "second", folds=True)
    return run


@pytest.fixture
def some(request: pytest.FixtureRequest, run: Run) -> Callable[[str, int, int], list[Case]]:
    """Cases of a file: so many of them in the quick run, every so-manieth in the thorough one; evenly spread."""

    def choose(file: str, n_quick: int, every: int) -> list[Case]:
        cases = [case for case in cases_of(file, (run.path / file).read_bytes()) if is_possible(case)]
        step = every if request.config.getoption("--thorough") else max(len(cases) // n_quick, 1)
        return cases[::step]

    return choose


def is_possible(case: Case) -> bool:
    """Whether this system and this user can bring a case about."""
    if case.what == "not to be read":
        return os.name == "posix" and os.geteuid() != 0
    return case.what not in PLACES or os.name == "posix"


@pytest.mark.parametrize("file", READERS)
def test_a_reader_takes_a_file_or_names_it_in_a_line(
    run: Run, some: Callable[[str, int, int], list[Case]], file: str
) -> None:
    cases = some(file, 40, 1)
    assert len(cases) > 15
    for case in cases:
        with spoilt(run, case):
            said = what_is_said(file, run.path / file)
        assert said is None or Path(file).name in said, case
        assert said is None or (said.isprintable() and len(said) < LONGEST_REASON), case


def what_is_said(file: str, path: Path) -> str | None:
    """Why a file cannot be used, None where it can."""
    try:
        READERS[file](path)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("file", FILES)
def test_the_doctor_names_the_file_and_comes_to_its_end(
    run: Run, some: Callable[[str, int, int], list[Case]], capsys: Capture, file: str
) -> None:
    for case in some(file, 2, 10):
        with spoilt(run, case):
            readable, broken = runs.list_runs(run.path.parent)
            assert len(readable) + len(broken) == 2, case
            code = doctor.main([str(run.path), "--skip-model"])
            said = "".join(capsys.readouterr())
            assert code in (0, 2) and "Traceback" not in said, case
            assert "could not be asked to its end" not in said, case
            if file in READERS and not file.startswith("../") and what_is_said(file, run.path / file):
                assert code == 2 and file in said, case


@pytest.mark.parametrize("file", [file for file in FILES if PAGES_OF[file]])
def test_pages_name_the_file_and_stay_up(
    run: Run, some: Callable[[str, int, int], list[Case]], monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setenv("MASKBOARD_RUNS", str(run.path.parent))
    # TensorFlow would be imported in a thread, which Python 3.11.7 and older cannot always do beside a page's script.
    monkeypatch.setattr("dashboard.data.load_ahead", lambda run: None)
    pages = Pages(PAGES_OF[file])
    for case in some(file, 2, 10):
        page, app = pages.next()
        with spoilt(run, case):
            said = what_is_said(file, run.path / file) if file in READERS else None
            is_there = (run.path / file).is_file()  # Without some files a page has less to show, and no more to say.
            app.run()
            assert not app.exception, (page, case)
            if said and is_there and not file.startswith("../../"):
                assert Path(file).name in texts(app), (page, case)


class Pages:
    """Pages that show the run, each opened once; taken by turns."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._opened: dict[str, AppTest] = {}
        self._n_taken = 0

    def next(self) -> tuple[str, AppTest]:
        """The next page and its name."""
        name = self._names[self._n_taken % len(self._names)]
        self._n_taken += 1
        if name not in self._opened:
            self._opened[name] = open_page(name, run="first", **QUERIES.get(name, {}))
        return name, self._opened[name]
