"""Deciding about photos and what becomes of it, on runs written by hand, without a browser."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.reviews import EXCLUDE, NOTE, RELABEL, UNSURE, Review, append_reviews, read_reviews
from core.runs import Run, read_samples
from dashboard.review import take
from tests.handwritten import CLASS_NAMES, predict_anew, write_run
from tests.pages import address, chips, open_page, opened, shown, texts, tiles

LABELS = {"a.jpg": 0, "b.jpg": 0, "c.jpg": 1, "d.jpg": 2, "e.jpg": 0, "f.jpg": 1, "g.jpg": 2, "z.jpg": 0}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(runs_dir: Path, data: Path) -> Run:
    run = write_run(runs_dir, data)
    (data / "train_gt.json").write_text(json.dumps(LABELS))
    return run


def decide(run: Run, letter: str, action: str, label: int | None = None, **values: Any) -> None:
    """Write down a decision as if somebody had made it."""
    image = f"training/{letter}.jpg"
    contents = read_samples(run.path / "samples.csv").set_index("image")["sha256"]
    name = None if label is None else CLASS_NAMES[label]
    review = Review(contents[image], image, action, label, name, **values)
    append_reviews(run.path.parent / "reviews.jsonl", [review])


def decided(run: Run) -> list[tuple[str, str, int | None, str]]:
    """What the log says: letter, action, label and note of each review."""
    path = run.path.parent / "reviews.jsonl"
    reviews = read_reviews(path).reviews if path.exists() else ()
    return [(Path(each.image).stem, each.action, each.label, each.note) for each in reviews]


def press(app: AppTest, key: str) -> AppTest:
    """Press the button of the photo view that has a key."""
    name = address(app)["photo"]
    return app.button(key=f"review-{name}-{key}").click().run()


def badges(app: AppTest) -> dict[str, str]:
    """What the tiles of a page say about decisions, by letter."""
    return {Path(tile["name"]).stem: tile["badge"] for tile in tiles(app) if tile.get("badge")}


# --- the photo view --------------------------------------------------------------------------------------------------


def test_a_decision_is_saved_at_once_and_the_dataset_stays_as_it_was(run: Run, data: Path) -> None:
    before = (data / "train_gt.json").read_bytes()
    app = press(open_page("photos", photo="training/b.jpg"), "1")
    assert decided(run) == [("b", RELABEL, 1, "")]
    assert "Reviewed: **relabelled everybody**" in texts(app)
    assert badges(open_page("photos")) == {"b": "✎ everybody"}
    assert (data / "train_gt.json").read_bytes() == before


def test_a_later_decision_replaces_one_and_undo_takes_them_back_one_by_one(run: Run) -> None:
    app = open_page("photos", photo="training/b.jpg")
    for key in "1xu":
        press(app, key)
    assert [action for _, action, *_ in decided(run)] == [RELABEL, EXCLUDE, UNSURE]
    assert "Reviewed: **unsure; it keeps its label**" in texts(app)
    assert "Reviewed: **excluded from training**" in texts(press(app, "z"))
    assert "Reviewed: **relabelled everybody**" in texts(press(app, "z"))
    assert "Not reviewed" in texts(press(app, "z"))
    assert "There is nothing to take back of training/b.jpg" in texts(press(app, "z")).replace("\\", "")


def test_where_it_goes_on_after_each_the_next_photo_is_shown(run: Run) -> None:
    app = open_page("photos", split="val", outcome="wrong", photo="training/d.jpg")
    app.button(key="review-go-on").click().run()
    press(app, "0")
    assert (address(app)["photo"], opened(app).endswith("b.jpg")) == ("training/b.jpg", True)
    press(app, "1")
    assert address(app)["photo"] == "training/b.jpg", "it is the last one"
    assert decided(run) == [("d", RELABEL, 0, ""), ("b", RELABEL, 1, "")]


def test_a_note_is_kept_beside_the_decision(run: Run) -> None:
    app = press(open_page("photos", photo="training/b.jpg"), "x")
    app.text_input(key="review-note").set_value("  <b>masks</b> on chins ").run()
    assert decided(run)[-1] == ("b", NOTE, None, "<b>masks</b> on chins")
    assert "Reviewed: **excluded from training**" in texts(app)
    assert app.text_input(key="review-note").value == "<b>masks</b> on chins"


def test_a_class_without_a_key_is_given_in_a_box_and_emptying_that_decides_nothing(runs_dir: Path, data: Path) -> None:
    run = write_run(runs_dir, data, class_names=[f"class {index}" for index in range(12)])
    for name in ("predictions.csv", "test_predictions.csv"):
        table = pd.read_csv(run.path / name)
        table.assign(**{f"prob_{label}": 0.0 for label in range(3, 12)}).to_csv(run.path / name, index=False)
    app = open_page("photos", photo="training/b.jpg")
    app.selectbox(key="review-class").set_value("class 11").run()
    app.selectbox(key="review-class").set_value(None).run()
    assert not app.exception
    assert decided(run) == [("b", RELABEL, 11, "")]
    assert app.selectbox(key="review-class").value == "class 11"


@pytest.mark.parametrize(
    ("image", "expected"),
    [("test/x.jpg", "A test photo has no label"), ("training/z.jpg", "This file was left out of the run")],
)
def test_what_cannot_be_decided_about_says_why(run: Run, image: str, expected: str) -> None:
    app = open_page("photos", photo=image)
    assert expected in texts(app)
    assert not [button for button in app.button if str(button.key).startswith("review-")]


def test_a_decision_that_cannot_be_written_is_no_decision(run: Run, runs_dir: Path) -> None:
    app = open_page("photos", photo="training/b.jpg")
    (runs_dir / "reviews.jsonl").mkdir()
    press(app, "1")
    assert "Expected to add a review to" in texts(app) and "It is not saved" in texts(app)


# --- what the gallery's keys send -------------------------------------------------------------------------------------


def asked(letter: str, action: str, **values: Any) -> dict[str, Any]:
    return {"id": f"{letter}-{action}", "name": f"training/{letter}.jpg", "action": action, **values}


def test_what_a_browser_sends_twice_is_written_once(run: Run) -> None:
    first, second = asked("a", RELABEL, label=1), asked("b", UNSURE)
    assert take(run, [first]) == {}
    assert take(run, [first, second]) == {}
    assert decided(run) == [("a", RELABEL, 1, ""), ("b", UNSURE, None, "")]


def test_two_tabs_lose_nothing(run: Run) -> None:
    here, there = open_page("photos", photo="training/a.jpg"), open_page("photos", photo="training/b.jpg")
    press(here, "1")
    press(there, "2")
    take(run, [asked("c", EXCLUDE)])
    press(here, "x")
    assert [letter for letter, *_ in decided(run)] == ["a", "b", "c", "a"]
    assert badges(open_page("photos")) == {"a": "✕ excluded", "b": "✎ somebody", "c": "✕ excluded"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "test/x.jpg"},
        {"name": "training/gone.jpg"},
        {"label": 3},
        {"label": True},
        {"label": "1"},
        {"action": "delete"},
        {"action": "undo"},
    ],
)
def test_what_cannot_be_decided_is_refused_and_the_rest_written(run: Run, wrong: dict[str, Any]) -> None:
    refused = take(run, [asked("a", RELABEL, label=1) | wrong, asked("b", UNSURE)])
    assert list(refused) == ["a-relabel"]
    assert decided(run) == [("b", UNSURE, None, "")]


def test_where_the_run_cannot_be_read_any_more_a_decision_is_refused_with_the_reason(run: Run) -> None:
    (run.path / "samples.csv").unlink()
    (reason,) = take(run, [asked("a", UNSURE)]).values()
    assert "samples.csv" in reason


# --- the page --------------------------------------------------------------------------------------------------------


def table(app: AppTest) -> pd.DataFrame:
    return app.dataframe[0].value


def test_before_the_first_decision_the_page_says_how_to_begin(run: Run) -> None:
    app = open_page("reviews")
    assert "Nothing reviewed yet" in texts(app)
    assert tiles(app) == []


def test_all_decisions_are_listed_newest_first_with_what_became_of_them(run: Run) -> None:
    decide(run, "b", RELABEL, 1)
    decide(run, "b", EXCLUDE, note="blurred")
    decide(run, "d", UNSURE)
    app = open_page("reviews")
    shown_columns = ["photo", "action", "from", "to", "note", "state"]
    assert table(app)[shown_columns].to_numpy().tolist() == [
        ["training/d.jpg", "unsure", "somebody", "", "", "in force"],
        ["training/b.jpg", "exclude", "nobody", "", "blurred", "in force"],
        ["training/b.jpg", "relabel", "nobody", "everybody", "", "replaced"],
    ]
    assert table(app)["undo"].fillna("").tolist() == ["Undo", "Undo", ""]
    assert shown(app) == "db"
    assert [app.button(key=f"count-{action}").label for action in (RELABEL, EXCLUDE, UNSURE, NOTE)] == [
        "**0** relabelled", "**1** excluded", "**1** unsure", "**1** with a note",
    ]  # fmt: skip


def test_a_number_chooses_its_photos(run: Run) -> None:
    decide(run, "b", EXCLUDE)
    decide(run, "d", UNSURE)
    app = open_page("reviews")
    app.button(key="count-exclude").click().run()
    assert (shown(app), chips(app), address(app)["review"]) == ("b", ["excluded"], "exclude")


def test_the_corrected_label_file_is_offered_and_the_command_that_trains_with_the_log(run: Run) -> None:
    decide(run, "b", RELABEL, 1)
    decide(run, "d", EXCLUDE)
    app = open_page("reviews")
    said = texts(app).replace("*", "")
    assert "train_gt.json with 1 labels changed and 1 excluded photos left out" in said
    assert "This run was trained without any." in said
    assert f"--reviews {run.path.parent / 'reviews.jsonl'}" in app.code[0].value


def test_a_run_that_left_photos_out_itself_leaves_them_out_of_the_corrected_labels(run: Run) -> None:
    decide(run, "d", EXCLUDE)
    for file in ("samples.csv", "predictions.csv"):
        lines = (run.path / file).read_text().splitlines(keepends=True)
        (run.path / file).write_text("".join(line for line in lines if "/d.jpg" not in line))
    with (run.path / "problems.csv").open("a") as problems:
        problems.write("training/d.jpg,excluded,by a review\n")
    app = open_page("reviews")
    assert "1 excluded photos left out" in texts(app).replace("*", "")
    assert table(app)["from"].tolist() == ["somebody"]
    assert "mean nothing for this run" not in texts(app)
    assert badges(app) == {"d": "✕ excluded"}


def test_lines_that_cannot_be_used_and_decisions_that_mean_nothing_are_told(run: Run, runs_dir: Path) -> None:
    append_reviews(runs_dir / "reviews.jsonl", [Review(64 * "f", "training/other.jpg", EXCLUDE)])
    with (runs_dir / "reviews.jsonl").open("a") as log:
        log.write('{"half')
    app = open_page("reviews")
    assert [expander.label for expander in app.expander][:2] == [
        "1 line of reviews.jsonl cannot be used",
        "1 decision means nothing for this run's photos",
    ]
    assert app.dataframe[2].value["reason"].tolist() == ["not among the labelled photos of the dataset"]


def test_a_log_that_cannot_be_read_leaves_the_pages_usable(run: Run, runs_dir: Path) -> None:
    (runs_dir / "reviews.jsonl").mkdir()
    for page in ("photos", "reviews"):
        assert "What was decided about photos is not shown" in texts(open_page(page))


def test_photos_are_chosen_by_what_was_decided_about_them(run: Run) -> None:
    decide(run, "b", RELABEL, 1)
    decide(run, "d", NOTE, note="hm")
    assert shown(open_page("photos", review="relabel")) == "b"
    assert shown(open_page("photos", review="any")) == "db"
    assert shown(open_page("photos", review="none", split="val")) == "ca"


# --- what a training made of them -------------------------------------------------------------------------------------


def test_every_photo_is_asked_for_where_any_review_will_do(run: Run) -> None:
    decide(run, "b", RELABEL, 1)
    app = open_page("reviews")
    assert shown(app) == "b"
    app.pills(key="filter-review").set_value("").run()
    assert address(app) == {"split": "any", "run": "first"}
    assert app.pills(key="filter-review").value == ""
    assert len(shown(app)) == 10


@pytest.fixture
def mended(run: Run, runs_dir: Path, data: Path) -> Run:
    """A later run, trained with `b`, held out, as everybody, which both runs say it is; a little better else."""
    mended = write_run(runs_dir, data, name="mended", created="2026-03-01T00:00:00+00:00")
    samples = pd.read_csv(mended.path / "samples.csv").astype({"label": "Int64"})
    samples["original_label"] = samples["label"]
    samples.loc[samples["image"] == "training/b.jpg", "label"] = 1
    samples.to_csv(mended.path / "samples.csv", index=False)
    predictions = (mended.path / "predictions.csv").read_text()
    assert "training/b.jpg,val,-1,0,1,0.6,1.203973" in predictions
    (mended.path / "predictions.csv").write_text(
        predictions.replace("training/b.jpg,val,-1,0,1,0.6,1.203973", "training/b.jpg,val,-1,1,1,0.6,0.510826")
    )
    predict_anew(mended, d=(0.1, 0.1, 0.8))
    return mended


def test_compare_scores_two_runs_under_the_reviewed_and_under_the_original_labels(mended: Run) -> None:
    app = open_page("compare")
    assert "mended was trained with 1 photo relabelled and 0 excluded, first with none" in texts(app).replace("*", "")
    assert table(app).iloc[:, :3].to_numpy().tolist() == [
        ["the reviewed labels", "75.0%", "100.0%"],
        ["the original labels", "50.0%", "75.0%"],
    ]
    assert app.metric[0].value == "100.0%"
    assert "1 had another label in first" in texts(app)


def test_compare_goes_by_the_labels_that_are_asked_for(mended: Run) -> None:
    app = open_page("compare", labels="original")
    assert app.metric[0].value == "75.0%"
    assert "1 had another label in mended and 0 in first; the original one counts for both" in texts(app)
    app.button(key="change-still_wrong").click().run()
    assert shown(app) == "b"
    assert chips(app) == ["wrong now and in first, by the original labels"]
    assert address(app)["labels"] == "original"


@pytest.mark.parametrize("label", [9, -1])
def test_compare_names_an_original_label_that_is_no_class(mended: Run, label: int) -> None:
    samples = pd.read_csv(mended.path / "samples.csv").astype({"label": "Int64", "original_label": "Int64"})
    samples.loc[samples["image"] == "training/b.jpg", "original_label"] = label
    samples.to_csv(mended.path / "samples.csv", index=False)
    app = open_page("compare", labels="original")
    assert not app.exception
    assert f"samples.csv: expected 0 to 2 as original_label, found {label}" in texts(app)


def test_the_photos_that_were_relabelled_are_a_click_away(mended: Run) -> None:
    app = open_page("compare")
    app.button(key="mended").click().run()
    assert (shown(app), chips(app)) == ("b", ["relabelled in this run"])


def test_without_reviews_compare_says_nothing_of_them(run: Run, runs_dir: Path, data: Path) -> None:
    write_run(runs_dir, data, name="later", created="2026-03-01T00:00:00+00:00")
    app = open_page("compare")
    assert "Reviews:" not in texts(app)
    assert "Reviews:" in texts(open_page("compare", labels="original"))
