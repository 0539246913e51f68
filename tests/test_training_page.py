"""The page Training on runs written by hand, without a browser."""

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.processes import this_process
from core.runs import Run
from tests.handwritten import write_folds, write_run
from tests.pages import address, open_page, texts

ALIVE: dict[str, Any] = {"state": "running", **this_process()}
DEAD = ALIVE | {"process_started": 1.0, "started_after_boot": -60.0}
PROGRESS = {"stage": "head", "done": 3, "total": 10, "seconds": 6.0}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(runs_dir: Path, data: Path) -> Run:
    return write_run(runs_dir, data)


@pytest.fixture
def other(run: Run, runs_dir: Path, data: Path) -> Run:
    """An older run of another learning rate."""
    config = run.info["config"] | {"name": "other", "learning_rate": 0.01}
    return write_run(runs_dir, data, name="other", created="2025-01-01T00:00:00+00:00", config=config)


def figures(app: AppTest) -> list[dict[str, Any]]:
    """Loss and accuracy as plotly was told to draw them."""
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def curves(app: AppTest) -> list[str]:
    """The curves of the loss, by name."""
    return [trace["name"] for trace in figures(app)[0]["data"]]


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


# --- how it gets on --------------------------------------------------------------------------------------------------


def test_a_running_run_shows_how_far_it_is_and_its_best_epoch(runs_dir: Path, data: Path) -> None:
    write_run(runs_dir, data, **ALIVE, progress=PROGRESS)
    app = open_page("training")
    said = "training the head, 3 of at most 10 epochs (30 %), at most"
    assert said in texts(app)
    (in_sidebar,), (on_page,) = app.sidebar.get("progress"), app.main.get("progress")
    assert in_sidebar.proto.text.startswith("Training now")
    assert in_sidebar.proto.value == on_page.proto.value == 30
    assert metrics(app) == {
        "Best epoch": "2 of 3", "val_loss": "0.900", "val_accuracy": "50.0%",
    }  # fmt: skip
    assert app.metric[0].delta == "training the head"


def test_epochs_that_are_added_show_with_the_next_look(runs_dir: Path, data: Path) -> None:
    run = write_run(runs_dir, data, **ALIVE, progress=PROGRESS)
    app = open_page("training")
    history = run.path / "history.csv"
    history.write_text(history.read_text() + "fine_tune,-1,0,0.4,0.9,0.0005,0.75,0.001,0.3\n")
    app.run()
    assert metrics(app)["Best epoch"] == "4 of 4"
    assert metrics(app)["val_loss"] == "5e-04"
    assert app.metric[0].delta == "fine-tuning"


def test_folds_have_a_best_epoch_each_and_the_network_that_is_kept_a_number_of_its_own(run: Run) -> None:
    write_folds(run)
    app = open_page("training")
    assert metrics(app) == {
        "Best epochs of the folds": "1 to 2", "val_loss": "0.800", "val_accuracy": "62.5%",
        "Epochs of the network that is kept": "1",
    }  # fmt: skip
    assert [metric.delta for metric in app.metric] == [
        "2, 1",
        "0.700 to 0.900",
        "50.0% to 75.0%",
        "training the head",
    ]
    (row,) = app.dataframe[0].value.to_dict("records")
    assert (row["best epoch"], row["val_loss"], row["epochs"]) == (1, pytest.approx(0.8), 4)


@pytest.mark.parametrize(
    ("info", "badge", "said"),
    [
        ({"state": "finished", "stage_seconds": {"photos": 30.0, "head": 95.0}}, "finished", "trained for 2 min"),
        ({"state": "failed", "error": "no memory", "progress": PROGRESS}, "failed", "epochs: no memory"),
        ({"state": "interrupted", "progress": PROGRESS}, "interrupted", "while training the head, 3 of at most 10"),
        (DEAD | {"progress": PROGRESS}, "died", "its process is gone"),
    ],
)
def test_the_end_of_a_run_is_shown_as_what_it_was(
    runs_dir: Path, data: Path, info: dict[str, Any], badge: str, said: str
) -> None:
    write_run(runs_dir, data, **info)
    app = open_page("training")
    assert any(f" {badge}]" in str(element.value) for element in app.markdown)
    assert said in texts(app)
    assert ("python train.py --resume first" in texts(app)) == (badge != "finished")
    assert not app.get("progress")


