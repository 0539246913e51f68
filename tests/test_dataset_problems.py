"""Every fault of a single file is a problem with the file's name, and the other photos are used."""

import os
from pathlib import Path

import pytest
from PIL import Image

from core.dataset import Problem, check_photos, count_by_kind, list_photos
from core.errors import UserError
from tests.conftest import make_photo, problem_kinds, read_dataset, set_label


def test_a_photo_that_is_labelled_but_absent_is_missing(data: Path) -> None:
    set_label(data, "absent.jpg")
    assert problem_kinds(data) == {"training/absent.jpg": "missing"}


def test_a_photo_without_a_label_is_left_out(data: Path) -> None:
    make_photo(data / "training" / "new.jpg", seed=99)
    assert problem_kinds(data) == {"training/new.jpg": "unlabelled"}
    assert "training/new.jpg" not in set(read_dataset(data).samples["image"])


@pytest.mark.parametrize("value", ['"1"', "1.0", "true", "null", "3", "-1", "[1]", '{"a": 1}', "NaN"])
def test_a_label_that_is_no_class_index_is_a_problem(data: Path, value: str) -> None:
    make_photo(data / "training" / "new.jpg", seed=99)
    text = (data / "train_gt.json").read_text()
    (data / "train_gt.json").write_text(text.replace("{", f'{{"new.jpg": {value}, ', 1))
    assert problem_kinds(data) == {"training/new.jpg": "bad_label"}
    assert "training/new.jpg" not in set(read_dataset(data).samples["image"])


def test_a_bad_label_says_what_was_expected_and_found(data: Path) -> None:
    set_label(data, "10000.jpg", "one")
    assert read_dataset(data).problems == (
        Problem("training/10000.jpg", "bad_label", 'expected an integer from 0 to 2, found "one"'),
    )


def test_a_photo_labelled_twice_differently_is_left_out(data: Path) -> None:
    text = (data / "train_gt.json").read_text()
    (data / "train_gt.json").write_text(text.replace("{", '{"10000.jpg": 2, ', 1))
    assert read_dataset(data).problems == (Problem("training/10000.jpg", "label_conflict", "labelled 2 and 0"),)
    assert len(read_dataset(data).samples) == 10


def test_a_photo_labelled_twice_alike_is_fine(data: Path) -> None:
    text = (data / "train_gt.json").read_text()
    (data / "train_gt.json").write_text(text.replace("{", '{"10000.jpg": 0, ', 1))
    assert problem_kinds(data) == {}


@pytest.mark.parametrize(
    ("content", "kind"), [(b"", "empty"), (b"plain text", "not_a_photo"), (None, "truncated")], ids=str
)
def test_a_photo_that_cannot_be_decoded_is_left_out(data: Path, content: bytes | None, kind: str) -> None:
    path = data / "training" / "10000.jpg"
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    assert problem_kinds(data) == {"training/10000.jpg": kind}
    assert len(read_dataset(data).samples) == 10


def test_a_file_that_is_no_photo_by_its_name_is_a_problem(data: Path) -> None:
    (data / "training" / "notes.txt").write_text("buy milk")
    assert problem_kinds(data) == {"training/notes.txt": "not_a_photo"}


def test_a_hidden_file_is_a_problem(data: Path) -> None:
    make_photo(data / "training" / ".10000.jpg")
    assert problem_kinds(data) == {"training/.10000.jpg": "not_a_photo"}


