"""The pages on a run written by hand, without a browser."""

import json
import socket
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from core.reviews import UNSURE, Review, append_reviews
from core.runs import Run, read_samples
from dashboard.charts.dataset import class_balance
from tests.handwritten import predict_anew, write_folds, write_run
from tests.pages import open_page, plain, shown, texts, tiles

PAGES = (
    "overview", "data", "training", "evaluation", "labels", "slices", "photos", "map", "reviews", "compare",
    "predict", "submission",
)  # fmt: skip

PAGES_OF_PHOTOS = ("data", "evaluation", "labels", "slices", "photos", "reviews", "submission")
IMAGE = "training/a.jpg"

# What the overview links to.
ERRORS = {"split": "val", "outcome": "wrong"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(runs_dir: Path, data: Path) -> Run:
    return write_run(runs_dir, data)


@pytest.mark.parametrize("page", PAGES)
def test_without_a_run_a_page_says_what_to_do(page: str) -> None:
    app = open_page(page)
    assert not app.exception
    assert "python train.py --demo" in texts(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_a_run_and_its_notices(runs_dir: Path, data: Path, page: str) -> None:
    run = write_run(runs_dir, data, notices=["the weights were random"])
    (run.path / "model.keras").touch()
    app = open_page(page)
    assert not app.exception
    assert app.header[0].value.lower() == page
    assert "the weights were random" in texts(app)


@pytest.mark.parametrize("page", PAGES_OF_PHOTOS)
def test_a_page_opens_the_photo_that_its_address_names(runs_dir: Path, data: Path, page: str) -> None:
    run = write_run(runs_dir, data)
    content = read_samples(run.path / "samples.csv").set_index("image")["sha256"][IMAGE]
    append_reviews(runs_dir / "reviews.jsonl", [Review(content, IMAGE, UNSURE)])
    app = open_page(page, photo=IMAGE)
    assert not app.exception
    assert str(data / IMAGE) in [code.value for code in app.code]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_survives_a_run_that_has_only_begun(runs_dir: Path, page: str) -> None:
    folder = runs_dir / "begun"
    folder.mkdir(parents=True)
    info = {
        "format_version": 1, "state": "running", "created": "2026-01-01", "config": {"data": "/nowhere"},
        "notices": [], "host": "elsewhere", "progress": {"stage": "features", "done": 32, "total": 99},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(info))
    app = open_page(page)
    assert not app.exception
    assert "computing features, 32 of 99 photos (32 %)" in texts(app)


def test_the_newest_finished_run_comes_first(runs_dir: Path, data: Path) -> None:
    write_run(runs_dir, data, name="old", created="2026-01-01T00:00:00+00:00")
    write_run(runs_dir, data, name="new", created="2026-03-01T00:00:00+00:00")
    write_run(runs_dir, data, name="newest", created="2026-04-01T00:00:00+00:00", state="failed", error="no memory")
    assert open_page("overview").selectbox(key="run").options == [
        "new · 50.0% validation",
        "old · 50.0% validation",
        "newest · failed",
    ]


def test_a_run_trained_meanwhile_appears_after_a_refresh(runs_dir: Path, data: Path) -> None:
    write_run(runs_dir, data, name="old", created="2026-01-01T00:00:00+00:00")
    open_page("overview")
    write_run(runs_dir, data, name="new", created="2026-03-01T00:00:00+00:00")
    assert open_page("overview").selectbox(key="run").value == "new"


def test_a_table_that_was_written_again_is_read_again(run: Run) -> None:
    assert shown(open_page("photos", **ERRORS)) == "db"
    table = run.path / "predictions.csv"
    table.write_text("\n".join(line for line in table.read_text().splitlines() if "/b.jpg" not in line))
    assert shown(open_page("photos", **ERRORS)) == "d"


def test_a_link_names_the_run(runs_dir: Path, data: Path) -> None:
    write_run(runs_dir, data, name="old", created="2026-01-01T00:00:00+00:00")
    write_run(runs_dir, data, name="new", created="2026-03-01T00:00:00+00:00")
    assert open_page("overview", run="old").selectbox(key="run").value == "old"
    assert open_page("overview", run="../../etc").selectbox(key="run").value == "new"


def test_a_broken_run_is_named_and_the_others_work(run: Run, runs_dir: Path) -> None:
    (runs_dir / "broken").mkdir()
    (runs_dir / "broken" / "run.json").write_text('{"state": ')
    app = open_page("overview")
    assert "broken" in texts(app)
    assert "run.json: expected a JSON object" in texts(app)
    assert app.metric[0].value == "50.0%"


@pytest.mark.parametrize("page", ["overview", "evaluation", "photos"])
def test_a_broken_table_is_named(run: Run, page: str) -> None:
    (run.path / "predictions.csv").write_text("image,split\ntraining/a.jpg,val\n")
    app = open_page(page)
    assert not app.exception
    assert "predictions.csv: expected the columns" in plain(app.error[0].value)
    assert run.name in app.error[0].value


@pytest.mark.parametrize("page", ["data", "photos", "evaluation"])
def test_broken_predictions_of_test_photos_are_named_and_leave_the_others(run: Run, page: str) -> None:
    (run.path / "test_predictions.csv").write_text("image\ntest/x.jpg\n")
    app = open_page(page, **ERRORS)
    assert not app.exception and not app.error
    assert "Predictions of test photos are left out. test_predictions.csv: expected the columns" in texts(app)
    assert shown(app) == ("bd" if page == "data" else "db")


def test_broken_predictions_of_test_photos_do_not_concern_the_overview(run: Run) -> None:
    (run.path / "test_predictions.csv").write_text("image\ntest/x.jpg\n")
    app = open_page("overview")
    assert not app.exception and not app.error and not app.warning


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"state": "failed", "error": "no memory"}, "failed: no memory"),
        ({"state": "interrupted"}, "interrupted"),
        ({"state": "running", "pid": 2**22 + 1, "process_started": 1.0}, "its process is gone"),
    ],
)
def test_a_run_that_did_not_finish_says_why(runs_dir: Path, data: Path, info: dict[str, Any], expected: str) -> None:
    write_run(runs_dir, data, host=socket.gethostname(), **info)
    assert expected in texts(open_page("overview"))


