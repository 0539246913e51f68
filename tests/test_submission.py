import pandas as pd
import pytest

from core.intervals import wilson_interval
from core.runs import SUBMISSION_COLUMNS, Run, read_problems, read_samples, read_submission, read_test_predictions
from core.submission import Check, check_submission, class_mix, differences, unusable_test_images

NAMES = ("nobody", "everybody", "somebody")
SAMPLES = pd.DataFrame(
    {"image": ["training/1.jpg", "test/a.jpg", "test/b.jpg"], "folder": ["training", "test", "test"]}
)
TEST_PREDICTIONS = pd.DataFrame(
    {
        "image": ["test/a.jpg", "test/b.jpg", "test/c.jpg"],
        "predicted_label": [0, 2, 1],
        "confidence": [0.9, 0.5, float("nan")],  # The third cannot be read.
    }
)
HEADER, PHOTOS, CATEGORIES, PREDICTIONS, ORDER = range(5)


def submission(**categories: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"Id": [f"{name}.jpg" for name in categories], "Category": list(categories.values())},
        columns=list(SUBMISSION_COLUMNS),
    )


def checked(table: pd.DataFrame) -> list[Check]:
    return check_submission(table, SAMPLES, TEST_PREDICTIONS, NAMES, ["test/c.jpg"])


def unmet(table: pd.DataFrame) -> dict[int, str]:
    """The details of the checks that are not met, by their place."""
    return {place: check.detail for place, check in enumerate(checked(table)) if not check.is_met}


# --- the checks ------------------------------------------------------------------------------------------------------


def test_a_submission_that_can_be_handed_in_meets_every_check() -> None:
    assert checked(submission(a=0, b=2, c=1)) == [
        Check("The header is Id,Category", True, "found Id,Category"),
        Check("Every test photo once, and nothing else", True, "3 photos, of which 1 cannot be read: c.jpg"),
        Check("Categories are integers from 0 to 2", True, "0 nobody, 1 everybody, 2 somebody"),
        Check("The classes are those in test_predictions.csv", True, "3 alike"),
        Check("Sorted by name", True, "3 rows"),
    ]


def test_missing_foreign_and_repeated_photos_are_named() -> None:
    table = pd.concat([submission(a=0), submission(a=0, x=1)])
    assert unmet(table)[PHOTOS] == "missing: b.jpg, c.jpg; no test photos: x.jpg; repeated: a.jpg"


def test_of_many_photos_the_first_are_named() -> None:
    table = submission(a=0, b=2, c=1, p=0, q=0, r=0, s=0, t=0)
    assert unmet(table)[PHOTOS] == "no test photos: p.jpg, q.jpg, r.jpg and 2 more"


def test_a_photo_that_cannot_be_read_must_be_there_too() -> None:
    assert unmet(submission(a=0, b=2)) == {PHOTOS: "missing: c.jpg"}


@pytest.mark.parametrize("category", [3, -1])
def test_a_category_that_is_no_class_is_named(category: int) -> None:
    assert unmet(submission(a=0, b=2, c=category))[CATEGORIES] == f"found {category} for c.jpg"


@pytest.mark.parametrize("category", [0.5, float("nan"), "1", None])
def test_a_category_that_is_no_integer_is_named(category: object) -> None:
    table = submission(a=0, b=2, c=1).assign(Category=pd.Series([0, 2, category], dtype="object"))
    assert unmet(table)[CATEGORIES] == f"found {category} for c.jpg"


def test_another_class_than_the_predicted_one_is_named() -> None:
    assert unmet(submission(a=0, b=1, c=1)) == {PREDICTIONS: "other ones: b.jpg (1, predicted 2)"}


def test_a_photo_that_was_not_predicted_is_named() -> None:
    assert unmet(submission(a=0, b=2, c=1, x=1))[PREDICTIONS] == "other ones: x.jpg (1, predicted nothing)"


def test_rows_that_are_not_sorted_are_named() -> None:
    assert unmet(submission(a=0, c=1, b=2)) == {ORDER: "c.jpg stands before b.jpg"}


