"""The list of labels that may be wrong, on a run written by hand, without a browser."""

import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from core.runs import Run
from tests.handwritten import write_folds, write_run
from tests.pages import open_page, opened, shown, texts, tiles


@pytest.fixture
def run(runs_dir: Path, tmp_path: Path) -> Run:
    return write_run(runs_dir, tmp_path / "data")


def relabel(run: Run) -> None:
    """Write down that b.jpg is of another class."""
    review = {
        "id": "0" * 32, "time": "2026-01-01T00:00:00+00:00", "sha256": f"{1:064x}", "image": "training/b.jpg",
        "action": "relabel", "label": 1, "class_name": "everybody",
    }  # fmt: skip
    (run.path.parent / "reviews.jsonl").write_text(json.dumps(review) + "\n")


def test_the_most_suspicious_label_comes_first(run: Run) -> None:
    app = open_page("labels")
    assert "**2** of 4 labels are suspected" in texts(app)
    table = app.dataframe[0].value
    assert table["photo"].tolist() == ["d.jpg", "b.jpg"]
    assert table["label"].tolist() == ["somebody", "nobody"]
    assert table["suggested"].tolist() == ["everybody", "everybody"]
    assert table["self-confidence"].tolist() == [1.0, 30.0]
    assert shown(app) == "db"
    assert tiles(app)[0]["detail"] == "its label: 1.0%"


def test_the_rest_of_the_list_is_there_on_request(run: Run) -> None:
    app = open_page("labels", issues="all")
    assert app.dataframe[0].value["suspected"].tolist() == [True, True, False, False]
    assert shown(app) == "dbca"


def test_the_photo_that_is_open_is_picked_in_the_list_and_the_others_follow_in_its_order(run: Run) -> None:
    app = open_page("labels", photo="training/b.jpg")
    assert Path(opened(app)).name == "b.jpg"
    assert app.session_state["label-issues"]["selection"]["rows"] == [1]
    assert "2 of 2" in texts(app)


def test_a_selection_is_the_same_here(run: Run) -> None:
    app = open_page("labels", true="nobody")
    assert app.dataframe[0].value["photo"].tolist() == ["b.jpg"]
    none = open_page("labels", true="everybody")
    assert not none.dataframe and "No label is suspected among the photos that are chosen" in texts(none)
    unranked = open_page("labels", issues="all", split="train")
    assert not unranked.dataframe and "None is ranked among the photos that are chosen" in texts(unranked)


def test_what_was_decided_stands_beside_it(run: Run) -> None:
    relabel(run)
    assert open_page("labels").dataframe[0].value["decided"].tolist() == ["", "✎ everybody"]


def test_of_many_photos_only_those_decided_about_are_put_into_words_and_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    relabel(run)
    badge = Mock(return_value="decided")
    monkeypatch.setattr("dashboard.review.badge", badge)
    assert open_page("labels", issues="all").dataframe[0].value["decided"].tolist() == ["", "decided", "", ""]
    badge.assert_called_once()


def test_only_folds_rank_every_photo(run: Run) -> None:
    assert "Only photos held out were ranked" in texts(open_page("labels"))
    write_folds(run)
    said = texts(open_page("labels", issues="all"))
    assert "of 7 labels are suspected" in said and "Only photos held out" not in said


def test_a_run_without_the_list_says_so(run: Run) -> None:
    (run.path / "label_issues.csv").unlink()
    app = open_page("labels")
    assert not app.exception
    assert "This run has no label_issues.csv. Train again to get one." in texts(app)


def test_a_list_that_is_broken_is_named(run: Run) -> None:
    (run.path / "label_issues.csv").write_text("image,label\n")
    assert "label_issues.csv: expected the columns" in texts(open_page("labels"))
