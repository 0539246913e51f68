from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.reviews import NOTE, RELABEL, Decision
from core.runs import RunError, read_predictions, read_problems, read_samples, read_test_predictions
from dashboard.photos import NO_LABEL, is_right, is_wrong, photo_table, with_decisions, with_original_labels
from tests.handwritten import CLASS_NAMES, write_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "runs", tmp_path / "data").path


def table_of(folder: Path) -> pd.DataFrame:
    photos = photo_table(
        read_samples(folder / "samples.csv"),
        read_problems(folder / "problems.csv"),
        3,
        read_predictions(folder / "predictions.csv", 3),
        read_test_predictions(folder / "test_predictions.csv", 3),
    )
    return photos.set_index("image", drop=False)


def test_a_held_out_photo_has_label_prediction_and_facts(folder: Path) -> None:
    photo = table_of(folder).loc["training/b.jpg"]
    assert (photo["name"], photo["split"], photo["fold"]) == ("b.jpg", "val", -1)
    assert (photo["true_label"], photo["predicted_label"]) == (0, 1)
    assert (photo["confidence"], photo["loss"]) == (0.6, 1.203973)
    assert photo["margin"] == pytest.approx(0.3)
    assert (photo["width"], photo["height"], photo["bytes"]) == (30, 20, 900)
    assert (photo["problem"], photo["detail"]) == ("", "")


def test_a_test_photo_has_a_prediction_and_no_label(folder: Path) -> None:
    photo = table_of(folder).loc["test/x.jpg"]
    assert (photo["split"], photo["true_label"], photo["predicted_label"]) == ("test", NO_LABEL, 0)
    assert np.isnan(photo["loss"])


def test_a_file_that_was_left_out_has_its_problem_only(folder: Path) -> None:
    photo = table_of(folder).loc["training/z.jpg"]
    assert (photo["split"], photo["true_label"], photo["predicted_label"]) == ("left_out", NO_LABEL, NO_LABEL)
    assert (photo["problem"], photo["detail"]) == ("truncated", "the file ends too early")
    assert np.isnan(photo["width"])


def test_all_problems_of_a_photo_that_was_used_stand_beside_it(folder: Path) -> None:
    lines = "image,kind,detail\ntraining/a.jpg,duplicate,as b\ntraining/a.jpg,case_conflict,A.jpg\n"
    (folder / "problems.csv").write_text(lines)
    photo = table_of(folder).loc["training/a.jpg"]
    assert (photo["problem"], photo["detail"]) == ("duplicate case_conflict", "as b; A.jpg")
    assert photo["split"] == "val"


def test_a_problem_may_have_no_detail(folder: Path) -> None:
    lines = "image,kind,detail\ntraining/a.jpg,duplicate,\ntraining/a.jpg,case_conflict,A.jpg\ntraining/z.jpg,empty,\n"
    (folder / "problems.csv").write_text(lines)
    photos = table_of(folder).loc[["training/a.jpg", "training/z.jpg"]]
    assert photos[["problem", "detail"]].to_numpy().tolist() == [["duplicate case_conflict", "A.jpg"], ["empty", ""]]


def test_right_and_wrong_are_said_of_photos_with_label_and_prediction_only(folder: Path) -> None:
    photos = table_of(folder)
    assert "".join(photos.loc[is_right(photos), "name"].str[0]) == "aceg"
    assert "".join(photos.loc[is_wrong(photos), "name"].str[0]) == "bdf"


def test_before_there_are_predictions_the_split_is_not_known(folder: Path) -> None:
    photos = photo_table(read_samples(folder / "samples.csv"), read_problems(folder / "problems.csv"), 3)
    assert set(photos["split"]) == {"unknown", "test", "left_out"}
    assert (photos["predicted_label"] == NO_LABEL).all()
    assert photos[["confidence", "margin", "loss", "prob_0"]].isna().all(axis=None)


def test_photos_stand_in_the_order_of_their_names(folder: Path) -> None:
    assert "".join(table_of(folder)["name"].str[0]) == "xyabcdefgz"


def test_predictions_of_photos_that_are_no_samples_are_a_fault(folder: Path) -> None:
    table = folder / "predictions.csv"
    table.write_text(table.read_text().replace("training/b.jpg", "training/other.jpg"))
    with pytest.raises(RunError, match=r"expected photos of samples.csv; found 1 others, first training/other.jpg"):
        table_of(folder)


def test_a_photo_that_is_both_held_out_and_tested_is_a_fault(folder: Path) -> None:
    table = folder / "test_predictions.csv"
    table.write_text(table.read_text().replace("test/x.jpg", "training/a.jpg"))
    with pytest.raises(RunError, match="found some in both"):
        table_of(folder)


@pytest.mark.parametrize("column", ["label", "original_label"])
@pytest.mark.parametrize("label", [9, -2])
def test_a_label_that_is_no_class_is_a_fault(folder: Path, column: str, label: int) -> None:
    samples = read_samples(folder / "samples.csv")
    samples.loc[0, column] = label
    samples.to_csv(folder / "samples.csv", index=False)
    with pytest.raises(RunError, match=f"samples.csv: expected 0 to 2 as {column}, found {label}"):
        table_of(folder)


# --- reviews ---------------------------------------------------------------------------------------------------------


def decision(image: str, sha256: str, action: str, label: int | None = None, note: str = "") -> Decision:
    return Decision(sha256, image, action, label, None, note, last="some id")


def test_decisions_stand_beside_the_photos_with_that_content(folder: Path) -> None:
    b, c, left_out = f"{1:064x}", f"{2:064x}", 64 * "f"
    decisions = {
        b: decision("elsewhere.jpg", b, RELABEL, 2),
        c: decision("training/c.jpg", c, NOTE, note="hm"),
        left_out: decision("training/z.jpg", left_out, RELABEL, 1),
    }
    photos = with_decisions(table_of(folder), decisions, {"training/z.jpg": left_out}, CLASS_NAMES)
    images = [f"training/{letter}.jpg" for letter in "abcz"]
    assert photos.loc[images, ["review", "review_class", "note"]].to_numpy().tolist() == [
        ["", "", ""],
        ["relabel", "somebody", ""],
        ["", "", "hm"],
        ["relabel", "everybody", ""],
    ]


def test_under_the_original_labels_a_relabelled_photo_has_its_old_label_and_the_loss_by_that(folder: Path) -> None:
    table = folder / "samples.csv"
    samples = pd.read_csv(table, dtype=str)
    samples["original_label"] = samples["label"]
    samples.loc[samples["image"] == "training/b.jpg", "original_label"] = "2"
    samples.to_csv(table, index=False)
    photos = table_of(folder)
    original = with_original_labels(photos, 3)
    assert photos.index[photos["is_relabelled"]].tolist() == ["training/b.jpg"]
    assert (photos.loc["training/b.jpg", "true_label"], original.loc["training/b.jpg", "true_label"]) == (0, 2)
    assert original.loc["training/b.jpg", "loss"] == pytest.approx(-np.log(0.1))
    others = photos.index != "training/b.jpg"
    pd.testing.assert_frame_equal(photos[others], original[others])
