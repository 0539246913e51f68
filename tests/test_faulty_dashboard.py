"""The dashboard on disks that are full, read-only or gone: it says so where one looks, and goes on."""

import itertools
import os
import shutil
from pathlib import Path

import pytest

from core.reviews import UNSURE, read_reviews
from core.runs import Run
from tests.faulty_disk import FAULTS, faulty, ordinary_user
from tests.handwritten import write_whole_run
from tests.pages import open_page, texts, tiles
from tests.test_reviews_page import decide, press

PAGES = sorted(path.stem for path in Path("dashboard/views").glob("*.py"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(runs_dir: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("MASKBOARD_CACHE", str(tmp_path / "cache"))
    return write_whole_run(runs_dir, data)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every page and fault where there is time."""
    is_thorough = metafunc.config.getoption("--thorough")
    if "any_page" in metafunc.fixturenames:
        metafunc.parametrize("any_page", PAGES if is_thorough else ["overview", "photos", "predict"])
    if "fault" in metafunc.fixturenames:
        metafunc.parametrize("fault", list(FAULTS) if is_thorough else ["ENOSPC"])


def test_a_decision_that_a_disk_refuses_is_told_and_is_none(
    run: Run, runs_dir: Path, fault: str, request: pytest.FixtureRequest
) -> None:
    decide(run, "a", UNSURE)
    log = runs_dir / "reviews.jsonl"
    before = log.read_bytes()
    app = open_page("photos", photo="training/b.jpg")
    for turn in itertools.count(1, 1 if request.config.getoption("--thorough") else 3):
        with faulty(runs_dir, FAULTS[fault], at=turn) as disk:
            press(app, "1")
        refused, is_saved = disk.refused, log.read_bytes() != before
        if refused is None:
            break
        assert ("Not reviewed" in texts(app)) is not is_saved, refused
        assert is_saved or f"{os.strerror(FAULTS[fault])}. It is not saved." in texts(app), refused
        assert len(read_reviews(log).reviews) == 1 + is_saved and not read_reviews(log).faults, refused
        log.write_bytes(before)
        app.run()
    assert turn > 4


def test_runs_that_may_only_be_read_are_shown_and_not_decided_about(run: Run, runs_dir: Path) -> None:
    app = open_page("photos", photo="training/b.jpg")
    runs_dir.chmod(0o555)
    try:
        with ordinary_user():
            press(app, "1")
    finally:
        runs_dir.chmod(0o755)
    assert "Permission denied. It is not saved." in texts(app) and "Not reviewed" in texts(app)
    assert not (runs_dir / "reviews.jsonl").exists()


def test_thumbnails_that_cannot_be_kept_are_shown(run: Run, tmp_path: Path) -> None:
    with faulty(tmp_path / "cache", at=1, lasts=True) as disk:
        app = open_page("photos")
    assert disk.refused
    assert all(tile["src"] for tile in tiles(app) if tile["name"] != "training/z.jpg")
    assert not list((tmp_path / "cache").rglob("*.webp"))


def test_a_map_that_cannot_be_kept_says_why(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.data.tsne", lambda embeddings, on_progress: embeddings[:, :2])
    app = open_page("map", map="tsne")
    with faulty(tmp_path / "cache", at=1, lasts=True):
        next(button for button in app.main.button if button.label == "Compute t-SNE").click().run()
    assert not app.exception
    assert "Expected to write" in texts(app) and "No space left on device" in texts(app)
    assert not list((tmp_path / "cache" / "maps").glob("*"))


def test_a_run_that_is_removed_while_it_is_looked_at_leaves_a_page(run: Run, any_page: str) -> None:
    app = open_page(any_page)
    shutil.rmtree(run.path)
    app.run()
    assert not app.exception
    assert "No run yet" in texts(app)


def test_a_dataset_that_is_removed_spoils_photos_only(run: Run, data: Path, any_page: str) -> None:
    app = open_page(any_page)
    shutil.rmtree(data)
    app.run()
    assert not app.exception
    assert all(tile["fault"] for tile in tiles(app) if not tile["src"])


@pytest.mark.parametrize("kind", ["nowhere", "a file", "unreadable"])
@pytest.mark.parametrize("page", ["overview", "predict"])
def test_a_place_without_runs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, kind: str) -> None:
    place = tmp_path / "place"
    monkeypatch.setenv("MASKBOARD_RUNS", str(place))
    if kind == "a file":
        place.touch()
    elif kind == "unreadable":
        place.mkdir(0o000)
    with ordinary_user():
        app = open_page(page)
    assert not app.exception
    assert "No run yet" in texts(app) and str(place) in texts(app)
    reasons = {"nowhere": "", "a file": "Not a directory", "unreadable": "Permission denied"}
    assert reasons[kind] in texts(app)
