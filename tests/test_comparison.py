import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn import metrics

from core.comparison import (
    CHANGES,
    Comparison,
    PairedFigure,
    accuracy_difference,
    changes_per_class,
    compare,
    config_differences,
    differing_options,
    mcnemar,
    mcnemar_exact,
    paired_figures,
    replaced_images,
    with_groups,
)
from core.errors import UserError
from core.evaluation import predictions_table
from core.intervals import paired_interval

# Photo -> true label, class predicted with probability 0.8
Photos = dict[str, tuple[int, int]]


def predictions(photos: Photos, trained_on: tuple[str, ...] = (), n_classes: int = 3) -> pd.DataFrame:
    labels = np.array([true for true, _ in photos.values()], dtype=int)
    probabilities = np.full((len(photos), n_classes), 0.2 / (n_classes - 1))
    for row, (_, predicted) in enumerate(photos.values()):
        probabilities[row, predicted] = 0.8
    splits = ["train" if image in trained_on else "val" for image in photos]
    return predictions_table(list(photos), splits, labels, probabilities)


def random_predictions(n: int, seed: int, n_classes: int = 3) -> pd.DataFrame:
    """The same photos and labels for every seed, other predictions; four of five are right."""
    random = np.random.default_rng(seed)
    labels = np.random.default_rng(99).integers(0, n_classes, size=n)
    logits = random.normal(size=(n, n_classes))
    logits[np.arange(n), labels] += 1.5
    probabilities = np.exp(2 * logits) / np.exp(2 * logits).sum(axis=1, keepdims=True)
    return predictions_table([f"{i}.jpg" for i in range(n)], ["val"] * n, labels, probabilities)


BEFORE = predictions({"a": (0, 0), "b": (0, 1), "c": (1, 1), "d": (2, 1), "e": (2, 0)})
AFTER = predictions({"e": (2, 1), "d": (2, 2), "c": (1, 0), "b": (0, 0), "a": (0, 0)})


def figure(comparison: Comparison, name: str, n_classes: int = 3) -> PairedFigure:
    (found,) = (figure for figure in paired_figures(comparison, n_classes) if figure.name == name)
    return found


# --- photo by photo --------------------------------------------------------------------------------------------------


def test_every_photo_held_out_in_both_has_a_change() -> None:
    comparison = compare(BEFORE, AFTER)
    assert comparison.photos[["image", "change"]].to_numpy().tolist() == [
        ["e", "still_wrong"],
        ["d", "fixed"],
        ["c", "broken"],
        ["b", "fixed"],
        ["a", "still_right"],
    ]
    assert comparison.counts == {"fixed": 2, "broken": 1, "still_wrong": 1, "still_right": 1}
    assert tuple(comparison.counts) == CHANGES
    assert comparison.n_images == 5


def test_a_photo_comes_with_what_both_runs_said_of_it() -> None:
    (row,) = compare(predictions({"c": (1, 1)}), predictions({"c": (1, 0)})).photos.to_dict("records")
    assert row == {
        "image": "c",
        "true_label": 1,
        "predicted_before": 1,
        "predicted_after": 0,
        "confidence_before": 0.8,
        "confidence_after": 0.8,
        "loss_before": pytest.approx(-math.log(0.8)),
        "loss_after": pytest.approx(-math.log(0.1)),
        "change": "broken",
    }


def test_photos_that_one_run_was_trained_on_or_did_not_have_do_not_count() -> None:
    before = predictions({"a": (0, 0), "b": (0, 0), "gone": (1, 1), "c": (1, 1)}, trained_on=("b",))
    after = predictions({"a": (0, 0), "b": (0, 0), "new": (1, 1), "newer": (1, 1), "c": (1, 1)}, trained_on=("c",))
    comparison = compare(before, after)
    assert comparison.photos["image"].tolist() == ["a"]
    assert (comparison.n_only_before, comparison.n_only_after) == (2, 3)  # gone, c; b, new, newer


def test_of_a_relabelled_photo_the_later_label_counts_for_both_runs() -> None:
    comparison = compare(predictions({"a": (0, 1), "b": (2, 2)}), predictions({"a": (1, 1), "b": (2, 2)}))
    assert comparison.n_relabelled == 1
    assert comparison.photos["true_label"].tolist() == [1, 2]
    assert comparison.photos["change"].tolist() == ["still_right", "still_right"]
    assert comparison.photos["loss_before"].tolist() == pytest.approx([-math.log(0.8)] * 2)


