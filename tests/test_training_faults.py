"""Trainings that do not finish: what they leave behind and what they say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf
from PIL import Image

from core import training
from core.dataset import Problem, list_photos
from core.errors import UserError
from core.report import Report
from core.runs import list_runs, read_history, read_run
from core.weights import find_weights
from tests.conftest import read_labels, tiny_config, train_quietly, write_labels


def test_ctrl_c_leaves_an_interrupted_run_with_its_history(
    data: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupter(keras.callbacks.ReduceLROnPlateau):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(keras.callbacks, "ReduceLROnPlateau", Interrupter)
    with pytest.raises(KeyboardInterrupt):
        train_quietly(tiny_config(data, runs_dir, "stopped"))
    run = read_run(runs_dir / "stopped")
    assert run.state == "interrupted"
    assert read_history(run.path / "history.csv")["epoch"].tolist() == [0, 1]
    assert not run.has("model.keras") and not run.has("predictions.csv")


def test_a_dataset_that_turns_out_untrainable_leaves_a_failed_run(data: Path, runs_dir: Path) -> None:
    for name in ("10001.jpg", "10004.jpg"):
        (data / "training" / name).write_bytes(b"")
    with pytest.raises(UserError, match="found 1 of class 1"):
        train_quietly(tiny_config(data, runs_dir, "failed"))
    run = read_run(runs_dir / "failed")
    assert run.state == "failed"
    assert "found 1 of class 1" in run.info["error"]


@pytest.mark.parametrize("fault", ["no folder", "no labels", "no weights", "no ImageNet"])
def test_what_is_wrong_from_the_start_leaves_no_run_at_all(
    data: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def get_file(*args: Any, **options: Any) -> str:
        raise Exception("URL fetch failure on ...")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    config = tiny_config(data, runs_dir)
    if fault == "no folder":
        config = replace(config, data=data / "absent")
    elif fault == "no labels":
        (data / "train_gt.json").write_text("[")
    else:
        config = replace(config, weights={"no weights": "absent.h5", "no ImageNet": "imagenet"}[fault])
    with pytest.raises(UserError):
        train_quietly(config)
    assert list_runs(runs_dir) == ([], [])


def test_weights_that_do_not_fit_leave_no_run_at_all(data: Path, runs_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "other.h5").write_text("no weights")
    with pytest.raises(UserError, match=r"other\.h5"):
        train_quietly(replace(tiny_config(data, runs_dir, "failed"), weights=str(tmp_path / "other.h5")))
    assert list_runs(runs_dir) == ([], [])


def test_a_demo_run_says_what_it_is(data: Path, runs_dir: Path) -> None:
    def stop(*args: Any) -> None:
        raise UserError("far enough")

    config = replace(tiny_config(data, runs_dir, "demo"), demo=True)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(UserError, match="far enough"):
        patch.setattr(training, "check_photos", stop)
        train_quietly(config)
    notices = read_run(runs_dir / "demo").info["notices"]
    assert notices == [training.RANDOM_WEIGHTS_NOTICE, training.DEMO_NOTICE]


def test_warnings_name_the_first_problems_and_count_the_rest(
    data: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*args: Any) -> None:
        raise UserError("far enough")

    monkeypatch.setattr(training, "_freeze", stop)
    write_labels(data, read_labels(data) | {f"absent{n}.jpg": 0 for n in range(12)})
    with pytest.raises(UserError, match="far enough"):
        train_quietly(tiny_config(data, runs_dir, "odd"))
    warnings = capsys.readouterr().err.splitlines()[1:]  # The first is about the random weights.
    assert warnings[0] == "Warning: 12 files were left out, 0 are odd but used (12 missing):"
    assert warnings[1:11] == [f"Warning:   training/absent{n}.jpg: missing: no such file" for n in range(10)]
    assert warnings[11:] == [f"Warning:   ... and 2 more in {runs_dir / 'odd' / 'problems.csv'}"]


def test_a_file_that_is_odd_in_several_ways_is_counted_once() -> None:
    kinds = {"a.jpg": ("duplicate", "in_training"), "b.jpg": ("duplicate",), "c.jpg": ("empty",)}
    problems = [Problem(image, kind, "") for image, found in kinds.items() for kind in found]
    text = training._problems_text(problems)
    assert text.startswith("1 files were left out, 2 are odd but used (2 duplicate,")
    assert text.endswith("; some are several)")


def test_a_loss_that_is_no_number_any_more_says_what_to_do(data: Path, runs_dir: Path) -> None:
    config = replace(tiny_config(data, runs_dir, "diverged"), learning_rate=1e38)
    with pytest.raises(UserError, match="Lower --learning-rate"):
        train_quietly(config)
    assert read_run(runs_dir / "diverged").state == "failed"


def test_class_names_are_no_markup(data: Path, runs_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = replace(tiny_config(data, runs_dir, "markup", epochs=1), class_names=("[/x]", "[red]b", ":smile:"))
    training.train(config, list_photos(config.data, config.class_names), find_weights("random"), Report())
    out = capsys.readouterr().out
    assert all(name in out for name in ("[/x]", "[red]b", ":smile:"))


def test_photos_that_cannot_be_parted_are_refused(data: Path, runs_dir: Path) -> None:
    labels: dict[str, int] = {}
    for name, label in list(read_labels(data).items())[:3]:
        labels |= {name: label, f"again-{name}": label}
        with Image.open(data / "training" / name) as photo:
            photo.save(data / "training" / f"again-{name}", quality=60)
    write_labels(data, labels)
    with pytest.raises(UserError, match=r"none of class 0 .* to stop by\. Near-identical photos are not parted"):
        train_quietly(tiny_config(data, runs_dir, "failed"))


@pytest.mark.parametrize("error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")])
def test_a_lack_of_memory_is_said_with_what_to_do(
    data: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(training, "predict_and_embed", fail)
    with pytest.raises(UserError, match=r"it ran out\. Lower --batch-size or --image-size"):
        train_quietly(tiny_config(data, runs_dir, "failed"))
    assert "ran out" in read_run(runs_dir / "failed").info["error"]
