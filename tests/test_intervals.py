import numpy as np
import pytest

from core.evaluation import class_scores
from core.intervals import (
    design_effect,
    f1_interval,
    paired_interval,
    percentile_interval,
    resampled_sums,
    share_interval,
    unpaired_intervals,
    wilson_interval,
    wilson_intervals,
)

# --- shares ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_agrees_with_known_values(successes: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson_interval(0, 0) == (0, 1)


def test_many_intervals_are_those_of_each() -> None:
    low, high = wilson_intervals([0, 5, 81, 0], [10, 10, 263, 0])
    each = [wilson_interval(successes, n) for successes, n in ((0, 10), (5, 10), (81, 263), (0, 0))]
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == each


# --- F1 --------------------------------------------------------------------------------------------------------------


def test_the_interval_of_f1_is_wilsons_carried_over() -> None:
    # 5 hits among the 8 + 7 - 5 = 10 photos of the class or predicted to be: Wilson's is 0.2366 to 0.7634.
    low, high = f1_interval(hits=5, support=8, predicted=7)
    assert (low, high) == pytest.approx((2 * 0.2366 / 1.2366, 2 * 0.7634 / 1.7634), abs=1e-4)


def test_of_a_class_that_is_neither_there_nor_predicted_nothing_is_known() -> None:
    assert f1_interval(hits=0, support=0, predicted=0) == (0, 1)


def test_the_interval_of_a_perfect_f1_ends_at_one_and_of_a_useless_one_begins_at_zero() -> None:
    low, high = f1_interval(hits=20, support=20, predicted=20)
    assert 0.9 < low < high == pytest.approx(1)
    assert f1_interval(hits=0, support=10, predicted=10)[0] == 0


def test_the_interval_of_f1_holds_the_true_one_in_about_95_of_100_samples() -> None:
    matrix = np.array([[70, 30], [20, 180]])
    f1 = class_scores(matrix).f1[0]
    held = []
    for sample in np.random.default_rng(0).multinomial(120, matrix.ravel() / matrix.sum(), size=2000).reshape(-1, 2, 2):
        low, high = f1_interval(int(sample[0, 0]), int(sample[0].sum()), int(sample[:, 0].sum()))
        held.append(low <= f1 <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


# --- differences of shares of the same photos ------------------------------------------------------------------------


def test_the_interval_of_many_pairs_is_walds() -> None:
    # 0.01 with a standard error of sqrt(700 - 100**2 / 10000) / 10000.
    half = 1.96 * np.sqrt(700 - 1) / 10_000
    assert paired_interval(10_000, gained=400, lost=300) == pytest.approx((0.01 - half, 0.01 + half), abs=2e-5)


def test_the_interval_of_few_pairs_leaves_room_for_doubt() -> None:
    low, high = paired_interval(1, gained=1, lost=0)
    assert low < 0 < high <= 1


def test_the_other_way_round_the_interval_is_mirrored() -> None:
    low, high = paired_interval(5, gained=3, lost=1)
    assert paired_interval(5, gained=1, lost=3) == pytest.approx((-high, -low))


# --- photos in groups ------------------------------------------------------------------------------------------------


def test_photos_on_their_own_have_no_design_effect() -> None:
    assert design_effect([1, 0, 0, 1], [3, 1, 2, 0]) == 1
    assert share_interval([True, False, False, True], [3, 1, 2, 0]) == wilson_interval(2, 4)


def test_copies_count_once() -> None:
    hits, groups = np.repeat([1, 0, 1, 1, 0, 1] * 5, 4), np.repeat(np.arange(30), 4)
    assert design_effect(hits, groups) == pytest.approx(4, rel=0.05)
    assert share_interval(hits, groups) == pytest.approx(wilson_interval(20, 30), abs=0.01)


def test_groups_whose_photos_are_not_alike_tell_as_much_as_photos_on_their_own() -> None:
    random = np.random.default_rng(0)
    assert design_effect(random.integers(0, 2, 6000), np.arange(6000) // 3) == pytest.approx(1, abs=0.06)
    assert design_effect([0, 1] * 50, np.arange(100) // 2) == 1, "never below"


def test_where_all_is_right_a_group_counts_as_one_photo() -> None:
    assert share_interval([True] * 30, np.arange(30) // 3) == pytest.approx(wilson_interval(10, 10))
    assert share_interval([True] * 30, [7] * 30) == pytest.approx(wilson_interval(1, 1))


def test_without_photos_nothing_is_known_of_a_share() -> None:
    assert share_interval([], []) == (0, 1)


def test_the_interval_of_photos_in_groups_holds_the_true_share_in_about_95_of_100_samples() -> None:
    random, groups, held = np.random.default_rng(0), np.repeat(np.arange(60), 3), []
    for _ in range(500):
        # Two of three photos are like the first of their group.
        firsts = np.repeat(random.random(60) < 0.7, 3)
        hits = np.where(random.random(180) < 0.67, firsts, random.random(180) < 0.7)
        low, high = share_interval(hits, groups)
        held.append(low <= 0.7 <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.025)


def test_groups_are_drawn_whole_and_the_same_way_each_time() -> None:
    values, groups = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]]), ["a", "a", "b"]
    draws = resampled_sums(values, groups)
    assert draws.shape == (2000, 2)
    assert {tuple(row) for row in draws} == {(6, 60), (7, 70), (8, 80)}
    assert (draws[:, 0] == 7).mean() == pytest.approx(0.5, abs=0.03)
    assert np.array_equal(draws, resampled_sums(values, groups))


def test_draws_of_a_mean_spread_as_its_standard_error_says() -> None:
    values = np.random.default_rng(0).normal(size=(400, 1))
    low, high = percentile_interval(resampled_sums(values, np.arange(400))[:, 0] / 400)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.06)


# --- differences of different photos ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hits", "n", "other_hits", "other_n", "low", "high"),
    [
        # R. G. Newcombe, "Interval estimation for the difference between independent proportions", 1998, table II,
        # method 10.
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (10, 10, 0, 20, 0.6791, 1.0),
        (0, 10, 0, 20, -0.1611, 0.2775),
    ],
)
def test_the_interval_of_an_unpaired_difference_agrees_with_known_values(
    hits: int, n: int, other_hits: int, other_n: int, low: float, high: float
) -> None:
    found = unpaired_intervals(hits, n, other_hits, other_n)
    assert found == pytest.approx((low, high), abs=5e-5)


def test_a_difference_from_nothing_can_be_anything_that_the_share_allows() -> None:
    low, high = unpaired_intervals(10, 10, 0, 0)
    assert low < 0 and high == 1


@pytest.mark.parametrize("n", [31 / effect for effect in (1.0, 1.0333333, 1.1, 1.7, 3.3)])
def test_the_interval_of_all_or_none_of_an_effective_number_ends_at_them(n: float) -> None:
    assert wilson_interval(n, n)[1] == 1
    assert wilson_interval(0, n)[0] == 0