def test_both_runs_can_be_judged_by_other_labels() -> None:
    before, after = predictions({"a": (0, 1), "b": (2, 2)}), predictions({"a": (1, 1), "b": (2, 2)})
    comparison = compare(before, after, pd.Series({"a": 0, "gone": 1}))
    assert (comparison.n_relabelled, comparison.n_relabelled_after) == (0, 1)
    assert comparison.photos["true_label"].tolist() == [0, 2]
    assert comparison.photos["change"].tolist() == ["still_wrong", "still_right"]
    assert comparison.photos["loss_after"].tolist() == pytest.approx([-math.log(0.1), -math.log(0.8)])


def test_the_predictions_stay_as_they_are() -> None:
    before, after = predictions({"a": (0, 1)}), predictions({"a": (1, 1)})
    copies = before.copy(), after.copy()
    compare(before, after)
    pd.testing.assert_frame_equal(before, copies[0])
    pd.testing.assert_frame_equal(after, copies[1])


@pytest.mark.parametrize("before", [{}, {"b": (0, 0)}], ids=["no photo", "another photo"])
def test_runs_without_a_common_photo_have_nothing_to_compare(before: Photos) -> None:
    comparison = compare(predictions(before), predictions({"a": (0, 0)}))
    assert comparison.n_images == 0
    assert comparison.counts == dict.fromkeys(CHANGES, 0)
    assert accuracy_difference(comparison) is None
    assert paired_figures(comparison, 3) == []
    assert changes_per_class(comparison, "xyz")["n_images"].tolist() == [0, 0, 0]


def test_photos_that_share_their_name_only_are_told_by_their_content() -> None:
    before = pd.DataFrame({"image": ["a.jpg", "b.jpg", "gone.jpg"], "sha256": ["1", "2", "3"]})
    after = pd.DataFrame({"image": ["new.jpg", "b.jpg", "a.jpg"], "sha256": ["3", "9", "1"]})
    assert replaced_images(before, after) == ["b.jpg"]
    assert replaced_images(before, before) == []


def test_runs_of_other_classes_cannot_be_compared() -> None:
    with pytest.raises(UserError, match="two runs with the same classes; found 2 and 3 of them"):
        compare(predictions({"a": (0, 0)}, n_classes=2), predictions({"a": (0, 0)}))


def test_changes_are_counted_by_true_class() -> None:
    table = changes_per_class(compare(BEFORE, AFTER), ("cat", "dog", "bird", "fish"))
    assert table.to_dict("list") == {
        "label": [0, 1, 2, 3],
        "class_name": ["cat", "dog", "bird", "fish"],
        "fixed": [1, 0, 1, 0],
        "broken": [0, 1, 0, 0],
        "still_wrong": [0, 0, 1, 0],
        "still_right": [1, 0, 0, 0],
        "n_images": [2, 1, 2, 0],
    }


# --- figures ---------------------------------------------------------------------------------------------------------


def test_accuracies_differ_by_the_photos_fixed_and_broken() -> None:
    found = figure(compare(BEFORE, AFTER), "accuracy")
    assert (found.before, found.after, found.difference) == pytest.approx((0.4, 0.6, 0.2))
    assert found.interval == paired_interval(5, gained=2, lost=1)
    assert accuracy_difference(compare(BEFORE, AFTER)) == found


def test_the_figures_are_those_of_the_photos_held_out_in_both() -> None:
    before, after = random_predictions(400, seed=1), random_predictions(300, seed=2)
    comparison, shared = compare(before, after), before.iloc[:300]
    for name, of in (("before", shared), ("after", after)):
        true, predicted = of["true_label"], of["predicted_label"]
        probabilities = of[["prob_0", "prob_1", "prob_2"]].to_numpy()
        expected = {
            "accuracy": metrics.accuracy_score(true, predicted),
            "macro_f1": metrics.f1_score(true, predicted, average="macro"),
            "log_loss": metrics.log_loss(true, probabilities),
        }
        assert {f.name: getattr(f, name) for f in paired_figures(comparison, 3)} == pytest.approx(expected)


def test_differences_are_later_minus_earlier_and_within_their_intervals() -> None:
    for found in paired_figures(compare(random_predictions(300, seed=1), random_predictions(300, seed=2)), 3):
        low, high = found.interval
        assert found.difference == pytest.approx(found.after - found.before)
        assert low < found.difference < high


def test_a_run_does_not_differ_from_itself() -> None:
    table = random_predictions(100, seed=1)
    figures = {found.name: found for found in paired_figures(compare(table, table), 3)}
    assert [found.difference for found in figures.values()] == [0, 0, 0]
    assert figures["macro_f1"].interval == figures["log_loss"].interval == (0, 0)