def test_a_process_that_dies_is_noticed_though_no_file_has_changed(
    runs_dir: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(runs_dir, data, **ALIVE, progress=PROGRESS)
    app = open_page("training")
    assert "Training now" in texts(app)
    monkeypatch.setattr("core.runs.is_alive", lambda info: False)
    app.run()
    assert "its process is gone" in texts(app)
    assert app.selectbox(key="run").options == ["first · died"]


def test_before_the_first_epoch_there_is_nothing_to_draw(runs_dir: Path, data: Path) -> None:
    run = write_run(runs_dir, data, **ALIVE)
    (run.path / "history.csv").unlink()
    app = open_page("training")
    assert not app.exception
    assert "No epoch is done yet." in texts(app)
    assert not figures(app) and not app.metric


def test_a_run_that_trains_beside_the_shown_one_is_told_in_the_sidebar(run: Run, runs_dir: Path, data: Path) -> None:
    write_run(runs_dir, data, name="beside", created="2026-03-01T00:00:00+00:00", **ALIVE, progress=PROGRESS)
    app = open_page("overview")
    assert app.selectbox(key="run").value == "first"
    assert "beside is training: training the head, 3 of at most 10 epochs" in texts(app)


def test_a_broken_history_is_named(run: Run) -> None:
    (run.path / "history.csv").write_text("stage,fold\nhead,-1\n")
    app = open_page("training")
    assert not app.exception
    assert "history.csv: expected the columns" in texts(app)


# --- curves ----------------------------------------------------------------------------------------------------------


def test_the_address_holds_what_is_drawn_and_how(run: Run, other: Run) -> None:
    app = open_page("training")
    assert curves(app) == ["training", "validation", "best epoch"]
    app.multiselect(key="overlay").select("other").run()
    app.slider(key="smooth").set_value(60).run()
    app.toggle(key="log").set_value(True).run()
    app.segmented_control(key="choice-over").set_value("seconds").run()
    assert address(app) == {"run": "first", "overlay": "other", "smooth": "60", "log": "1", "over": "seconds"}


def test_a_link_opens_what_was_drawn(run: Run, other: Run) -> None:
    app = open_page("training", run="first", overlay="other", smooth="60", log="1", over="seconds")
    assert {"first", "other"} <= set(curves(app))
    loss, accuracy = figures(app)
    assert (loss["layout"]["yaxis"]["type"], accuracy["layout"]["yaxis"].get("type")) == ("log", None)
    assert loss["layout"]["xaxis"]["title"]["text"] == "seconds of training"
    assert (app.multiselect(key="overlay").value, app.slider(key="smooth").value) == (["other"], 60)


@pytest.mark.parametrize("smooth", ["100", "-1", "x", "²", "9" * 5000])
def test_an_address_that_means_nothing_draws_as_usual(run: Run, smooth: str) -> None:
    app = open_page("training", overlay="gone,,../first,first", smooth=smooth, log="yes", over="weeks")
    assert not app.exception
    assert curves(app) == ["training", "validation", "best epoch"]


def test_a_run_whose_name_has_a_comma_is_overlaid_like_any(run: Run, runs_dir: Path, data: Path) -> None:
    write_run(runs_dir, data, name="a, b", created="2025-01-01T00:00:00+00:00")
    app = open_page("training")
    app.multiselect(key="overlay").select("a, b").run()
    assert app.multiselect(key="overlay").value == ["a, b"]
    assert "a, b" in curves(app)


def test_a_fault_in_an_overlaid_run_is_named_and_spoils_nothing(run: Run, other: Run) -> None:
    (other.path / "history.csv").write_text("")
    app = open_page("training", overlay="other")
    assert not app.exception
    assert curves(app) == ["training", "validation", "best epoch"]
    assert "other cannot be overlaid" in texts(app)


# --- all runs --------------------------------------------------------------------------------------------------------


def test_the_table_holds_every_run_and_the_options_in_which_they_differ(run: Run, other: Run) -> None:
    table = open_page("training").dataframe[0].value
    assert table.columns.tolist() == [
        "run", "state", "created", "accuracy", "of", "best epoch", "val_loss", "val_accuracy", "epochs", "seconds",
        "--learning-rate",
    ]  # fmt: skip
    assert (table["accuracy"].tolist(), table["of"].tolist()) == ([0.5, 0.5], ["validation"] * 2)
    assert table["run"].tolist() == ["first", "other"]
    assert table["best epoch"].tolist() == [2, 2]
    assert table["val_loss"].tolist() == [0.9, 0.9]
    assert table["seconds"].tolist() == [1.1, 1.1]
    assert table["--learning-rate"].tolist() == ["not recorded", "0.01"]


def test_options_that_are_numbers_are_sorted_as_numbers(run: Run, runs_dir: Path, data: Path) -> None:
    for name, epochs in (("few", 9), ("many", 10)):
        config = run.info["config"] | {"epochs": epochs}
        write_run(runs_dir, data, name=name, created="2025-01-01T00:00:00+00:00", config=config)
    (runs_dir / "first" / "run.json").unlink()
    table = open_page("training").dataframe[0].value
    assert sorted(table["--epochs"]) == [9, 10]


@pytest.mark.parametrize("other", [7, 0.5])
def test_a_number_that_no_table_can_hold_is_shown_as_text(run: Run, runs_dir: Path, data: Path, other: float) -> None:
    huge = 10**400
    for name, seed in (("huge", huge), ("usual", other)):
        config = run.info["config"] | {"split_seed": seed}
        write_run(runs_dir, data, name=name, created="2025-01-01T00:00:00+00:00", config=config)
    (runs_dir / "first" / "run.json").unlink()
    app = open_page("training")
    assert not app.exception
    assert set(app.dataframe[0].value["--split-seed"]) == {str(huge), str(other)}


def test_a_click_on_a_table_that_has_been_replaced_opens_no_other_run(
    run: Run, other: Run, runs_dir: Path, data: Path
) -> None:
    app = open_page("training")
    before = app.dataframe[0].proto.id
    write_run(runs_dir, data, name="newest", created="2027-01-01T00:00:00+00:00")
    app.run()
    assert app.dataframe[0].proto.id != before, "the browser's click belongs to a table that is no more"


def test_a_run_without_an_epoch_has_a_line_without_figures(run: Run, other: Run) -> None:
    (other.path / "history.csv").unlink()
    table = open_page("training").dataframe[0].value
    assert table.loc[1, ["best epoch", "val_loss", "epochs", "seconds"]].isna().all()


# --- newcomers -------------------------------------------------------------------------------------------------------


def test_a_newcomer_is_given_commands_to_copy_that_train_where_the_page_looks(runs_dir: Path) -> None:
    app = open_page("overview")
    assert [block.value for block in app.code] == [
        f"python train.py --demo --runs-dir {runs_dir}",
        f"python train.py --data data/MaskDataset --runs-dir {runs_dir}",
    ]


def test_the_first_run_is_found_by_itself(runs_dir: Path, data: Path) -> None:
    app = open_page("training")
    assert app.code
    write_run(runs_dir, data, **ALIVE)
    app.run()
    assert not app.code
    assert app.selectbox(key="run").options == ["first · running"]


def test_a_page_waits_for_the_files_that_it_needs(runs_dir: Path, data: Path) -> None:
    run = write_run(runs_dir, data, **ALIVE, progress=PROGRESS)
    metrics_file = run.path / "metrics.json"
    content = metrics_file.read_text()
    metrics_file.unlink()
    app = open_page("overview")
    assert "has not got as far as metrics.json yet" in texts(app)
    metrics_file.write_text(content)
    app.run()
    assert app.metric[0].value == "50.0%"
