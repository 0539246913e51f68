import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.config import PROJECT_DIR
from core.errors import UserError
from core.reviews import (
    EXCLUDE,
    NOTE,
    RELABEL,
    UNDO,
    UNSURE,
    Applied,
    Followed,
    Review,
    append_reviews,
    apply_reviews,
    corrected_labels,
    corrections,
    current_decisions,
    followed,
    read_reviews,
    review_states,
    reviews_info,
    reviews_text,
    with_excluded,
)

CLASS_NAMES = ("nobody", "everybody", "somebody")


def sha256(letter: str) -> str:
    return hashlib.sha256(letter.encode()).hexdigest()


def review(letter: str, action: str, label: int | None = None, **values: Any) -> Review:
    """A review of the photo with that letter; its id is the letter and what was done."""
    name = dict(enumerate(CLASS_NAMES)).get(-1 if label is None else label)
    fields: dict[str, Any] = {"label": label, "class_name": name, "id": f"{letter}-{action}"}
    return Review(sha256(letter), f"training/{letter}.jpg", action, **fields | values)


def samples(labels: dict[str, int | None]) -> pd.DataFrame:
    """Photos by letter, all of different content; without a label a test photo."""
    return pd.DataFrame(
        {
            "image": [f"{'test' if label is None else 'training'}/{letter}.jpg" for letter, label in labels.items()],
            "folder": ["test" if label is None else "training" for label in labels.values()],
            "label": pd.array(list(labels.values()), dtype="Int64"),
            "original_label": pd.array(list(labels.values()), dtype="Int64"),
            "sha256": [sha256(letter) for letter in labels],
        }
    )


def applied(labels: dict[str, int | None], reviews: Sequence[Review]) -> Applied:
    return apply_reviews(samples(labels), current_decisions(reviews), CLASS_NAMES)


def labels_of(mended: Applied) -> list[int]:
    return mended.samples["label"].dropna().tolist()


# --- the log ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "reviews.jsonl"


def test_what_was_written_is_read_again(log: Path) -> None:
    reviews = (
        review("a", RELABEL, 2),
        review("b", EXCLUDE, note="two photos in one: «é» 😷\nsecond line"),
        review("c", UNSURE),
        review("a", NOTE, note="hm"),
        review("a", UNDO, undoes="a-note"),
    )
    append_reviews(log, reviews[:2])
    append_reviews(log, reviews[2:])
    found = read_reviews(log)
    assert (found.reviews, found.faults) == (reviews, ())
    assert found.sha256 == hashlib.sha256(log.read_bytes()).hexdigest()


def test_a_line_is_an_object_that_says_when_what_and_of_which_photo(log: Path) -> None:
    append_reviews(log, [review("a", RELABEL, 1, time="2026-01-02T03:04:05.000+00:00")])
    assert json.loads(log.read_text()) == {
        "time": "2026-01-02T03:04:05.000+00:00",
        "sha256": sha256("a"),
        "image": "training/a.jpg",
        "action": "relabel",
        "label": 1,
        "class_name": "everybody",
        "id": "a-relabel",
    }


def test_a_line_that_is_there_is_never_changed(log: Path) -> None:
    append_reviews(log, [review("a", RELABEL, 1)])
    first = log.read_bytes()
    append_reviews(log, [review("a", UNDO, undoes="a-relabel")])
    assert log.read_bytes().startswith(first)