def test_overview_shows_figures_with_their_intervals(run: Run) -> None:
    app = open_page("overview")
    assert {metric.label: metric.value for metric in app.metric} == {
        "Accuracy": "50.0%", "Macro F1": "39.0%", "Log loss": "1.534", "Calibration error": "40.0%",
    }  # fmt: skip
    assert "95 %: 15.0% to 85.0%" in texts(app)


def test_overview_counts_what_there_is_to_look_at_next(run: Run) -> None:
    def links() -> list[str]:
        return [link.proto.label for link in open_page("overview").main.get("page_link")]

    assert links()[:2] == ["Look at the 2 held-out photos that were got wrong", "Check 2 labels that may be wrong"]
    predict_anew(run, d=(0.1, 0.1, 0.8))
    issues = run.path / "label_issues.csv"
    issues.write_text(issues.read_text().replace("b.jpg,0,1,0.3,True", "b.jpg,0,1,0.3,False"))
    assert links()[:2] == ["Look at the 1 held-out photo that was got wrong", "Check 1 label that may be wrong"]


def test_overview_marks_scores_that_early_stopping_watched(run: Run) -> None:
    assert "orange-badge" in texts(open_page("overview")) and "early stopping watched them" in texts(
        open_page("overview")
    )
    write_folds(run)
    said = texts(open_page("overview"))
    assert "green-badge" in said and "orange-badge" not in said
    assert "7 photos predicted out of fold, nothing was fitted to them or stopped by them" in said


def test_overview_shows_every_score_the_honest_ones_first(run: Run) -> None:
    metrics = json.loads((run.path / "metrics.json").read_text())
    test = metrics | {"kind": "test", "n_images": 2, "accuracy": 0.25}
    naive = {"n_images": 4, "n_leaked": 3, "accuracy": 0.75, "accuracy_interval": [0.3, 0.95]}
    (run.path / "metrics.json").write_text(json.dumps(metrics | {"test": test, "naive_split": naive}))
    app = open_page("overview")
    assert app.metric[0].value == "25.0%"
    said = texts(app)
    assert "Figures of 2 test photos" in said
    assert (
        "**Validation** (4 photos held out, optimistic: early stopping watched them): accuracy 50.0% (15.0% to" in said
    )
    assert "**Naive split** (4 photos, optimistic: 3 of them have a near-identical one" in said
    assert "accuracy 75.0% (30.0% to 95.0%)" in said


def test_overview_says_what_a_network_makes_of_the_photos_that_it_has_learnt_from(run: Run) -> None:
    assert "On the 3 photos that the network has learnt from, the accuracy is 66.7%, not above" in texts(
        open_page("overview")
    )
    write_folds(run)
    assert "On the 7 photos that the network has learnt from" in texts(open_page("overview"))