def test_what_operating_systems_leave_is_passed_over(data: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (data / "training" / name).write_text("")
    assert problem_kinds(data) == {}


def test_a_folder_among_photos_is_a_problem(data: Path) -> None:
    make_photo(data / "training" / "more" / "photo.jpg", seed=99)
    (data / "test" / "folder.jpg").mkdir()
    assert problem_kinds(data) == {"training/more": "folder", "test/folder.jpg": "folder"}
    assert read_dataset(data).unusable_test == ()


def test_a_link_to_nothing_is_unreadable(data: Path) -> None:
    (data / "training" / "link.jpg").symlink_to("nothing.jpg")
    set_label(data, "link.jpg")
    assert problem_kinds(data) == {"training/link.jpg": "unreadable"}


def test_a_name_that_is_not_unicode_is_reported_readably(data: Path) -> None:
    name = os.fsdecode(b"\xff.jpg")
    make_photo(data / "training" / "new.jpg", seed=99).rename(data / "training" / name)
    set_label(data, name)  # As json.dump(os.listdir()) writes it.
    assert problem_kinds(data) == {"training/\\xff.jpg": "bad_name"}


@pytest.mark.parametrize(
    "name", ["a\rb.jpg", "a\nb.jpg", "a\x1b[31mb.jpg", "a\x9bb.jpg", "a\u2028b.jpg", "a\u202egpj.jpg"]
)
def test_a_name_with_control_characters_is_reported_readably(data: Path, name: str) -> None:
    make_photo(data / "training" / name, seed=99)
    set_label(data, name)
    ((image, kind),) = problem_kinds(data).items()
    assert (kind, image.isprintable()) == ("bad_name", True)


def test_a_label_with_such_a_name_is_a_problem_too(data: Path) -> None:
    set_label(data, "\ud800.jpg")
    assert problem_kinds(data) == {"training/\\ud800.jpg": "bad_name"}


def test_files_whose_names_differ_in_such_characters_only_are_each_named(data: Path) -> None:
    for name in ("a\nb.jpg", "a\rb.jpg"):
        make_photo(data / "training" / name, seed=99)
    assert problem_kinds(data) == {"training/a\\x0ab.jpg": "bad_name", "training/a\\x0db.jpg": "bad_name"}


def test_a_link_that_leads_out_of_the_dataset_is_not_followed(data: Path, tmp_path: Path) -> None:
    make_photo(tmp_path / "private.jpg", seed=99)
    (data / "training" / "link.jpg").symlink_to(tmp_path / "private.jpg")
    (data / "training" / "up.jpg").symlink_to("../../private.jpg")
    (data / "test" / "20000.jpg").unlink()
    (data / "test" / "20000.jpg").symlink_to(tmp_path / "private.jpg")
    set_label(data, "link.jpg")
    dataset = read_dataset(data)
    assert {problem.image: problem.kind for problem in dataset.problems} == {
        "training/link.jpg": "outside",
        "training/up.jpg": "outside",
        "test/20000.jpg": "outside",
    }
    assert len(dataset.samples) == 10


def test_links_within_the_dataset_and_to_the_whole_of_it_are_followed(data: Path, tmp_path: Path) -> None:
    (data / "training" / "link.jpg").symlink_to("10000.jpg")
    set_label(data, "link.jpg", 0)
    (tmp_path / "linked").symlink_to(data)
    assert problem_kinds(tmp_path / "linked") == {"training/link.jpg": "duplicate"}


def test_a_folder_of_photos_that_is_a_link_to_elsewhere_is_one_line(data: Path, tmp_path: Path) -> None:
    (data / "training").rename(tmp_path / "elsewhere")
    (data / "training").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="a link that leads out of it"):
        list_photos(data)


def test_links_in_a_circle_are_unreadable(data: Path) -> None:
    (data / "training" / "a.jpg").symlink_to("b.jpg")
    (data / "training" / "b.jpg").symlink_to("a.jpg")
    for name in ("a.jpg", "b.jpg"):
        set_label(data, name)
    assert problem_kinds(data) == {"training/a.jpg": "unreadable", "training/b.jpg": "unreadable"}


def test_names_that_differ_in_case_only_are_reported_but_used(data: Path) -> None:
    make_photo(data / "training" / "10000.JPG", seed=99)
    set_label(data, "10000.JPG")
    assert problem_kinds(data) == {"training/10000.jpg": "case_conflict"}
    assert len(read_dataset(data).samples) == 12


def test_a_label_matches_its_photo_in_case(data: Path) -> None:
    (data / "training" / "10000.jpg").rename(data / "training" / "10000.JPG")
    assert problem_kinds(data) == {"training/10000.jpg": "missing", "training/10000.JPG": "unlabelled"}


def test_a_copy_is_reported_but_used(data: Path) -> None:
    (data / "training" / "copy.jpg").write_bytes((data / "training" / "10000.jpg").read_bytes())
    set_label(data, "copy.jpg", 0)
    assert read_dataset(data).problems == (Problem("training/copy.jpg", "duplicate", "as training/10000.jpg"),)
    assert len(read_dataset(data).samples) == 12


def test_a_copy_with_another_label_says_so(data: Path) -> None:
    (data / "training" / "copy.jpg").write_bytes((data / "training" / "10000.jpg").read_bytes())
    set_label(data, "copy.jpg", 2)
    assert read_dataset(data).problems == (
        Problem("training/copy.jpg", "duplicate", "as training/10000.jpg, but labelled 2 and there 0"),
        Problem("training/10000.jpg", "conflicting_labels", "labelled 0, near-identical photos 2"),
        Problem("training/copy.jpg", "conflicting_labels", "labelled 2, near-identical photos 0"),
    )