def test_processes_that_write_at_once_lose_nothing(log: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from core.reviews import Review, append_reviews\n"
        "for n in range(25): append_reviews(Path(sys.argv[1]), [Review(64 * '0', 'a.jpg', 'unsure', note=900 * 'x')])"
    )
    command = [sys.executable, "-c", program, str(log)]
    writers = [subprocess.Popen(command, cwd=PROJECT_DIR) for _ in range(3)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    found = read_reviews(log)
    assert (len(found.reviews), found.faults) == (75, ())


def test_a_half_written_line_is_told_and_the_next_one_begins_on_its_own(log: Path) -> None:
    append_reviews(log, [review("a", UNSURE)])
    with log.open("a") as file:
        file.write('{"time": "2026-')
    (fault,) = read_reviews(log).faults
    assert (fault.line, fault.found.startswith("half-written")) == (2, True)
    append_reviews(log, [review("b", UNSURE)])
    found = read_reviews(log)
    assert [each.id for each in found.reviews] == ["a-unsure", "b-unsure"]
    assert [each.line for each in found.faults] == [2]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sha256": "abc"}, "no sha256 but 'abc'"),
        ({"action": "delete"}, "no action of relabel, exclude"),
        ({"action": "relabel"}, "a relabel without a label"),
        ({"action": "relabel", "label": True}, "no class index but True"),
        ({"action": "relabel", "label": -1}, "no class index but -1"),
        ({"image": "a\nb.jpg"}, "no name under 'image'"),
        ({"note": 3}, "no text under 'note'"),
        ({"time": "yesterday"}, "Invalid isoformat string"),
    ],
)
def test_a_line_that_means_nothing_is_told_with_its_number(log: Path, change: dict[str, Any], expected: str) -> None:
    log.parent.mkdir()
    valid = {"time": "2026-01-02T03:04:05", "sha256": sha256("a"), "image": "a.jpg", "action": "unsure"}
    log.write_text("\n".join(map(json.dumps, [valid, valid | change, valid | {"image": "b.jpg"}])) + "\n")
    found = read_reviews(log)
    assert [each.image for each in found.reviews] == ["a.jpg", "b.jpg"]
    (fault,) = found.faults
    assert fault.line == 2 and expected in fault.found


@pytest.mark.parametrize("content", [b"[]\n", b"\xff\xfe\n", b"null\n", b'{"a": NaN}\n', b"[" * 5000 + b"\n"])
def test_any_content_can_be_read(log: Path, content: bytes) -> None:
    log.parent.mkdir()
    log.write_bytes(content)
    found = read_reviews(log)
    assert (found.reviews, len(found.faults)) == ((), 1)


def test_a_line_that_comes_twice_counts_once(log: Path) -> None:
    append_reviews(log, [review("a", UNSURE)] * 2)
    found = read_reviews(log)
    assert (len(found.reviews), [fault.line for fault in found.faults]) == (1, [2])


def test_no_log_is_told_with_what_to_do(log: Path) -> None:
    with pytest.raises(UserError, match=r"Expected a log of reviews, .*; there is no such file. The dashboard writes"):
        read_reviews(log)


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "reviews.jsonl").mkdir()
    with pytest.raises(UserError, match=r"Expected to add a review to .* It is not saved"):
        append_reviews(tmp_path / "reviews.jsonl", [review("a", UNSURE)])


# --- what stands -----------------------------------------------------------------------------------------------------


def test_the_last_decision_counts_and_a_note_stands_beside_it() -> None:
    reviews = [review("a", RELABEL, 1), review("a", NOTE, note="masks on chins"), review("a", EXCLUDE)]
    decision = current_decisions(reviews)[sha256("a")]
    assert (decision.action, decision.label, decision.note) == (EXCLUDE, None, "masks on chins")
    assert review_states(reviews) == ["replaced", "in force", "in force"]


def test_an_undo_takes_back_what_it_names_and_the_one_before_counts_again() -> None:
    reviews = [review("a", RELABEL, 1), review("a", EXCLUDE), review("a", UNDO, undoes="a-exclude")]
    assert current_decisions(reviews)[sha256("a")].action == RELABEL
    assert review_states(reviews) == ["in force", "undone", "undo"]
    everything = [*reviews, review("a", UNDO, undoes="a-relabel", id="again")]
    assert current_decisions(everything) == {}


def test_an_undo_of_one_tab_leaves_what_another_decided_meanwhile() -> None:
    reviews = [
        review("a", RELABEL, 1, id="here"),
        review("a", RELABEL, 2, id="there"),
        review("a", UNDO, undoes="here"),
    ]
    assert current_decisions(reviews)[sha256("a")].label == 2