@pytest.mark.parametrize("columns", [["Category", "Id"], ["Id", "Category", "extra"]])
def test_another_header_is_named_and_the_rest_is_checked_all_the_same(columns: list[str]) -> None:
    table = submission(a=0, b=2, c=1).reindex(columns=columns)
    assert unmet(table) == {HEADER: f"found {','.join(columns)}"}
    assert len(checked(table)) == 5


def test_without_test_photos_an_empty_submission_is_right() -> None:
    checks = check_submission(submission(), SAMPLES.iloc[:1], TEST_PREDICTIONS.iloc[:0], NAMES, [])
    assert all(check.is_met for check in checks)


def test_an_empty_submission_misses_every_test_photo() -> None:
    assert unmet(submission()) == {PHOTOS: "missing: a.jpg, b.jpg, c.jpg"}


# --- test photos that cannot be read ---------------------------------------------------------------------------------


def test_test_photos_that_cannot_be_read_are_told_from_other_problems() -> None:
    problems = pd.DataFrame(
        [
            ("test/c.jpg", "truncated"),
            ("test/d.PNG", "not_a_photo"),
            ("test/readme.txt", "not_a_photo"),
            ("test/.hidden.jpg", "not_a_photo"),
            ("test/e.jpg", "duplicate"),
            ("test/f.jpg", "missing"),
            ("test/folder.jpg", "folder"),
            ("training/g.jpg", "truncated"),
        ],
        columns=["image", "kind"],
    )
    assert unusable_test_images(problems) == ["test/c.jpg", "test/d.PNG"]


def test_a_training_leaves_a_submission_that_can_be_handed_in(trained_run: Run) -> None:
    path, names = trained_run.path, trained_run.class_names
    unusable = unusable_test_images(read_problems(path / "problems.csv"))
    checks = check_submission(
        read_submission(path / "submission.csv"),
        read_samples(path / "samples.csv"),
        read_test_predictions(path / "test_predictions.csv", len(names)),
        names,
        unusable,
    )
    assert unusable == ["test/20001.jpg"]
    assert [check for check in checks if not check.is_met] == []


# --- what it says ----------------------------------------------------------------------------------------------------


def test_the_mix_of_classes_comes_with_intervals() -> None:
    mix = class_mix([0, 2, 2, 2], 3)
    assert mix[["label", "n_images", "share"]].to_numpy().tolist() == [[0, 1, 0.25], [1, 0, 0], [2, 3, 0.75]]
    intervals = list(zip(mix["share_low"], mix["share_high"], strict=True))
    assert intervals == [wilson_interval(1, 4), wilson_interval(0, 4), wilson_interval(3, 4)]


def test_missing_labels_do_not_count_in_the_mix() -> None:
    mix = class_mix(pd.Series([0, None, 1], dtype="Int64"), 2)
    assert mix["share"].tolist() == [0.5, 0.5]


def test_without_labels_there_is_no_mix() -> None:
    mix = class_mix([], 2)
    assert mix["n_images"].tolist() == [0, 0]
    assert mix[["share", "share_low", "share_high"]].isna().all(axis=None)


def test_two_submissions_differ_in_the_photos_that_they_classify_otherwise() -> None:
    found = differences(submission(a=0, b=2, c=1, d=1), submission(c=0, b=2, a=2, e=1, f=1))
    assert found.photos.to_numpy().tolist() == [["a.jpg", 0, 2], ["c.jpg", 1, 0]]
    assert list(found.photos.columns) == ["Id", "Category", "other"]
    assert (found.n_both, found.n_only_here, found.n_only_there) == (3, 1, 2)


def test_a_submission_does_not_differ_from_itself_in_another_order() -> None:
    found = differences(submission(a=0, b=2), submission(b=2, a=0))
    assert found.photos.empty
    assert (found.n_both, found.n_only_here, found.n_only_there) == (2, 0, 0)


def test_submissions_without_a_common_photo_have_nothing_to_compare() -> None:
    found = differences(submission(a=0), submission())
    assert found.photos.empty
    assert (found.n_both, found.n_only_here, found.n_only_there) == (0, 1, 0)