def test_evaluation_shows_calibration_before_and_after(run: Run) -> None:
    assert not [table for table in open_page("evaluation").dataframe if "calibrated" in table.value]
    write_folds(run)
    app = open_page("evaluation")
    (table,) = [table.value for table in app.dataframe if "calibrated" in table.value]
    metrics = json.loads((run.path / "metrics.json").read_text())
    for column, scores in (("as in the files", metrics), ("calibrated", metrics["calibrated"])):
        assert table[column][0].startswith(f"{scores['expected_calibration_error']:.1%} (")
        assert table[column][1].startswith(f"{scores['log_loss']:.3f} (")
    assert f"Temperature **{metrics['temperature']:.2f}**" in texts(app)


def test_overview_compares_with_the_run_before(run: Run, runs_dir: Path, data: Path) -> None:
    later = write_run(runs_dir, data, name="later", created="2026-03-01T00:00:00+00:00")
    table = later.path / "predictions.csv"
    table.write_text(table.read_text().replace("b.jpg,val,-1,0,1,", "b.jpg,val,-1,0,0,"))
    app = open_page("overview")
    assert "Against first, the run before" in texts(app)
    assert "On the 4 photos held out in both, accuracy differs by **+25.0 points**" in texts(app)
    assert "No proof of a difference: the interval holds 0." in texts(app)


def test_overview_names_the_options_that_differ(run: Run, runs_dir: Path, data: Path) -> None:
    config = run.info["config"] | {"name": "later", "head": "flatten"}
    write_run(runs_dir, data, name="later", created="2026-03-01T00:00:00+00:00", config=config)
    changed, configured = (item.value for item in open_page("overview").markdown if "| --- |" in item.value)
    assert changed.splitlines() == ["| option | first | later |", "| --- | --- | --- |", "| head | gap | flatten |"]
    assert "| head | flatten |" in configured.splitlines()


def test_overview_says_where_both_runs_were_configured_alike(run: Run, runs_dir: Path, data: Path) -> None:
    write_run(runs_dir, data, name="later", created="2026-03-01T00:00:00+00:00")
    assert "Both runs were configured alike." in texts(open_page("overview"))


def test_a_photo_that_is_gone_leaves_a_tile_with_the_reason(run: Run, data: Path) -> None:
    (data / "training" / "d.jpg").unlink()
    gone, there = tiles(open_page("photos", **ERRORS))
    assert "No such file" in gone["fault"]
    assert there["src"]


def test_photos_are_looked_for_where_the_environment_says(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = data.rename(tmp_path / "moved")
    assert not tiles(open_page("photos", **ERRORS))[0]["src"]
    monkeypatch.setenv("MASKBOARD_DATA", str(moved))
    assert tiles(open_page("photos", **ERRORS))[0]["src"]


@pytest.mark.parametrize("name", ["predictions.csv", "metrics.json"])
def test_a_fault_in_the_run_before_is_named_and_spoils_nothing(runs_dir: Path, data: Path, name: str) -> None:
    old = write_run(runs_dir, data, name="old", created="2026-01-01T00:00:00+00:00")
    write_run(runs_dir, data, name="new", created="2026-03-01T00:00:00+00:00")
    (old.path / name).write_text("")
    app = open_page("overview")
    assert not app.exception and not app.error
    assert app.metric[0].value == "50.0%"
    assert "old, the run before, cannot be compared with" in texts(app)


def test_a_run_on_other_photos_is_not_compared_with(run: Run, runs_dir: Path, tmp_path: Path) -> None:
    write_run(runs_dir, tmp_path / "other data", name="later", created="2026-03-01T00:00:00+00:00")
    app = open_page("overview", run="later")
    assert "the run before" not in texts(app)
    assert not app.metric[0].delta


def test_a_link_to_a_run_that_is_gone_says_so(run: Run) -> None:
    (warning,) = open_page("overview", run="gone").warning
    assert "No run **gone** can be read here; this is **first**." in warning.value


def test_a_chart_is_drawn_once_for_all_who_look_at_the_same(
    runs_dir: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(runs_dir, data)
    drawn = []

    def draw(*given: Any) -> go.Figure:
        drawn.append(given)
        return class_balance(*given)

    monkeypatch.setattr("dashboard.charts.dataset.class_balance", draw)
    open_page("data")
    open_page("data", photo=IMAGE)
    assert len(drawn) == 1
    open_page("data", outcome="wrong")
    assert len(drawn) == 2, "another choice"
    predict_anew(run, a=(0.1, 0.8, 0.1))
    open_page("data")
    assert len(drawn) == 3, "another table"