def test_an_empty_note_takes_the_note_away() -> None:
    reviews = [review("a", NOTE, note="hm", id="first"), review("a", NOTE, id="second")]
    assert current_decisions(reviews) == {}


# --- what that makes of a dataset ------------------------------------------------------------------------------------


def test_decisions_are_followed_and_the_labels_before_them_kept() -> None:
    labels = {"a": 0, "b": 1, "c": 2, "d": 0, "e": 1, "x": None}
    reviews = [
        review("a", RELABEL, 1), review("b", RELABEL, 1), review("c", EXCLUDE, note="no photo\nat all"),
        review("d", UNSURE), review("e", NOTE, note="hm"),
    ]  # fmt: skip
    mended = applied(labels, reviews)
    assert labels_of(mended) == [1, 1, 2, 0, 1]
    assert mended.samples["original_label"].dropna().tolist() == [0, 1, 2, 0, 1]
    assert mended.is_excluded.tolist() == [False, False, True, False, False, False]
    (problem,) = mended.problems
    assert (problem.image, problem.kind, problem.detail) == (
        "training/c.jpg", "excluded", "by a review: no photo at all",
    )  # fmt: skip
    expected = {"relabelled": 1, "confirmed": 1, "excluded": 1, "unsure": 1, "noted": 2, "not_applied": 0}
    assert mended.counts == expected
    assert reviews_text(mended) == (
        "Reviews: 1 photos relabelled, 1 excluded, 1 confirmed; 1 unsure, which keep their label"
    )


def test_a_decision_belongs_to_the_content_under_any_name() -> None:
    table = samples({"a": 0, "b": 0})
    table["image"] = ["training/renamed.jpg", "training/copy.jpg"]
    table["sha256"] = sha256("a")
    mended = apply_reviews(table, current_decisions([review("a", RELABEL, 2)]), CLASS_NAMES)
    assert (labels_of(mended), mended.counts["relabelled"]) == ([2, 2], 2)


def test_a_class_is_meant_by_its_name_and_by_its_index_where_there_is_none() -> None:
    reviews = [review("a", RELABEL, 0, class_name="somebody"), review("b", RELABEL, 1, class_name=None)]
    assert labels_of(applied({"a": 1, "b": 0}, reviews)) == [2, 1]


def test_decisions_that_mean_nothing_for_a_dataset_are_told() -> None:
    reviews = [
        review("a", RELABEL, 0, class_name="cat"), review("b", RELABEL, 7, class_name=None), review("x", EXCLUDE),
        review("gone", UNSURE),
    ]  # fmt: skip
    mended = applied({"a": 1, "b": 1, "x": None}, reviews)
    assert labels_of(mended) == [1, 1]
    assert [each.reason for each in mended.not_applied] == [
        "no class of the dataset is called cat",
        "the dataset has no class 7",
        "a test photo, which has no label",
        "not among the labelled photos of the dataset",
    ]
    assert reviews_text(mended).endswith("; 4 decisions mean nothing here")


def test_a_run_tells_the_log_it_was_trained_with(log: Path) -> None:
    append_reviews(log, [review("a", RELABEL, 1)])
    found = read_reviews(log)
    info = reviews_info(log, found, applied({"a": 0}, found.reviews))
    assert info == {
        "path": str(log), "sha256": hashlib.sha256(log.read_bytes()).hexdigest(), "n_faults": 0, "n_relabelled": 1,
        "n_confirmed": 0, "n_excluded": 0, "n_unsure": 0, "n_noted": 0, "n_not_applied": 0,
    }  # fmt: skip


def test_a_runs_tables_tell_what_reviews_changed() -> None:
    mended = applied({"a": 0, "b": 1, "c": 2, "x": None}, [review("a", RELABEL, 1), review("c", EXCLUDE)])
    problems = pd.DataFrame([vars(each) for each in mended.problems])
    assert followed(mended.samples[~mended.is_excluded], problems) == Followed(n_relabelled=1, n_excluded=1)


