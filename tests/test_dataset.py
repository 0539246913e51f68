import json
import os
from pathlib import Path

import pandas as pd
import pytest

from core import facts
from core.config import DEFAULT_CLASS_NAMES, MATRIX_CORNER
from core.dataset import Dataset, check_photos, count_by_kind, list_photos, natural_key
from core.errors import UserError
from core.facts import open_facts
from core.images import open_photo
from tests.conftest import (
    make_class_folders,
    make_dataset,
    make_photo,
    problem_kinds,
    read_dataset,
    set_label,
    write_labels,
)


def refusal(root: Path, class_names: tuple[str, ...] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        read_dataset(root, class_names)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the challenge's layout ------------------------------------------------------------------------------------------


def test_every_usable_photo_is_a_row(data: Path) -> None:
    dataset = read_dataset(data)
    samples = dataset.samples
    assert set(samples.columns) >= {"image", "folder", "label", "width", "height", "bytes", "sha256"}
    assert samples["image"].tolist() == [f"training/{10000 + n}.jpg" for n in range(9)] + [
        "test/20000.jpg",
        "test/20001.jpg",
    ]
    assert samples["folder"].tolist() == ["training"] * 9 + ["test"] * 2
    assert dataset.problems == ()
    assert dataset.class_names == DEFAULT_CLASS_NAMES


def test_labels_are_those_of_the_file_and_test_photos_have_none(data: Path) -> None:
    assert read_dataset(data).samples["label"].astype(object).tolist() == [0, 1, 2] * 3 + [pd.NA] * 2


def test_a_rows_measures_are_the_files(data: Path) -> None:
    row = read_dataset(data).samples.iloc[0]
    assert row["bytes"] == (data / "training" / "10000.jpg").stat().st_size
    assert 24 <= row["width"] <= 40 and 24 <= row["height"] <= 40
    assert len(row["sha256"]) == 64


def test_a_test_folder_is_not_needed(tmp_path: Path) -> None:
    assert set(read_dataset(make_dataset(tmp_path, n_test=0)).samples["folder"]) == {"training"}


def test_known_test_labels_are_kept_apart_from_the_samples(data: Path) -> None:
    (data / "test_gt.json").write_text('{"20000.jpg": 2}')
    dataset = read_dataset(data)
    assert dataset.test_labels == {"test/20000.jpg": 2}
    assert dataset.samples["label"].isna().sum() == 2


def test_labels_may_begin_with_a_byte_order_mark(data: Path) -> None:
    path = data / "train_gt.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert problem_kinds(data) == {}


def test_every_accepted_format_is_found_whatever_the_case_of_its_suffix(data: Path) -> None:
    for seed, suffix in enumerate(("jpeg", "PNG", "webp", "Bmp", "gif"), start=90):
        make_photo(data / "training" / f"photo.{suffix}", seed=seed)
        set_label(data, f"photo.{suffix}")
    assert problem_kinds(data) == {}
    assert len(read_dataset(data).samples) == 16


def test_progress_counts_every_listed_photo(data: Path) -> None:
    steps: list[int] = []
    check_photos(list_photos(data), steps.append)
    assert steps == [1] * 11


def test_a_photo_that_was_decoded_before_is_hashed_but_not_decoded_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check() -> Dataset:
        with open_facts(tmp_path / "cache") as cache:
            return check_photos(list_photos(data), cache=cache)

    decoded: list[bytes] = []

    def spying_open(content: bytes) -> object:
        decoded.append(content)
        return open_photo(content)

    monkeypatch.setattr(facts, "open_photo", spying_open)
    first = check()
    assert len(decoded) == 11
    second = check()
    assert len(decoded) == 11
    pd.testing.assert_frame_equal(second.samples, first.samples)
    make_photo(data / "training" / "10000.jpg", label=2, seed=77)
    changed = check()
    assert len(decoded) == 12
    assert changed.samples["sha256"].iloc[0] != first.samples["sha256"].iloc[0]


def test_a_photo_that_cannot_be_used_is_reported_every_time(data: Path, tmp_path: Path) -> None:
    (data / "training" / "10000.jpg").write_bytes(b"no photo")
    for _ in range(2):
        with open_facts(tmp_path / "cache") as cache:
            (problem,) = check_photos(list_photos(data), cache=cache).problems
        assert (problem.image, problem.kind) == ("training/10000.jpg", "not_a_photo")


# --- one folder per class --------------------------------------------------------------------------------------------


def test_class_folders_are_numbered_in_natural_order(tmp_path: Path) -> None:
    make_class_folders(tmp_path, ("class10", "class2", "class1"), per_class=2)
    dataset = read_dataset(tmp_path)
    assert dataset.class_names == ("class1", "class2", "class10")
    assert dict(zip(dataset.samples["image"], dataset.samples["label"], strict=True)) == {
        f"{name}/{n}.jpg": index for index, name in enumerate(dataset.class_names) for n in range(2)
    }


def test_class_names_may_put_the_folders_in_another_order(tmp_path: Path) -> None:
    make_class_folders(tmp_path, ("cat", "dog"))
    dataset = read_dataset(tmp_path, ("dog", "cat"))
    assert dataset.class_names == ("dog", "cat")
    assert set(dataset.samples.loc[dataset.samples["label"] == 0, "image"]) == {f"dog/{n}.jpg" for n in range(4)}


def test_class_names_must_be_the_folders(tmp_path: Path) -> None:
    make_class_folders(tmp_path, ("cat", "dog"))
    assert "cat, dog" in refusal(tmp_path, ("cat", "mouse"))


def test_a_test_folder_beside_class_folders_is_no_class(tmp_path: Path) -> None:
    make_class_folders(tmp_path, ("cat", "dog"))
    make_photo(tmp_path / "test" / "1.jpg", seed=999)
    (tmp_path / ".cache").mkdir()
    dataset = read_dataset(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.samples["folder"].tolist() == ["training"] * 8 + ["test"]


def test_faults_in_class_folders_are_problems(tmp_path: Path) -> None:
    make_class_folders(tmp_path, ("cat", "dog"))
    (tmp_path / "cat" / "0.jpg").write_bytes(b"")
    (tmp_path / "dog" / "notes.txt").write_text("")
    assert problem_kinds(tmp_path) == {"cat/0.jpg": "empty", "dog/notes.txt": "not_a_photo"}


@pytest.mark.parametrize(
    "in_order", [["photo1", "photo2", "photo10"], ["a9c", "a10b", "b"], ["2 x", "10 x", "x"], ["a", "a1", "ab"]]
)
def test_natural_order_counts_digits_as_numbers(in_order: list[str]) -> None:
    other_order = in_order[1:] + in_order[:1]
    assert sorted(other_order, key=natural_key) == in_order


# --- datasets that cannot be trained on ------------------------------------------------------------------------------


def test_no_folder_is_refused_with_what_to_do(tmp_path: Path) -> None:
    message = refusal(tmp_path / "absent")
    assert str(tmp_path / "absent") in message
    assert "--data" in message and "--demo" in message


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "train_gt.json" in refusal(tmp_path)


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    write_labels(tmp_path, {})
    assert f"Expected training photos in {tmp_path / 'training'}; found none" in refusal(tmp_path)


def test_missing_labels_are_refused(data: Path) -> None:
    (data / "train_gt.json").unlink()
    assert "there is no such file" in refusal(data)


@pytest.mark.parametrize(
    "content",
    [b"{", b"", b'{"a.jpg": 1,}', "{}".encode("utf-16"), b"[" * 100_000],
    ids=["cut off", "empty", "comma", "utf-16", "deep"],
)
def test_malformed_labels_are_refused(data: Path, content: bytes) -> None:
    (data / "train_gt.json").write_bytes(content)
    message = refusal(data)
    assert "train_gt.json" in message and "not valid JSON" in message


@pytest.mark.parametrize("content", ["[1, 2]", '[["10000.jpg", 1]]', "3", '"text"', "null"])
def test_labels_that_are_no_object_are_refused(data: Path, content: str) -> None:
    (data / "train_gt.json").write_text(content)
    assert 'to hold {"photo.jpg": class index, ...}; found' in refusal(data)


def test_a_dataset_without_a_readable_photo_is_refused(data: Path) -> None:
    for path in (data / "training").iterdir():
        path.write_bytes(b"")
    assert "found none (problems: 9 empty)" in refusal(data)


def test_a_class_with_one_usable_photo_is_refused_by_name(data: Path) -> None:
    for name in ("10001.jpg", "10004.jpg"):
        (data / "training" / name).write_bytes(b"")
    assert "found 1 of class 1 (everybody)" in refusal(data)


def test_two_copies_of_one_photo_are_not_two_photos(data: Path) -> None:
    first = (data / "training" / "10001.jpg").read_bytes()
    for name in ("10004.jpg", "10007.jpg"):
        (data / "training" / name).write_bytes(first)
    assert "found 1 of class 1 (everybody)" in refusal(data)


def test_more_class_names_than_classes_are_refused(data: Path) -> None:
    message = refusal(data, ("a", "b", "c", "d"))
    assert "found 0 of class 3 (d)" in message and "--class-names" in message


def test_fewer_class_names_than_classes_leave_photos_out(data: Path) -> None:
    dataset = read_dataset(data, ("a", "b"))
    assert {problem.kind for problem in dataset.problems} == {"bad_label"}
    assert "--class-names" in dataset.problems[0].detail
    assert set(dataset.samples["label"].dropna()) == {0, 1}


def test_one_folder_alone_is_no_dataset_of_classes(tmp_path: Path) -> None:
    make_class_folders(tmp_path, ("cat",))
    assert "one folder per class" in refusal(tmp_path)


def test_a_class_folder_that_is_not_unicode_is_refused(tmp_path: Path) -> None:
    make_class_folders(tmp_path, ("cat", "dog", os.fsdecode(b"\xff")))
    assert "names in Unicode" in refusal(tmp_path)


def test_a_class_folder_that_is_called_as_the_corner_of_the_confusion_matrix_is_refused(tmp_path: Path) -> None:
    make_class_folders(tmp_path, ("cat", "dog", MATRIX_CORNER))
    message = f"Expected no folder of the name '{MATRIX_CORNER}' in {tmp_path}; found one. Rename it."
    assert refusal(tmp_path) == message


# --- real photos -----------------------------------------------------------------------------------------------------


def test_the_real_photos_are_read_without_a_fault(real_data: Path) -> None:
    dataset = read_dataset(real_data)
    labels = json.loads((real_data / "train_gt.json").read_text())
    training = dataset.samples[dataset.samples["folder"] == "training"]
    assert dict(zip(training["image"], training["label"], strict=True)) == {
        f"training/{name}": index for name, index in labels.items()
    }
    assert set(count_by_kind(dataset.problems)) <= {
        "duplicate",
        "near_duplicate",
        "conflicting_labels",
        "in_training",
    }
