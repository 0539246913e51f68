"""The submission of a run written by hand, without a browser."""

import json
from pathlib import Path

import pytest

from core.runs import Run
from tests.handwritten import predict_anew, write_run
from tests.pages import address, chips, open_page, plain, shown, texts, tiles


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(runs_dir: Path, data: Path) -> Run:
    return write_run(runs_dir, data)


@pytest.fixture
def older(runs_dir: Path, data: Path) -> Run:
    """A run before, which puts one of the two test photos into another class."""
    older = write_run(runs_dir, data, name="older", created="2025-01-01T00:00:00+00:00")
    predict_anew(older, y=(0.2, 0.2, 0.6))
    return older


# --- the file --------------------------------------------------------------------------------------------------------


def test_a_file_that_is_as_it_must_be_can_be_handed_in(run: Run) -> None:
    app = open_page("submission")
    assert app.success[0].value == "Ready to hand in: all 5 checks passed."
    assert texts(app).count("**passed**") == 5
    assert "Every test photo once, and nothing else (2 photos)" in texts(app)


def test_every_check_that_fails_says_what_was_found(run: Run) -> None:
    (run.path / "submission.csv").write_text("Id,Category\ny.jpg,1\nx.jpg,7\n")
    app = open_page("submission")
    assert app.error[0].value == "Not ready: 3 of 5 checks failed."
    words = texts(app)
    assert words.count("**failed**") == 3
    assert "Categories are integers from 0 to 2 (found 7 for x.jpg)" in words
    assert "Sorted by name (y.jpg stands before x.jpg)" in words


def test_a_run_without_a_submission_says_why(run: Run) -> None:
    (run.path / "submission.csv").unlink()
    app = open_page("submission")
    assert "This run has no submission.csv. Its dataset has no test photos" in texts(app)
    assert not app.success and not tiles(app)


def test_a_file_that_is_no_submission_is_named(run: Run) -> None:
    (run.path / "submission.csv").write_text("Id,Category\nx.jpg,many\n")
    app = open_page("submission")
    assert not app.exception
    assert "submission.csv: expected a whole number as Category, found 'many'" in plain(app.error[0].value)


# --- photos ----------------------------------------------------------------------------------------------------------


def test_the_least_certain_test_photos_are_shown_without_a_word(run: Run) -> None:
    app = open_page("submission")
    assert shown(app) == "yx"
    assert "The least certain test photos" in texts(app)
    assert "**2** of 10 photos (test)" in texts(app)
    assert chips(app) == []
    assert address(app) == {}


def test_another_condition_is_one_of_the_test_photos_too(run: Run) -> None:
    app = open_page("submission")
    app.pills(key="filter-predicted").set_value("nobody").run()
    assert address(app) == {"split": "test", "predicted": "nobody", "run": "first"}
    assert shown(app) == "x"
    assert chips(app) == ["test", "predicted: nobody"]
    app.button(key="chip-all").click().run()
    assert address(app) == {}
    assert shown(app) == "yx"


def test_any_split_is_asked_for_and_taken_back(run: Run) -> None:
    app = open_page("submission")
    app.pills(key="filter-split").set_value("").run()
    assert address(app) == {"split": "any", "run": "first"}
    assert "**10** of 10 photos" in texts(app)
    assert chips(app) == ["any split"]
    assert app.pills(key="filter-split").value == ""
    app.button(key="chip-split").click().run()
    assert address(app) == {}
    assert shown(app) == "yx"


def test_any_split_is_every_photo_on_other_pages_too(run: Run) -> None:
    assert "**10** of 10 photos" in texts(open_page("photos", split="any"))


def test_the_page_shows_any_other_photos_that_are_asked_for(run: Run) -> None:
    app = open_page("submission", split="train", true="nobody")
    assert shown(app) == "e"
    assert "The least certain" not in texts(app)


# --- against another run ---------------------------------------------------------------------------------------------


def test_the_photos_that_two_files_put_into_different_classes_are_counted_and_shown(run: Run, older: Run) -> None:
    app = open_page("submission")
    assert app.selectbox(key="with").value == "older"
    assert "Test photos in both files: **2**." in texts(app)
    table = app.dataframe[0].value
    assert table.columns.str.strip().tolist() == ["photo", "this run", "sure", "other run", "sure"]
    assert table.to_numpy().tolist() == [["y.jpg", "everybody", 60.0, "somebody", 60.0]]
    assert app.button(key="differs").label == "**1** in another class"
    app.button(key="differs").click().run()
    assert address(app) == {"run": "first", "with": "older", "change": "test_differs"}
    assert shown(app) == "y"
    assert chips(app) == ["test photo, another class in older"]
    assert tiles(app)[0]["detail"] == "other run: somebody 60%\nthis run: everybody 60%"


def test_files_that_say_the_same_have_no_photo_to_show(run: Run, runs_dir: Path, data: Path) -> None:
    write_run(runs_dir, data, name="older", created="2025-01-01T00:00:00+00:00")
    app = open_page("submission")
    assert app.button(key="differs").disabled
    assert app.button(key="differs").label == "**0** in another class"


def test_what_counts_is_the_file_also_where_it_was_changed_by_hand(run: Run, older: Run) -> None:
    (older.path / "submission.csv").write_text("Id,Category\nx.jpg,1\ny.jpg,1\nz.jpg,0\n")
    app = open_page("submission", run="first", change="test_differs", **{"with": "older"})
    assert shown(app) == "x"
    assert tiles(app)[0]["detail"] == "other run: everybody\nthis run: nobody 70%"
    assert "Test photos in both files: **2**; in that of older only: 1." in texts(app)


def test_classes_that_there_are_none_of_are_shown_as_they_stand_in_the_file(run: Run, older: Run) -> None:
    (run.path / "submission.csv").write_text("Id,Category\nx.jpg,7\ny.jpg,1\n")
    (older.path / "submission.csv").write_text("Id,Category\nx.jpg,-1\ny.jpg,1\n")
    app = open_page("submission", run="first", change="test_differs", **{"with": "older"})
    assert app.dataframe[0].value[["this run", "other run"]].to_numpy().tolist() == [["7", "-1"]]
    assert tiles(app)[0]["detail"] == "other run: -1\nthis run: 7 in the file, nobody 70% predicted"


def test_another_photo_of_the_same_name_is_not_compared(run: Run, older: Run) -> None:
    table = (older.path / "samples.csv").read_text()
    (older.path / "samples.csv").write_text(table.replace(",bb", ",cc"))
    app = open_page("submission")
    assert "Test photos in both files: **1**." in texts(app)
    assert app.button(key="differs").label == "**0** in another class"


def test_a_run_that_has_no_file_or_other_classes_is_told(run: Run, older: Run) -> None:
    (older.path / "submission.csv").unlink()
    assert "older has no submission.csv (finished)" in texts(open_page("submission"))
    (older.path / "submission.csv").write_text("Id,Category\n")
    info = json.loads((older.path / "run.json").read_text())
    (older.path / "run.json").write_text(json.dumps(info | {"class_names": ["cat", "dog", "fish"]}))
    app = open_page("submission", run="first", **{"with": "older"})
    assert "older cannot be compared with. Expected two runs with the same classes; found cat, dog, fish" in texts(app)
    assert shown(app) == "yx"
