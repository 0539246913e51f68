from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.runs import Run
from dashboard.progress import duration_text, end_text, progress_text, stage_words

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def run_at(stage: str, done: int, total: int, seconds: float = 0.0, age: float = 0.0, **info: Any) -> Run:
    """A run that wrote its progress down so many seconds ago."""
    progress = {"stage": stage, "done": done, "total": total, "seconds": seconds}
    updated = (NOW - timedelta(seconds=age)).isoformat()
    return Run(Path("/runs/r"), {"state": "running", "progress": progress, "updated": updated, "host": "?"} | info)


def test_photos_are_told_with_their_speed_and_what_is_left() -> None:
    text = progress_text(run_at("features", 2000, 5600, seconds=100), NOW)
    assert text == "computing features, 2,000 of 5,600 photos (35 %), 20 photos/s, 3 min left"


def test_epochs_are_told_without_a_speed_and_may_end_early() -> None:
    text = progress_text(run_at("fine_tune", 5, 20, seconds=10), NOW)
    assert text == "fine-tuning, 5 of at most 20 epochs (25 %), at most 30 s left"


def test_what_is_left_shrinks_while_a_long_step_goes_on_but_by_no_more_than_the_step() -> None:
    left = [progress_text(run_at("head", 1, 3, seconds=20, age=age), NOW).split(", ")[-1] for age in (0, 5, 19, 300)]
    assert left == ["at most 40 s left", "at most 35 s left", "at most 21 s left", "at most 20 s left"]


def test_a_clock_that_is_behind_makes_nothing_longer() -> None:
    assert "40 s left" in progress_text(run_at("head", 1, 3, seconds=20, age=-500), NOW)


def test_before_the_first_step_nothing_is_foretold() -> None:
    assert progress_text(run_at("photos", 0, 300), NOW) == "reading photos, 0 of 300 photos (0 %)"


def test_a_run_of_an_older_version_is_told_without_what_it_did_not_write_down() -> None:
    old = Run(Path("/runs/r"), {"progress": {"stage": "features", "done": 32, "total": 99}})
    assert progress_text(old, NOW) == "computing features, 32 of 99 photos (32 %)"


def test_a_stage_that_is_not_known_goes_by_its_own_name() -> None:
    assert stage_words("tidy_up") == "tidy up"
    assert progress_text(run_at("tidy_up", 1, 2), NOW) == "tidy up, 1 of 2 steps (50 %)"


def test_a_stage_with_nothing_to_do_is_done() -> None:
    assert "(100 %)" in progress_text(run_at("features", 0, 0), NOW)


def test_nearly_all_is_not_all() -> None:
    assert "(99 %)" in progress_text(run_at("photos", 9999, 10000), NOW)


def test_between_two_stages_it_says_so() -> None:
    assert progress_text(Run(Path("/runs/r"), {"progress": None, "stage_seconds": {}})) == "starting"
    assert progress_text(Run(Path("/runs/r"), {"progress": None, "stage_seconds": {"photos": 1.0}})) == (
        "between two stages"
    )


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (
            {"state": "failed", "error": "no memory"},
            "This training failed while fine-tuning, 3 of at most 20 epochs: no",
        ),
        ({"state": "interrupted"}, "This training was interrupted before its end while fine-tuning, 3 of"),
        ({"state": "interrupted", "progress": None}, "This training was interrupted before its end."),
        ({"state": "failed", "progress": None}, "This training failed: no reason was recorded."),
    ],
)
def test_an_end_says_what_and_where(info: dict[str, Any], expected: str) -> None:
    assert end_text(run_at("fine_tune", 3, 20, **info)).startswith(expected)


def test_a_process_that_is_gone_is_said_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.runs.is_alive", lambda info: False)
    assert end_text(run_at("features", 3, 20)) == (
        "This training ended without a word while computing features, 3 of 20 photos: its process is gone."
    )


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.2, "0 s"), (59.4, "59 s"), (90, "2 min"), (3540, "59 min"), (4810, "1 h 20 min")]
)
def test_durations_are_as_long_as_a_person_would_say_them(seconds: float, expected: str) -> None:
    assert duration_text(seconds) == expected