def test_a_test_photo_that_is_a_training_photo_too_is_named_as_both(data: Path) -> None:
    (data / "test" / "20000.jpg").write_bytes((data / "training" / "10000.jpg").read_bytes())
    assert read_dataset(data).problems == (
        Problem("test/20000.jpg", "duplicate", "as training/10000.jpg"),
        Problem("test/20000.jpg", "in_training", "like training/10000.jpg"),
    )


def save_again(path: Path, to: Path, quality: int = 50) -> None:
    Image.open(path).save(to, quality=quality)


def test_a_photo_saved_again_is_in_the_group_of_the_first(data: Path) -> None:
    save_again(data / "training" / "10000.jpg", data / "training" / "again.jpg")
    set_label(data, "again.jpg", 0)
    dataset = read_dataset(data)
    assert dataset.problems == (Problem("training/again.jpg", "near_duplicate", "like training/10000.jpg"),)
    groups = dataset.samples.set_index("image")["group"]
    assert groups["training/again.jpg"] == groups["training/10000.jpg"]
    assert groups.nunique() == len(groups) - 1


def test_each_photo_of_a_group_with_several_labels_is_named_with_the_others(data: Path) -> None:
    for label, quality in ((1, 60), (2, 70)):
        save_again(data / "training" / "10000.jpg", data / "training" / f"again{label}.jpg", quality)
        set_label(data, f"again{label}.jpg", label)
    found = [problem for problem in read_dataset(data).problems if problem.kind == "conflicting_labels"]
    assert [(problem.image, problem.detail) for problem in found] == [
        ("training/10000.jpg", "labelled 0, near-identical photos 1 and 2"),
        ("training/again1.jpg", "labelled 1, near-identical photos 0 and 2"),
        ("training/again2.jpg", "labelled 2, near-identical photos 0 and 1"),
    ]


def test_a_test_photo_that_is_like_a_training_photo_is_named(data: Path) -> None:
    save_again(data / "training" / "10000.jpg", data / "test" / "20000.jpg")
    save_again(data / "test" / "20001.jpg", data / "test" / "20002.jpg")
    assert read_dataset(data).problems == (
        Problem("test/20000.jpg", "in_training", "like training/10000.jpg"),
        Problem("test/20000.jpg", "near_duplicate", "like training/10000.jpg"),
        Problem("test/20002.jpg", "near_duplicate", "like test/20001.jpg"),
    )


def test_an_unreadable_test_photo_is_kept_in_mind_for_the_submission(data: Path) -> None:
    (data / "test" / "20001.jpg").write_bytes(b"")
    dataset = read_dataset(data)
    assert dataset.unusable_test == ("test/20001.jpg",)
    assert [problem.kind for problem in dataset.problems] == ["empty"]


def test_faults_of_the_test_labels_are_problems(data: Path) -> None:
    (data / "test_gt.json").write_text('{"20000.jpg": 7, "20009.jpg": 1}')
    assert problem_kinds(data) == {"test/20000.jpg": "unscored", "test/20009.jpg": "missing"}


def test_a_bad_label_of_a_test_photo_that_is_not_there_is_a_missing_photo(data: Path) -> None:
    (data / "test_gt.json").write_text('{"20009.jpg": 7}')
    assert read_dataset(data).problems == (Problem("test/20009.jpg", "missing", "no such file"),)


def test_problems_are_counted_most_frequent_first() -> None:
    problems = [Problem("a", "empty", ""), Problem("b", "missing", ""), Problem("c", "missing", "")]
    assert list(count_by_kind(problems).items()) == [("missing", 2), ("empty", 1)]


def test_a_photo_outside_the_folders_is_named(data: Path) -> None:
    make_photo(data / "loose.jpg")
    assert problem_kinds(data) == {"loose.jpg": "loose"}


def test_a_bad_label_of_a_test_photo_leaves_it_in(data: Path) -> None:
    (data / "test_gt.json").write_text('{"20000.jpg": 9, "20001.jpg": 1}')
    assert problem_kinds(data) == {"test/20000.jpg": "unscored"}
    dataset = read_dataset(data)
    assert "test/20000.jpg" in set(dataset.samples["image"])
    assert dataset.test_labels == {"test/20001.jpg": 1}


def test_a_very_long_label_is_shortened(data: Path) -> None:
    set_label(data, "10000.jpg", 10**400)
    (problem,) = check_photos(list_photos(data)).problems
    assert len(problem.detail) < 200


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_a_named_pipe_in_the_place_of_the_labels_is_not_waited_for(data: Path) -> None:
    (data / "train_gt.json").unlink()
    os.mkfifo(data / "train_gt.json")
    with pytest.raises(UserError, match="it is no file"):
        list_photos(data)
