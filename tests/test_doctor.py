"""Each check of a run, on a run written by hand in which it holds, and damaged so that it does not."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from core import checks, doctor
from core.checks import FAILED, PASSED, SKIPPED
from core.doctor import all_checks, counts, main, quick_checks, quick_checks_elsewhere
from core.runs import Run, read_run
from tests.conftest import make_photo
from tests.handwritten import sha256, write_what_follows, write_whole_run

Capture = pytest.CaptureFixture[str]
Damage = Callable[[Run], None]

END = "The training came to its end"
FILES = "Every file is there and whole"
PREDICTED = "Each labelled photo is predicted once, under its label"
REVIEWS = "Labels are changed by reviews only"
SCORES = "Scores follow from the predictions"
MATRIX = "The confusion matrix follows from the predictions"
SPLIT = "The split is the one written down"
LEAKS = "No photo has a near-identical one on the other side of the split"
EPOCHS = "Epochs are complete"
ROWS = "Embeddings and map have a row a photo"
SUBMISSION = "The submission can be handed in"
LIST = "The list of photos is the one written down"
LABELS = "Classes and labels are those of the dataset"
TEST_SCORES = "Test scores follow from the predictions"
PHOTOS = "The photos are those that were read"
NETWORK = "The saved network says what the tables say"


# --- a run in which every check holds --------------------------------------------------------------------------------


def edit_table(run: Run, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    table = pd.read_csv(run.path / name, dtype={"label": "Int64", "original_label": "Int64"})
    change(table).to_csv(run.path / name, index=False)


def edit_cell(run: Run, name: str, row: int, column: str, value: object) -> None:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        values = table[column].tolist()
        values[row] = value
        return table.assign(**{column: values})

    edit_table(run, name, change)


def edit_json(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def edit_info(run: Run, **values: Any) -> None:
    edit_json(run.path / "run.json", lambda info: info.update(values))


def edit_config(run: Run, **values: Any) -> None:
    edit_json(run.path / "run.json", lambda info: info["config"].update(values))


@pytest.fixture
def run(runs_dir: Path, tmp_path: Path) -> Run:
    return write_whole_run(runs_dir, tmp_path / "data")


@pytest.fixture
def folds_run(run: Run) -> Run:
    """The same with the labelled photos in three folds, and what the last network says of them."""
    shutil.copy(run.path / "predictions.csv", run.path / "fitted_predictions.csv")
    edit_table(run, "predictions.csv", lambda table: table.assign(split="val", fold=[0, 1, 2, 0, 1, 2, 0]))
    rows = [f"head,{fold},{epoch},1,0.5,1,0.5,0.1,1" for fold in range(3) for epoch in range(2)]
    (run.path / "history.csv").write_text(
        "stage,fold,epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n"
        + "\n".join([*rows, "head,-1,0,1,0.5,,,0.1,1"])
        + "\n"
    )
    edit_config(run, folds=3)
    write_what_follows(run)
    return read_run(run.path)


@pytest.fixture
def reviewed_run(run: Run) -> Run:
    """The same, trained with reviews that gave b.jpg another class and excluded z.jpg."""
    make_photo(run.dataset_dir / "training" / "z.jpg", 2, seed=9)
    edit_json(run.dataset_dir / "train_gt.json", lambda labels: labels.update({"z.jpg": 2}))
    (run.path / "problems.csv").write_text("image,kind,detail\ntraining/z.jpg,excluded,by a review: a drawing\n")

    def relabel(table: pd.DataFrame) -> pd.DataFrame:
        original = table["label"].where(table["folder"] == "training")
        return table.assign(label=table["label"].mask(table["image"] == "training/b.jpg", 1), original_label=original)

    edit_table(run, "samples.csv", relabel)
    edit_table(
        run,
        "predictions.csv",
        lambda table: table.assign(
            true_label=table["true_label"].mask(table["image"] == "training/b.jpg", 1),
            loss=table["loss"].mask(table["image"] == "training/b.jpg", -np.log(0.6)),
        ),
    )
    edit_info(run, reviews={"path": "reviews.jsonl", "n_relabelled": 1, "n_excluded": 1})
    write_what_follows(run)
    return read_run(run.path)


def failures(run: Run) -> dict[str, str]:
    """What each check that fails found, the network left out."""
    return {check.name: check.detail for check in all_checks(read_run(run.path), None) if check.state == FAILED}


def state_of(run: Run, name: str) -> str:
    (state,) = [check.state for check in all_checks(read_run(run.path), None) if check.name == name]
    return state


# --- runs that are whole ---------------------------------------------------------------------------------------------


def test_every_check_holds_of_a_whole_run(run: Run) -> None:
    made = list(all_checks(run, None))
    assert {check.name: check.state for check in made if check.state != PASSED} == {NETWORK: SKIPPED}
    assert all(check.detail for check in made)


def test_every_check_holds_of_a_run_with_folds(folds_run: Run) -> None:
    assert failures(folds_run) == {}


def test_every_check_holds_of_a_run_with_reviews(reviewed_run: Run) -> None:
    assert failures(reviewed_run) == {}
    assert state_of(reviewed_run, REVIEWS) == PASSED


def test_a_run_of_before_fingerprints_and_groups_is_asked_what_it_can_be(run: Run) -> None:
    edit_json(run.path / "run.json", lambda info: [info.pop(key) for key in ("split_hash", "dataset_fingerprint")])
    assert failures(run) == {}
    assert [state_of(run, name) for name in (SPLIT, LIST)] == [SKIPPED, SKIPPED]


def test_scores_of_before_groups_counted_are_held_against_no_interval_that_counts_them(run: Run) -> None:
    (run.path / "label_issues.csv").unlink()

    def make_older(metrics: dict[str, Any]) -> None:
        for scores in (metrics, metrics["test"]):
            del scores["kind"], scores["calibrated"]
            scores["accuracy_interval"] = [0.1, 0.9]

    edit_json(run.path / "metrics.json", make_older)
    assert failures(run) == {}
    metric("accuracy", 0.75)(run)
    assert set(failures(run)) == {SCORES}


def test_without_the_dataset_the_tables_are_checked_all_the_same(run: Run) -> None:
    shutil.rmtree(run.dataset_dir)
    assert failures(run) == {}
    assert [state_of(run, name) for name in (LABELS, TEST_SCORES, PHOTOS)] == [SKIPPED] * 3


def test_a_dataset_without_test_photos_has_no_submission_to_check(run: Run) -> None:
    edit_table(run, "samples.csv", lambda table: table[table["folder"] == "training"])
    edit_json(run.path / "metrics.json", lambda metrics: metrics.pop("test"))
    shutil.rmtree(run.dataset_dir / "test")
    for name in ("submission.csv", "test_predictions.csv"):
        (run.path / name).unlink()
    assert state_of(run, SUBMISSION) == state_of(run, TEST_SCORES) == SKIPPED
    assert FILES not in failures(run)


# --- runs that are not -----------------------------------------------------------------------------------------------


def cut_off(name: str) -> Damage:
    def damage(run: Run) -> None:
        path = run.path / name
        path.write_bytes(path.read_bytes()[:-3])

    return damage


def remove(name: str) -> Damage:
    return lambda run: (run.path / name).unlink()


def cell(name: str, row: int, column: str, value: object) -> Damage:
    return lambda run: edit_cell(run, name, row, column, value)


def table(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Damage:
    return lambda run: edit_table(run, name, change)


def metric(name: str, value: float) -> Damage:
    return lambda run: edit_json(run.path / "metrics.json", lambda metrics: metrics.update({name: value}))


def info(**values: Any) -> Damage:
    return lambda run: edit_info(run, **values)


def spoil_model(run: Run) -> None:
    content = (run.path / "model.keras").read_bytes()
    (run.path / "model.keras").write_bytes(content.replace(b"{}", b"{)", 1))


def hold_another_photo_out(run: Run) -> None:
    edit_cell(run, "predictions.csv", 4, "split", "val")
    info = json.loads((run.path / "run.json").read_text())
    write_what_follows(run)
    edit_info(run, split_hash=info["split_hash"])


def put_a_photo_on_both_sides(run: Run) -> None:
    shutil.copy(run.dataset_dir / "training" / "a.jpg", run.dataset_dir / "training" / "e.jpg")
    edit_cell(run, "samples.csv", 4, "sha256", sha256(run.dataset_dir / "training" / "a.jpg"))
    write_what_follows(run)


def put_two_photos_into_a_group(run: Run) -> None:
    edit_table(run, "samples.csv", lambda table: table.assign(group=[*"abcdafgxy"]))
    write_what_follows(run)


def forget_a_label(run: Run) -> None:
    edit_json(run.dataset_dir / "train_gt.json", lambda labels: labels.pop("a.jpg"))


def change_a_label(run: Run) -> None:
    edit_json(run.dataset_dir / "train_gt.json", lambda labels: labels.update({"a.jpg": 2}))


def spoil_labels(run: Run) -> None:
    (run.dataset_dir / "train_gt.json").write_text("{")


def change_a_photo(run: Run) -> None:
    make_photo(run.dataset_dir / "training" / "a.jpg", 0, seed=77)


def remove_a_photo(run: Run) -> None:
    (run.dataset_dir / "test" / "x.jpg").unlink()


def add_a_photo(run: Run) -> None:
    make_photo(run.dataset_dir / "test" / "new.jpg")


@pytest.mark.parametrize(
    ("damage", "name", "found"),
    [
        (info(state="failed", error="no memory"), END, "expected a finished training, found failed: no memory"),
        (info(state="interrupted"), END, "found interrupted"),
        (cut_off("model.keras"), FILES, "model.keras: expected a whole Keras model"),
        (spoil_model, FILES, "model.keras: expected a whole Keras model; config.json in it is damaged"),
        (remove("model.keras"), FILES, "Expected model.keras"),
        (remove("label_issues.csv"), FILES, "Expected label_issues.csv"),
        (cut_off("tensorboard/events.out"), FILES, "events.out: expected whole records, found a cut-off one"),
        (cell("predictions.csv", 4, "confidence", 0.7), PREDICTED, "confidence not that of the probabilities"),
        (cell("predictions.csv", 4, "loss", 0.7), PREDICTED, "loss not that of the probabilities: training/e.jpg"),
        (cell("predictions.csv", 4, "predicted_label", 2), PREDICTED, "predicted class not that of the probabilities"),
        (cell("predictions.csv", 4, "prob_1", 0.2), PREDICTED, "sum not that of the probabilities: training/e.jpg"),
        (info(reviews={"n_relabelled": 2, "n_excluded": 0}), REVIEWS, "0 photos relabelled, run.json counts 2"),
        (metric("accuracy", 0.75), SCORES, "accuracy is 0.75, computed anew 0.5"),
        (metric("temperature", 3.0), SCORES, "temperature is 3, computed anew"),
        (cell("confusion_matrix.csv", 0, "everybody", 9), MATRIX, "nobody predicted as everybody is 9, counted anew 1"),
        (table("confusion_matrix.csv", lambda table: table[::-1]), MATRIX, "expected nobody, everybody, somebody in"),
        (hold_another_photo_out, SPLIT, "split_hash begins with"),
        (put_a_photo_on_both_sides, LEAKS, "the same content on both sides, in 1 cases, the first training/a.jpg"),
        (
            put_two_photos_into_a_group,
            LEAKS, "near-identical photos of one group on both sides, in 1 cases, the first training/a.jpg",
        ),
        (cell("history.csv", 1, "epoch", 2), EPOCHS, "head: expected epochs 0 to 2 in order, found 0, 2, 2"),
        (table("history.csv", lambda table: table.assign(val_loss=np.nan)), EPOCHS, "an epoch with a val_loss"),
        (table("history.csv", lambda table: table.assign(stage="fine_tune")), EPOCHS, "expected epochs of the head"),
        (table("history.csv", lambda table: table[:0]), EPOCHS, "expected epochs, found none"),
        (table("projection.csv", lambda table: table[::-1]), ROWS, "expected the 9 photos of samples.csv in"),
        (
            lambda run: np.save(run.path / "embeddings.npy", np.ones((8, 2), np.float16)),
            ROWS, "embeddings.npy: expected 9 rows, found 8",
        ),
        (cell("submission.csv", 0, "Category", 1), SUBMISSION, "other ones: x.jpg (1, predicted 0)"),
        (table("submission.csv", lambda table: table[:1]), SUBMISSION, "missing: y.jpg"),
        (table("submission.csv", lambda table: table[::-1]), SUBMISSION, "y.jpg stands before x.jpg"),
        (info(dataset_fingerprint="0" * 64), LIST, "dataset_fingerprint begins with 000000000000, computed anew with"),
        (change_a_label, LABELS, "another label now: training/a.jpg (0, now 2)"),
        (forget_a_label, LABELS, "no usable label now: training/a.jpg"),
        (spoil_labels, LABELS, "train_gt.json"),
        (
            lambda run: edit_json(run.path / "metrics.json", lambda metrics: metrics["test"].update(accuracy=1.0)),
            TEST_SCORES, "accuracy is 1, computed anew 0.5",
        ),
        (change_a_photo, PHOTOS, "changed: training/a.jpg"),
        (remove_a_photo, PHOTOS, "gone: test/x.jpg"),
        (add_a_photo, PHOTOS, "new: test/new.jpg"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_named(run: Run, damage: Damage, name: str, found: str) -> None:
    damage(run)
    failed = failures(run)
    assert found in failed[name]
    # What cannot be read, or is gone, is missed elsewhere too; everything else by the check that is about it.
    others = {MATRIX: {FILES}, SCORES: {TEST_SCORES}, LABELS: {TEST_SCORES, PHOTOS}, PHOTOS: {TEST_SCORES}}
    assert set(failed) - {name} <= others.get(name, set())


def test_a_table_that_cannot_be_read_is_named_by_each_check_that_needs_it(run: Run) -> None:
    (run.path / "predictions.csv").write_text("image,split\n")
    failed = failures(run)
    assert {FILES, PREDICTED, SCORES, MATRIX, SPLIT, LEAKS} == set(failed)
    assert all("predictions.csv" in detail for detail in failed.values())


def test_photos_that_were_not_predicted_or_are_in_no_list_are_named(run: Run) -> None:
    edit_table(run, "predictions.csv", lambda table: table[table["image"] != "training/g.jpg"])
    edit_cell(run, "predictions.csv", 5, "image", "training/other.jpg")
    assert failures(run)[PREDICTED] == (
        "not predicted: training/f.jpg, training/g.jpg; no labelled photo: training/other.jpg"
    )


def test_of_many_photos_the_first_are_named(run: Run) -> None:
    edit_table(run, "predictions.csv", lambda table: table.assign(confidence=0.5))
    (said,) = [detail for detail in failures(run)[PREDICTED].split("; ") if "confidence" in detail]
    assert said.endswith("training/a.jpg, training/b.jpg, training/c.jpg and 4 more")


def test_labels_that_differ_without_reviews_are_named(run: Run) -> None:
    edit_table(run, "samples.csv", lambda table: table.assign(original_label=table["label"].mask(table.index == 0, 2)))
    write_what_follows(run)
    assert failures(run)[REVIEWS] == "1 photos relabelled, run.json counts 0"


def test_classes_in_another_order_than_the_datasets_are_named(run: Run) -> None:
    edit_config(run, class_names=["everybody", "nobody", "somebody"])
    assert failures(run)[LABELS].startswith("expected the classes in the dataset's order, found everybody, nobody")


def test_a_table_of_another_order_of_classes_is_named(run: Run) -> None:
    edit_info(run, class_names=["everybody", "nobody", "somebody"])
    assert {LABELS, MATRIX} <= set(failures(run))


def test_labels_of_test_photos_that_are_no_classes_of_the_run_are_named(run: Run) -> None:
    edit_config(run, class_names=["nobody", "everybody", "somebody", "a dog"])
    (run.dataset_dir / "test_gt.json").write_text('{"x.jpg": 3, "y.jpg": 2}')
    expected = "the dataset gives them labels that are no classes of the run: test/x.jpg"
    assert failures(run)[TEST_SCORES] == expected


def test_a_check_that_stumbles_has_failed_and_the_others_are_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.submission.check_submission", Mock(side_effect=IndexError("out of bounds")))
    assert failures(run) == {SUBMISSION: "it could not be asked to its end; IndexError: out of bounds"}


def test_a_group_in_two_folds_is_named(folds_run: Run) -> None:
    edit_table(folds_run, "samples.csv", lambda table: table.assign(group=[*"aacdefgxy"]))
    write_what_follows(folds_run)
    assert failures(folds_run) == {
        LEAKS: "near-identical photos of one group on both sides, in 1 cases, the first training/a.jpg, training/b.jpg"
    }


def test_a_photo_in_another_fold_is_named(folds_run: Run) -> None:
    edit_cell(folds_run, "predictions.csv", 0, "fold", 1)
    assert set(failures(folds_run)) == {SPLIT}


def test_a_photo_in_no_fold_is_named(folds_run: Run) -> None:
    edit_cell(folds_run, "predictions.csv", 0, "fold", 3)
    assert failures(folds_run)[SPLIT].endswith("found others: training/a.jpg (val, fold 3)")


def test_what_the_last_network_of_folds_says_must_be_there(folds_run: Run) -> None:
    (folds_run.path / "fitted_predictions.csv").unlink()
    assert "Expected fitted_predictions.csv" in failures(folds_run)[FILES]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_waited_for(run: Run) -> None:
    (run.path / "tensorboard" / "events.out").unlink()
    os.mkfifo(run.path / "tensorboard" / "events.out")
    assert "Expected events.out in" in failures(run)[FILES]


def test_embeddings_that_are_no_numbers_are_found(run: Run) -> None:
    np.save(run.path / "embeddings.npy", np.full((9, 2), np.nan, np.float16))
    assert "embeddings.npy: expected numbers" in failures(run)[FILES]


def test_a_photo_that_was_excluded_is_no_new_one_and_one_that_was_not_is(reviewed_run: Run) -> None:
    make_photo(reviewed_run.dataset_dir / "training" / "y.jpg")
    edit_json(reviewed_run.dataset_dir / "train_gt.json", lambda labels: labels.update({"y.jpg": 0}))
    assert failures(reviewed_run) == {PHOTOS: "new: training/y.jpg"}


def test_labels_are_those_of_the_dataset_and_not_those_of_reviews(reviewed_run: Run) -> None:
    edit_json(reviewed_run.dataset_dir / "train_gt.json", lambda labels: labels.update({"b.jpg": 1}))
    assert failures(reviewed_run) == {LABELS: "another label now: training/b.jpg (0, now 1)"}


# --- the network -----------------------------------------------------------------------------------------------------


class Network:
    """Says what the tables of `write_run` hold, but for the photos that it is told to err on."""

    def __init__(self, run: Run, **others: list[float]) -> None:
        tables = [
            pd.read_csv(run.path / name) for name in ("fitted_predictions.csv", "predictions.csv") if run.has(name)
        ]
        known = pd.concat([tables[0], pd.read_csv(run.path / "test_predictions.csv")])
        rows = zip(known["image"], known[["prob_0", "prob_1", "prob_2"]].to_numpy().tolist(), strict=True)
        self.says = {
            (run.dataset_dir / image).read_bytes(): others.get(Path(image).stem, values) for image, values in rows
        }
        self.n_asked = 0

    def load(self, content: bytes) -> bytes:
        return content

    def predict(self, photos: list[bytes]) -> Any:
        self.n_asked += len(photos)
        return np.array([self.says[photo] for photo in photos], dtype=np.float32)


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[..., doctor.Check]:
    """Checks a run with a network in place of the saved one."""

    def check(run: Run, network: Network, n_photos: int = 64) -> doctor.Check:
        monkeypatch.setattr(checks, "load_classifier", lambda run: network)
        *_, last = all_checks(run, n_photos)
        assert last.name == NETWORK
        return last

    return check


def test_the_network_is_asked_about_photos_of_all_parts(run: Run, ask: Callable[..., doctor.Check]) -> None:
    network = Network(run)
    found = ask(run, network)
    assert (found.state, network.n_asked) == (PASSED, 9)
    assert found.detail.startswith("9 photos, the same class for 9, probabilities differ by")
    network = Network(run)
    assert ask(run, network, 4).state == PASSED and network.n_asked == 4


@pytest.mark.parametrize("says", [[0.9, 0.08, 0.02], [float("nan")] * 3])
def test_a_network_that_says_something_else_is_named(
    run: Run, ask: Callable[..., doctor.Check], says: list[float]
) -> None:
    found = ask(run, Network(run, y=says))
    assert found.state == FAILED
    assert found.detail.startswith("probabilities differ by more than 0.0001: test/y.jpg (by ")


def test_a_network_that_was_asked_in_16_bits_may_differ_a_little(run: Run, ask: Callable[..., doctor.Check]) -> None:
    network = Network(run, y=[0.31, 0.6, 0.09])
    assert ask(run, network).state == FAILED
    edit_info(run, precision={"name": "mixed_bfloat16"})
    assert ask(read_run(run.path), network).state == PASSED


def test_after_folds_the_network_is_held_against_what_it_says_of_all_photos(
    folds_run: Run, ask: Callable[..., doctor.Check]
) -> None:
    edit_cell(folds_run, "predictions.csv", 0, "prob_0", 0.5)
    assert ask(folds_run, Network(folds_run)).state == PASSED


def test_changed_photos_are_not_asked_about(run: Run, ask: Callable[..., doctor.Check]) -> None:
    network = Network(run)
    change_a_photo(run)
    assert ask(run, network).detail.endswith("; 1 more are gone or changed")


def test_a_network_that_cannot_be_loaded_is_named(run: Run) -> None:
    *_, last = all_checks(run)
    assert (last.name, last.state) == (NETWORK, FAILED)
    assert "to be a Keras model" in last.detail


def test_a_trained_run_passes_every_check(trained_run: Run) -> None:
    made = list(all_checks(trained_run))
    assert {check.name: check.detail for check in made if check.state == FAILED} == {}
    assert made[-1].state == PASSED


# --- the command, and what the dashboard asks ------------------------------------------------------------------------


def test_the_dashboard_asks_neither_the_photos_nor_the_network(run: Run) -> None:
    names = [check.name for check in quick_checks(run)]
    assert names == [check.name for check in all_checks(run, None)][:-2]
    change_a_photo(run)
    assert counts(quick_checks(run))[FAILED] == 0


def test_the_command_prints_each_check_and_how_many_hold(run: Run, capsys: Capture) -> None:
    assert main(["first", "--skip-model"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"passed   {END}: finished, 2026-01-02T03:04:05.000+00:00"
    assert lines[-2] == f"skipped  {NETWORK}: left out"
    assert lines[-1] == "first: 16 checks, 15 passed, 0 failed, 1 skipped"


def test_the_command_ends_with_2_where_a_check_fails(run: Run, capsys: Capture) -> None:
    metric("accuracy", 0.9)(run)
    assert main([str(run.path), "--skip-model"]) == 2
    assert f"failed   {SCORES}: accuracy is 0.9, computed anew 0.5" in capsys.readouterr().out


def test_another_process_makes_the_same_quick_checks(run: Run) -> None:
    metric("accuracy", 0.9)(run)
    assert quick_checks_elsewhere(run) == quick_checks(run)


def test_a_run_that_is_gone_has_one_failed_check(run: Run, tmp_path: Path) -> None:
    (check,) = quick_checks_elsewhere(replace(run, path=tmp_path / "gone"))
    assert (check.state, "found no" in check.detail) == (FAILED, True)


def test_what_tables_hold_does_nothing_to_the_terminal(run: Run, capsys: Capture) -> None:
    cell("submission.csv", 0, "Id", "\x1b[2Jx.jpg")(run)
    main(["first", "--skip-model"])
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-run"], "core.doctor: Expected RUN to be a run folder or the name of a run in"),
        (["x" * 300], "core.doctor: "),
        (["first", "--sample", "0"], "core.doctor: Expected --sample to be 1 or more; found 0."),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(run: Run, arguments: list[str], said: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(said)