# --- back to the dataset ---------------------------------------------------------------------------------------------


def test_the_corrected_label_file_says_of_other_photos_what_it_said() -> None:
    mended = applied({"a": 0, "b": 1, "c": 2}, [review("a", RELABEL, 2), review("b", EXCLUDE)])
    values: dict[str, list[object]] = {
        "a.jpg": [0],
        "absent.jpg": ["cat"],
        "b.jpg": [1],
        "twice.jpg": [1, 2],
        "c.jpg": [2],
    }
    assert corrected_labels(values, mended) == (
        '{\n "a.jpg": 2,\n "absent.jpg": "cat",\n "twice.jpg": 1,\n "twice.jpg": 2,\n "c.jpg": 2\n}\n'
    )


def test_corrections_name_the_photos_that_belong_elsewhere() -> None:
    reviews = [review("a", RELABEL, 2), review("b", EXCLUDE), review("c", RELABEL, 2)]
    assert corrections(applied({"a": 0, "b": 1, "c": 2}, reviews), CLASS_NAMES).to_numpy().tolist() == [
        ["training/a.jpg", "nobody", "somebody"],
        ["training/b.jpg", "everybody", ""],
    ]


def run_that_left_out(letter: str, values: dict[str, list[object]], image: str = "") -> pd.DataFrame:
    """What is known of the photos of a run that left one out because a review said so."""
    image = image or f"training/{letter}.jpg"
    mended = applied({"a": 0, "b": 1}, [])
    problems = pd.DataFrame({"image": [image, "training/z.jpg"], "kind": ["excluded", "truncated"], "detail": ""})
    return with_excluded(mended.samples, problems, {image: sha256(letter)}, values, CLASS_NAMES)


@pytest.mark.parametrize(
    ("values", "image", "expected"),
    [
        ({"c.jpg": [2]}, "training/c.jpg", 2),
        ({"c.jpg": ["cat"]}, "training/c.jpg", None),
        ({}, "training/c.jpg", None),
        ({}, "somebody/c.jpg", 2),
    ],
)
def test_a_photo_that_a_run_left_out_has_the_label_of_the_dataset(
    values: dict[str, list[object]], image: str, expected: int | None
) -> None:
    table = run_that_left_out("c", values, image)
    assert table["image"].tolist() == ["training/a.jpg", "training/b.jpg", image]
    label = table["original_label"].iloc[-1]
    assert (None if label is pd.NA else label) == expected


def test_a_photo_that_a_run_left_out_is_left_out_of_the_corrected_labels_too() -> None:
    values: dict[str, list[object]] = {"a.jpg": [0], "b.jpg": [1], "c.jpg": [2]}
    table = run_that_left_out("c", values)
    still = apply_reviews(table, current_decisions([review("c", EXCLUDE)]), CLASS_NAMES)
    assert (still.counts["excluded"], "c.jpg" in corrected_labels(values, still)) == (1, False)
    undone = apply_reviews(table, {}, CLASS_NAMES)
    assert json.loads(corrected_labels(values, undone)) == {"a.jpg": 0, "b.jpg": 1, "c.jpg": 2}


def test_a_photo_whose_label_is_not_known_can_be_given_one() -> None:
    table = run_that_left_out("c", {})
    values: dict[str, list[object]] = {"c.jpg": ["?"]}
    mended = apply_reviews(table, current_decisions([review("c", RELABEL, 1)]), CLASS_NAMES)
    assert (mended.samples["label"].iloc[-1], mended.counts["relabelled"]) == (1, 1)
    assert json.loads(corrected_labels(values, mended)) == {"c.jpg": 1}
    assert corrections(mended, CLASS_NAMES).to_numpy().tolist() == [["training/c.jpg", "", "everybody"]]
    assert not np.any(mended.is_excluded)
