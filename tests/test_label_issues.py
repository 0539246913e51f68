import numpy as np
import pandas as pd
import pytest

from core.evaluation import predictions_table
from core.label_issues import find_label_issues
from core.runs import LABEL_ISSUE_COLUMNS


def predictions(labels: list[int], probabilities: list[list[float]], splits: list[str] | None = None) -> pd.DataFrame:
    images = [f"{row}.jpg" for row in range(len(labels))]
    table = np.array(probabilities, dtype=float).reshape(len(labels), -1)
    return predictions_table(images, splits or ["val"] * len(labels), np.array(labels, dtype=int), table)


def sure_of(label: int, by: float = 0.9) -> list[float]:
    return [by if each == label else (1 - by) / 2 for each in range(3)]


def flipped(n: int = 300, every: int = 20) -> tuple[pd.DataFrame, list[str]]:
    """Predictions of a good network, and the photos that were given another label than the true one."""
    random = np.random.default_rng(0)
    labels = np.arange(n) % 3
    logits = random.normal(size=(n, 3))
    logits[np.arange(n), labels] += 3
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels[::every] = (labels[::every] + 1) % 3
    table = predictions(labels.tolist(), probabilities.tolist())
    return table, table["image"][::every].tolist()


def test_labels_that_were_flipped_come_first() -> None:
    table, wrong = flipped()
    issues = find_label_issues(table, 3)
    assert len(set(issues["image"][: len(wrong)]) & set(wrong)) >= 0.7 * len(wrong)
    assert set(wrong) <= set(issues["image"][:75]), "the top quarter"
    assert issues["is_issue"].sum() == pytest.approx(len(wrong), abs=15)


def test_a_photo_comes_with_what_is_suggested_and_how_sure_the_network_is_of_its_label() -> None:
    labels = [0, 1, 2] * 10 + [0]
    table = predictions(labels, [sure_of(label) for label in labels[:-1]] + [sure_of(2)])
    issues = find_label_issues(table, 3)
    assert tuple(issues.columns) == LABEL_ISSUE_COLUMNS
    assert issues.iloc[0].to_dict() == {
        "image": "30.jpg",
        "label": 0,
        "suggested_label": 2,
        "self_confidence": pytest.approx(0.05),
        "is_issue": True,
    }
    assert issues["is_issue"].sum() == 1
    assert (issues["suggested_label"] == issues["label"])[1:].all()


def test_only_what_the_network_did_not_learn_from_is_ranked() -> None:
    labels, splits = [0, 1, 2, 0], ["train", "val", "train", "val"]
    issues = find_label_issues(predictions(labels, [sure_of(1)] * 4, splits), 3)
    assert sorted(issues["image"]) == ["1.jpg", "3.jpg"]


def test_suspected_ones_come_before_the_others_each_by_self_confidence() -> None:
    issues = find_label_issues(flipped()[0], 3)
    assert issues["is_issue"].tolist() == sorted(issues["is_issue"], reverse=True)
    for _, part in issues.groupby("is_issue"):
        assert part["self_confidence"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        ([], []),
        ([1], [sure_of(0)]),
        ([1, 1, 1], [sure_of(0), sure_of(1), sure_of(2)]),
        ([0, 1], [sure_of(1), sure_of(0)]),
        ([0, 1] * 4, [[0.0, 0.0, 1.0]] * 8),
        ([0, 1, 2] * 3, [[1 / 3] * 3] * 9),
        ([0, 1, 2] * 3, np.eye(3)[[1, 2, 0] * 3].tolist()),
        ([2, 2, 0], [sure_of(1)] * 3),
    ],
    ids=["none", "one", "one class", "two", "no chance for the labels", "nothing known", "all wrong", "absent class"],
)
def test_few_photos_absent_classes_and_empty_probabilities_are_ranked_without_a_word(
    labels: list[int], probabilities: list[list[float]]
) -> None:
    table = predictions(labels, probabilities) if labels else flipped()[0].iloc[:0]
    issues = find_label_issues(table, 3)
    assert len(issues) == len(labels)
    assert (issues["suggested_label"] != issues["label"])[issues["is_issue"]].all()


def test_a_class_that_no_photo_carries_can_be_suggested() -> None:
    labels = [0, 1] * 10
    table = predictions(labels, [sure_of(label) for label in labels[:-1]] + [sure_of(2)])
    first = find_label_issues(table, 3).iloc[0]
    assert (first["image"], first["suggested_label"]) == ("19.jpg", 2)