def test_a_class_that_is_neither_there_nor_predicted_counts_with_an_f1_of_zero() -> None:
    comparison = compare(predictions({"a": (0, 0), "b": (1, 0)}), predictions({"a": (0, 0), "b": (1, 1)}))
    found = figure(comparison, "macro_f1")
    assert (found.before, found.after) == pytest.approx(((2 / 3 + 0 + 0) / 3, (1 + 1 + 0) / 3))


@pytest.mark.parametrize("name", ["macro_f1", "log_loss"])
def test_the_intervals_are_those_of_drawing_photos_with_replacement(name: str) -> None:
    comparison = compare(random_predictions(400, seed=1), random_predictions(400, seed=2))
    random = np.random.default_rng(5)
    differences = []
    for _ in range(1000):
        drawn = comparison.photos.iloc[random.integers(0, 400, size=400)]
        if name == "log_loss":
            differences.append((drawn["loss_after"] - drawn["loss_before"]).mean())
        else:
            true, was, now = (drawn[c].to_numpy() for c in ("true_label", "predicted_before", "predicted_after"))
            differences.append(macro_f1(true, now) - macro_f1(true, was))
    low, high = figure(comparison, name).interval
    assert (low, high) == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])), abs=0.1 * (high - low))


def macro_f1(true: np.ndarray, predicted: np.ndarray) -> float:
    """Of three classes, photo by photo: the long way round."""
    f1 = [
        2 * ((true == label) & (predicted == label)).sum() / ((true == label).sum() + (predicted == label).sum())
        for label in range(3)
    ]
    return float(np.mean(f1))


def test_chance_plays_no_part_in_the_figures() -> None:
    comparison = compare(random_predictions(200, seed=1), random_predictions(200, seed=2))
    assert paired_figures(comparison, 3) == paired_figures(replace(comparison), 3)


def test_the_log_loss_of_a_hand_made_case() -> None:
    # From probability 0.1 to 0.8 on one photo, none on the two others: -log 8, 0, 0; Student's factor is 4.3027.
    before = predictions({"a": (0, 1), "b": (1, 1), "c": (2, 2)})
    found = figure(compare(before, predictions({"a": (0, 0), "b": (1, 1), "c": (2, 2)})), "log_loss")
    half = 4.3027 * math.log(8) / 3
    assert found.difference == pytest.approx(-math.log(2))
    assert found.interval == pytest.approx((-math.log(2) - half, -math.log(2) + half), abs=1e-3)


def test_of_one_photo_nothing_is_known_about_the_log_loss() -> None:
    comparison = compare(predictions({"a": (0, 1)}), predictions({"a": (0, 0)}))
    assert figure(comparison, "log_loss").interval == (-math.inf, math.inf)
    low, high = figure(comparison, "accuracy").interval
    assert low < 0 < high


def test_hundred_thousand_photos_are_compared_whole() -> None:
    comparison = compare(random_predictions(100_000, seed=1), random_predictions(100_000, seed=2))
    assert sum(comparison.counts.values()) == 100_000
    for found in paired_figures(comparison, 3):
        low, high = found.interval
        assert 0 < high - low < 0.02


# --- groups ----------------------------------------------------------------------------------------------------------


def grouped(comparison: Comparison, groups: list[str]) -> Comparison:
    return with_groups(comparison, pd.DataFrame({"image": comparison.photos["image"], "group": groups}))


def copied(table: pd.DataFrame, times: int) -> pd.DataFrame:
    """Every photo several times, under other names."""
    copies = [table.assign(image=table["image"] + f"-{copy}") for copy in range(times)]
    return pd.concat(copies, ignore_index=True)


def test_groups_of_one_photo_each_change_no_figure() -> None:
    comparison = compare(random_predictions(100, seed=1), random_predictions(100, seed=2))
    assert paired_figures(grouped(comparison, [f"{n}" for n in range(100)]), 3) == paired_figures(comparison, 3)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "log_loss"])
def test_copies_are_no_more_evidence_of_a_difference(name: str) -> None:
    before, after = random_predictions(150, seed=1), random_predictions(150, seed=2)
    alone = figure(compare(before, after), name)
    copies = compare(copied(before, 4), copied(after, 4))
    together = figure(grouped(copies, copies.photos["image"].str.split("-").str[0].tolist()), name)
    width = alone.interval[1] - alone.interval[0]
    assert together.difference == pytest.approx(alone.difference)
    assert together.interval == pytest.approx(alone.interval, abs=0.05 * width)


