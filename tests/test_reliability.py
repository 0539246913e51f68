import numpy as np
import pytest

from core import reliability
from core.intervals import wilson_interval
from core.reliability import at_threshold, bin_of, confidence_histogram, coverage_curve, is_within, reliability_bins

NAN = float("nan")


def random_outcomes(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    confidence = random.beta(4, 1, size=n)
    return confidence, random.random(n) < confidence


# --- which bin a photo is in -----------------------------------------------------------------------------------------


def test_a_bin_holds_its_lower_end_and_the_last_one_its_upper_end_too() -> None:
    assert bin_of([0.0, 0.05, 0.1, 0.19, 0.9, 1.0], 10).tolist() == [0, 0, 1, 1, 9, 9]


def test_a_missing_confidence_is_in_no_bin() -> None:
    assert bin_of([0.5, NAN], 2).tolist() == [1, -1]


@pytest.mark.parametrize("n_bins", [1, 7, 10, 15, 20, 100])
def test_an_edge_belongs_to_the_bin_above_it_to_the_last_bit(n_bins: int) -> None:
    edges = reliability.bin_edges(n_bins)
    assert bin_of(edges, n_bins).tolist() == [*range(n_bins), n_bins - 1]
    assert bin_of(np.nextafter(edges[1:-1], 0), n_bins).tolist() == list(range(n_bins - 1))


@pytest.mark.parametrize("n_bins", [10, 20])
def test_edges_are_the_numbers_that_a_person_would_write(n_bins: int) -> None:
    assert reliability.bin_edges(n_bins).tolist() == [float(f"{edge / n_bins:.2f}") for edge in range(n_bins + 1)]


def test_a_range_holds_its_lower_end_and_its_upper_end_only_where_that_is_one() -> None:
    assert is_within([0.1, 0.2, 0.3, NAN], 0.1, 0.3).tolist() == [True, True, False, False]
    assert is_within([0.9, 1.0, NAN], 0.9, 1.0).tolist() == [True, True, False]


@pytest.mark.parametrize("n_bins", [10, 15, 20])
def test_the_range_of_a_bin_selects_exactly_the_photos_that_it_counts(n_bins: int) -> None:
    confidence = np.concatenate([random_outcomes(500)[0], np.arange(101) / 100, [NAN]])
    table = reliability_bins(confidence, np.zeros(len(confidence), bool), n_bins)
    selected = [is_within(confidence, low, high).sum() for low, high in zip(table["low"], table["high"], strict=True)]
    assert table["n_images"].tolist() == selected
    assert sum(selected) == 601


# --- the reliability diagram -----------------------------------------------------------------------------------------


def test_each_bin_tells_how_sure_and_how_right_its_photos_are() -> None:
    table = reliability_bins([0.5, 0.6, 0.7, 1.0], [True, False, True, True], n_bins=4)
    assert table["low"].tolist() == [0, 0.25, 0.5, 0.75]
    assert table["high"].tolist() == [0.25, 0.5, 0.75, 1]
    assert table["n_images"].tolist() == [0, 0, 3, 1]
    assert table["mean_confidence"].tolist() == pytest.approx([NAN, NAN, 0.6, 1.0], nan_ok=True)
    assert table["accuracy"].tolist() == pytest.approx([NAN, NAN, 2 / 3, 1.0], nan_ok=True)
    (low, high), (low_of_one, high_of_one) = wilson_interval(2, 3), wilson_interval(1, 1)
    assert table["accuracy_low"].tolist() == pytest.approx([NAN, NAN, low, low_of_one], nan_ok=True)
    assert table["accuracy_high"].tolist() == pytest.approx([NAN, NAN, high, high_of_one], nan_ok=True)


def test_without_photos_every_bin_is_empty() -> None:
    table = reliability_bins([], [])
    assert len(table) == 10
    assert table["n_images"].sum() == 0
    assert table[["mean_confidence", "accuracy", "accuracy_low", "accuracy_high"]].isna().all(axis=None)


def test_photos_that_could_not_be_read_do_not_count() -> None:
    table = reliability_bins([NAN, 0.95], [False, True])
    assert table["n_images"].sum() == 1
    assert table["accuracy"].iloc[-1] == 1


def test_the_histogram_counts_right_and_wrong_photos_apart() -> None:
    table = confidence_histogram([0.1, 0.6, 0.6, 0.7, 1.0, NAN], [False, True, False, True, True, False], n_bins=2)
    assert table.to_dict("list") == {"low": [0, 0.5], "high": [0.5, 1], "n_right": [0, 3], "n_wrong": [1, 1]}


def test_without_photos_the_histogram_is_flat() -> None:
    table = confidence_histogram([], [])
    assert len(table) == 20
    assert table["n_right"].sum() == table["n_wrong"].sum() == 0


# --- coverage against accuracy ---------------------------------------------------------------------------------------


def test_the_more_is_left_out_the_fewer_photos_are_answered() -> None:
    curve = coverage_curve([0.9, 0.4, 0.6, 0.6], [True, False, True, False])
    assert curve["threshold"].tolist() == [0, 0.4, 0.6, 0.9, 1]
    assert curve["n_images"].tolist() == [4, 4, 3, 1, 0]
    assert curve["coverage"].tolist() == [1, 1, 0.75, 0.25, 0]
    assert curve["accuracy"].tolist() == pytest.approx([0.5, 0.5, 2 / 3, 1, NAN], nan_ok=True)
    assert (curve["accuracy_low"].iloc[2], curve["accuracy_high"].iloc[2]) == pytest.approx(wilson_interval(2, 3))
    assert curve[["accuracy_low", "accuracy_high"]].iloc[-1].isna().all()


@pytest.mark.parametrize(("is_right", "accuracy"), [(True, 1.0), (False, 0.0)])
def test_where_all_are_alike_the_accuracy_is_that_at_every_threshold(is_right: bool, accuracy: float) -> None:
    curve = coverage_curve([0.5, 0.7, 1.0], [is_right] * 3)
    assert curve["accuracy"].tolist() == [accuracy] * len(curve)


def test_the_curve_of_one_photo_has_its_ends() -> None:
    curve = coverage_curve([0.8], [True])
    assert curve[["threshold", "coverage"]].to_numpy().tolist() == [[0, 1], [0.8, 1], [1, 0]]


def test_without_photos_nothing_is_covered() -> None:
    curve = coverage_curve([], [])
    assert curve[["threshold", "coverage", "n_images"]].to_numpy().tolist() == [[0, 0, 0], [1, 0, 0]]
    assert curve["accuracy"].isna().all()


def test_photos_that_could_not_be_read_are_never_answered() -> None:
    curve = coverage_curve([NAN, 0.8], [False, True])
    assert curve["coverage"].tolist() == [0.5, 0.5, 0]
    assert curve["accuracy"].tolist() == pytest.approx([1, 1, NAN], nan_ok=True)


def test_a_curve_of_many_photos_has_few_points_at_even_steps_of_coverage() -> None:
    confidence, is_right = random_outcomes(100_000)
    curve = coverage_curve(confidence, is_right)
    assert len(curve) <= 200
    assert curve["coverage"].iloc[[0, -1]].tolist() == [1, 0]
    assert -curve["coverage"].diff().min() < 0.006
    row = curve.iloc[100]
    is_answered = confidence >= row["threshold"]
    assert row["n_images"] == is_answered.sum()
    assert row["accuracy"] == is_right[is_answered].mean()


def test_one_threshold_gives_the_point_of_the_curve_there() -> None:
    confidence, is_right = [0.9, 0.4, 0.6, 0.6], [True, False, True, False]
    found = at_threshold(confidence, is_right, 0.5)
    assert (found.threshold, found.coverage, found.n_images) == (0.5, 0.75, 3)
    assert (found.accuracy, found.accuracy_low, found.accuracy_high) == pytest.approx((2 / 3, *wilson_interval(2, 3)))
    curve = coverage_curve(confidence, is_right)
    assert vars(at_threshold(confidence, is_right, 0.6)) == curve.iloc[2].to_dict()
