"""The badge on the Overview, on runs written by hand, without a browser."""

import json
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.processes import this_process
from core.runs import Run
from dashboard import data as dashboard_data
from tests.handwritten import write_whole_run
from tests.pages import open_page, texts


@pytest.fixture
def run(runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(dashboard_data, "SECONDS_BEFORE_CHECKS", 0.0)
    return write_whole_run(runs_dir, tmp_path / "data")


def badge(app: AppTest) -> str:
    (label,) = [each.label for each in app.expander if "badge[" in each.label]
    return label


def open_when_checked() -> AppTest:
    app = open_page("overview")
    for _ in range(600):
        if "Being checked" not in badge(app):
            return app
        time.sleep(0.1)
        app.run()
    raise TimeoutError("The checks took longer than a minute.")


def test_the_page_does_not_wait_for_the_checks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_data, "SECONDS_BEFORE_CHECKS", 0.5)
    assert "Being checked" in badge(open_page("overview"))


def test_a_run_that_can_be_trusted_has_a_green_badge_and_each_check_behind_it(run: Run) -> None:
    app = open_when_checked()
    assert badge(app) == ":green-badge[:material/verified: Checked: 14 of 14 hold]"
    said = texts(app)
    assert "passed: The confusion matrix follows from the predictions (4 photos in 9 cells)" in said
    assert "python -m core.doctor first --runs-dir" in said


def test_what_fails_comes_first_and_makes_the_badge_red(run: Run) -> None:
    metrics = json.loads((run.path / "metrics.json").read_text())
    (run.path / "metrics.json").write_text(json.dumps(metrics | {"accuracy": 1.0}))
    app = open_when_checked()
    assert badge(app) == ":red-badge[:material/gpp_bad: Checked: 1 of 14 fail]"
    (said,) = [each.value for each in app.markdown if "passed" in each.value]
    assert said.startswith(":red[:material/close: **failed**]: Scores follow from the predictions")


def test_a_file_that_is_written_again_is_checked_again(run: Run) -> None:
    assert "14 of 14 hold" in badge(open_when_checked())
    (run.path / "submission.csv").write_text("Id,Category\nx.jpg,0\n")
    assert "1 of 14 fail" in badge(open_when_checked())


def test_labels_that_were_mended_in_the_dataset_since_are_noticed(run: Run) -> None:
    labels = json.loads((run.dataset_dir / "train_gt.json").read_text())
    (run.dataset_dir / "train_gt.json").write_text(json.dumps(labels | {"a.jpg": 2, "b.jpg": 10}))
    app = open_when_checked()
    assert "1 of 14 fail" in badge(app)
    assert "another label now: training/a.jpg (0, now 2)" in texts(app)


def test_a_run_that_still_trains_is_not_checked(run: Run) -> None:
    info = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(info | {"state": "running", **this_process()}))
    assert not [each for each in open_page("overview").expander if "badge[" in each.label]