def test_the_interval_of_the_macro_f1_is_that_of_drawing_groups() -> None:
    comparison, random = compare(random_predictions(200, seed=1), random_predictions(200, seed=2)), np.random
    groups = random.default_rng(3).integers(0, 70, size=200)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    rng, differences = random.default_rng(4), []
    true, was, now = (
        comparison.photos[column].to_numpy() for column in ("true_label", "predicted_before", "predicted_after")
    )
    for _ in range(800):
        rows = np.concatenate([members[group] for group in rng.integers(0, len(members), len(members))])
        differences.append(macro_f1(true[rows], now[rows]) - macro_f1(true[rows], was[rows]))
    low, high = figure(grouped(comparison, groups.astype(str).tolist()), "macro_f1").interval
    assert (low, high) == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])), abs=0.1 * (high - low))


def test_a_photo_without_a_group_is_one_of_its_own() -> None:
    comparison = compare(BEFORE, AFTER)
    found = with_groups(comparison, pd.DataFrame({"image": ["a", "b"], "group": ["same", "same"]}))
    assert found.photos["group"].tolist() == ["e", "d", "c", "same", "same"]


# --- McNemar's test --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_fixed", "n_broken", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 2 / 2**5), (0, 5, 2 / 2**5), (3, 3, 1.0), (8, 2, 2 * (1 + 10 + 45) / 2**10)],
)
def test_the_p_value_of_hand_made_cases(n_fixed: int, n_broken: int, p: float) -> None:
    assert mcnemar_exact(n_fixed, n_broken) == pytest.approx(p)


@pytest.mark.parametrize(("n_fixed", "n_broken"), [(4, 5), (12, 30), (130, 90), (5100, 4900)])
def test_the_p_value_is_the_binomial_tests(n_fixed: int, n_broken: int) -> None:
    expected = binomtest(n_fixed, n_fixed + n_broken, 0.5).pvalue
    assert mcnemar_exact(n_fixed, n_broken) == pytest.approx(expected, rel=1e-9)


def test_photos_of_a_group_are_no_evidence_of_their_own() -> None:
    images = [f"{n}" for n in range(300)]
    before, after = (
        pd.DataFrame({"image": images, "split": "val", "true_label": 0, "predicted_label": said, "loss": 1.0})
        for said in ([1] * 9 + [0] * 291, [0] * 300)
    )
    fixed = compare(before.assign(confidence=0.9), after.assign(confidence=0.9))
    groups = pd.DataFrame({"image": images, "group": [f"{n // 3}" for n in range(300)]})
    assert mcnemar(fixed) == pytest.approx(2 / 2**9)
    assert mcnemar(with_groups(fixed, groups)) == pytest.approx(2 / 2**3)


# --- options ---------------------------------------------------------------------------------------------------------


def test_where_a_run_was_put_is_no_difference() -> None:
    assert differing_options([{"runs_dir": "/a", "name": "old"}, {"runs_dir": "/b", "name": "new"}]) == {}


def test_only_the_options_that_differ_are_listed() -> None:
    table = config_differences(
        {
            "old": {"name": "old", "quiet": True, "head": "gap", "epochs": 100, "class_names": None},
            "new": {"name": "new", "quiet": False, "head": "gap", "epochs": 20, "class_names": ["cat", "dog"]},
        }
    )
    assert table.index.tolist() == ["epochs", "class_names"]
    assert table.index.name == "option"
    assert table.to_dict("list") == {"old": ["100", "default"], "new": ["20", "cat, dog"]}


def test_any_number_of_runs_can_be_held_together() -> None:
    table = config_differences({"a": {"dropout": 0.5, "seed": 0}, "b": {"dropout": 0.5}, "option": {"dropout": 0.2}})
    assert table.index.tolist() == ["dropout", "seed"]
    assert table.to_numpy().tolist() == [["0.5", "0.5", "0.2"], ["0", "not recorded", "not recorded"]]
    assert list(table.columns) == ["a", "b", "option"]


@pytest.mark.parametrize("configs", [{}, {"a": {"head": "gap"}}, {"a": {"head": "gap"}, "b": {"head": "gap"}}])
def test_runs_that_are_configured_alike_differ_in_nothing(configs: dict[str, dict[str, object]]) -> None:
    table = config_differences(configs)
    assert table.empty
    assert list(table.columns) == list(configs)
