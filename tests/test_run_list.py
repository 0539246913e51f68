"""What the dashboard keeps of the runs that it lists at each rerun."""

import json
from pathlib import Path

import pytest

from core import runs
from core.evaluation import HELD_OUT
from dashboard import data
from tests.handwritten import write_run
from tests.pages import open_page, texts


@pytest.fixture
def two_runs(runs_dir: Path, tmp_path: Path) -> Path:
    for name in ("a", "b"):
        write_run(runs_dir, tmp_path / "data", name=name)
    return runs_dir


def test_runs_that_have_not_changed_are_not_read_again(two_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = data.list_runs()
    assert [data.first_score(run) for run in found] == [(HELD_OUT, 0.5)] * 2
    read: list[Path] = []
    monkeypatch.setattr(runs, "read_json", lambda path: read.append(path))
    again, _ = data.list_runs()
    assert [run.name for run in again] == [run.name for run in found] == ["a", "b"]
    assert [data.first_score(run) for run in again] == [(HELD_OUT, 0.5)] * 2
    assert read == []


def test_a_run_that_was_written_again_is_read_again(two_runs: Path) -> None:
    data.list_runs()
    path = two_runs / "a" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "failed"}))
    assert {run.name: run.state for run in data.list_runs()[0]} == {"a": "failed", "b": "finished"}


def test_a_run_that_breaks_or_goes_is_no_longer_listed(two_runs: Path) -> None:
    data.list_runs()
    (two_runs / "a" / "run.json").unlink()
    found, broken = data.list_runs()
    assert [run.name for run in found] == ["b"]
    assert broken[0].reason == f"Expected run.json in {two_runs / 'a'}; there is none."


def test_figures_that_cannot_be_read_are_none(two_runs: Path) -> None:
    found, _ = data.list_runs()
    (two_runs / "a" / "metrics.json").write_text("{}")
    (two_runs / "a" / "history.csv").unlink()
    assert data.first_score(found[0]) is None
    assert data.history_summary(found[0]) is None


def test_a_page_lists_the_runs_once_however_many_of_its_parts_ask_for_them(
    two_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, look, looks = open_page("compare", run="b", change="fixed", **{"with": "a"}), data.list_runs, []

    def counted() -> tuple[list[runs.Run], list[runs.BrokenRun]]:
        looks.append("a look")
        return look()

    monkeypatch.setattr(data, "list_runs", counted)
    app.run()
    assert "held out in both **b** (this run) and **a**" in texts(app)
    assert looks == ["a look"]
